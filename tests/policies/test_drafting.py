"""Rules that a form states: the file they become, and what they say of a catalog."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample_catalog import TYPE, SampleCatalog, arn, write_sample_catalog
from stocktake.core.errors import UserError
from stocktake.policies.drafting import Draft, check_pack, draft_text, try_draft
from stocktake.policies.packs import own_packs
from stocktake.policies.rules import parse_pack
from stocktake.query.connection import open_reading
from stocktake.query.reach import Reach

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("drafts") / "catalog.duckdb")


def draft(**stated: object) -> Draft:
    return Draft(**({"id": "house-1", "title": "Ours", "type": TYPE, "required": "team"} | stated))  # type: ignore[arg-type] # by name


@given(title=TEXTS.filter(str.strip), why=TEXTS, search=TEXTS.filter(str.strip), when=TEXTS)
def test_whatever_is_typed_becomes_a_file_that_says_it(title: str, why: str, search: str, when: str) -> None:
    text = draft_text(draft(form="search", title=title, why=why, search=search, when=when))
    [rule] = tomllib.loads(text)["rule"]
    assert (rule["title"], rule["search"], rule.get("when", "")) == (title, search.strip(), when.strip())
    assert parse_pack("house-1", text, "here").rules[0].why == (why.strip() or "It was decided so.")


def test_tags_are_stated_as_rules_have_them() -> None:
    text = draft_text(draft(required="team, owner", allowed="env: prod, dev\n\ntier: 1\n"))
    [rule] = tomllib.loads(text)["rule"]
    assert rule["tags"] == {"required": ["team", "owner"], "allowed": {"env": ["prod", "dev"], "tier": ["1"]}}


def test_values_of_tests_are_what_they_are_meant_to_be() -> None:
    tests = (("a", "equals", "true"), ("b", "at_most", "443"), ("c", "equals", '"443"'), ("d", "in", "x, 2"),
             ("e", "exists", "ignored"), ("", "equals", "left out"))  # fmt: skip
    [rule] = tomllib.loads(draft_text(draft(form="require", tests=tests, any_of=True)))["rule"]
    assert rule["require"]["any"] == [
        {"attribute": "a", "operator": "equals", "value": True},
        {"attribute": "b", "operator": "at_most", "value": 443},
        {"attribute": "c", "operator": "equals", "value": "443"},
        {"attribute": "d", "operator": "in", "value": ["x", 2]},
        {"attribute": "e", "operator": "exists"},
    ]


@pytest.mark.parametrize(
    ("stated", "where"),
    [
        ({"id": ""}, "id"),
        ({"id": "../x"}, "id"),
        ({"title": " "}, "title"),
        ({"severity": "terrible"}, "severity"),
        ({"required": ""}, "tags"),
        ({"allowed": "env"}, "allowed"),
        ({"form": "require"}, "attribute"),
        ({"form": "search"}, "search"),
        ({"form": "magic"}, "form"),
    ],
)
def test_what_is_missing_is_named(stated: dict[str, object], where: str) -> None:
    with pytest.raises(UserError) as caught:
        draft_text(draft(**stated))
    assert caught.value.where == where
    assert caught.value.hint


def test_a_trial_says_what_the_rule_would_say(sample: SampleCatalog) -> None:
    with open_reading(sample.path) as catalog:
        trial = try_draft(catalog, draft(), own_packs(), NOW)
        assert trial.problem == ""
        assert trial.report is not None
        assert {one.resource for one in trial.report.findings if one.is_judged} == {arn("delta")}
        nothing = try_draft(catalog, draft(), own_packs(), NOW, reach=Reach(accounts=frozenset({"999999999999"})))
        assert nothing.report is None
        test = (("resource_config.volume_size_in_gb", "at_least", "50"),)
        sizes = try_draft(catalog, draft(form="require", tests=test), own_packs(), NOW)
        assert sizes.report is not None
        assert len(sizes.report.findings) == 3


def test_what_is_no_condition_of_the_type_is_told(sample: SampleCatalog) -> None:
    with open_reading(sample.path) as catalog:
        for stated in (
            {"form": "violates", "violates": "no_such_field > 1"},
            {"form": "require", "tests": (("no_such", "equals", "1"),)},
            {"form": "search", "search": "no_such_field:x"},
            {"type": "aws_no_such_type"},
            {"id": own_packs()[0].rules[0].id.lower(), "form": "violates", "violates": "1 1"},
        ):
            trial = try_draft(catalog, draft(**stated), own_packs(), NOW)
            assert trial.problem
            assert trial.report is None


def test_an_id_that_there_is_already_is_refused() -> None:
    taken = next(rule for pack in own_packs() for rule in pack.rules if rule.type == TYPE)
    with pytest.raises(UserError, match="already"):
        check_pack("house", draft_text(draft(id=taken.id)), own_packs(), NOW)
    kept = check_pack("house-1", draft_text(draft()), own_packs(), NOW)
    assert check_pack("house-1", draft_text(draft()), (*own_packs(), kept), NOW) == kept
