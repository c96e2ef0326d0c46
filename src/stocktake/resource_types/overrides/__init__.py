"""What cannot be derived from the models, as data: each entry says why, and where it comes from."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def stated() -> dict[str, list[dict[str, Any]]]:
    """Return all entries for AWS by table, as the file has them."""
    data: dict[str, Any] = tomllib.loads(Path(__file__).with_name("aws.toml").read_text(encoding="utf-8"))
    return data


@cache
def iam_prefixes() -> dict[str, str]:
    """Return the IAM prefixes of services whose models do not show them."""
    return {entry["service"]: entry["prefix"] for entry in stated()["iam_prefix"]}


@cache
def iam_actions() -> tuple[tuple[str, str], ...]:
    """Return patterns of `service:Operation`, each with the IAM action that it needs."""
    return tuple((entry["operations"], entry["action"]) for entry in stated()["iam_action"])


@cache
def compounds() -> frozenset[str]:
    """Return nouns that have a word in the middle which elsewhere begins a condition."""
    return frozenset(entry["noun"] for entry in stated().get("compound", ()))


@cache
def arguments_of(table: str) -> dict[str, dict[str, Any]]:
    """Return what a table of arguments says, by `service:Operation`."""
    return {entry["operation"]: entry["arguments"] for entry in stated().get(table, ())}


def list_arguments(service: str, operation: str) -> dict[str, Any]:
    """Return constants that a list operation is called with."""
    return arguments_of("list_arguments").get(f"{service}:{operation}", {})


@cache
def data_types() -> frozenset[str]:
    """Return `service:noun`, in lower case, of what is data that customers keep, not inventory."""
    return frozenset(name.lower() for entry in stated().get("data", ()) for name in entry["types"])


@cache
def global_types() -> frozenset[str]:
    """Return `service:noun`, in lower case, of what every region answers the same though the service has regions."""
    return frozenset(name.lower() for entry in stated().get("global", ()) for name in entry["types"])


def stated_loops(service: str, operation: str) -> tuple[str, ...]:
    """Return members of a list operation that must be given every value, though they are optional."""
    return members_of("loop").get(f"{service}:{operation}", ())


def stated_inputs(service: str, operation: str) -> tuple[str, ...]:
    """Return members of an operation that must be given, though they are optional."""
    return members_of("required").get(f"{service}:{operation}", ())


@cache
def members_of(table: str) -> dict[str, tuple[str, ...]]:
    """Return what a table of members says, by `service:Operation`."""
    return {entry["operation"]: tuple(entry["members"]) for entry in stated().get(table, ())}


def describe_arguments(service: str, operation: str) -> dict[str, Any]:
    """Return constants that a describe operation is called with."""
    return arguments_of("describe_arguments").get(f"{service}:{operation}", {})


@cache
def keys_by_type() -> dict[str, tuple[str, ...]]:
    """Return what is stated to identify a type's resources: `service:noun`, in lower case -> members."""
    return {entry["type"].lower(): tuple(entry["members"]) for entry in stated().get("identity", ())}


def stated_keys(service: str, noun: str) -> tuple[str, ...]:
    """Return the members that identify a resource within its list, where no ARN of its own does."""
    return keys_by_type().get(f"{service}:{noun}".lower(), ())


@cache
def stated_parents() -> dict[str, dict[str, Any]]:
    """Return the entries for parents, by `service:noun` in lower case."""
    return {entry["type"].lower(): entry for entry in stated().get("parent", ())}


def stated_parent(service: str, noun: str) -> dict[str, Any] | None:
    """Return what is stated of a noun's parent: `parent`, and perhaps `bindings` (request member -> dotted path)."""
    return stated_parents().get(f"{service}:{noun}".lower())


@cache
def facets_by_type() -> dict[str, dict[str, str]]:
    """Return what is stated of sides: `service:noun`, in lower case -> field name -> operation."""
    found: dict[str, dict[str, str]] = {}
    for entry in stated().get("facet", ()):
        found.setdefault(entry["type"].lower(), {}).update(entry["facets"])
    return found


def stated_facets(service: str, noun: str) -> dict[str, str]:
    """Return sides of a type that no rule finds: field name -> operation."""
    return facets_by_type().get(f"{service}:{noun}".lower(), {})


@cache
def left_out_facets(service: str) -> frozenset[str]:
    """Return operations that a rule takes for a resource's side, and that are none."""
    pairs = [one.split(":") for entry in stated().get("no_facet", ()) for one in entry["operations"]]
    return frozenset(operation for of, operation in pairs if of == service)
