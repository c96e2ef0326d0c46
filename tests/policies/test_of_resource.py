"""One resource judged by itself: the same verdicts as when all are judged."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from fnmatch import translate

import pytest

from sample_catalog import ACCOUNT, TYPE, SampleCatalog, arn, write_sample_catalog
from stocktake.policies.exceptions import PolicyException
from stocktake.policies.judging import judge
from stocktake.policies.of_resource import judge_resource
from stocktake.policies.packs import own_packs, pick_rules
from stocktake.query.connection import open_reading
from stocktake.query.reach import Reach
from stocktake.query.resources import find_resource

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("verdicts") / "catalog.duckdb")


def excused(rule: str) -> PolicyException:
    forms = tuple(re.compile(translate(one)) for one in (rule, "*", "*", "*"))
    return PolicyException(rule, "*", "*", "*", "known", date(2027, 1, 1), "", forms)


@pytest.mark.parametrize("name", ["alpha", "beta", "delta"])
def test_a_resource_by_itself_is_judged_as_among_all(sample: SampleCatalog, name: str) -> None:
    packs = own_packs()
    with open_reading(sample.path) as catalog:
        report = judge(catalog, packs, pick_rules(packs, types=[TYPE]), NOW, with_not_judged=True)
        found = judge_resource(catalog, packs, find_resource(catalog, arn(name)), NOW)
    said = {one.rule.id: one.outcome for one in found}
    assert len(said) == len(found)
    of_it = [one for one in report.findings if one.resource == arn(name)]
    assert {one.rule.id for one in of_it if one.is_judged} == {rule for rule, word in said.items() if word == "failed"}
    unjudged = {one.rule.id for one in of_it if not one.is_judged} | set(report.cannot)
    assert unjudged == {rule for rule, word in said.items() if word == "not judged"}
    assert Counter(said.values())["passed"] > 10


def test_the_worst_comes_first_and_what_is_excepted_is_told_so(sample: SampleCatalog) -> None:
    with open_reading(sample.path) as catalog:
        resource = find_resource(catalog, arn("beta"))
        before = judge_resource(catalog, own_packs(), resource, NOW)
        failed = [one.rule for one in before if one.outcome == "failed"]
        assert [rule.rank for rule in failed] == sorted((rule.rank for rule in failed), reverse=True)
        after = judge_resource(catalog, own_packs(), resource, NOW, [excused(failed[0].id)])
    [excepted] = [one for one in after if one.outcome == "excepted"]
    assert excepted.rule.id == failed[0].id
    assert excepted.exception is not None


def test_out_of_reach_nothing_is_judged(sample: SampleCatalog) -> None:
    with open_reading(sample.path) as catalog:
        resource = find_resource(catalog, arn("beta"))
        assert judge_resource(catalog, own_packs(), resource, NOW, reach=Reach(types=("aws_s3_*",))) == []
        assert judge_resource(catalog, own_packs(), resource, NOW, reach=Reach(accounts=frozenset({ACCOUNT})))
