"""`stocktake jobs`, `job`, `jobs compare`, `lineage` and `ask`, as a user runs them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stocktake.serve.cli.program import program
from stocktake.store.catalog import open_catalog, run

Run = Callable[..., Result]


@pytest.fixture
def call(estate: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("STOCKTAKE_CATALOG", str(estate.catalog))
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(program, list(arguments), prog_name="stocktake")

    return invoke


@pytest.fixture(scope="module")
def some(estate: Any) -> dict[str, Any]:
    """Jobs of the estate by what is special about them."""
    truth = estate.truth
    tuned: list[dict[str, Any]] = sorted(
        (job for job in truth if job["launcher"] == "tuning" and job["status"] == "Completed"),
        key=lambda one: one["name"],
    )
    return {
        "interrupted": max(truth, key=lambda job: job["interruptions"]),
        "failed": next(job for job in truth if job.get("failure") == "AlgorithmError"),
        "running": next(job for job in truth if job["status"] == "InProgress" and job["waited"]),
        "group": next(job for job in truth if len(job["instances"]) > 1 and job["billed"]),
        "pool": next(job for job in truth if job["kept"]),
        "tuned": tuned[:2],
    }


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_list_with_hours_and_cost(call: Run, estate: Any) -> None:
    rows = lines(call("jobs", "--sort", "cost", "--limit", "3", "--prices", str(estate.prices)))
    wanted = sorted((job["invented_usd"] for job in estate.truth), reverse=True)[:3]
    assert [row["cost"] for row in rows] == pytest.approx(wanted, abs=0.01)
    assert {row["currency"] for row in rows} == {"USD"}
    assert lines(call("jobs", "--limit", "1"))[0]["cost"] is None


def test_prices_from_the_setting(call: Run, estate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTAKE_PRICES", str(estate.prices))
    assert lines(call("jobs", "--sort", "cost", "--limit", "1"))[0]["cost"] > 0
    [row] = lines(call("query", "SELECT sum(cost) AS cost FROM job_costs"))
    assert row["cost"] == pytest.approx(sum(job["invented_usd"] for job in estate.truth))
    monkeypatch.setenv("STOCKTAKE_PRICES", "nowhere.csv")
    assert call("jobs").exit_code == 2


def test_filters_of_the_list(call: Run) -> None:
    everything = ("--limit", "0")
    failed = lines(call("jobs", "--state", "failed", "--state", "timed_out", *everything))
    assert {row["state"] for row in failed} == {"failed", "timed_out"}
    one = lines(call("jobs", "--tag", "env=dev", "--tag", "team=vision", "--since", "2026-02-20", *everything))
    assert one
    assert all(row["created_at"] >= "2026-02-20" for row in one)
    table = call("jobs", "--name", "churn", "-o", "table", "--limit", "2")
    assert table.output.splitlines()[0].startswith("state")
    assert "(2 rows" in table.output


def test_a_list_as_csv(call: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(call("jobs", "-o", "csv", "--limit", "4").stdout)))
    assert len(rows) == 4
    assert rows[0]["id"].startswith("arn:")


def test_one_job_on_a_page(call: Run, some: dict[str, Any], estate: Any) -> None:
    job = some["interrupted"]
    page = call("job", job["arn"], "-o", "table", "--prices", str(estate.prices))
    assert page.exit_code == 0, page.output
    text = page.output
    timeline = text.split("timeline")[1].split("facts")[0]
    rows = [line.split()[0] for line in timeline.splitlines() if "━" in line]
    assert rows.count("interrupted") == job["interruptions"]
    bars = [line.index("━") for line in timeline.splitlines() if "━" in line]
    assert bars == sorted(bars), "each begins where the one before it ended, or later"
    assert f"interruptions         {job['interruptions']}" in text
    assert f"{job['billed'] / 3600:.4f} instance-hours" in text
    assert f"{job['invented_usd']:.2f} USD" in text
    assert "spot savings" in text
    assert "READS_DATASET" in text
    assert "RUNS_AS" in text


def test_one_job_as_json(call: Run, some: dict[str, Any]) -> None:
    job = some["pool"]
    told = json.loads(call("job", job["name"], "--account", job["account_id"], "-o", "json").stdout)
    assert told["id"] == job["arn"]
    assert {bill["what"] for bill in told["bills"]} == {"training", "warm pool"}
    assert sum(bill["instance_seconds"] for bill in told["bills"]) == job["billed"] + job["kept"]
    assert told["cost"] is None
    assert {edge["flow"] for edge in told["lineage"]} == {"upstream", "downstream", "context"}
    spent: dict[str, float] = {}
    for phase in told["derived"]["phases"]:
        spent[phase["phase"]] = spent.get(phase["phase"], 0) + phase["seconds"]
    assert spent == pytest.approx(job["seconds"])


def test_a_failed_and_a_running_job(call: Run, some: dict[str, Any]) -> None:
    failed = call("job", some["failed"]["arn"], "-o", "table").output
    assert "failed  (Failed)" in failed
    assert "AlgorithmError" in failed
    assert "give prices: --prices" in failed
    running = call("job", some["running"]["arn"], "-o", "table").output
    assert "running  (InProgress" in running
    assert "▶" in running
    assert "still" in running


def test_a_job_of_a_type_without_derived_columns(call: Run) -> None:
    name = lines(call("jobs", "--type", "aws_sagemaker_hyperparametertuningjob", "--limit", "1"))[0]["id"]
    page = call("job", name, "-o", "table")
    assert page.exit_code == 0, page.output
    assert "aws_sagemaker_hyperparametertuningjob" in page.output
    assert "running" in page.output.split("timeline")[1]
    assert "CHILD_OF" in page.output, "the jobs that it started"


def test_what_is_no_job(call: Run, estate: Any) -> None:
    with open_catalog(estate.catalog, read_only=True) as catalog:
        [(role,)] = run(catalog.connection, "SELECT arn FROM aws_iam_role LIMIT 1")
    refused = call("job", role)
    assert refused.exit_code == 2
    assert "not_a_job" in refused.output
    assert call("job", "nobody").exit_code == 2


def test_two_jobs_side_by_side(call: Run, some: dict[str, Any], estate: Any) -> None:
    left, right = some["tuned"]
    rows = lines(call("jobs", "compare", left["arn"], right["arn"], "--prices", str(estate.prices)))
    told = {(row["part"], row["what"]): row for row in rows}
    assert (told["job", "name"]["left"], told["job", "name"]["right"]) == (left["name"], right["name"])
    training = told["time", "training_seconds"]
    assert training["difference"] == pytest.approx(right["seconds"]["training"] - left["seconds"]["training"])
    assert float(told["cost", "USD"]["left"]) == pytest.approx(left["invented_usd"], abs=0.01)
    parts = {row["part"] for row in rows}
    assert {"job", "outcome", "metric", "time", "cost", "configuration"} <= parts
    assert all(row["left"] != row["right"] for row in rows if row["part"] in {"hyperparameter", "configuration"})
    whole = lines(call("jobs", "compare", left["arn"], right["arn"], "--all"))
    assert len(whole) > len(rows)
    table = call("jobs", "compare", left["arn"], left["arn"], "-o", "table").output
    assert "hyperparameter" not in table, "a job does not differ from itself"


def test_lineage_as_a_tree_and_as_rows(call: Run, estate: Any) -> None:
    with open_catalog(estate.catalog, read_only=True) as catalog:
        [(model,)] = run(catalog.connection, "SELECT _id FROM aws_sagemaker_model ORDER BY 1 LIMIT 1")
    tree = call("lineage", model, "-o", "table").output
    assert "what went into it" in tree
    assert "PRODUCED_MODEL" in tree
    assert "READS_DATASET" in tree
    rows = lines(call("lineage", model, "--direction", "upstream", "--depth", "2"))
    assert {row["direction"] for row in rows} == {"upstream"}
    assert {row["depth"] for row in rows} == {1, 2}
    assert rows[0]["from_id"] == model
    data = next(row["id"] for row in rows if row["edge"] == "READS_DATASET")
    back = lines(call("lineage", f"{data}/", "--direction", "downstream", "--limit", "500"))
    assert model in {row["id"] for row in back}
    assert "there are more" in call("lineage", data, "--limit", "1", "-o", "table").output


def test_questions_are_listed_and_answered(call: Run) -> None:
    listed = lines(call("ask", "--list"))
    assert len(listed) >= 50
    assert lines(call("ask")) == listed
    assert {row["team"] for row in lines(call("ask", "spot_savings", "--param", "team=vision"))} == {"vision"}
    assert "SELECT" in call("ask", "spot_savings", "--sql").output
    assert "savings_pct" in call("ask", "spot_savings", "-o", "table").output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ask", "nothing_at_all"), "unknown_question"),
        (("ask", "spot_savings", "--param", "team"), "bad_parameter"),
        (("jobs", "--tag", "team"), "bad_tag"),
        (("jobs", "--type", "aws_batch_job"), "type_not_held"),
        (("jobs", "--state", "done"), "usage"),
        (("jobs", "--prices", "nowhere.csv"), "prices_unreadable"),
    ],
)
def test_what_cannot_be_served(call: Run, arguments: tuple[str, ...], code: str) -> None:
    result = call(*arguments, "-o", "json")
    assert result.exit_code == 2
    assert json.loads(result.output)["code"] == code
