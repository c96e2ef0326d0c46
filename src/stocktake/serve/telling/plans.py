"""How a type is read: its derived plan as one JSON object, and what its fields' names say that it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.relations.proposals import proposed_types
from stocktake.resource_types.schema import walk
from stocktake.resource_types.spec import Kind

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from stocktake.resource_types.spec import (
        DescribeCall,
        Facet,
        ListCall,
        Pagination,
        Path,
        ResourceType,
        TagsCall,
        ValueType,
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
        "list": call_document(resource_type.list_call),
        "describe": call_document(resource_type.describe_call),
        "tags": call_document(resource_type.tags_call),
        "facets": {facet.name: call_document(facet) for facet in resource_type.facets},
        "inline_tags": path_text(resource_type.inline_tags.path) if resource_type.inline_tags else None,
        "identity": {
            "arn": path_text(identity.arn_path),
            "key": [path_text(path) for path in identity.key_paths],
            "created": path_text(identity.created_path),
        },
        "life_cycle": {
            "state": path_text(life.state_path),
            "final_states": sorted(life.final_states),
            "modified_in_list": path_text(life.item_modified_path),
            "ended": path_text(life.ended_path),
        },
        "iam_actions": list(resource_type.iam_actions),
        "fields": len(resource_type.fields),
        "left_out": list(resource_type.omitted),
        "reasons": dict(resource_type.reasons),
    }


def _parent(resource_type: ResourceType) -> dict[str, Any] | None:
    parent = resource_type.list_call.parent
    if parent is None:
        return None
    bindings = {member: path_text(path) for member, path in parent.bindings.items()}
    return {"type": parent.type, "bindings": bindings, "inherited": dict(parent.inherited)}


def call_document(call: Call | None) -> dict[str, Any] | None:
    """Return a call of a plan as one JSON object."""
    if call is None:
        return None
    document: dict[str, Any] = {"operation": call.operation, "iam_action": call.iam_action}
    bindings: dict[str, Path] = getattr(call, "bindings", {})
    document["bindings"] = {member: path_text(path) for member, path in bindings.items()}
    document["arguments"] = dict(getattr(call, "arguments", {}))
    document["result"] = path_text(call.result_path)
    pagination: Pagination | None = getattr(call, "pagination", None)
    document["pagination"] = (
        {
            "input_token": pagination.input_token,
            "output_token": path_text(pagination.output_token),
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


def path_text(path: Path | None) -> str | None:
    """Return a path as dotted names; None for none."""
    return None if path is None else ".".join(path)


def proposed_relations(one: ResourceType, known: Container[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield fields that may refer to other types, by their names, and to which of those that are known."""
    for path, field in walk(one.fields):
        if path[0] in {"account_id", "tags"} or not _is_text(field.type):
            continue
        types = [name for name in proposed_types(one.name, path) if name in known]
        if types:
            yield ".".join(path), types


def _is_text(value: ValueType) -> bool:
    while value.kind is Kind.LIST and value.element is not None:
        value = value.element
    return value.kind is Kind.STRING
