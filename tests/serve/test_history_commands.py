"""`stocktake changes` and `stocktake diff` in every form."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from sample_catalog import arn


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


def test_a_wrong_word_is_pointed_at(run: Any) -> None:
    result = run("changes", "team:vision")
    assert result.exit_code == 2
    assert "^^^^" in result.stderr
    assert "changed:team" in result.stderr


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
