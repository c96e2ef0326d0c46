"""Which operation returns one resource whole, and how a list item names it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stocktake.resource_types.iam import iam_action
from stocktake.resource_types.members import (
    IDENTIFIER_SUFFIXES,
    STRING,
    Names,
    arn_member,
    find_path,
    name_member,
    noun_forms,
    plain,
)
from stocktake.resource_types.nouns import split_operation
from stocktake.resource_types.schema import is_answer_only, structure_fields, walk
from stocktake.resource_types.shapes import (
    input_shape,
    is_in_body,
    is_structure,
    members,
    output_shape,
    required,
    shape_at,
    type_of,
)
from stocktake.resource_types.spec import DescribeCall
from stocktake.resource_types.tag_shapes import is_tags_member

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Json, ServiceModel
    from stocktake.resource_types.list_calls import ListCandidate
    from stocktake.resource_types.spec import Path

_GENERIC_SHAPE = re.compile(
    r"_*(non_?empty|nonblank|min|max|\d|_|len|length|long|short|sensitive|generic)*string.*", re.IGNORECASE
)


_ITEMS_ARE_PARTIAL = re.compile(r"subset of the (available )?attributes", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Described:
    """A describe call, the shape that it returns and why it is chosen."""

    call: DescribeCall
    shape: str
    reason: str


def derive_describe(model: ServiceModel, candidate: ListCandidate) -> Described | None:
    """Return the call that returns a listed resource whole; None where the list item is as full, or there is none."""
    found = [
        described for operation in model.operations if (described := _describe(model, operation, candidate)) is not None
    ]
    best = max(found, key=lambda described: leaf_count(model, described.shape), default=None)
    if best is None:
        return None
    more = leaf_count(model, best.shape) - leaf_count(model, candidate.item_shape)
    if more > 0:
        return best
    if more == 0 and _ITEMS_ARE_PARTIAL.search(str(model.operations[candidate.operation].get("documentation", ""))):
        return replace(best, reason=f"{best.reason}; the list operation says that its items are a subset")
    return None


def leaf_count(model: ServiceModel, shape: str) -> int:
    """Return how many fields a structure gives; 0 for anything else."""
    return sum(1 for _ in walk(structure_fields(model, shape)[0])) if is_structure(model, shape) else 0


def bind(model: ServiceModel, parameter: str, shape: str, noun: str, item_shape: str) -> tuple[Path, str] | None:
    """Return where a list item holds the value of a request member, and by which rule."""
    if type_of(model, item_shape) == "string":
        return (), "the item itself"
    names = Names(model, item_shape)
    same = names.find((parameter,), STRING)
    if same is not None:
        return (same,), "same name"
    same_shape = [name for name in names.all(STRING) if names.shape(name) == shape]
    if len(same_shape) == 1 and not _GENERIC_SHAPE.fullmatch(shape):
        return (same_shape[0],), "same shape"
    for form in noun_forms(noun):
        if plain(parameter).startswith(plain(form)) or plain(parameter) in {"resourcearn", *IDENTIFIER_SUFFIXES}:
            suffix = plain(parameter).removeprefix(plain(form)).removeprefix("resource")
            found = names.find((*_identifiers(form, suffix), *_identifiers(noun, suffix)), STRING)
            if found is not None:
                return (found,), "identifier of the noun"
    return None


def _identifiers(form: str, suffix: str) -> list[str]:
    """Return names under which an item may hold what a parameter `<noun><suffix>` asks for."""
    suffixes = dict.fromkeys((suffix, *IDENTIFIER_SUFFIXES)) if suffix != "arn" else {"arn": None}
    return [name for ending in suffixes for name in (f"{form}{ending}", ending) if name]


def _describe(model: ServiceModel, operation: str, candidate: ListCandidate) -> Described | None:
    name = split_operation(operation)
    if name.verb not in {"Describe", "Get"} or name.condition or plain(name.noun) != plain(candidate.noun):
        return None
    stated, request = model.operations[operation], input_shape(model, operation)
    needed = required(model, request) or _sole_identifier(model, request, candidate)
    if stated.get("deprecated") or not needed:
        return None
    bindings: dict[str, Path] = {}
    rules = []
    for parameter in needed:
        found = bind(
            model, parameter, str(members(model, request)[parameter]["shape"]), candidate.noun, candidate.item_shape
        )
        if found is None or found[0] in bindings.values() or not _takes_string(model, request, parameter):
            return None
        bindings[parameter] = found[0]
        rules.append(f"binds {parameter} by {found[1]}")
    path = resource_path(model, operation, candidate.noun, candidate.item_shape)
    shape = shape_at(model, output_shape(model, operation), path)
    if shape is None or not is_structure(model, shape):
        return None
    call = DescribeCall(operation, bindings, path, iam_action(model, operation))
    return Described(call, shape, "; ".join(("same noun", *rules)))


def resource_path(model: ServiceModel, operation: str, noun: str, item_shape: str) -> Path:
    """Return where a describe answer holds the resource: () where the answer itself is the resource."""
    output = output_shape(model, operation)
    body = {
        name: member
        for name, member in members(model, output).items()
        if is_in_body(member) and not is_answer_only(name) and not is_tags_member(model, name, member)
    }
    structures = [name for name, member in body.items() if is_structure(model, member["shape"])]
    if len(body) == 1 and structures:
        return (structures[0],)
    for name in structures:
        if body[name]["shape"] == item_shape or (plain(name) == plain(noun) and _identifies(model, body[name], noun)):
            return (name,)
    return ()


def _identifies(model: ServiceModel, member: Json, noun: str) -> bool:
    """Return whether a structure says which resource it is of."""
    shape = str(member["shape"])
    return any(find_path(model, shape, noun, find) is not None for find in (arn_member, name_member))


def _takes_string(model: ServiceModel, request: str | None, parameter: str) -> bool:
    return type_of(model, str(members(model, request)[parameter]["shape"])) == "string"


def _sole_identifier(model: ServiceModel, request: str | None, candidate: ListCandidate) -> tuple[str, ...]:
    """Return the identifier that a request does not call required, but that names the resource.

    Of several, the one that the list is named after, or that the list item has by the same name.
    """
    suffixes = dict.fromkeys((candidate.bare_suffix(), "", *IDENTIFIER_SUFFIXES))
    wanted = [f"{form}{suffix}" for form in noun_forms(candidate.noun) for suffix in suffixes]
    names = Names(model, request)
    stated = members(model, request)
    fitting = [
        name
        for one in dict.fromkeys((*wanted, *suffixes))
        if (name := names.find((one,), STRING)) is not None and not stated[name].get("deprecated")
    ]
    item = Names(model, candidate.item_shape)
    return tuple([name for name in fitting if item.find((name,), STRING) is not None] or fitting)[:1]
