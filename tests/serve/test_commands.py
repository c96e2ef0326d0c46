"""`show`, `status`, `schema`, `types`, and what all commands share."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import stocktake
from sample_catalog import ACCOUNT, REGION, TYPE, SampleCatalog, arn, training_job
from stocktake.core.errors import (
    CatalogAccessError,
    CatalogLockedError,
    CatalogTooNewError,
    CredentialsError,
    FatalError,
    ScopeError,
    StocktakeError,
    UnreachableError,
    UserError,
)
from stocktake.query.moments import parse_moment
from stocktake.resource_types.export import render_ddl, schema_as_json
from stocktake.resource_types.page import render_page
from stocktake.serve.cli import problems
from stocktake.serve.cli.program import COMMANDS, program
from stocktake.serve.telling.readable import age, size


def test_show_as_json(run: Any) -> None:
    document = json.loads(run("show", arn("alpha"), "-o", "json").stdout)
    assert (document["id"], document["type"], document["account_id"], document["region"]) == (
        arn("alpha"),
        TYPE,
        ACCOUNT,
        REGION,
    )
    assert document["fields"]["training_job_status"] == "Completed"
    assert document["fields"]["resource_config"]["instance_count"] == 2
    assert document["unknown"] == {"NewField": 1}
    assert document["gone_at"] is None
    before, now = document["versions"]
    assert before["changes"] == []
    assert {"path": "training_job_status", "before": "InProgress", "after": "Completed"} in now["changes"]
    assert before["seen_to"] == now["seen_from"]
    assert json.loads(run("show", "alpha").stdout) == document


def test_show_as_of(run: Any, sample: SampleCatalog) -> None:
    then = json.loads(run("show", "alpha", "--as-of", "2h ago").stdout)
    assert then["fields"]["training_job_status"] == "InProgress"
    assert then["as_of"].endswith("Z")
    exact = json.loads(run("show", "alpha", "--as-of", sample.first.isoformat()).stdout)
    assert exact["fields"] == then["fields"]
    early = run("show", "alpha", "--as-of", "1w ago")
    assert early.exit_code == 2
    assert "first seen" in early.stderr


def test_show_on_a_page(run: Any) -> None:
    text = run("show", "alpha", "-o", "table").stdout
    assert arn("alpha") in text
    assert "training_job_status       Completed" in text
    assert "resource_config\n  instance_count     2\n  instance_type      ml.m5.xlarge" in text
    assert "environment\n  MODE  fast" in text
    assert "  - team:vision" in text
    assert "confirmed" in text
    assert "training_job_status InProgress → Completed" in text
    assert "tags[] + env:prod" in text
    assert "\x1b" not in text
    assert "none␛[31m" in text
    assert '{"NewField":1}' in text
    assert "2 versions" in text


def test_show_what_was_deleted(run: Any) -> None:
    text = run("show", "gamma", "-o", "table").stdout
    assert "deleted: no longer there since" in text
    assert json.loads(run("show", "gamma").stdout)["gone_at"]


def test_show_as_rows(run: Any, tmp_path: Path) -> None:
    header, row = run("show", "alpha", "-o", "csv").stdout.splitlines()[:2]
    assert header.startswith("account_id,algorithm_specification,")
    assert row.startswith(ACCOUNT)
    assert "| training_job_status | Completed |" in run("show", "alpha", "-o", "md").stdout
    file = tmp_path / "alpha.parquet"
    run("show", "alpha", "--output-file", str(file))
    assert pq.read_table(file).column("training_job_name").to_pylist() == ["alpha"]


def test_show_what_is_unknown(run: Any) -> None:
    result = run("show", arn("alpho"))
    assert result.exit_code == 2
    assert f"Did you mean {arn('alpha')}" in result.stderr


def test_status_as_json(run: Any, sample: SampleCatalog) -> None:
    document = json.loads(run("status", "-o", "json").stdout)
    assert document["path"] == str(sample.path)
    assert document["size_bytes"] > 0
    denied, home = sorted(document["scopes"], key=lambda scope: str(scope["region"]))
    assert (home["rows"], home["status"], home["stale"], home["drift"]) == (3, "complete", False, ["NewField"])
    assert denied["missing_permission"] == "sagemaker:ListTrainingJobs"
    assert [sweep["status"] for sweep in document["sweeps"]] == ["gaps", "complete"]
    assert len(run("status").stdout.splitlines()) == 2
    assert run("status", "-o", "csv").stdout.startswith("type,account_id,region,status,rows,")
    assert "| aws_sagemaker_trainingjob |" in run("status", "-o", "md").stdout


def test_status_on_a_page(run: Any) -> None:
    text = run("status", "-o", "table").stdout
    assert "missing permission: sagemaker:ListTrainingJobs" in text
    assert "next: Attach a policy that allows it." in text
    assert "never" in text
    assert "1 value kept aside" in text
    assert "1 field unknown to the model: NewField" in text
    assert "sweep 2: gaps" in text


def test_schema_forms(run: Any, tmp_path: Path) -> None:
    kind = training_job()
    assert run("schema", TYPE).stdout == render_page(kind)
    assert json.loads(run("schema", TYPE, "--format", "json").stdout) == schema_as_json(kind)
    assert run("schema", TYPE, "--format", "sql").stdout == render_ddl(kind)
    file = tmp_path / "page.md"
    assert run("schema", TYPE, "--output-file", str(file)).stdout == ""
    assert file.read_text() == render_page(kind)


def test_schema_of_other_models(run: Any, tmp_path: Path) -> None:
    result = run("schema", TYPE, "--models", str(tmp_path))
    assert result.exit_code == 2
    assert "no_models" in result.stderr


def test_an_unknown_type_offers_the_nearest(run: Any) -> None:
    for command in ("schema", "types"):
        result = run(command, "aws_sagemaker_trainngjob")
        assert result.exit_code == 2
        assert "Did you mean aws_sagemaker_trainingjob" in result.stderr


def test_types_are_listed(run: Any) -> None:
    rows = [json.loads(line) for line in run("types").stdout.splitlines()]
    assert {"type": TYPE, "provider": "aws", "service": "sagemaker", "noun": "TrainingJob", "tier": "A"} in rows
    assert len(rows) >= 2_400
    assert {row["tier"] for row in rows} == {"A", "B"}
    found = [json.loads(line)["type"] for line in run("types", "--search", "Training-Job").stdout.splitlines()]
    assert TYPE in found
    assert all("trainingjob" in name for name in found)
    assert "rows)" in run("types", "-o", "table").stdout
    listed = pq.read_table(io.BytesIO(run("types", "--search", "sagemaker", "-o", "parquet").stdout_bytes))
    assert TYPE in listed.column("type").to_pylist()


def test_the_plan_of_a_child_names_its_parent_and_the_rules(run: Any) -> None:
    plan = json.loads(run("types", "aws_ecs_task", "-o", "json").stdout)
    assert plan["parent"]["type"] == "aws_ecs_cluster"
    assert plan["describe"]["batch"] == {"member": "tasks", "chunk": 100}
    assert "why tier" not in run("types", "aws_ecs_task", "-o", "table").stdout
    assert "why tier" in run("types", "aws_ecs_task", "-o", "table", "--explain").stdout


def test_the_plan_of_a_type(run: Any) -> None:
    plan = json.loads(run("types", TYPE, "-o", "json").stdout)
    assert plan["list"]["operation"] == "ListTrainingJobs"
    assert plan["list"]["pagination"]["page_size"] == 100
    assert plan["describe"]["bindings"] == {"TrainingJobName": "TrainingJobName"}
    assert plan["tags"]["operation"] == "ListTags"
    assert plan["identity"]["arn"] == "TrainingJobArn"
    assert plan["life_cycle"]["final_states"] == ["Completed", "Failed", "Stopped"]
    assert plan["iam_actions"] == list(training_job().iam_actions)
    assert plan["reasons"] == training_job().reasons
    text = run("types", TYPE, "-o", "table").stdout
    assert "DescribeTrainingJob(TrainingJobName = TrainingJobName)" in text
    assert "sagemaker:DescribeTrainingJob" in text
    assert run("types", TYPE, "-o", "csv").exit_code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Any, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--debug" in result.stdout
    assert run(command, "-h").stdout == result.stdout


def test_the_shell_completes_types(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_STOCKTAKE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "stocktake schema aws_sagemaker_trainingj")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert run().stdout == f"plain,{TYPE}\n"
    monkeypatch.setenv("_STOCKTAKE_COMPLETE", "bash_source")
    assert "complete" in run().stdout


def test_the_version(run: Any) -> None:
    assert run("--version").stdout == f"stocktake {stocktake.__version__}\n"


def test_an_unknown_command(run: Any) -> None:
    result = run("qery")
    assert result.exit_code == 2
    assert "No such command 'qery'" in result.stderr


def test_the_catalog_before_and_after_the_command(run: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.duckdb")
    for arguments in (("--catalog", missing, "status"), ("status", "--catalog", missing)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert f"There is no catalog at {missing}" in result.stderr
        assert "next:  Run `stocktake sync` first" in result.stderr


def test_a_setting_that_makes_no_sense(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTAKE_LOCK_WAIT_SECONDS", "soon")
    result = run("status")
    assert result.exit_code == 2
    assert "bad_setting" in result.stderr


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (UserError, 2),
        (ScopeError, 3),
        (CredentialsError, 4),
        (UnreachableError, 5),
        (CatalogLockedError, 6),
        (CatalogAccessError, 7),
        (CatalogTooNewError, 8),
        (FatalError, 1),
        (StocktakeError, 1),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, kind: type[StocktakeError], exit_code: int) -> None:
    extra = {"status": "failed"} if kind is ScopeError else {}

    def fail(*_: object) -> None:
        raise kind("It failed", code="some_code", hint="Do this.", where="here", **extra)

    monkeypatch.setattr("stocktake.query.connection.open_catalog", fail)
    monkeypatch.setattr("stocktake.query.connection.open_reading", fail)
    result = CliRunner().invoke(program, ["query", "SELECT 1"])
    assert result.exit_code == exit_code
    expected = "error: It failed\nwhere: here\nkept:  nothing was changed\nnext:  Do this.\ncode:  some_code\n"
    assert result.stderr == expected


def test_what_nobody_expected_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    problems.render_bug(ValueError, ValueError("odd"), None)
    assert capsys.readouterr().err.startswith("error: ValueError: odd\nkept:  ")


def test_quantities() -> None:
    now = parse_moment("2026-01-01", parse_moment("2026-01-02", __import__("datetime").datetime.now().astimezone()))
    assert age(now, now) == "just now"
    assert size(1_500) == "1.5 KiB"
    assert size(12) == "12 B"


def test_starting_imports_nothing_heavy() -> None:
    import subprocess  # noqa: PLC0415 - only here

    heavy = {"duckdb", "pyarrow", "botocore", "rich", "platformdirs.android", "pycurl"}
    program_text = (
        "import sys\n"
        "sys.argv = ['stocktake', '--version']\n"
        "from stocktake.serve.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    text = subprocess.run([sys.executable, "-c", program_text], capture_output=True, text=True, check=True).stdout
    assert text.endswith("[]\n")
