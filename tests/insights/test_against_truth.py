"""What is derived from the API's answers, against what really happened in the simulation, for every job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulated_estate import SimulatedEstate, simulate
from stocktake.insights.names import ask
from stocktake.insights.prices import read_prices
from stocktake.query.connection import open_reading

VIEW = "aws_sagemaker_trainingjob_insights"
PHASES = ("pending", "starting", "downloading", "training", "interrupted", "uploading", "stopping")


@pytest.fixture(scope="module")
def hard_lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedEstate]:
    with simulate(tmp_path_factory.mktemp("truth"), 40) as made:
        yield made


@pytest.fixture(scope="module")
def truth(estate: Any, hard_lives: SimulatedEstate) -> list[dict[str, Any]]:
    """What is true of the estate of the documentation, and of a few jobs that nothing spares."""
    told: list[dict[str, Any]] = estate.truth
    return told + hard_lives.truth


@pytest.fixture(scope="module")
def derived(estate: Any, hard_lives: SimulatedEstate) -> dict[str, dict[str, Any]]:
    return derive(estate) | derive(hard_lives)


def derive(estate: Any) -> dict[str, dict[str, Any]]:
    prices = read_prices(estate.prices)
    with open_reading(estate.catalog) as catalog:
        result = ask(
            catalog,
            f"SELECT i.*, c.cost, j.state, j.queue_seconds AS facet_queue, j.run_seconds FROM {VIEW} AS i "
            "LEFT JOIN job_costs AS c ON c.id = i._id JOIN jobs AS j ON j.id = i._id",
            prices=prices,
        )
        names = [column.name for column in result.columns]
        return {row[names.index("_id")]: dict(zip(names, row, strict=True)) for row in result.rows()}


def test_the_estate_has_what_is_to_be_understood(truth: list[dict[str, Any]]) -> None:
    assert len(truth) >= 2_000
    assert sum(job["interruptions"] > 0 for job in truth) >= 50
    assert sum(job["interruptions"] > 1 for job in truth) >= 3
    assert sum(job["retries"] > 0 for job in truth) >= 10
    assert any(job["retries"] and job["interruptions"] for job in truth)
    assert sum(job["kept"] is not None for job in truth) >= 200
    assert sum(len(job["instances"]) > 1 for job in truth) >= 30
    assert sum(job["status"] == "InProgress" for job in truth) >= 10
    assert {job["launcher"] for job in truth} == {"direct", "pipeline", "tuning", "automl"}


def test_every_job_is_there_once(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    assert sorted(derived) == sorted(job["arn"] for job in truth)


def test_seconds_of_every_phase(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    for job in truth:
        row = derived[job["arn"]]
        found = {phase: row[f"{phase}_seconds"] for phase in PHASES if row[f"{phase}_seconds"]}
        assert found == pytest.approx({phase: s for phase, s in job["seconds"].items() if s}, abs=1e-6), job


def test_interruptions_and_retries(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    wanted = {job["arn"]: (job["interruptions"], job["retries"]) for job in truth}
    assert {arn: (row["interruptions"], row["retries"]) for arn, row in derived.items()} == wanted


def test_bills(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    wanted = {job["arn"]: (job["billed"], job["kept"]) for job in truth}
    found = {arn: (row["billed_instance_seconds"], row["warm_pool_instance_seconds"]) for arn, row in derived.items()}
    assert found == wanted
    for job in truth:
        assert derived[job["arn"]]["spot_savings_pct"] == pytest.approx(job["saved_percent"], abs=1e-9), job


def test_costs_at_the_invented_prices(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    for job in truth:
        assert (derived[job["arn"]]["cost"] or 0) == pytest.approx(job["invented_usd"], abs=1e-9), job
    total = sum(row["cost"] or 0 for row in derived.values())
    assert total == pytest.approx(sum(job["invented_usd"] for job in truth))
    assert total > 0


def test_waits_failures_and_launchers(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    for job in truth:
        row = derived[job["arn"]]
        assert row["queue_seconds"] == pytest.approx(job["waited"], abs=0.0011), job
        assert row["facet_queue"] == row["queue_seconds"]
        assert (row["failed_phase"], row["failure_class"]) == (job.get("failed_in"), job.get("failure")), job
        assert row["launcher"] == job["launcher"], job


def test_states_of_the_facet(truth: list[dict[str, Any]], derived: dict[str, dict[str, Any]]) -> None:
    words = {"InProgress": "running", "Completed": "succeeded", "Failed": "failed", "Stopping": "stopping"}
    late = {"MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
    for job in truth:
        row = derived[job["arn"]]
        stopped = "timed_out" if row["secondary_status"] in late else "cancelled"
        assert row["state"] == words.get(job["status"], stopped), job
    assert {"timed_out", "cancelled"} <= {row["state"] for row in derived.values()}


def test_warm_pools_go_where_they_went(estate: Any) -> None:
    with open_reading(estate.catalog) as catalog:
        sql = "SELECT source_id, target_id FROM lineage WHERE edge = 'WARM_POOL_PASSED_TO'"
        found = {source: target.rpartition("/")[2] for source, target in ask(catalog, sql).rows()}
    assert found == {job["arn"]: job["chain"] for job in estate.truth if job["chain"]}
    assert len(found) > 100
