"""How a type is read: its derived plan, as a page and as one JSON object."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from stocktake.serve.cli.tables import make_console
from stocktake.serve.telling.values import to_visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.resource_types.spec import (
        DescribeCall,
        Facet,
        ListCall,
        Pagination,
        Path,
        ResourceType,
        TagsCall,
    )

    Call = ListCall | DescribeCall | TagsCall | Facet


def plan_document(resource_type: ResourceType) -> dict[str, Any]:
    """Return what `types TYPE -o json` prints. Paths are dotted names of the provider's; "" is the answer itself."""
    identity, life = resource_type.identity, resource_type.life_cycle
    return {
        "name": resource_type.name,
        "provider": resource_type.provider,
        "service": resource_type.service,
        "noun": resource_type.noun,
        "api_version": resource_type.api_version,
        "model_version": resource_type.model_version,
        "protocol": resource_type.protocol,
        "tier": resource_type.tier,
        "scope": resource_type.scope,
        "cloudformation": resource_type.cloudformation or None,
        "needs": list(resource_type.needs),
        "parent": _parent(resource_type),
        "loops": {member: list(values) for member, values in resource_type.list_call.loops.items()},
        "list": _call(resource_type.list_call),
        "describe": _call(resource_type.describe_call),
        "tags": _call(resource_type.tags_call),
        "facets": {facet.name: _call(facet) for facet in resource_type.facets},
        "inline_tags": _path(resource_type.inline_tags.path) if resource_type.inline_tags else None,
        "identity": {
            "arn": _path(identity.arn_path),
            "key": [_path(path) for path in identity.key_paths],
            "created": _path(identity.created_path),
        },
        "life_cycle": {
            "state": _path(life.state_path),
            "final_states": sorted(life.final_states),
            "modified_in_list": _path(life.item_modified_path),
            "ended": _path(life.ended_path),
        },
        "iam_actions": list(resource_type.iam_actions),
        "fields": len(resource_type.fields),
        "left_out": list(resource_type.omitted),
        "reasons": dict(resource_type.reasons),
    }


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
        given = [f"{member} = {_path(path) or 'the item'}" for member, path in parent.bindings.items()]
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
        yield "tags inside", _path(resource_type.inline_tags.path) or ""
    yield "identity", ", ".join(filter(None, (_path(identity.arn_path), *map(_path, identity.key_paths)))) or "none"
    yield "created", _path(identity.created_path) or "not stated"
    yield "state", _path(life.state_path) or "not stated"
    yield "final states", ", ".join(sorted(life.final_states)) or "none known"
    yield (
        "changed when",
        f"{_path(life.item_modified_path)} in the list moves" if life.item_modified_path else "unknown",
    )
    yield "permissions", ", ".join(resource_type.iam_actions)
    yield "fields", str(len(resource_type.fields))
    if resource_type.omitted:
        yield "left out", ", ".join(resource_type.omitted)


def _parent(resource_type: ResourceType) -> dict[str, Any] | None:
    parent = resource_type.list_call.parent
    if parent is None:
        return None
    bindings = {member: _path(path) for member, path in parent.bindings.items()}
    return {"type": parent.type, "bindings": bindings, "inherited": dict(parent.inherited)}


def _call(call: Call | None) -> dict[str, Any] | None:
    if call is None:
        return None
    document: dict[str, Any] = {"operation": call.operation, "iam_action": call.iam_action}
    bindings: dict[str, Path] = getattr(call, "bindings", {})
    document["bindings"] = {member: _path(path) for member, path in bindings.items()}
    document["arguments"] = dict(getattr(call, "arguments", {}))
    document["result"] = _path(call.result_path)
    pagination: Pagination | None = getattr(call, "pagination", None)
    document["pagination"] = (
        {
            "input_token": pagination.input_token,
            "output_token": _path(pagination.output_token),
            "page_size": pagination.page_size,
            "origin": pagination.origin,
        }
        if pagination
        else None
    )
    batch = getattr(call, "batch", None)
    if batch is not None:
        document["batch"] = {"member": batch.member, "chunk": batch.chunk}
    return document


def _call_line(call: Call | None) -> str:
    document = _call(call)
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


def _path(path: Path | None) -> str | None:
    return None if path is None else ".".join(path)
