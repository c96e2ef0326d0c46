"""What was read of each scope and at what cost, and the sweeps that did."""

from __future__ import annotations

from pathlib import Path

from sample_catalog import ACCOUNT, REGION, TYPE, SampleCatalog
from stocktake.query.connection import open_reading
from stocktake.query.coverage import CoverageFilter, read_coverage, read_missing_actions, read_sweeps
from stocktake.query.reach import Reach
from stocktake.store.catalog import Catalog, open_catalog

NOTHING = (Reach(accounts=frozenset()), Reach(accounts=frozenset({"999988887777"})), Reach(types=("aws_ec2_*",)))


def test_scopes_that_ask_for_attention_come_first(catalog: Catalog) -> None:
    page = read_coverage(catalog)
    assert [(one.region, one.status, one.calls, one.stale) for one in page.scopes] == [
        ("eu-west-1", "denied", 1, True),
        (REGION, "complete", 5, False),
    ]
    assert (page.total, page.statuses, page.stale) == (2, {"denied": 1, "complete": 1}, 1)
    assert (page.accounts, page.regions) == ((ACCOUNT,), ("eu-west-1", REGION))


def test_filters_narrow_the_list_and_a_status_leaves_the_counts_of_the_others(catalog: Catalog) -> None:
    page = read_coverage(catalog, CoverageFilter(statuses=("denied",)))
    assert [one.region for one in page.scopes] == ["eu-west-1"]
    assert (page.total, page.statuses) == (1, {"denied": 1, "complete": 1})
    page = read_coverage(catalog, CoverageFilter(region=REGION, account=ACCOUNT, type="TrainingJob"))
    assert (page.total, page.statuses) == (1, {"complete": 1})
    assert read_coverage(catalog, CoverageFilter(type="bucket")).total == 0
    assert [one.region for one in read_coverage(catalog, CoverageFilter(stale=True)).scopes] == ["eu-west-1"]


def test_pages_join_to_the_whole(catalog: Catalog) -> None:
    whole = read_coverage(catalog).scopes
    parts = [read_coverage(catalog, first=first, most=1) for first in range(3)]
    assert tuple(scope for part in parts for scope in part.scopes) == whole
    assert {part.total for part in parts} == {2}


def test_missing_actions_name_what_they_concern(catalog: Catalog) -> None:
    [missing] = read_missing_actions(catalog)
    assert (missing.action, missing.scopes) == ("sagemaker:ListTrainingJobs", 1)
    assert (missing.accounts, missing.regions, missing.types) == ((ACCOUNT,), ("eu-west-1",), (TYPE,))


def test_sweeps_say_what_they_came_to(catalog: Catalog, sample: SampleCatalog) -> None:
    second, first = read_sweeps(catalog)
    assert (second.sweep_id, second.status, second.scopes, second.gaps, second.calls) == (2, "gaps", 2, 1, 6)
    assert (second.new, second.changed, second.deleted, second.read) == (1, 1, 1, 2)
    assert second.started_at == sample.second.replace(tzinfo=None)
    assert (first.sweep_id, first.status, first.gaps, first.calls) == (1, "complete", 0, 7)
    assert read_sweeps(catalog, before=2) == (first,)
    assert read_sweeps(catalog, most=1) == (second,)


def test_out_of_reach_is_like_nothing(catalog: Catalog) -> None:
    for reach in NOTHING:
        page = read_coverage(catalog, reach=reach)
        assert (page.scopes, page.total, page.statuses, page.accounts, page.stale) == ((), 0, {}, (), 0)
        assert read_missing_actions(catalog, reach=reach) == ()
        assert read_sweeps(catalog, reach=reach) == ()
    within = Reach(accounts=frozenset({ACCOUNT}), types=("aws_sagemaker_*",))
    assert read_coverage(catalog, reach=within) == read_coverage(catalog)
    assert read_sweeps(catalog, reach=within) == read_sweeps(catalog)


def test_an_empty_catalog(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    open_catalog(path).close()
    with open_reading(path) as empty:
        assert read_coverage(empty).total == 0
        assert read_missing_actions(empty) == ()
        assert read_sweeps(empty) == ()
