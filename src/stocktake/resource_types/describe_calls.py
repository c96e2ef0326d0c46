"""Which operation returns one resource whole, and how a list item names it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stocktake.resource_types.batches import derive_batch
from stocktake.resource_types.bindings import bind_all
from stocktake.resource_types.full_answers import ask_for_all
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
from stocktake.resource_types.overrides import describe_arguments, stated_inputs
from stocktake.resource_types.schema import is_answer_only, structure_fields, walk
from stocktake.resource_types.shapes import (
    input_shape,
    is_in_body,
    is_structure,
    members,
    output_shape,
    required,
    shape_at,
)
from stocktake.resource_types.spec import DescribeCall
from stocktake.resource_types.tag_shapes import is_tags_member

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Json, ServiceModel
    from stocktake.resource_types.bindings import Bindings
    from stocktake.resource_types.list_calls import ListCandidate
    from stocktake.resource_types.spec import Path

_WHOLE_FACETS = ("Details", "Detail", "Information", "Info", "Description")
"""What a call for the whole resource may add to the noun's name."""
_FACETS = ("Attributes", "Properties", "Metadata", "Configuration", "Status")
"""Sides of a resource: better than a bare name."""
_ITEMS_ARE_PARTIAL = re.compile(r"subset of the (available )?attributes", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Described:
    """A describe call, the shape that it returns and why it is chosen."""

    call: DescribeCall
    shape: str
    reason: str


def derive_describe(model: ServiceModel, candidate: ListCandidate, listing: dict[str, str]) -> Described | None:
    """Return the call that returns a listed resource whole; None where the list item is as full, or there is none.

    Many a call before one a call, where both return as much.
    """
    found = []
    for operation in model.operations:
        if operation == candidate.operation or model.operations[operation].get("deprecated"):
            continue
        described = _describe(model, operation, candidate, listing) or _describe_many(
            model, operation, candidate, listing
        )
        if described is not None:
            found.append(described)
    if not found:
        facets = _WHOLE_FACETS if is_structure(model, candidate.item_shape) else (*_WHOLE_FACETS, *_FACETS)
        found = [one for facet in facets if (one := _describe_facet(model, candidate, listing, facet)) is not None][:1]
    best = max(
        found,
        key=lambda described: (leaf_count(model, described.shape), described.call.batch is not None),
        default=None,
    )
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


def _describe_facet(
    model: ServiceModel, candidate: ListCandidate, listing: dict[str, str], facet: str
) -> Described | None:
    """Return the call for one side of a resource, where all that lists it are bare names (SQS queues)."""
    for verb in ("Get", "Describe"):
        operation = f"{verb}{candidate.noun}{facet}"
        if operation in model.operations and not model.operations[operation].get("deprecated"):
            found = _describe(model, operation, candidate, listing, facet) or _describe_many(
                model, operation, candidate, listing, facet
            )
            if found is not None:
                return replace(found, reason=f"its {facet.lower()}, for lack of a call for the whole; {found.reason}")
    return None


def _describe(
    model: ServiceModel, operation: str, candidate: ListCandidate, listing: dict[str, str], facet: str = ""
) -> Described | None:
    name = split_operation(operation)
    if name.verb not in {"Describe", "Get"} or name.condition or plain(name.noun) != plain(candidate.noun + facet):
        return None
    request = input_shape(model, operation)
    stated = {**ask_for_all(model, operation), **describe_arguments(model.name, operation)}
    needed = [one for one in required(model, request) if one not in stated]
    needed += [one for one in stated_inputs(model.name, operation) if one not in needed]
    if all(plain(one) in {plain(key) for key in listing} for one in needed):
        needed += _sole_identifier(model, request, candidate)
    bound = bind_all(model, request, needed, (candidate.noun, candidate.item_shape), listing)
    if bound is None or not bound.paths:
        return None
    optional = _add_qualifiers(model, request, candidate, listing, bound)
    path = resource_path(model, operation, candidate.noun, candidate.item_shape)
    shape = shape_at(model, output_shape(model, operation), path)
    if shape is None or not is_structure(model, shape):
        return None
    call = DescribeCall(
        operation,
        bound.paths,
        path,
        iam_action(model, operation),
        arguments=stated,
        inherited=bound.inherited,
        context=bound.context,
        optional=optional,
    )
    return Described(call, shape, "; ".join(("same noun", *bound.rules)))


def _add_qualifiers(
    model: ServiceModel, request: str | None, candidate: ListCandidate, listing: dict[str, str], bound: Bindings
) -> tuple[str, ...]:
    """Add optional inputs that say within what a name is unique; return those that an item may lack.

    What a resource was listed with is always given, and beside a mere name what the list item has by the same name:
    a schedule's group, a rule's event bus. An ARN and a resource's own id need nothing beside them.
    """
    given = {plain(parameter.rsplit(".", 1)[-1]) for parameter in (*bound.paths, *bound.inherited)}
    if any(word.endswith("arn") for word in given) or any(
        plain(path[-1]).endswith("arn") for path in bound.paths.values() if path
    ):
        return ()
    own = {f"{plain(form)}{suffix}" for form in ("", *noun_forms(candidate.noun)) for suffix in IDENTIFIER_SUFFIXES}
    by_name = any(word.endswith("name") for word in given) and not given & {one for one in own if one.endswith("id")}
    item = Names(model, candidate.item_shape)
    listed = {plain(key): key for key in listing}
    optional = []
    for name, member in members(model, request).items():
        word = plain(name)
        if word in given or name in required(model, request) or member.get("deprecated"):
            continue
        if model.shapes[member["shape"]]["type"] != "string":
            continue
        if word in listed:
            bound.inherited[name] = listed[word]
            bound.rules.append(f"{name} as listed")
        elif by_name and word.endswith(("name", "id")) and "version" not in word and word not in own:
            found = item.find((name,), STRING)
            if found is not None:
                bound.paths[name] = (found,)
                bound.rules.append(f"{name} where the item has it")
                optional.append(name)
    return tuple(optional)


def _describe_many(
    model: ServiceModel, operation: str, candidate: ListCandidate, listing: dict[str, str], facet: str = ""
) -> Described | None:
    found = derive_batch(model, operation, candidate, listing, facet)
    if found is None:
        return None
    call = DescribeCall(
        operation,
        found.bindings.paths,
        found.result_path,
        iam_action(model, operation),
        arguments={**ask_for_all(model, operation), **describe_arguments(model.name, operation)},
        inherited=found.bindings.inherited,
        context=found.bindings.context,
        batch=found.batch,
    )
    return Described(call, found.element_shape, "; ".join(("many a call", *found.bindings.rules)))


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


def _sole_identifier(model: ServiceModel, request: str | None, candidate: ListCandidate) -> tuple[str, ...]:
    """Return the identifier that a request does not call required, but that names the resource.

    Of several, the one that the list is named after, or that the list item has by the same name.
    """
    suffixes = dict.fromkeys((candidate.bare_suffix(), "", *IDENTIFIER_SUFFIXES))
    wanted = [f"{form}{suffix}" for form in noun_forms(candidate.noun) for suffix in suffixes]
    names = Names(model, request)
    stated = members(model, request)
    needed = required(model, request)
    fitting = [
        name
        for one in dict.fromkeys((*wanted, *suffixes))
        if (name := names.find((one,), STRING)) is not None
        and not stated[name].get("deprecated")
        and name not in needed
    ]
    item = Names(model, candidate.item_shape)
    return tuple([name for name in fitting if item.find((name,), STRING) is not None] or fitting)[:1]
