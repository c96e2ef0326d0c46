"""The view `jobs` over tables as the store makes them: every type's columns, and what follows from them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stocktake.insights.job_index import known_facets
from stocktake.insights.job_list import JobFilter, list_jobs
from stocktake.insights.job_view import COLUMNS
from stocktake.insights.names import ask
from stocktake.providers.aws.models import open_models
from stocktake.query.connection import open_reading
from stocktake.resource_types.registry import load_type
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.type_tables import ensure_tables

FACETS = known_facets()
SOME = sorted(FACETS) if os.environ.get("STOCKTAKE_TEST_ALL") else sorted(FACETS)[::8]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_tables(path: Path, *names: str) -> None:
    models = open_models(None)
    with open_catalog(path) as catalog:
        for name in names:
            ensure_tables(catalog, load_type(name, models), NOW)


def insert(path: Path, name: str, number: int, **columns: str) -> None:
    """Put a row into a type's table; values are SQL."""
    own = {"_id": f"'{name}/{number}'", "_region": "'eu-west-1'", "account_id": "'111122223333'",
           "_from": "TIMESTAMP '2026-01-01'", "_sweep": "1"}  # fmt: skip
    given = own | columns
    with open_catalog(path) as catalog:
        listed = ", ".join(f'"{column}"' for column in given)
        run(catalog.connection, f"INSERT INTO {name}_history ({listed}) VALUES ({', '.join(given.values())})")


def jobs(path: Path, sql: str = "SELECT * FROM jobs ORDER BY id") -> list[dict[str, Any]]:
    with open_reading(path) as catalog:
        result = ask(catalog, sql)
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows()]


def test_every_type_fits_the_view(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    make_tables(path, *SOME)
    for name in SOME:
        with open_catalog(path) as catalog:
            state = FACETS[name].state
            top, _, inner = state.partition(".")
            value = f"'{next(iter(FACETS[name].words))}'"
            for step in reversed(inner.split(".") if inner else []):
                value = f"{{'{step}': {value}}}"
            run(
                catalog.connection,
                f"INSERT INTO {name}_history BY NAME SELECT 'x' AS _id, 'eu-west-1' AS _region, '1' AS account_id, "
                f"TIMESTAMP '2026-01-01' AS _from, 1 AS _sweep, {value} AS \"{top}\"",
            )
    found = jobs(path)
    assert sorted(row["type"] for row in found) == SOME
    assert {row["type"]: row["state"] for row in found} == {
        name: next(iter(FACETS[name].words.values())) for name in SOME
    }
    with open_reading(path) as catalog:
        told = {column.name: column.type for column in ask(catalog, "SELECT * FROM jobs LIMIT 0").columns}
    assert told == COLUMNS


def test_times_as_numbers_and_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    make_tables(path, "aws_batch_job", "aws_drs_job")
    millis = 1_767_225_600_000
    insert(path, "aws_batch_job", 1, status="'RUNNING'", created_at=str(millis), started_at=str(millis + 90_500))
    insert(
        path, "aws_drs_job", 1, status="'COMPLETED'", creation_date_time="'2026-01-01T02:00:00+02:00'",
        end_date_time="'2026-01-01T01:00:00Z'",
    )  # fmt: skip
    batch, drs = jobs(path)
    midnight = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC
    assert (batch["created_at"], batch["queue_seconds"], batch["run_seconds"]) == (midnight, 90.5, None)
    assert (drs["created_at"], drs["ended_at"]) == (midnight, midnight.replace(hour=1))
    assert drs["run_seconds"] == 3600, "from creation, since the type has no start"


def test_a_word_that_is_newer_than_the_model(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    make_tables(path, "aws_glue_jobrun")
    for number, word in enumerate(["ABORTED", "Retry_Failed", "UNKNOWN", "BLUE", "SUCCEEDED"]):
        insert(path, "aws_glue_jobrun", number, job_run_state=f"'{word}'", error_message="'why'")
    found = jobs(path)
    assert [row["state"] for row in found] == ["cancelled", "failed", None, None, "succeeded"]
    assert [row["raw_state"] for row in found][:2] == ["ABORTED", "Retry_Failed"]
    assert [row["failure_reason"] for row in found] == ["why", "why", None, None, None]


def test_where_nothing_is_held_there_are_no_jobs(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    make_tables(path)
    assert jobs(path) == []
    make_tables(path, "aws_s3_bucket")
    assert jobs(path) == []
    for name in ("job_costs", "job_bills", "job_details", "lineage", "prices"):
        assert jobs(path, f"SELECT * FROM {name}") == []


def rows(catalog: Catalog, wanted: JobFilter, **options: Any) -> list[dict[str, Any]]:
    result = list_jobs(catalog, wanted, **options)
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows()]


def test_filters(catalog: Catalog, estate: Any) -> None:
    everything = rows(catalog, JobFilter())
    assert len(everything) > len(estate.truth)
    training = rows(catalog, JobFilter(types=("aws_sagemaker_trainingjob",)))
    assert len(training) == len(estate.truth)
    live = rows(catalog, JobFilter(types=("aws_sagemaker_trainingjob",), states=("running", "stopping")))
    assert len(live) == sum(job["status"] in {"InProgress", "Stopping"} for job in estate.truth)
    named = rows(catalog, JobFilter(name="CHURN"))
    assert named
    assert all("churn" in row["name"] for row in named)
    tagged = rows(catalog, JobFilter(team="vision", tags=(("env", "dev"), ("team", "vision"))))
    assert 0 < len(tagged) < len(rows(catalog, JobFilter(team="vision")))
    february = datetime(2026, 2, 1)  # noqa: DTZ001 - naive UTC
    assert {row["created_at"] >= february for row in rows(catalog, JobFilter(since=february))} == {True}
    account = rows(catalog, JobFilter(account_id="444455556666", region="us-east-1"))
    assert len(account) + len(rows(catalog, JobFilter(account_id="111122223333"))) == len(everything)
    assert rows(catalog, JobFilter(region="mars")) == []


def test_order_and_limit(catalog: Catalog) -> None:
    longest = rows(catalog, JobFilter(), order="run", limit=3)
    assert len(longest) == 3
    assert [row["run_seconds"] for row in longest] == sorted((row["run_seconds"] for row in longest), reverse=True)
    saved = rows(catalog, JobFilter(), order="savings", limit=1)
    assert saved[0]["savings_pct"] > 60


def test_the_bar_shows_every_phase_in_order(catalog: Catalog) -> None:
    interrupted = [row for row in rows(catalog, JobFilter()) if row["interruptions"]]
    assert interrupted
    for row in interrupted:
        assert row["phases"].count("!") >= row["interruptions"]
        assert set(row["phases"]) <= set("psdT!ux")
        assert row["phases"].index("T") < row["phases"].index("!")
