"""The rules that come along, as data: each binds to its type as derived, and says of its examples what it should."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from stocktake.policies.conditions import OPERATORS
from stocktake.policies.packs import own_packs, version_list
from stocktake.policies.rules import Rule
from stocktake.policies.trials import Trial, try_rules

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATES = [rule for pack in own_packs() if pack.name.startswith("aws-") for rule in pack.rules]


@pytest.fixture(scope="module")
def trials() -> dict[str, Trial]:
    return {one.rule.id: one for one in try_rules(own_packs(), TEMPLATES, NOW)}


def test_there_are_many_for_many_types() -> None:
    assert len(TEMPLATES) >= 40
    assert len({rule.type for rule in TEMPLATES}) >= 25


@pytest.mark.parametrize("rule", TEMPLATES, ids=lambda rule: rule.id)
def test_a_template_fails_what_is_bad_and_passes_what_is_good(trials: dict[str, Trial], rule: Rule) -> None:
    assert trials[rule.id].outcome == "ok"
    assert trials[rule.id].examples == 2


def test_ids_are_said_once_and_all_forms_are_used() -> None:
    rules = [rule for pack in own_packs() for rule in pack.rules]
    assert [name for name, count in Counter(rule.id for rule in rules).items() if count > 1] == []
    assert {rule.form for rule in rules} == {"violates", "search", "require", "tags", "versions"}
    tests = [one for rule in rules if rule.form == "require" for one in rule.condition]
    assert {one["operator"] for one in tests} <= set(OPERATORS)


@pytest.mark.parametrize("name", ["lambda_runtimes", "eks_versions", "rds_engines"])
def test_lists_of_versions_have_days(name: str) -> None:
    versions = version_list(name)
    assert len(versions) > 10
    assert sum(ends is None for _, ends in versions) <= 1
