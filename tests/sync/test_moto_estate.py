"""One sync of an estate in moto's server, made by boto3 from `moto_estate.toml` and compared with its answers."""

from __future__ import annotations

import base64
import re
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from model_values import differences, expected
from moto_state import forget_all
from stocktake.core.progress import Silent
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import ResourceType
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncReport, SyncRequest, run_sync

ESTATE = tomllib.loads((Path(__file__).parent / "moto_estate.toml").read_text())
FINDS: dict[str, list[str]] = ESTATE["finds"]
UNEQUAL: dict[str, str] = ESTATE["unequal"]
UNSTEADY: dict[str, str] = ESTATE["unsteady"]
ACCOUNT = "123456789012"
_TRIES = 2
_PATIENT = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})


@dataclass
class Estate:
    url: str
    kept: dict[str, str]
    catalog: Path
    first: SyncReport
    second: SyncReport
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        # Types come service by service, and making a client costs more than asking it.
        if service not in self._clients:
            self._clients.clear()
            self._clients[service] = boto3.client(service, endpoint_url=self.url, config=_PATIENT)
        return self._clients[service]

    def rows(self, type_name: str, catalog: Path | None = None) -> list[dict[str, Any]]:
        with open_catalog(catalog or self.catalog, read_only=True) as opened:
            names = [row[0] for row in run(opened.connection, f"DESCRIBE {type_name}")]
            return [dict(zip(names, row, strict=True)) for row in run(opened.connection, f"FROM {type_name}")]

    def synced_anew(self, folder: Path, types: tuple[str, ...]) -> tuple[Path, SyncReport]:
        """Sync some types into a catalog of their own, twice; the report is the second's."""
        catalog = Path(tempfile.mkdtemp(dir=folder)) / "c.duckdb"
        request = SyncRequest(catalog=catalog, endpoint_url=self.url, types=types)
        run_sync(request, Silent())
        return catalog, run_sync(request, Silent())


def filled(value: Any, kept: dict[str, str]) -> Any:
    """Put kept values in their places; `b64:` begins bytes."""
    if isinstance(value, str) and value.startswith("b64:"):
        return base64.b64decode(value[4:])
    if isinstance(value, str):
        place = re.fullmatch(r"\{(\w+)\}", value)
        return kept[place[1]] if place else value
    if isinstance(value, list):
        return [filled(one, kept) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, kept) for key, one in value.items()}
    return value


def dig(value: Any, dotted: str) -> Any:
    for step in dotted.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def seed(url: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    for service in sorted(ESTATE["service"], key=lambda one: not one.get("first", False)):
        client = boto3.client(service["name"], endpoint_url=url, config=_PATIENT)
        for operation, arguments, keep in service["calls"]:
            answer = getattr(client, xform_name(operation))(**filled(arguments, kept))
            kept |= {name: str(dig(answer, path)) for name, path in keep.items()}
    return kept


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("estate")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        forget_all(server)
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        kept = seed(url)
        catalog = folder / "c.duckdb"
        request = SyncRequest(catalog=catalog, endpoint_url=url, types=tuple(FINDS))
        first = run_sync(request, Silent())
        yield Estate(url, kept, catalog, first, run_sync(request, Silent()))
        server.stop()


def test_the_estate_is_wide_enough() -> None:
    services = {load_type(name, open_models()).service for name in FINDS}
    assert len(services) >= 60
    assert len(FINDS) >= 150


@pytest.mark.parametrize("type_name", FINDS)
def test_what_was_made_is_found_by_its_identity(estate: Estate, type_name: str) -> None:
    rows = estate.rows(type_name)
    identities = [str(value) for row in rows for value in row.values() if isinstance(value, str)]
    for wanted in FINDS[type_name]:
        value = filled(wanted, estate.kept)
        assert any(one == value or one.endswith((f"/{value}", f":{value}")) for one in identities), (value, rows[:3])
    assert len({row["_id"] for row in rows}) == len(rows)


def test_no_scope_is_lost_in_silence(estate: Estate) -> None:
    broken = {scope.type: scope.reason for scope in estate.first.scopes if scope.status != "complete"}
    assert not broken
    assert {scope.type for scope in estate.first.scopes} == set(FINDS)


def test_a_second_sync_writes_no_version(estate: Estate, tmp_path: Path) -> None:
    wrong = _moved(estate.second)
    for _ in range(_TRIES):
        if not wrong:
            break
        # moto moves states on as time passes, which on a slow machine falls between two sweeps.
        wrong = _moved(estate.synced_anew(tmp_path, tuple(wrong))[1])
    assert not wrong


def _moved(report: SyncReport) -> dict[str, tuple[int, int, int]]:
    return {
        s.type: (s.new, s.changed, s.deleted)
        for s in report.scopes
        if (s.new or s.changed or s.deleted) and s.type not in UNSTEADY
    }


@pytest.mark.parametrize("wanted", ESTATE["tags"], ids=lambda one: one[0])
def test_tags_are_those_given(estate: Estate, wanted: list[str]) -> None:
    type_name, tag = wanted
    assert any(tag in (row["tags"] or []) for row in estate.rows(type_name))


@pytest.mark.parametrize("type_name", [name for name in FINDS if name not in UNEQUAL])
def test_every_field_is_what_boto3_answers(estate: Estate, type_name: str, tmp_path: Path) -> None:
    kind = load_type(type_name, open_models())
    if kind.list_call.parent is not None or (kind.describe_call is not None and kind.describe_call.inherited):
        return  # its calls take what only its parents or its list know; identity and second run are tested
    unlike = _unlike(estate, kind, estate.rows(type_name))
    for _ in range(_TRIES):
        if not unlike:
            break
        # moto moves states on as time passes (ACM after a minute): then both are asked again, one after the other.
        catalog, _ = estate.synced_anew(tmp_path, (type_name,))
        unlike = _unlike(estate, kind, estate.rows(type_name, catalog))
    assert not unlike


def _unlike(estate: Estate, kind: ResourceType, rows: list[dict[str, Any]]) -> list[Any]:
    """Return what boto3 answers otherwise, now, than these rows say."""
    held = [_provider_fields(kind, row) for row in rows]
    answers = list(boto3_answers(estate, kind))
    if len(answers) != len(held):
        return [("number of resources", len(answers), len(held))]
    nearest = (min((differences(answer, row) for row in held), key=len) for answer in answers[:20])
    return [unlike for unlike in nearest if unlike]


def _provider_fields(kind: ResourceType, row: dict[str, Any]) -> dict[str, Any]:
    # Facets come from calls of their own: test_facets_moto.py compares them.
    other = {"tags", *(facet.name for facet in kind.facets)}
    return {one.name: row[one.name] for one in kind.fields if one.provider_name is not None and one.name not in other}


def boto3_answers(estate: Estate, kind: ResourceType) -> Iterator[dict[str, Any]]:
    """Yield what boto3 says of each resource of a type, by the type's calls and boto3's own parsers."""
    client = estate.client(kind.service)
    model = client.meta.service_model
    listing, describe = kind.list_call, kind.describe_call
    shape = _shape_at(
        model.operation_model((describe or listing).operation).output_shape, (describe or listing).result_path
    )
    for item in _boto3_items(client, kind):
        if describe is None:
            yield _without_omitted(kind, expected(shape, item))
            continue
        params = {**describe.arguments, **{m: _at(item, path) for m, path in describe.bindings.items()}}
        members = model.operation_model(describe.operation).input_shape.members
        params = {
            m: [v] if members[m].type_name == "list" and not isinstance(v, list) else v for m, v in params.items()
        }
        answer = _at(_called(client, describe.operation, params), describe.result_path)
        yield _without_omitted(kind, expected(shape, answer[0] if isinstance(answer, list) else answer))


def _boto3_items(client: Any, kind: ResourceType) -> Iterator[Any]:
    listing = kind.list_call
    params = {**listing.arguments}
    params |= {member: {"account_id": ACCOUNT}.get(name, "us-east-1") for member, name in listing.context.items()}
    shape, pages = client.meta.service_model.operation_model(listing.operation).input_shape, listing.pagination
    if pages is not None and pages.limit_key is not None and pages.limit_key in shape.required_members:
        params[pages.limit_key] = pages.page_size
    for member, values in listing.loops.items():
        for value in values:
            try:
                answer = _called(client, listing.operation, params | {member: value})
            except ClientError:
                continue
            yield from _each(answer, listing.result_path)
    if not listing.loops:
        if client.can_paginate(xform_name(listing.operation)):
            for page in client.get_paginator(xform_name(listing.operation)).paginate(**params):
                yield from _each(page, listing.result_path)
        else:
            yield from _each(_called(client, listing.operation, params), listing.result_path)


def _called(client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client, xform_name(operation))(**params)
    answer.pop("ResponseMetadata", None)
    return answer


def _each(value: Any, path: tuple[str, ...]) -> list[Any]:
    for depth, member in enumerate(path):
        if isinstance(value, list):
            return [found for one in value for found in _each(one, path[depth:])]
        value = (value or {}).get(member)
    return value if isinstance(value, list) else [] if value is None else [value]


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for member in path:
        value = value.get(member) if isinstance(value, dict) else None
    return value


def _shape_at(shape: Any, path: tuple[str, ...]) -> Any:
    for member in path:
        while shape.type_name == "list":
            shape = shape.member
        shape = shape.members[member]
    while shape.type_name == "list":
        shape = shape.member
    return shape


def _without_omitted(kind: ResourceType, answer: dict[str, Any]) -> dict[str, Any]:
    names = {one.name for one in kind.fields if one.provider_name is not None and one.name != "tags"}
    return {name: value for name, value in answer.items() if name in names}
