"""The API against its own description, by requests that schemathesis makes up: none of them may be a server error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from sample_catalog import SampleCatalog
from stocktake.serve.api.description import description
from stocktake.serve.gate.config import LimitConfig
from web_server import Served, serving

EXAMPLES = 4
SLOW = {
    "/api/v1/policies/findings",
    "/api/v1/policies/scores",
    "/api/v1/resource/policies",
    "/api/v1/exports/search",
    "/api/v1/jobs/compare",
}
"""Each judges by two hundred rules, or reads whole jobs: one example."""
NOT_TRIED = {"/api/v1/live", "/api/v1/syncs"}
"""An answer that does not end, and what would start a sync."""


@pytest.fixture(scope="module")
def served(sample: SampleCatalog) -> Iterator[Served]:
    limits = LimitConfig(requests_a_second=1e6, burst=10**6, sql_seconds=5.0)
    with serving(sample.path, limits=limits) as one:
        yield one


@pytest.fixture(scope="module")
def described(served: Served) -> dict[str, Any]:
    said: dict[str, Any] = description(served.app)
    return said


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with served.stranger() as one:
        one.headers["authorization"] = f"Bearer {served.token('read', 'sql', 'export', 'edit', 'metrics')}"
        yield one


def test_no_made_up_request_is_a_server_error(client: httpx.Client, served: Served, described: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(described)
    statuses: dict[str, set[int]] = {}

    def try_operation(operation: Any) -> None:
        label = f"{operation.method} {operation.path}"

        @settings(
            max_examples=1 if operation.path in SLOW else EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_case(case: Any) -> None:
            answer = case.call(base_url=served.url, headers=dict(client.headers), timeout=120)
            statuses.setdefault(label, set()).add(answer.status_code)
            assert answer.status_code < 500, (label, answer.status_code, answer.text[:500])
            if answer.status_code >= 400:
                assert set(answer.json()) == {"code", "message", "hint", "where"}

        try_case()

    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # one that cannot be read fails here
        if operation.path not in NOT_TRIED:
            try_operation(operation)
    assert len(statuses) > 40
    # Not everything is refused at the door.
    assert sum(bool({200, 201} & found) for found in statuses.values()) > 15, statuses


JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/alpha"
GETS: dict[str, dict[str, Any]] = {
    "search": {"facet": ["type", "team"]},
    "search/complete": {"q": "te"},
    "resource": {"key": JOB},
    "resource/history": {"key": JOB},
    "resource/diff": {"key": JOB},
    "resource/relations": {"key": JOB},
    "resource/policies": {"key": JOB},
    "resource/lineage": {"key": JOB},
    "changes": {},
    "types": {"limit": 3},
    "types/{type}": {},
    "types/{type}/filled": {},
    "types/{type}/changes": {},
    "jobs": {},
    "jobs/board": {"days": 400},
    "job": {"key": "alpha"},
    "jobs/compare": {"a": "alpha", "b": "beta"},
    "questions": {},
    "questions/{name}": {},
    "policies": {},
    "policies/findings": {"policy": "SMTJ-CKPT-*"},
    "policies/scores": {"policy": "SMTJ-CKPT-*"},
    "policies/own": {},
    "sql/tables": {},
    "sql/tables/{table}": {},
    "sql/complete": {"text": "SELECT "},
    "status": {},
    "coverage": {},
    "coverage/missing": {},
    "sweeps": {},
    "syncs": {},
    "tokens": {},
    "me": {},
}
STEPS = {"{type}": "aws_sagemaker_trainingjob", "{name}": "what_changed", "{table}": "resources"}


@pytest.mark.parametrize("path", GETS)
def test_answers_are_as_described(client: httpx.Client, described: dict[str, Any], path: str) -> None:
    address = path
    for step, value in STEPS.items():
        address = address.replace(step, value)
    answer = client.get(f"/api/v1/{address}", params=GETS[path])
    assert answer.status_code == 200, answer.text
    schema = described["paths"][f"/api/v1/{path}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    one = described["components"]["schemas"][name]
    jsonschema.validate(answer.json(), one)
    # What is described is told, and what is told is described.
    known = set(one["properties"])
    assert set(answer.json()) <= known
    assert known - set(answer.json()) <= {"groups", "error"}


def test_lists_have_pages(client: httpx.Client) -> None:
    for path, name, more in (
        ("types", "types", {}),
        ("policies", "rules", {}),
        ("sql/tables", "tables", {}),
        ("questions", "questions", {}),
        ("status", "scopes", {}),
        ("resource/history", "versions", {"key": JOB}),
        ("types/aws_sagemaker_trainingjob/filled", "fields", {}),
    ):
        whole = client.get(f"/api/v1/{path}", params=more | {"limit": 1_000}).json()
        assert whole["total"] >= len(whole[name]) >= 2, path
        pages = [
            client.get(f"/api/v1/{path}", params=more | {"limit": 1, "offset": offset}).json()[name]
            for offset in (0, 1)
        ]
        assert pages == [[one] for one in whole[name][:2]], path
    first = client.get("/api/v1/search", params={"limit": 2}).json()
    second = client.get("/api/v1/search", params={"limit": 2, "after": first["after"]}).json()
    keys = [one["key"] for one in (*first["resources"], *second["resources"])]
    assert len(set(keys)) == first["total"] == 3
    assert second["after"] is None


def test_the_examples_are_of_their_schemas(described: dict[str, Any]) -> None:
    for name, schema in described["components"]["schemas"].items():
        if "example" in schema:
            required = {key: value for key, value in schema.items() if key != "required"}
            jsonschema.validate(schema["example"], required)
        assert name


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("search", {"q": '"'}, 400, "search_quote"),
        ("search", {"sort": "nothing"}, 400, None),
        ("search", {"as_of": "soon"}, 400, "bad_moment"),
        ("search", {"as_of": "2999-01-01"}, 400, "future_moment"),
        ("search", {"limit": 100_000}, 422, "invalid_request"),
        ("search", {"choose": "region"}, 400, "bad_choice"),
        ("search", {"as_of": "today", "deleted": True}, 400, "bad_search"),
        ("search", {"type": "aws_ec2_nothing"}, 404, "type_not_held"),
        ("resource", {"key": "nothing"}, 404, "unknown_resource"),
        ("resource", {}, 422, "invalid_request"),
        ("resource", {"key": JOB, "as_of": "2020-01-01"}, 404, "not_known_then"),
        ("resource/diff", {"key": JOB, "from": "today", "to": "yesterday"}, 400, "bad_moments"),
        ("types/aws_x_y", {}, 404, "unknown_type"),
        ("questions/nothing", {}, 404, "unknown_question"),
        ("questions/what_changed", {"set": "x=1"}, 400, "unknown_parameter"),
        ("policies", {"pack": "nothing"}, 404, "unknown_policy"),
        ("sql/tables/nothing", {}, 404, "no_such_table"),
        ("syncs/nothing", {}, 404, "unknown_sync"),
        ("views/nothing", {}, 404, "unknown_document"),
        ("nothing", {}, 404, "not_found"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    client: httpx.Client, path: str, params: dict[str, Any], status: int, code: str | None
) -> None:
    answer = client.get(f"/api/v1/{path}", params=params)
    said = answer.json()
    assert set(said) == {"code", "message", "hint", "where"}
    assert (answer.status_code, said["code"]) == (status, code or said["code"])
    assert said["message"]
    assert said["hint"]
    assert "Traceback" not in answer.text


def test_a_catalog_that_is_not_there_yet(tmp_path: Any) -> None:
    with serving(tmp_path / "none.duckdb") as served, served.client() as client:
        answer = client.get("/api/v1/search")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_catalog")
        assert "stocktake_catalog_up 0.0" in client.get("/metrics").text


def test_metrics_are_prometheus_own_format(client: httpx.Client) -> None:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - only this test needs it

    client.get("/api/v1/search")
    families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
    requests = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["stocktake_http_requests"].samples
        if sample.name.endswith("_total")
    }
    assert requests["/api/v1/search", "200"] >= 1
    resources = families["stocktake_resources"].samples
    assert [(one.labels["type"], one.value) for one in resources] == [("aws_sagemaker_trainingjob", 3.0)]
    assert {one.labels["status"]: one.value for one in families["stocktake_scopes"].samples} == {
        "complete": 1.0,
        "denied": 1.0,
    }
    assert families["stocktake_last_sweep"].samples[0].labels == {"status": "gaps"}


def test_an_export_says_what_it_left_out(sample: SampleCatalog) -> None:
    with serving(sample.path, limits=LimitConfig(export_rows=2)) as served, served.client() as client:
        answer = client.get("/api/v1/exports/search", params={"form": "ndjson"})
        assert (answer.headers["x-total"], answer.headers["x-truncated"]) == ("3", "true")
        assert len(answer.text.splitlines()) == 2
        answer = client.get("/api/v1/exports/search", params={"form": "ndjson", "q": "alpha"})
        assert (answer.headers["x-total"], answer.headers["x-truncated"]) == ("1", "false")


def test_who_asked_for_what_is_kept(sample: SampleCatalog) -> None:
    with serving(sample.path) as served, served.client() as client:
        client.get("/api/v1/search", params={"q": "team:vision"})
        client.post("/api/v1/sql", json={"sql": "SELECT 42"})
        client.get("/api/v1/exports/search", params={"q": "alpha"})
        client.get("/settings", params={"x": "1"}, headers={"accept": "text/html"})
        lines = served.house.config.beside("audit.ndjson").read_text().splitlines()
        kept = [json.loads(line) for line in lines]
    assert all(one["visitor"] == "owner" and one["at"] for one in kept[-4:])
    told = [(one["event"], one.get("text") or one.get("path")) for one in kept[-4:]]
    assert told == [("query", "team:vision"), ("sql", "SELECT 42"), ("export", "alpha"), ("page", "/settings")]
    with serving(sample.path, audit=False) as served, served.client() as client:
        client.get("/api/v1/search", params={"q": "unseen"})
    assert "unseen" not in served.house.config.beside("audit.ndjson").read_text()
