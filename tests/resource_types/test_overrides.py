"""Each stated entry says why, and is needed: without it, something is derived differently."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from stocktake.providers.aws.models import open_models
from stocktake.resource_types import overrides
from stocktake.resource_types.derive import derive_types
from stocktake.resource_types.service_types import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.resource_types.spec import ResourceType

MODELS = open_models()
STATED = overrides.stated()
TABLES = {
    "iam_prefix",
    "iam_action",
    "list_arguments",
    "describe_arguments",
    "parent",
    "compound",
    "loop",
    "required",
    "identity",
    "data",
    "facet",
    "no_facet",
    "global",
}
CACHED = [
    overrides.iam_prefixes,
    overrides.iam_actions,
    overrides.compounds,
    overrides.arguments_of,
    overrides.members_of,
    overrides.stated_parents,
    overrides.data_types,
    overrides.keys_by_type,
    overrides.facets_by_type,
    overrides.left_out_facets,
    overrides.global_types,
]


def entries() -> Iterator[tuple[str, int]]:
    yield from ((table, at) for table, found in STATED.items() for at in range(len(found)))


def service_of(table: str, entry: dict[str, Any]) -> str:
    if table == "compound":
        return next(
            service
            for service in MODELS.service_names
            if any(entry["noun"] in operation for operation in MODELS.load(service).operations)
        )
    places = {
        "data": "types",
        "no_facet": "operations",
        "parent": "type",
        "identity": "type",
        "facet": "type",
        "global": "types",
    }
    found = entry[places.get(table, "operation")]
    stated: str = found[0] if isinstance(found, list) else found
    return stated.split(":", maxsplit=1)[0]


def derived(service: str) -> dict[str, ResourceType]:
    return derive_types(MODELS.load(service), facts_of(service))


def test_every_entry_says_why_and_whence() -> None:
    assert set(STATED) <= TABLES
    assert sum(map(len, STATED.values())) <= 150
    for found in STATED.values():
        for entry in found:
            assert entry["why"].endswith(".")
            assert entry["source"]


@pytest.mark.parametrize(("table", "at"), [one for one in entries() if not one[0].startswith("iam_")])
def test_derivation_does_not_yield_an_entry_already(table: str, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_of(table, STATED[table][at])
    before = derived(service)
    without = copy.deepcopy(STATED)
    del without[table][at]
    monkeypatch.setattr(overrides, "stated", lambda: without)
    try:
        for function in CACHED:
            function.cache_clear()
        assert derived(service) != before
    finally:
        for function in CACHED:
            function.cache_clear()


@pytest.mark.parametrize("name", STATED["data"][0]["types"])
def test_each_of_the_data_types_would_be_taken_for_inventory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service, noun = name.split(":")
    monkeypatch.setattr("stocktake.resource_types.derive.data_types", frozenset)
    found = [one for one in derived(service).values() if one.noun == noun]
    assert [one.tier in "AB" for one in found] == [True]


@pytest.mark.parametrize("entry", STATED["facet"], ids=lambda one: one["type"])
def test_each_stated_facet_is_there_and_no_rule_finds_it(
    entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, noun = entry["type"].split(":")
    [one] = [one for one in derived(service).values() if one.noun == noun]
    assert entry["facets"].items() <= {facet.name: facet.operation for facet in one.facets}.items()
    monkeypatch.setattr("stocktake.resource_types.facets.stated_facets", lambda *_: {})
    [one] = [one for one in derived(service).values() if one.noun == noun]
    assert not set(entry["facets"].values()) & {facet.operation for facet in one.facets}


@pytest.mark.parametrize("operation", STATED["no_facet"][0]["operations"])
def test_each_that_is_left_out_would_be_a_facet(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service, name = operation.split(":")
    monkeypatch.setattr("stocktake.resource_types.facets.left_out_facets", lambda _: frozenset())
    assert name in {facet.operation for one in derived(service).values() for facet in one.facets}
