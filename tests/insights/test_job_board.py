"""The board of all jobs, against what really happened in the simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulated_estate import ACCOUNT, JOB, SimulatedEstate, simulate
from stocktake.core.errors import UserError
from stocktake.insights.job_board import Board, BoardFilter, read_board
from stocktake.insights.job_report import read_job
from stocktake.insights.metric_runs import read_metric_runs
from stocktake.insights.prices import read_prices
from stocktake.query.connection import open_reading
from stocktake.query.reach import Reach
from stocktake.query.resources import find_resource

LATER = datetime(2030, 1, 1, tzinfo=UTC)
ALL_DAYS = 100_000


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedEstate]:
    with simulate(tmp_path_factory.mktemp("board"), 120) as made:
        yield made


def board(estate: SimulatedEstate, now: datetime = LATER, reach: Reach | None = None, **wanted: Any) -> Board:
    with open_reading(estate.catalog) as catalog:
        chosen = BoardFilter(**({"days": ALL_DAYS} | wanted))
        return read_board(catalog, chosen, now, read_prices(estate.prices), reach=reach or Reach())


def test_all_jobs_are_counted_by_state(simulated: SimulatedEstate) -> None:
    words = {"Completed": "succeeded", "Failed": "failed", "InProgress": "running", "Stopping": "stopping"}
    told = {row["state"]: row["jobs"] for row in board(simulated).parts["states"]}
    true = Counter(words.get(job["status"], "stopped") for job in simulated.truth)
    assert told.get("cancelled", 0) + told.get("timed_out", 0) == true.pop("stopped", 0)
    assert {state: told[state] for state in true} == true


def test_what_runs_comes_by_the_moment_that_ends_it(simulated: SimulatedEstate) -> None:
    parts = board(simulated).parts
    live = {job["arn"] for job in simulated.truth if job["status"] in {"InProgress", "Stopping"}}
    assert live
    assert {row["id"] for part in ("running", "queue") for row in parts[part]} == live
    ends = [row["ends_by"] for row in parts["running"] if row["ends_by"]]
    assert ends == sorted(ends)
    assert not {row["id"] for row in parts["queue"]} & {row["id"] for row in parts["running"]}


def test_money_is_what_was_spent_and_what_was_lost(simulated: SimulatedEstate) -> None:
    told = board(simulated)
    truth = simulated.truth
    assert told.currency == "USD"
    spent = sum(job["invented_usd"] or 0 for job in truth)
    assert sum(row["cost"] or 0 for row in told.parts["teams"]) == pytest.approx(spent)
    lost = sum(job["invented_usd"] or 0 for job in truth if job["status"] in {"Failed", "Stopped"})
    assert sum(row["lost_cost"] or 0 for row in told.parts["teams"]) == pytest.approx(lost)


def test_savings_are_what_spot_did_not_bill(simulated: SimulatedEstate) -> None:
    told = board(simulated).parts["savings"]
    assert told
    assert all(0 < row["percent"] < 100 for row in told)
    assert all(row["saved_cost"] is None or row["saved_cost"] > 0 for row in told)
    assert sum(row["jobs"] for row in told) == sum((job["saved_percent"] or 0) > 0 for job in simulated.truth)


def test_failures_add_up(simulated: SimulatedEstate) -> None:
    parts = board(simulated).parts
    bad = sum(row["jobs"] for row in parts["states"] if row["state"] in {"failed", "timed_out", "partial"})
    assert sum(row["jobs"] for row in parts["failures"]) == bad > 0
    assert sum(row["failed"] for row in parts["days"]) == bad


def test_a_catalog_of_the_past_is_told_of_as_it_was(simulated: SimulatedEstate) -> None:
    past = board(simulated)
    assert not past.is_live
    assert past.moment < LATER.replace(tzinfo=None)
    soon = past.moment.replace(tzinfo=UTC) + timedelta(minutes=5)
    assert board(simulated, soon).is_live
    assert board(simulated, soon).moment == soon.replace(tzinfo=None)


def test_few_days_leave_out_what_ended_before_but_nothing_that_runs(simulated: SimulatedEstate) -> None:
    whole, few = board(simulated), board(simulated, days=1)
    assert few.parts["running"] == whole.parts["running"]
    assert sum(row["jobs"] for row in few.parts["teams"]) < sum(row["jobs"] for row in whole.parts["teams"])


def test_filters_and_reach_leave_out_the_rest(simulated: SimulatedEstate) -> None:
    team = next(row["team"] for row in board(simulated).parts["teams"] if row["team"])
    assert {row["team"] for row in board(simulated, team=team).parts["teams"]} == {team}
    assert board(simulated, account_id="999999999999").parts["teams"] == []
    nothing = board(simulated, reach=Reach(accounts=frozenset({"999999999999"})))
    assert nothing.parts["states"] == nothing.parts["running"] == []
    within, whole = board(simulated, reach=Reach(accounts=frozenset({ACCOUNT}))), board(simulated)
    assert [within.parts[name] for name in ("states", "running")] == [
        whole.parts[name] for name in ("states", "running")
    ]
    assert board(simulated, reach=Reach(types=("aws_s3_*",))).types == ()


def test_runs_of_a_like_are_those_that_write_to_the_same_place(simulated: SimulatedEstate) -> None:
    with open_reading(simulated.catalog) as catalog:
        found = 0
        for job in [one for one in simulated.truth if one["status"] == "Completed" and one["launcher"] == "direct"][:8]:
            report = read_job(catalog, find_resource(catalog, job["arn"]), with_edges=False)
            runs = read_metric_runs(catalog, report)
            assert [run.ended_at for run in runs] == sorted(run.ended_at for run in runs)
            if report.metrics:
                [own] = [run for run in runs if run.id == job["arn"]]
                assert own.metrics == report.metrics
                found += 1
            assert read_metric_runs(catalog, report, reach=Reach(accounts=frozenset({"999999999999"}))) == []
        assert found


def test_a_type_that_is_not_held_is_an_error(simulated: SimulatedEstate) -> None:
    with pytest.raises(UserError, match="aws_codebuild_build"):
        board(simulated, types=("aws_codebuild_build",))
    assert board(simulated, types=(JOB,)).types == (JOB,)
