"""Changes as they are asked for: since when, of what, in which field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample_catalog import REGION, TYPE, SampleCatalog, arn
from stocktake.core.errors import UserError
from stocktake.query.change_terms import parse_terms, read_search
from stocktake.query.changes import ChangeRecord, Changes, count_changes, read_changes
from stocktake.query.errors import SqlError
from stocktake.store.catalog import Catalog, run


def found(catalog: Catalog, search: str = "", **options: object) -> list[tuple[str, str]]:
    since = datetime.now(UTC) - timedelta(days=1)
    changes = read_changes(catalog, since, search=search, **options)  # type: ignore[arg-type] # a test's shorthand
    return sorted((record.change, record.id.rpartition("/")[2]) for record in changes.records)


def test_what_the_second_sweep_saw(catalog: Catalog, sample: SampleCatalog) -> None:
    changes = read_changes(catalog, sample.first - timedelta(minutes=1))
    by_change = {record.change: record for record in changes.records}
    assert sorted(by_change) == ["created", "deleted", "updated"]
    updated = by_change["updated"]
    assert (updated.id, updated.type, updated.region, updated.sweep_id) == (arn("alpha"), TYPE, REGION, 2)
    edits = {edit.path: (edit.before, edit.after) for edit in updated.edits}
    assert edits["training_job_status"] == ("InProgress", "Completed")
    assert edits["training_end_time"] == (None, "2026-01-02T05:00:00Z")
    assert edits["_unknown"] == (None, {"NewField": 1})
    assert updated.looked_before == sample.first.replace(tzinfo=None)
    assert (changes.first_seen, changes.untold_sweeps, changes.more) == (3, 0, False)


def test_times_bound_what_is_told(catalog: Catalog, sample: SampleCatalog) -> None:
    second, little = sample.second, timedelta(seconds=1)
    assert len(read_changes(catalog, second - little).records) == 3
    assert read_changes(catalog, second + little) == Changes((), more=False, first_seen=0, untold_sweeps=0)
    assert read_changes(catalog, sample.first + little, second - little).records == ()


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", ["alpha", "delta", "gamma"]),
        ("ALPH", ["alpha"]),
        ("alph -gamma", ["alpha"]),
        ("-alpha", ["delta", "gamma"]),
        ("-changed:tags", ["delta", "gamma"]),
        ("changed:tags", ["alpha"]),
        ("changed:training*", ["alpha"]),
        ("changed:training", []),
        ("changed:resource_config", []),
        ("after:Completed", ["alpha"]),
        ("before:InProgress after:complete*", ["alpha"]),
        ("before:env:dev", ["alpha"]),
        ("change:deleted", ["gamma"]),
        ("-change:deleted type:aws_sage*", ["alpha", "delta"]),
        ('id:"*alpha"', ["alpha"]),
        (f"region:{REGION} account:111122223333 sweep:2", ["alpha", "delta", "gamma"]),
        ("region:eu", []),
        ("100%", []),
        ("al_ha", []),
        ("al?ha", ["alpha"]),
    ],
)
def test_searches(catalog: Catalog, search: str, expected: list[str]) -> None:
    assert [name for _, name in sorted(found(catalog, search), key=lambda pair: pair[1])] == expected


def test_options_narrow(catalog: Catalog) -> None:
    assert found(catalog, kinds=["created"]) == [("created", "delta")]
    assert found(catalog, types=["aws_iam_role"]) == []
    assert len(found(catalog, limit=2)) == 2
    assert read_changes(catalog, datetime.now(UTC) - timedelta(days=1), limit=2).more


def test_a_quote_that_is_not_closed_is_pointed_at() -> None:
    with pytest.raises(SqlError) as caught:
        read_search('alpha "open')
    assert caught.value.where == "column 7"
    assert caught.value.excerpt == 'alpha "open\n      ^^^^^'


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("team:vision", ["alpha", "gamma"]),
        ("env:prod", ["alpha"]),
        ("env:dev change:deleted", ["gamma"]),
        ("-team:*", ["delta"]),
        ("training_job_status:Completed changed:tags", ["alpha"]),
        ("team:vision delta", []),
    ],
)
def test_words_about_the_resources(catalog: Catalog, search: str, expected: list[str]) -> None:
    assert [name for _, name in sorted(found(catalog, search), key=lambda pair: pair[1])] == expected


def test_a_key_that_nothing_has_is_noted(catalog: Catalog) -> None:
    changes = read_changes(catalog, datetime.now(UTC) - timedelta(days=1), search="teem:vision")
    assert changes.records == ()
    assert "teem" in changes.notes[0]


@settings(deadline=None)  # under load a first answer takes longer
@given(st.text(st.sampled_from('ab:-"\\*?% _()'), max_size=24) | st.text(max_size=12))
def test_any_search_is_answered_or_pointed_at(catalog: Catalog, search: str) -> None:
    try:
        list(parse_terms(search))
        found(catalog, search)
    except UserError as error:
        assert bool(error.where)  # noqa: PT017 - both outcomes are fine; only other exceptions are not


def test_asking_reads_the_log_alone(catalog: Catalog) -> None:
    """It costs what changed: no table of a type is looked at."""
    plan = run(catalog.connection, "EXPLAIN FROM changes WHERE changed_at >= TIMESTAMP '2026-01-01'")
    assert "change_log" in plan[0][1]
    assert "_history" not in plan[0][1]
    assert isinstance(read_changes(catalog, datetime(2026, 1, 1, tzinfo=UTC)).records[0], ChangeRecord)


def test_pages_follow_each_other(catalog: Catalog) -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    whole = read_changes(catalog, since).records
    pages = [read_changes(catalog, since, limit=1, offset=number) for number in range(len(whole) + 1)]
    assert tuple(one.records[0] for one in pages[:-1]) == whole
    assert [one.more for one in pages] == [True] * (len(whole) - 1) + [False, False]


def test_counts_are_those_of_what_is_listed(catalog: Catalog) -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    listed = read_changes(catalog, since).records
    counted = count_changes(catalog, since)
    assert sum(one.count for one in counted) == len(listed)
    assert {(one.sweep_id, one.change, one.type) for one in counted} == {
        (one.sweep_id, one.change, one.type) for one in listed
    }
    [created] = count_changes(catalog, since, search="delta", kinds=["created"])
    assert created.count == 1
