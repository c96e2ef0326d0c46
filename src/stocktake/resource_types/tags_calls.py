"""Where a resource's tags come from: the document itself, or the service's own call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stocktake.resource_types.bindings import bind
from stocktake.resource_types.iam import iam_action
from stocktake.resource_types.members import STRING, Names, arn_member, find_path, plain
from stocktake.resource_types.nouns import split_operation
from stocktake.resource_types.pagination import UnclearPaginationError, derive_pagination
from stocktake.resource_types.shapes import (
    element_shape,
    input_shape,
    is_in_body,
    is_structure,
    members,
    output_shape,
    required,
    type_of,
)
from stocktake.resource_types.spec import Batch, InlineTags, TagsCall
from stocktake.resource_types.tag_shapes import is_tags_member, tag_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path
    from stocktake.resource_types.tag_shapes import TagShape

_VERBS = ("List", "Get", "Describe")
_GENERIC_NOUNS = ("tags", "resourcetags", "tag")
_ACCOUNT = frozenset({"accountid", "awsaccountid"})
_USUAL_CHUNK = 20
"""Where the shape does not state how many resources one call takes (ELBv2)."""
_ARN_PARAMETERS = ("resourcearn", "arn", "resource", "taggableresourcearn", "resourcename")


@dataclass(frozen=True, slots=True)
class Listed:
    """A type as far as its tags need it."""

    noun: str
    item_shape: str
    document_shape: str
    listing: dict[str, str]
    """See `spec.ParentCall`."""
    has_arn_template: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one resource's tags lie in, in an answer for many."""

    shape: str
    tags_member: str


@dataclass(slots=True)
class _TagBindings:
    paths: dict[str, Path] = field(default_factory=dict)
    arguments: dict[str, object] = field(default_factory=dict)
    inherited: dict[str, str] = field(default_factory=dict)
    context: dict[str, str] = field(default_factory=dict)
    arn_member: str = ""
    many_member: str = ""
    rules: list[str] = field(default_factory=list)


def inline_tags(model: ServiceModel, shape: str) -> InlineTags | None:
    """Return where a resource structure holds its own tags."""
    for name, member in members(model, shape).items():
        tags = tag_shape(model, member["shape"]) if is_tags_member(model, name, member) else None
        if tags is not None:
            return InlineTags((name,), tags.key_member, tags.value_member)
    return None


def derive_tags_call(model: ServiceModel, listed: Listed) -> tuple[TagsCall, str] | None:
    """Return the service's call for one resource's tags, or for many at once, and the rule that chose it."""
    for operation, generic in _tag_operations(model, listed.noun):
        found = _result(model, operation)
        if found is None:
            continue
        path, tags, entry = found
        bound = _bindings(model, operation, listed, generic=generic, many=entry is not None)
        if bound is None:
            continue
        try:
            pagination = derive_pagination(model, operation, path)
        except UnclearPaginationError:
            continue
        call = TagsCall(
            operation=operation,
            bindings=bound.paths,
            result_path=path,
            pagination=pagination,
            key_member=tags.key_member,
            value_member=tags.value_member,
            iam_action=iam_action(model, operation),
            arguments=bound.arguments,
            inherited=bound.inherited,
            context=bound.context,
            batch=None if entry is None else _batch(model, operation, bound, entry),
            binds_arn=bound.arn_member,
        )
        return call, f"{'the service' if generic else 'the noun'}'s own tags operation; {'; '.join(bound.rules)}"
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


def _result(model: ServiceModel, operation: str) -> tuple[Path, TagShape, _Entry | None] | None:
    """Return where an answer holds tags, how they are written, and the entry around them if it is of many resources."""
    output = output_shape(model, operation)
    found: list[tuple[Path, TagShape, _Entry | None]] = []
    for name, member in members(model, output).items():
        if not is_in_body(member):
            continue
        tags = tag_shape(model, member["shape"])
        element = element_shape(model, member["shape"])
        if tags is not None:
            found.append(((name,), tags, None))
        elif is_structure(model, member["shape"]):
            found += [
                ((name, inner), tags, None)
                for inner, part in members(model, member["shape"]).items()
                if (tags := tag_shape(model, part["shape"])) is not None
            ]
        elif element is not None and is_structure(model, element):
            found += [
                ((name,), tags, _Entry(element, inner))
                for inner, part in members(model, element).items()
                if is_tags_member(model, inner, part) and (tags := tag_shape(model, part["shape"])) is not None
            ]
    return found[0] if len(found) == 1 else None


def _bindings(model: ServiceModel, operation: str, listed: Listed, *, generic: bool, many: bool) -> _TagBindings | None:
    request = input_shape(model, operation)
    stated = members(model, request)
    found = _TagBindings()
    for parameter in required(model, request) or tuple(stated)[:1]:
        shape = str(stated[parameter]["shape"])
        word = parameter
        if many and (element := element_shape(model, shape)) is not None:
            shape, word, found.many_member = element, parameter.removesuffix("List").removesuffix("s"), parameter
        if type_of(model, shape) != "string":
            return None
        kind = _enum_value(model, shape, listed.noun)
        if kind is not None:
            found.arguments[parameter] = kind
            found.rules.append(f"{parameter} is the enum's word for the noun")
            continue
        if model.shapes[shape].get("enum"):
            return None
        if not _bind(model, (parameter, word, shape), listed, found, generic=generic):
            return None
    if many and not found.many_member:
        return None
    return found if found.paths or found.arn_member else None


def _bind(
    model: ServiceModel, asked: tuple[str, str, str], listed: Listed, found: _TagBindings, *, generic: bool
) -> bool:
    """Bind one input (its member, its word for one resource, its shape); False where nothing supplies it."""
    parameter, word, shape = asked
    by_arn = plain(word) in _ARN_PARAMETERS or (generic and plain(word).endswith("arn"))
    bound = _bind_tag_parameter(model, word, shape, listed, by_arn=by_arn)
    if bound is not None and bound[0] not in found.paths.values():
        found.paths[parameter] = bound[0]
        found.rules.append(f"binds {parameter} by {bound[1]}")
        return True
    inherited = next((key for key in listed.listing if plain(key) == plain(word)), None)
    if inherited is not None:
        found.inherited[parameter] = inherited
        found.rules.append(f"{parameter} as listed")
        return True
    if plain(word) in _ACCOUNT:
        found.context[parameter] = "account_id"
        return True
    if by_arn and plain(word).endswith("arn") and listed.has_arn_template and not found.arn_member:
        found.arn_member = parameter
        found.rules.append(f"binds {parameter} by the ARN's template")
        return True
    return False


def _batch(model: ServiceModel, operation: str, bound: _TagBindings, entry: _Entry) -> Batch:
    stated = members(model, input_shape(model, operation))[bound.many_member]
    names = Names(model, entry.shape)
    word = bound.many_member.removesuffix("List").removesuffix("s")
    key = names.find((word, "ResourceArn", "Arn", "ResourceId", "Id"), STRING)
    largest = model.shapes[stated["shape"]].get("max")
    return Batch(
        bound.many_member,
        _USUAL_CHUNK if largest is None else int(largest),
        None if key is None else (key,),
        (entry.tags_member,),
    )


def _bind_tag_parameter(
    model: ServiceModel, parameter: str, shape: str, listed: Listed, *, by_arn: bool
) -> tuple[Path, str] | None:
    shapes = dict.fromkeys((listed.item_shape, listed.document_shape))
    if by_arn:
        for holder in shapes:
            arn = find_path(model, holder, listed.noun, arn_member) if is_structure(model, holder) else None
            if arn is not None:
                return arn, "the resource's ARN"
        if plain(parameter).endswith("arn"):
            return ((), "the item itself") if "arn" in plain(listed.item_shape) else None
    for holder in shapes:
        parameters = (parameter, "Id") if plain(parameter) == "resourceid" else (parameter,)
        for name in parameters:
            found = bind(model, name, shape, listed.noun, holder)
            if found is not None:
                return found
    return None


def _enum_value(model: ServiceModel, shape: str, noun: str) -> str | None:
    allowed = model.shapes[shape].get("enum", ())
    return next((str(value) for value in allowed if plain(value) == plain(noun)), None)
