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
def _arguments(table: str) -> dict[str, dict[str, Any]]:
    return {entry["operation"]: entry["arguments"] for entry in stated().get(table, ())}


def list_arguments(service: str, operation: str) -> dict[str, Any]:
    """Return constants that a list operation is called with."""
    return _arguments("list_arguments").get(f"{service}:{operation}", {})


def describe_arguments(service: str, operation: str) -> dict[str, Any]:
    """Return constants that a describe operation is called with."""
    return _arguments("describe_arguments").get(f"{service}:{operation}", {})


@cache
def _parents() -> dict[str, dict[str, Any]]:
    return {entry["type"]: entry for entry in stated().get("parent", ())}


def stated_parent(service: str, noun: str) -> dict[str, Any] | None:
    """Return what is stated of a noun's parent: `parent`, and perhaps `bindings` and `operation`."""
    return _parents().get(f"{service}:{noun}".lower())
