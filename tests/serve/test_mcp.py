"""`stocktake mcp`, asked by the official client over stdin and stdout: every tool, its limits, what it refuses."""

from __future__ import annotations

import asyncio
import builtins
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import TextContent

from reach_estate import ACCOUNTS, JOB, QUEUE, ROLE, SWEEPS, Seen, write_estate
from stocktake.serve.cli.program import program

A, B = ACCOUNTS
MINE, OTHER = Seen(JOB, A, "alpha").id, Seen(JOB, B, "alpha").id
SETTINGS = f"""
[roles.team]
accounts = ["{A}"]
types = ["aws_sagemaker_*", "aws_iam_*"]
"""
SLOW = "SELECT count(*) FROM range(1000000000000) WHERE hash(range) = 7"
Asked = tuple[str, dict[str, Any]]
Told = tuple[bool, Any]

FREE: dict[str, Asked] = {
    "search": ("search", {"search": "alpha", "facets": ["account_id"], "limit": 2}),
    "groups": ("search", {"group_by": "type"}),
    "then": ("search", {"as_of": "2026-01-01T00:30:00Z", "limit": 0}),
    "query": ("query", {"sql": "SELECT type, count(*) AS n FROM resources GROUP BY 1 ORDER BY 1"}),
    "query of jobs": ("query", {"sql": "SELECT name, state FROM jobs ORDER BY ALL"}),
    "query then": ("query", {"sql": f"SELECT count(*) FROM {QUEUE}", "as_of": "2026-01-01T00:30:00Z"}),
    "tables": ("schema", {}),
    "columns": ("schema", {"table": ROLE}),
    "columns of ours": ("schema", {"table": "jobs"}),
    "fields": ("schema", {"table": ROLE, "part": "role_name"}),
    "resource": ("resource", {"key": MINE}),
    "resource then": ("resource", {"key": "alpha", "type": JOB, "account_id": A, "as_of": "2026-01-01T00:30:00Z"}),
    "changes": ("changes", {"since": "2026-01-01", "kinds": ["updated"], "types": [JOB]}),
    "relations": ("relations", {"key": MINE, "direction": "out", "as_of": "2026-01-01T00:30:00Z"}),
    "findings": ("findings", {"types": [JOB], "limit": 3}),
    "writes": ("query", {"sql": f"DELETE FROM {ROLE}"}),
    "two statements": ("query", {"sql": "SELECT 1; SELECT 2"}),
    "reads a file": ("query", {"sql": "SELECT * FROM read_text('/etc/passwd')"}),
    "bad SQL": ("query", {"sql": "SELECT FROM WHERE"}),
    "bad search": ("search", {"search": "(team:x"}),
    "no such resource": ("resource", {"key": "nobody"}),
    "no such table": ("schema", {"table": "nothing"}),
    "no type": ("schema", {"table": "changes", "part": "id"}),
    "no such type": ("search", {"types": ["aws_sns_topic"]}),
    "no such moment": ("changes", {"since": "soon"}),
    "no such policy": ("findings", {"policies": ["nothing"]}),
    "deleted then": ("search", {"deleted": True, "as_of": "yesterday"}),
    "too many rows": ("search", {"limit": 100_000}),
    "too many rows of SQL": ("query", {"sql": "SELECT 1", "rows": 1_000_000}),
    "no such argument's kind": ("search", {"limit": "many"}),
    "no such tool": ("delete", {"key": MINE}),
    "few rows": ("query", {"sql": "FROM range(100)", "rows": 3}),
    "slow": ("query", {"sql": SLOW, "seconds": 2}),
    "after the slow one": ("query", {"sql": "SELECT 1"}),
    "far too large": ("query", {"sql": "SELECT repeat('x', 100000) FROM range(100)"}),
}  # fmt: skip
OF_A_ROLE: dict[str, Asked] = {
    "search": ("search", {"facets": ["account_id", "type"], "limit": 100}),
    "query": ("query", {"sql": "SELECT DISTINCT account_id, type FROM resources ORDER BY ALL"}),
    "tables": ("schema", {}),
    "queues": ("schema", {"table": QUEUE}),
    "describes a queue": ("schema", {"table": QUEUE, "part": "queue"}),
    "file of queues": ("query", {"sql": f"SELECT count(*) FROM main.{QUEUE}"}),
    "resource": ("resource", {"key": OTHER}),
    "changes": ("changes", {"since": "2026-01-01"}),
    "relations": ("relations", {"key": MINE, "depth": 5, "as_of": "2026-01-01T00:30:00Z"}),
    "findings": ("findings", {"severity": "info", "status": "all", "limit": 5}),
    "large": ("query", {"sql": "SELECT repeat('x', 1000) FROM range(100)"}),
}  # fmt: skip


async def talk(arguments: Iterable[str], asked: dict[str, Asked]) -> tuple[Any, dict[str, Told]]:
    """Return the tools of a server, and what it answers."""
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "stocktake", "mcp", *arguments])
    told: dict[str, Told] = {}
    async with Client(parameters, read_timeout_seconds=300) as client:
        tools = (await client.list_tools()).tools
        for name, (tool, given) in asked.items():
            result = await client.call_tool(tool, given)
            [content] = result.content
            assert isinstance(content, TextContent)
            is_json = content.text.startswith("{")
            told[name] = (bool(result.is_error), json.loads(content.text) if is_json else content.text)
    return tools, told


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mcp") / "catalog.duckdb"
    write_estate(path, SWEEPS)
    return path


@pytest.fixture(scope="module")
def free(catalog: Path) -> tuple[Any, dict[str, Told]]:
    return asyncio.run(talk(["--catalog", str(catalog)], FREE))


@pytest.fixture(scope="module")
def of_a_role(catalog: Path) -> dict[str, Told]:
    settings = catalog.with_name("server.toml")
    settings.write_text(SETTINGS)
    arguments = ["--catalog", str(catalog), "--config", str(settings), "--role", "team", "--max-bytes", "60000"]
    return asyncio.run(talk(arguments, OF_A_ROLE))[1]


def test_every_tool_says_that_it_only_reads_and_what_it_takes(free: tuple[Any, dict[str, Told]]) -> None:
    tools, _ = free
    assert [one.name for one in tools] == ["search", "query", "schema", "resource", "changes", "relations", "findings"]
    for one in tools:
        assert (one.annotations.read_only_hint, one.annotations.destructive_hint) == (True, False)
        assert one.description
        for given in one.input_schema["properties"].values():
            assert given.get("description")


def test_tools_answer(free: tuple[Any, dict[str, Told]]) -> None:
    told = {name: answer for name, (is_error, answer) in free[1].items() if not is_error}
    [accounts] = told["search"]["facets"]
    assert {one["value"]: one["count"] for one in accounts["values"]} == {A: 3, B: 2}
    assert len(told["search"]["resources"]) == 2
    assert told["search"]["after"]
    assert {one["value"]: one["count"] for one in told["groups"]["groups"]["values"]}[JOB] == 2
    assert told["then"]["total"] == 7
    assert told["query"]["rows"] == [["aws_iam_role", 1], ["aws_kms_key", 1], [JOB, 2], [QUEUE, 2]]
    assert told["query of jobs"]["rows"] == [["alpha", "failed"], ["alpha", "succeeded"]]
    assert told["query then"]["rows"] == [[1]]
    assert {"resources", "jobs", JOB} <= {one["name"] for one in told["tables"]["tables"]}
    assert {"name": "role_name", "type": "VARCHAR"} in told["columns"]["columns"]
    assert "state" in {one["name"] for one in told["columns of ours"]["columns"]}
    assert told["fields"]["fields"][0]["description"] == "The friendly name that identifies the role."
    assert told["resource"]["fields"]["training_job_status"] == "Completed"
    assert told["resource then"]["fields"]["training_job_status"] == "InProgress"
    assert {one["id"] for one in told["changes"]["changes"]} == {MINE, OTHER}
    targets = {step["edge"]["target"]["id"] for step in told["relations"]["steps"] if step["edge"]["target"]}
    assert Seen(ROLE, B, "alpha").id in targets
    assert len(told["findings"]["findings"]) == 3
    assert told["findings"]["findings"][0]["remedy"]
    assert (len(told["few rows"]["rows"]), told["few rows"]["truncated"]) == (3, True)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("writes", "not_read_only"),
        ("two statements", "sql_several_statements"),
        ("reads a file", "sql_denied"),
        ("bad SQL", "sql_syntax"),
        ("bad search", "search_parenthesis"),
        ("no such resource", "unknown_resource"),
        ("no such table", "no_such_table"),
        ("no type", "unknown_type"),
        ("no such type", "type_not_held"),
        ("no such moment", "bad_moment"),
        ("no such policy", "unknown_policy"),
        ("deleted then", "bad_arguments"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_to_do(
    free: tuple[Any, dict[str, Told]], name: str, code: str
) -> None:
    is_error, told = free[1][name]
    assert is_error
    assert told["code"] == code
    assert told["message"]
    assert told["hint"]


@pytest.mark.parametrize("name", ["too many rows", "too many rows of SQL", "no such argument's kind", "no such tool"])
def test_what_no_tool_takes_is_refused(free: tuple[Any, dict[str, Told]], name: str) -> None:
    is_error, told = free[1][name]
    assert is_error
    assert "limit" in told or "rows" in told or "Unknown tool" in told


def test_a_role_bounds_every_tool(of_a_role: dict[str, Told]) -> None:
    told = {name: answer for name, (_, answer) in of_a_role.items()}
    accounts, types = told["search"]["facets"]
    assert {one["value"] for one in accounts["values"]} == {A}
    assert {one["value"] for one in types["values"]} == {JOB, ROLE}
    assert told["query"]["rows"] == [[A, ROLE], [A, JOB]]
    assert not {QUEUE, "aws_kms_key"} & {one["name"] for one in told["tables"]["tables"]}
    assert told["queues"]["code"] == told["describes a queue"]["code"] == "no_such_table"
    assert told["file of queues"]["code"] == "sql_unknown_name"
    assert told["resource"]["code"] == "unknown_resource"
    assert {(one["account_id"], one["type"]) for one in told["changes"]["changes"]} == {(A, JOB), (A, ROLE)}
    assert {step["edge"]["source"]["account_id"] for step in told["relations"]["steps"]} == {A}
    assert not [step for step in told["relations"]["steps"] if (step["edge"]["target"] or {}).get("account_id") == B]
    assert {one["account_id"] for one in told["findings"]["findings"]} == {A}


def test_an_answer_has_a_time_and_a_size(free: tuple[Any, dict[str, Told]], of_a_role: dict[str, Told]) -> None:
    is_error, told = free[1]["slow"]
    assert is_error
    assert told["code"] == "sql_timeout"
    assert free[1]["after the slow one"][1]["rows"] == [[1]]
    assert free[1]["far too large"][1]["code"] == "sql_result_too_large"
    assert of_a_role["large"][1]["code"] == "answer_too_large"


def test_no_agent_may_ask_for_longer_than_the_settings_allow(catalog: Path) -> None:
    settings = catalog.with_name("short.toml")
    settings.write_text("[limits]\nsql_seconds = 1.5\n")
    arguments = ["--catalog", str(catalog), "--config", str(settings)]
    _, told = asyncio.run(talk(arguments, {"slow": ("query", {"sql": SLOW, "seconds": 600})}))
    assert told["slow"][1]["code"] == "sql_timeout"


def test_what_is_wrong_with_the_command_is_said_before_anything_is_served(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = CliRunner().invoke(program, ["mcp", "--catalog", str(catalog), "--role", "nobody"])
    assert refused.exit_code == 2
    assert "no role 'nobody'" in refused.stderr
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "stocktake.serve.mcp.server":
            raise ModuleNotFoundError("No module named 'mcp'", name="mcp")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    missing = CliRunner().invoke(program, ["mcp", "--catalog", str(catalog)])
    assert missing.exit_code == 2
    assert "stocktake[mcp]" in missing.stderr
