"""Others' views of the same resources, and where ours differs from them.

Run it to see the figures, and to write them into docs/derivation.md: `python tests/resource_types/oracles.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from botocore import xform_name

from stocktake.providers.aws.cloudformation import read_cloudformation_types
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.derive import derive_types
from stocktake.resource_types.describe_calls import leaf_count, resource_path
from stocktake.resource_types.index import document_shape
from stocktake.resource_types.names import plain_name
from stocktake.resource_types.service_types import facts_of
from stocktake.resource_types.shapes import output_shape, shape_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stocktake.resource_types.spec import ResourceType

ROOT = Path(__file__).parents[2]
C7N = ROOT / ".cache" / "c7n"
PAGE = ROOT / "docs" / "derivation.md"
EXPLAINED: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("oracle_differences.toml").read_text(encoding="utf-8")
)


PARTS = ("list", "describe", "describe, or none where it says no more", "parent", "arn")


@dataclass
class Agreement:
    """How many agree, and which do not: name -> what the oracle says, what we say."""

    agreeing: int = 0
    differing: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.agreeing / (self.agreeing + len(self.differing))

    def note(self, name: str, theirs: str, ours: Iterable[str]) -> None:
        found = sorted(set(ours))
        if theirs in found:
            self.agreeing += 1
        else:
            self.differing[name] = (theirs, ", ".join(found) or "none")


@cache
def c7n_types() -> dict[str, dict[str, Any]]:
    """Return Cloud Custodian's registry: name -> service, enum_spec, detail_spec, …"""
    assert (C7N / "c7n").is_dir(), "run `make setup`: it installs c7n for the tests"
    script = Path(__file__).with_name("c7n_registry.py")
    ran = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(C7N), "AWS_DEFAULT_REGION": "us-east-1"},
    )
    found: dict[str, dict[str, Any]] = orjson.loads(ran.stdout)
    return found


def compare_c7n(types: Iterable[ResourceType]) -> dict[str, Agreement]:
    """Compare list operation and path, describe operation, parent or none, ARN member, with Cloud Custodian's."""
    by_service: dict[str, list[ResourceType]] = {}
    for one in types:
        by_service.setdefault(one.service, []).append(one)
    found = {part: Agreement() for part in PARTS}
    for name, theirs in c7n_types().items():
        if not theirs["enum_spec"]:
            continue
        same = _listed_alike(by_service.get(theirs["service"], []), theirs)
        calls = {f"{xform_name(one.list_call.operation)} {'.'.join(one.list_call.result_path)}" for one in same}
        stated = f"{theirs['enum_spec'][0]} {_path(theirs['enum_spec'][1])}"
        found["list"].note(name, stated, {stated} if same else _likely(by_service, theirs, name) | calls)
        if same:
            _compare_rest(found, name, theirs, same)
    return found


def _listed_alike(types: list[ResourceType], theirs: dict[str, Any]) -> list[ResourceType]:
    operation, path = theirs["enum_spec"][0], _path(theirs["enum_spec"][1]).lower()
    same = [
        one
        for one in types
        if xform_name(one.list_call.operation) == operation
        and (not path or one.list_call.result_path[0].lower() == path)
    ]
    exact = [one for one in same if one.cloudformation == theirs["cfn_type"]]
    return exact or same


def _compare_rest(found: dict[str, Agreement], name: str, theirs: dict[str, Any], same: list[ResourceType]) -> None:
    describes = {xform_name(one.describe_call.operation) if one.describe_call else "none" for one in same}
    sides = {xform_name(facet.operation) for one in same for facet in one.facets}
    for detail in (theirs["detail_spec"], theirs["batch_detail_spec"]):
        if detail:
            found["describe"].note(name, detail[0], describes | sides)
            needless = describes == {"none"} and _says_no_more(same[0], detail[0])
            found["describe, or none where it says no more"].note(
                name, detail[0], {detail[0]} if needless else describes | sides
            )
    ours = {"parent" if one.list_call.parent else "top level" for one in same}
    found["parent"].note(name, "parent" if theirs["parent_spec"] else "top level", ours)
    if isinstance(theirs["arn"], str):
        paths = {path for one in same for path in (one.identity.arn_path, one.identity.item_arn_path) if path}
        found["arn"].note(name, theirs["arn"].rsplit(".", 1)[-1], {path[-1] for path in paths})


def _says_no_more(one: ResourceType, describe: str) -> bool:
    """Return whether the resource in a describe answer has no more fields than the list item."""
    model = open_models().load(one.service)
    operation = next((name for name in model.operations if xform_name(name) == describe), None)
    output = None if operation is None else output_shape(model, operation)
    item = document_shape(model, one.list_call, None)
    if operation is None or output is None:
        return False
    path = resource_path(model, operation, one.noun, item)
    shape = shape_at(model, output, path)
    return shape is not None and leaf_count(model, shape) <= leaf_count(model, item)


def _likely(by_service: dict[str, list[ResourceType]], theirs: dict[str, Any], name: str) -> set[str]:
    word = plain_name(name)
    return {
        xform_name(one.list_call.operation)
        for one in by_service.get(theirs["service"], [])
        if plain_name(one.noun) in word or one.cloudformation == theirs["cfn_type"] != ""
    }


def _path(stated: str | None) -> str:
    return re.split(r"[\[\]|.]", stated or "")[0]


def compare_cloudformation(types: Iterable[ResourceType]) -> dict[str, Agreement]:
    """Compare the permissions of our calls with those of CloudFormation's list and read handlers.

    Only of types called the same as CloudFormation's, in a service called the same: names decide, not permissions.
    """
    known = {one.name: one for one in read_cloudformation_types()}
    found = {"list": Agreement(), "read": Agreement()}
    for one in types:
        theirs = known.get(one.cloudformation)
        if theirs is None or plain_name(theirs.noun) != plain_name(one.noun):
            continue
        listing, reading = _actions(theirs.list_permissions), _actions(theirs.read_permissions)
        ours = one.list_call.iam_action.lower()
        if any(action.split(":")[0] == ours.split(":")[0] for action in listing):
            found["list"].note(one.name, ours, listing)
        if any(action.split(":")[0] == ours.split(":")[0] for action in reading):
            action = (one.describe_call or one.list_call).iam_action.lower()
            found["read"].note(one.name, action, {*reading, *(listing if one.describe_call is None else ())})
    return found


def _actions(permissions: Iterable[str]) -> set[str]:
    return {one.lower() for one in permissions if ":" in one}


def recorded_examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield service, operation and output of every answer that botocore ships as an example."""
    for folder in open_models().folders:
        for path in sorted(folder.glob("*/*/examples-1.json")):
            for operation, examples in orjson.loads(path.read_bytes())["examples"].items():
                yield from ((path.parts[-3], operation, one["output"]) for one in examples if one.get("output"))


def everything() -> list[ResourceType]:
    """Return all types of all tiers."""
    models = open_models()
    found: list[ResourceType] = []
    for service in models.service_names:
        found += derive_types(models.load(service), facts_of(service)).values()
        models.forget(service)
    return found


def render_counts(types: list[ResourceType]) -> list[str]:
    """Return how many types there are, by evidence and by how they are listed and read."""
    lines = ["| Tier | types | top level | loop | child | list only | describe one | describe many |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|--:|")
    for tier in "ABC":
        ours = [one for one in types if one.tier == tier]
        child = sum(1 for one in ours if one.list_call.parent is not None)
        loop = sum(1 for one in ours if one.list_call.parent is None and one.list_call.loops)
        many = sum(1 for one in ours if one.describe_call is not None and one.describe_call.batch is not None)
        one_each = sum(1 for one in ours if one.describe_call is not None) - many
        figures = (len(ours), len(ours) - child - loop, loop, child, len(ours) - one_each - many, one_each, many)
        lines.append(f"| {tier} | {' | '.join(map(str, figures))} |")
    return [*lines, ""]


def render(types: list[ResourceType]) -> str:
    """Return the tables of docs/derivation.md."""
    lines = [*render_counts(types), "| Oracle | compared | agree | |", "|---|--:|--:|--:|"]
    c7n, formed = compare_c7n(types), compare_cloudformation(types)
    rows = [
        *((f"Cloud Custodian: {part}", c7n[part]) for part in c7n),
        *((f"CloudFormation handlers: {part} permission", formed[part]) for part in formed),
    ]
    for title, one in rows:
        compared = one.agreeing + len(one.differing)
        lines.append(f"| {title} | {compared} | {one.agreeing} | {one.share:.1%} |")
    for part in ("list", "describe"):
        lines += ["", f"Cloud Custodian's types whose {part} call is another:", ""]
        lines += ["| Type | Theirs | Ours | Why |", "|---|---|---|---|"]
        for name, (theirs, ours) in sorted(c7n[part].differing.items()):
            lines.append(f"| `{name}` | {theirs} | {ours} | {EXPLAINED[part].get(name, '?')} |")
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- oracles: begin -->\n", "<!-- oracles: end -->\n"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    table = render(everything())
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
