"""What a role does not see is like what does not exist: in every answer of the API, whatever is asked and however."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from reach_estate import ACCOUNTS, JOB, KEY, QUEUE, REACHES, ROLE, SWEEPS, UUID, identity, write_estate
from stocktake.query.reach import Reach
from stocktake.serve.gate.config import LimitConfig, Role
from web_server import Served, serving

BY_ACCOUNT, BY_TYPE = REACHES[0], REACHES[2]
SECRETS = {
    "account": (f"secret-{ACCOUNTS[1]}", "alpha-6", f"not in {ACCOUNTS[1]}"),
    "type": ("look 0", "look 1", "list:aws_sqs_queue", "kms_master_key_id"),
}
REACHED = {"account": BY_ACCOUNT, "type": BY_TYPE}
THEN, LATER = "2026-01-01T00:30:00Z", "2026-01-01T09:00:00Z"
KEYS = [
    identity(kind, account, name)
    for account in ACCOUNTS
    for kind, name in ((JOB, "alpha"), (ROLE, "alpha"), (KEY, UUID), (QUEUE, "alpha"))
]
SEARCHES: list[dict[str, Any]] = [
    {"facet": ["type", "account_id", "region", "team", "secret-444455556666", "state", "description"]},
    {"q": "alpha", "as_of": THEN, "facet": ["account_id", "type"]},
    {"q": f"account_id:{ACCOUNTS[1]} OR type:{ROLE}", "group_by": "account_id"},
    {"q": f'"secret-{ACCOUNTS[1]}:*"', "choose": [f"account_id={ACCOUNTS[1]}", "type=(any)"], "facet": ["type"]},
    {"q": f"-account_id:{ACCOUNTS[0]}", "deleted": True},
    {"q": "description:look*", "facet": ["description"]},
    {"q": "*", "choose": ["account_id=(none)"]},
    {"q": "descriptio:x"},
]
STATEMENTS = {
    "SELECT key, name, account_id, tags FROM resources ORDER BY ALL": True,
    "SELECT count(*), min(account_id), max(type) FROM resources": True,
    f"SELECT count(*), min(account_id) FROM {JOB}_history": True,
    f"SELECT tags FROM main.{JOB} ORDER BY ALL": True,
    "WITH resources AS (SELECT * FROM main.resources) SELECT count(*) FROM resources": True,
    f"SELECT tags FROM {JOB}_as_of(TIMESTAMP '2026-01-01 00:30:00') ORDER BY ALL": True,
    "SELECT id, state, tags FROM jobs ORDER BY ALL": True,
    f"SELECT * FROM {ROLE}_history ORDER BY ALL": False,
    "SELECT * FROM relations ORDER BY ALL": False,
    "SELECT * FROM resource_index ORDER BY ALL": False,
    "SELECT * FROM coverage ORDER BY ALL": False,
    "SELECT * FROM duckdb_tables() ORDER BY ALL": False,
}
"""Each with whether the answers are alike to the letter: others have numbers of rows and sweeps in them."""


@dataclass(frozen=True)
class Sides:
    """Somebody with a role on everything, and on a catalog in which there is nothing but what the role sees."""

    name: str
    role: httpx.Client
    alone: httpx.Client

    def both(self, method: str, path: str, **said: Any) -> tuple[str, str]:
        found, there = (client.request(method, path, **said) for client in (self.role, self.alone))
        assert found.status_code == there.status_code, (found.text, there.text)
        for word in SECRETS[self.name]:
            # What one has asked for oneself may be repeated.
            assert word not in found.text.replace(str(said), "") or word in json.dumps(said), word
        return plain(found.text), plain(there.text)


def plain(text: str) -> str:
    """Return an answer without what tells the catalogs apart and is no secret: file, size, exact times."""
    text = re.sub(r'"size_bytes":\d+', "", re.sub(r'[^"\s]*/(whole|only)\.duckdb', "CATALOG", text))
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "TIME", text)


def role_of(reach: Reach) -> Role:
    return Role("some", tuple(reach.accounts) if reach.accounts is not None else None, reach.types, can_edit=True)


def served(path: Path, role: Role) -> Any:
    return serving(path, roles=(role,), limits=LimitConfig(requests_a_second=1e6, burst=10**6, question_seconds=180))


@pytest.fixture(scope="module", params=["account", "type"])
def sides(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("reach")
    reach = REACHED[request.param]
    write_estate(folder / "whole.duckdb", SWEEPS)
    write_estate(folder / "only.duckdb", SWEEPS, reach)
    one: Served
    other: Served
    with (
        served(folder / "whole.duckdb", role_of(reach)) as one,
        served(folder / "only.duckdb", role_of(reach)) as other,
        one.client("some", "ann") as role,
        other.client("some", "ann") as alone,
    ):
        yield Sides(request.param, role, alone)


@pytest.mark.parametrize("asked", SEARCHES, ids=str)
def test_searches(sides: Sides, asked: dict[str, Any]) -> None:
    found, there = sides.both("GET", "/api/v1/search", params=asked)
    assert found == there


@pytest.mark.parametrize("text", ["", "account_id:", "team:", "secret", "description:"])
def test_completion(sides: Sides, text: str) -> None:
    found, there = sides.both("GET", "/api/v1/search/complete", params={"q": text})
    assert found == there
    for statement in (f"SELECT {text}", f"SELECT * FROM {text.strip(':')}", f"SELECT * FROM {ROLE} WHERE "):
        found, there = sides.both("GET", "/api/v1/sql/complete", params={"text": statement})
        assert found == there


@pytest.mark.parametrize("key", [KEYS[0], KEYS[2], KEYS[4], KEYS[5], "alpha", "nothing"])
def test_one_resource(sides: Sides, key: str) -> None:
    for path, extra in (
        ("resource", {}),
        ("resource", {"as_of": THEN}),
        ("resource/history", {}),
        ("resource/diff", {"from": THEN, "to": LATER}),
        ("resource/relations", {"depth": 3}),
        ("resource/relations", {"depth": 3, "as_of": THEN}),
        ("resource/lineage", {"direction": ["upstream", "downstream", "context"]}),
        ("job", {}),
    ):
        found, there = sides.both("GET", f"/api/v1/{path}", params={"key": key} | extra)
        assert found == there, path


def test_verdicts_are_told_of_what_is_seen_alone(sides: Sides) -> None:
    for key in KEYS[:2]:
        found, there = sides.both("GET", "/api/v1/resource/policies", params={"key": key})
        assert found == there


def test_lists(sides: Sides) -> None:
    since = {"since": "2025-12-01"}
    for path, extra in (
        ("changes", since),
        ("changes", since | {"q": "changed:tags"}),
        ("changes", since | {"q": f"account_id:{ACCOUNTS[1]}"}),
        ("changes", since | {"q": "team:alpha-6"}),
        ("types", {"held": True}),
        (f"types/{ROLE}/filled", {}),
        (f"types/{JOB}/filled", {}),
        (f"types/{JOB}/changes", {}),
        ("jobs", {}),
        ("jobs", {"account": ACCOUNTS[1]}),
        ("jobs/board", {"days": 400}),
        ("questions/what_changed", {}),
        ("status", {}),
        ("coverage", {}),
        ("coverage", {"account": ACCOUNTS[1]}),
        ("coverage/missing", {}),
        ("sweeps", {}),
        ("sql/tables/resources", {}),
        (f"sql/tables/{ROLE}", {}),
        ("policies/findings", {"policy": "SMTJ-*", "status": "all", "limit": 500}),
        ("policies/scores", {"policy": "SMTJ-*", "by": "account"}),
        ("policies/scores", {"policy": "SMTJ-*", "by": "owner"}),
    ):
        found, there = sides.both("GET", f"/api/v1/{path}", params=extra)
        assert re.sub(r'"not_held":\[[^]]*\]', "", found) == re.sub(r'"not_held":\[[^]]*\]', "", there), (path, extra)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_sql(sides: Sides, sql: str) -> None:
    for as_of in (None, THEN):
        found, there = sides.both("POST", "/api/v1/sql", json={"sql": sql, "as_of": as_of})
        assert found == there or not STATEMENTS[sql]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_exports(sides: Sides, form: str) -> None:
    for extra in ({}, {"q": f"account_id:{ACCOUNTS[1]}"}, {"as_of": THEN}):
        found, there = sides.both("GET", "/api/v1/exports/search", params={"form": form} | extra)
        assert found == there
    found, there = sides.both("POST", "/api/v1/exports/sql", json={"sql": next(iter(STATEMENTS)), "form": form})
    assert found == there


def test_two_jobs_cannot_be_compared_where_one_is_hidden(sides: Sides) -> None:
    found, there = sides.both("GET", "/api/v1/jobs/compare", params={"a": KEYS[0], "b": KEYS[4]})
    assert found == there


def test_types_out_of_reach_are_unknown(sides: Sides) -> None:
    status = sides.role.get(f"/api/v1/types/{ROLE}").status_code
    assert status == (200 if sides.name == "account" else 404)
    names = {one["type"] for one in sides.role.get("/api/v1/types", params={"q": "aws_iam_role"}).json()["types"]}
    assert (ROLE in names) == (sides.name == "account")


def test_metrics_are_of_what_is_seen_alone(sides: Sides) -> None:
    def catalog_lines(client: httpx.Client) -> list[str]:
        names = ("stocktake_resources{", "stocktake_scopes", "stocktake_values_aside")
        return [line for line in client.get("/metrics").text.splitlines() if line.startswith(names)]

    assert catalog_lines(sides.role) == catalog_lines(sides.alone)
    assert any("stocktake_resources{" in line for line in catalog_lines(sides.role))


def test_every_request_that_tells_of_resources_is_tried_here(sides: Sides) -> None:
    described = sides.alone.get("/api/v1/openapi.json").json()
    tried = Path(__file__).read_text()
    not_of_resources = {"/me", "/policies", "/policies/own", "/questions", "/sql/tables", "/syncs", "/syncs/{id}"}
    not_of_resources |= {"/live", "/tokens", "/openapi.json", "/views", "/views/{id}", "/queries", "/queries/{id}"}
    for path, methods in described["paths"].items():
        short = path.removeprefix("/api/v1")
        if "get" in methods and path.startswith("/api/") and short not in not_of_resources:
            assert short.strip("/").split("{")[0] in tried, path
