"""`stocktake changes` and `stocktake diff` in every form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sample_catalog import arn, write_sample_catalog
from stocktake.serve.cli.program import program


@pytest.fixture
def own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the program on a catalog that the test may change."""
    monkeypatch.setenv("STOCKTAKE_CATALOG", str(write_sample_catalog(tmp_path / "catalog.duckdb").path))
    return lambda *arguments: CliRunner().invoke(program, list(arguments), prog_name="stocktake")


def test_changes_for_people(run: Any) -> None:
    result = run("changes", "-o", "table")
    assert result.exit_code == 0, result.output
    assert f"updated  {arn('alpha')}" in result.stdout
    assert "training_job_status InProgress → Completed" in result.stdout
    assert "tags[] - env:dev" in result.stdout
    assert "\x1b" not in result.stdout
    assert "(3 changes)" in result.stdout
    assert "difference between two looks" in result.stdout
    assert "3 resources were found by the first look" in result.stdout


def test_changes_for_programs(run: Any) -> None:
    result = run("changes", "changed:tags")
    [line] = result.stdout.splitlines()
    document = json.loads(line)
    assert (document["change"], document["id"]) == ("updated", arn("alpha"))
    assert {"path": "tags[]", "before": "env:dev", "after": None} in document["edits"]
    assert "difference between two looks" in result.stderr
    assert json.loads(run("changes", "-o", "json", "--change", "deleted").stdout)[0]["id"] == arn("gamma")
    assert json.loads(run("changes", "-o", "json", "--since", "1s").stdout) == []


def test_changes_as_csv_have_a_row_for_each_field(run: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(run("changes", "-o", "csv").stdout)))
    assert {row["change"] for row in rows} == {"created", "updated", "deleted"}
    [status] = [row for row in rows if row["path"] == "training_job_status"]
    assert (status["before"], status["after"]) == ("InProgress", "Completed")
    assert [row["path"] for row in rows if row["change"] == "deleted"] == [""]


def test_a_search_that_is_not_closed_is_pointed_at(run: Any) -> None:
    result = run("changes", '"vision')
    assert result.exit_code == 2
    assert "^^^^" in result.stderr
    assert "no tag and no field is called so" in run("changes", "teem:vision").stderr


def test_diff_for_people(run: Any) -> None:
    result = run("diff", "alpha", "-o", "table")
    assert result.exit_code == 0, result.output
    assert "training_job_status" in result.stdout
    assert "differ" in result.stdout
    assert run("diff", "gamma", "-o", "table").stdout.count(": deleted") == 1


def test_diff_for_programs(run: Any) -> None:
    document = json.loads(run("diff", "alpha", "--from", "2h", "--to", "now").stdout)
    assert document["id"] == arn("alpha")
    assert document["versions_between"] == 1
    assert document["from"]["present"]
    assert {"path": "training_job_status", "before": "InProgress", "after": "Completed"} in document["edits"]
    rows = list(csv.DictReader(io.StringIO(run("diff", "alpha", "-o", "csv").stdout)))
    assert {"path": "training_job_status", "before": "InProgress", "after": "Completed"} in rows


def test_diff_of_moments_that_make_no_sense(run: Any) -> None:
    result = run("diff", "alpha", "--from", "1h", "--to", "2h")
    assert result.exit_code == 2
    assert "--from is the older moment" in result.stderr


def test_prune_says_what_goes_and_does_it(own_run: Any) -> None:
    dry = json.loads(own_run("prune", "--keep", "2h", "--dry-run", "-o", "json").stdout)
    [job] = dry["types"]
    assert (job["type"], job["versions"], job["forgotten"]) == ("aws_sagemaker_trainingjob", 0, 0)
    shown = own_run("prune", "--keep", "30m", "--compact", "-o", "table")
    assert shown.exit_code == 0, shown.output
    assert "aws_sagemaker_trainingjob" in shown.stdout
    assert "gone" in shown.stdout
    assert "before" in shown.stdout.splitlines()[-1]
    late = own_run("query", "SELECT count(*) AS n FROM aws_sagemaker_trainingjob", "--as-of", "2h ago")
    assert json.loads(late.stdout) == {"n": 1}
    assert "was pruned up to" in late.stderr
    assert own_run("show", "gamma").exit_code == 2
    assert json.loads(own_run("changes").stdout or "[]") == []


def test_prune_by_type(own_run: Any) -> None:
    found = json.loads(own_run("prune", "--keep", "1s", "--keep", "aws_sage*=2h", "--dry-run", "-o", "json").stdout)
    assert found["types"][0]["versions"] == 0
    assert json.loads(own_run("prune", "--keep", "aws_iam_*=1s", "--dry-run", "-o", "json").stdout)["types"] == []


def test_prune_needs_something_to_do(own_run: Any) -> None:
    assert own_run("prune").exit_code == 2
    assert "type_not_held" in own_run("prune", "--keep", "1d", "--type", "aws_iam_role").output
    assert "bad_moment" in own_run("prune", "--keep", "soon").output


def test_schema_tells_how_often_fields_are_filled(run: Any) -> None:
    rows = [json.loads(line) for line in run("schema", "aws_sagemaker_trainingjob", "--filled").stdout.splitlines()]
    by_path = {row["path"]: row for row in rows}
    assert by_path["resource_config.instance_type"] == {
        "path": "resource_config.instance_type",
        "filled": 3,
        "percent": 100.0,
        "sql_type": "VARCHAR",
    }
    assert by_path["environment"]["percent"] == 66.7


def test_schema_tells_what_came_when(run: Any) -> None:
    [row] = json.loads(run("schema", "aws_sagemaker_trainingjob", "--since", "7d", "-o", "json").stdout)
    assert (row["change"], row["is_certain"]) == ("first", True)
    assert run("schema", "aws_iam_role", "--since", "7d").exit_code == 2
