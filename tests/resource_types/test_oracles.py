"""Derived calls against what others wrote by hand: Cloud Custodian, CloudFormation's handlers, botocore's examples."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from stocktake.resource_types.spec import Path as MemberPath
    from stocktake.resource_types.spec import ResourceType

    Derived = list[tuple[ResourceType, Any, Any]]


def _load() -> ModuleType:
    """Return the module beside this file: tests are no package."""
    found = importlib.util.spec_from_file_location("oracles", Path(__file__).with_name("oracles.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["oracles"] = module
    found.loader.exec_module(module)
    return module


oracles: Any = _load()


@pytest.fixture(scope="module")
def types(everything: Derived) -> list[ResourceType]:
    return [one for one, _, _ in everything]


@pytest.fixture(scope="module")
def c7n(types: list[ResourceType]) -> dict[str, Any]:
    found: dict[str, Any] = oracles.compare_c7n(types)
    return found


def test_list_calls_are_cloud_custodians(c7n: dict[str, Any]) -> None:
    assert c7n["list"].agreeing + len(c7n["list"].differing) > 390
    assert c7n["list"].share >= 0.95
    assert set(c7n["list"].differing) == set(oracles.EXPLAINED["list"])


def test_describe_calls_are_cloud_custodians(c7n: dict[str, Any]) -> None:
    assert c7n["describe"].agreeing + len(c7n["describe"].differing) > 110
    assert c7n["describe"].share >= 0.92
    assert c7n["describe, or none where it says no more"].share >= 0.97
    assert set(c7n["describe"].differing) == set(oracles.EXPLAINED["describe"])


def test_parents_and_arns_are_mostly_cloud_custodians(c7n: dict[str, Any]) -> None:
    assert c7n["parent"].share >= 0.98
    assert c7n["arn"].share >= 0.95


def test_permissions_are_those_of_cloudformations_handlers(types: list[ResourceType]) -> None:
    found = oracles.compare_cloudformation(types)
    assert found["list"].agreeing > 1300
    assert found["list"].share >= 0.98
    assert found["read"].agreeing > 1300
    assert found["read"].share >= 0.97


def test_recorded_answers_hold_what_result_paths_lead_to(types: list[ResourceType]) -> None:
    paths: dict[tuple[str, str], set[MemberPath]] = {}
    for one in types:
        for call in (one.list_call, one.describe_call):
            if call is not None:
                paths.setdefault((one.service, call.operation), set()).add(call.result_path)
    checked, missing = 0, []
    for service, operation, output in oracles.recorded_examples():
        for path in paths.get((service, operation), ()):
            checked += 1
            if reached(output, path) is None:
                missing.append((service, operation, path))
    assert checked >= 290
    # The only two examples whose own answers are empty.
    assert {operation for _, operation, _ in missing} == {
        "DescribeDBClusterSnapshotAttributes",
        "DescribeDBSnapshotAttributes",
    }


def reached(value: Any, path: MemberPath) -> Any:
    for at, name in enumerate(path):
        if isinstance(value, list):
            return [found for one in value if (found := reached(one, path[at:])) is not None]
        value = value.get(name) if isinstance(value, dict) else None
    return value


def test_page_has_the_tables(types: list[ResourceType]) -> None:
    table = oracles.render(types)
    assert "?" not in table
    text = oracles.PAGE.read_text(encoding="utf-8")
    assert f"{oracles.BEGIN}\n{table}\n{oracles.END}" in text, "run `python tests/resource_types/oracles.py`"
