"""How a type is read: its derived plan, as a page and as one JSON object."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stocktake.serve.cli.tables import make_console
from stocktake.serve.telling.plans import call_document, path_text
from stocktake.serve.telling.values import to_visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.resource_types.spec import (
        DescribeCall,
        Facet,
        ListCall,
        ResourceType,
        TagsCall,
    )

    Call = ListCall | DescribeCall | TagsCall | Facet


def print_plan(resource_type: ResourceType, stream: IO[str], *, on_terminal: bool, explain: bool = True) -> None:
    """Print how a type is read."""
    console = make_console(stream, on_terminal=on_terminal)
    console.print(Text(resource_type.name, style="bold"))
    console.print(
        f"{resource_type.noun} of {resource_type.service}, {resource_type.protocol}, {resource_type.model_version}",
        style="dim",
        soft_wrap=True,
    )
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    reasons = [(f"why {part}", reason) for part, reason in sorted(resource_type.reasons.items())] if explain else []
    for label, value in [*_plan_lines(resource_type), *reasons]:
        table.add_row(label, Text(to_visible(value)))
    console.print(table)


def _plan_lines(resource_type: ResourceType) -> Iterable[tuple[str, str]]:
    identity, life = resource_type.identity, resource_type.life_cycle
    yield "evidence", f"tier {resource_type.tier}"
    if resource_type.cloudformation:
        yield "CloudFormation", resource_type.cloudformation
    yield "asked", "once for each region" if resource_type.scope == "regional" else "once for the account"
    parent = resource_type.list_call.parent
    if parent is not None:
        given = [f"{member} = {path_text(path) or 'the item'}" for member, path in parent.bindings.items()]
        given += [f"{member} = its own {key}" for member, key in parent.inherited.items()]
        yield "under each", f"{parent.type}: {', '.join(given)}"
    for member, values in resource_type.list_call.loops.items():
        yield "for each", f"{member} of {', '.join(values)}"
    for label, call in (
        ("list", resource_type.list_call),
        ("describe", resource_type.describe_call),
        ("tags", resource_type.tags_call),
    ):
        yield label, _call_line(call)
    for facet in resource_type.facets:
        yield "facet", f"{facet.name}: {_call_line(facet)}"
    if resource_type.inline_tags is not None:
        yield "tags inside", path_text(resource_type.inline_tags.path) or ""
    keys = (identity.arn_path, *identity.key_paths)
    yield "identity", ", ".join(filter(None, map(path_text, keys))) or "none"
    yield "created", path_text(identity.created_path) or "not stated"
    yield "state", path_text(life.state_path) or "not stated"
    yield "final states", ", ".join(sorted(life.final_states)) or "none known"
    yield (
        "changed when",
        f"{path_text(life.item_modified_path)} in the list moves" if life.item_modified_path else "unknown",
    )
    yield "permissions", ", ".join(resource_type.iam_actions)
    yield "fields", str(len(resource_type.fields))
    if resource_type.omitted:
        yield "left out", ", ".join(resource_type.omitted)


def _call_line(call: Call | None) -> str:
    document = call_document(call)
    if document is None:
        return "none"
    given = [f"{member} = {path or 'the item'}" for member, path in document["bindings"].items()]
    given += [f"{member} = {value!r}" for member, value in document["arguments"].items()]
    text = f"{document['operation']}({', '.join(given)})"
    if document["result"]:
        text += f" → {document['result']}"
    if document["pagination"] and document["pagination"]["page_size"]:
        text += f", {document['pagination']['page_size']} a page"
    return text
