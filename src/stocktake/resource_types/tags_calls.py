"""Where a resource's tags come from: the document itself, or the service's own call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.describe_calls import bind
from stocktake.resource_types.iam import iam_action
from stocktake.resource_types.members import arn_member, find_path, plain
from stocktake.resource_types.nouns import split_operation
from stocktake.resource_types.pagination import UnclearPaginationError, derive_pagination
from stocktake.resource_types.shapes import (
    input_shape,
    is_in_body,
    is_structure,
    members,
    output_shape,
    required,
    type_of,
)
from stocktake.resource_types.spec import InlineTags, TagsCall
from stocktake.resource_types.tag_shapes import is_tags_member, tag_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path
    from stocktake.resource_types.tag_shapes import TagShape

_VERBS = ("List", "Get", "Describe")
_GENERIC_NOUNS = ("tags", "resourcetags", "tag")
_ARN_PARAMETERS = ("resourcearn", "arn", "resource", "taggableresourcearn", "resourcename")


def inline_tags(model: ServiceModel, shape: str) -> InlineTags | None:
    """Return where a resource structure holds its own tags."""
    for name, member in members(model, shape).items():
        tags = tag_shape(model, member["shape"]) if is_tags_member(model, name, member) else None
        if tags is not None:
            return InlineTags((name,), tags.key_member, tags.value_member)
    return None


def derive_tags_call(
    model: ServiceModel, noun: str, item_shape: str, document_shape: str
) -> tuple[TagsCall, str] | None:
    """Return the service's call for one resource's tags, and the rule that chose it."""
    for operation, generic in _tag_operations(model, noun):
        found = _result(model, operation)
        if found is None:
            continue
        path, tags = found
        bound = _bindings(model, operation, noun, (item_shape, document_shape), generic=generic)
        if bound is None:
            continue
        try:
            pagination = derive_pagination(model, operation, path)
        except UnclearPaginationError:
            continue
        bindings, arguments, rule = bound
        call = TagsCall(
            operation=operation,
            bindings=bindings,
            result_path=path,
            pagination=pagination,
            key_member=tags.key_member,
            value_member=tags.value_member,
            iam_action=iam_action(model, operation),
            arguments=arguments,
        )
        return call, f"{'the service' if generic else 'the noun'}'s own tags operation; {rule}"
    return None


def _tag_operations(model: ServiceModel, noun: str) -> Iterator[tuple[str, bool]]:
    """Yield operations for tags, the noun's own first; True where one serves all nouns."""
    own, generic = [], []
    for operation, stated in model.operations.items():
        name = split_operation(operation)
        if name.verb not in _VERBS or stated.get("deprecated"):
            continue
        kind, condition = plain(name.noun), plain(name.condition)
        if kind in {f"{plain(noun)}tags", f"{plain(noun)}tagging"}:
            own.append(operation)
        elif kind not in _GENERIC_NOUNS:
            continue
        elif condition in {f"for{plain(noun)}", f"of{plain(noun)}"}:
            own.append(operation)
        elif condition in {"", "forresource", "ofresource"}:
            generic.append(operation)
    yield from ((operation, False) for operation in own)
    yield from ((operation, True) for operation in generic)


def _result(model: ServiceModel, operation: str) -> tuple[Path, TagShape] | None:
    output = output_shape(model, operation)
    found: list[tuple[Path, TagShape]] = []
    for name, member in members(model, output).items():
        if not is_in_body(member):
            continue
        tags = tag_shape(model, member["shape"])
        if tags is not None:
            found.append(((name,), tags))
        elif is_structure(model, member["shape"]):
            found += [
                ((name, inner), tags)
                for inner, part in members(model, member["shape"]).items()
                if (tags := tag_shape(model, part["shape"])) is not None
            ]
    return found[0] if len(found) == 1 else None


def _bindings(
    model: ServiceModel, operation: str, noun: str, shapes: tuple[str, str], *, generic: bool
) -> tuple[dict[str, Path], dict[str, object], str] | None:
    request = input_shape(model, operation)
    needed = required(model, request) or tuple(members(model, request))[:1]
    bindings: dict[str, Path] = {}
    arguments: dict[str, object] = {}
    rules = []
    for parameter in needed:
        shape = str(members(model, request)[parameter]["shape"])
        if type_of(model, shape) != "string":
            return None
        kind = _enum_value(model, shape, noun)
        if kind is not None:
            arguments[parameter] = kind
            rules.append(f"{parameter} is the enum's word for the noun")
            continue
        found = _bind_tag_parameter(model, parameter, shape, noun, shapes, generic=generic)
        if found is None or model.shapes[shape].get("enum"):
            return None
        bindings[parameter] = found[0]
        rules.append(f"binds {parameter} by {found[1]}")
    return (bindings, arguments, "; ".join(rules)) if bindings else None


def _bind_tag_parameter(
    model: ServiceModel, parameter: str, shape: str, noun: str, shapes: tuple[str, str], *, generic: bool
) -> tuple[Path, str] | None:
    if plain(parameter) in _ARN_PARAMETERS or (generic and plain(parameter).endswith("arn")):
        for holder in dict.fromkeys(shapes):
            arn = find_path(model, holder, noun, arn_member) if is_structure(model, holder) else None
            if arn is not None:
                return arn, "the resource's ARN"
        if plain(parameter).endswith("arn"):
            return ((), "the item itself") if "arn" in plain(shapes[0]) else None
    for holder in dict.fromkeys(shapes):
        parameters = (parameter, "Id") if plain(parameter) == "resourceid" else (parameter,)
        for name in parameters:
            found = bind(model, name, shape, noun, holder)
            if found is not None:
                return found
    return None


def _enum_value(model: ServiceModel, shape: str, noun: str) -> str | None:
    allowed = model.shapes[shape].get("enum", ())
    return next((str(value) for value in allowed if plain(value) == plain(noun)), None)
