"""Operations that take many resources at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.resource_types.bindings import Bindings, bind, bind_all
from stocktake.resource_types.members import IDENTIFIER_SUFFIXES, noun_forms, plain
from stocktake.resource_types.nouns import split_operation
from stocktake.resource_types.shapes import (
    element_shape,
    input_shape,
    is_structure,
    members,
    output_shape,
    required,
    type_of,
)
from stocktake.resource_types.spec import Batch

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.list_calls import ListCandidate
    from stocktake.resource_types.spec import Path

_VERBS = frozenset({"Describe", "Get", "Batch"})
_USUAL_CHUNK = 10
"""Where neither shape nor documentation states how many one call takes."""
_UP_TO = re.compile(r"(?:up to|maximum of|at most|maximum:|more than) (\d+)", re.IGNORECASE)
_NOT_RESULTS = re.compile("error|fail|unprocessed|notfound|invalid|missing")


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """A call for many, what its inputs get, and where its answer holds the resources."""

    batch: Batch
    bindings: Bindings
    result_path: Path
    element_shape: str


def derive_batch(
    model: ServiceModel, operation: str, candidate: ListCandidate, listing: dict[str, str], facet: str = ""
) -> FoundBatch | None:
    """Return how an operation describes many resources of a noun; None where it does not."""
    noun = candidate.noun
    name = split_operation(operation)
    fits = plain(name.noun) == plain(noun + facet) if facet else _is_plural(name.verb, name.noun, noun)
    if name.verb not in _VERBS or name.condition or not fits:
        return None
    request = input_shape(model, operation)
    found = _identifiers_member(model, request, noun)
    results = _result_lists(model, operation)
    if found is None or len(results) != 1:
        return None
    member, one, shape = found
    bound = bind(model, one, shape, noun, candidate.item_shape)
    if bound is None:
        return None
    others = [other for other in required(model, request) if other != member]
    others += [
        key for key in listing if key not in others and key in members(model, request)
    ]  # optional, but the resource is only found with it (ECS clusters)
    rest = bind_all(model, request, others, (noun, candidate.item_shape), listing)
    if rest is None or rest.paths:
        return None
    path, element = results[0]
    answer = bind(model, one, shape, noun, element)
    if bound[0]:
        answer = bind(model, bound[0][-1], shape, noun, element) or answer
    rest.paths[member] = bound[0]
    rest.rules.insert(0, f"binds {member} by {bound[1]}")
    batch = Batch(member, _chunk(model, request, member), None if answer is None else answer[0])
    return FoundBatch(batch, rest, path, element)


def _is_plural(verb: str, stated: str, noun: str) -> bool:
    """Return whether an operation's noun is the plural of a noun: `BatchGetProjects`, `DescribeClusters`."""
    word = plain(stated)
    if verb == "Batch":
        word = next((word[len(start) :] for start in ("get", "describe") if word.startswith(start)), "")
        return word in {plain(noun), *_plurals(plain(noun))}
    return word in _plurals(plain(noun))


def _plurals(noun: str) -> set[str]:
    return {f"{noun}s", f"{noun}es", f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"}


def _identifiers_member(model: ServiceModel, request: str | None, noun: str) -> tuple[str, str, str] | None:
    """Return the member that takes a list of identifiers, what it is called for one, and that one's shape."""
    wanted = {
        plural
        for form in ("", *noun_forms(noun))
        for suffix in ("", *IDENTIFIER_SUFFIXES)
        for plural in (*_plurals(plain(form) + suffix), f"{plain(form)}{suffix}list")
        if form or suffix
    }
    for name, member in members(model, request).items():
        shape = element_shape(model, member["shape"])
        if shape is None or type_of(model, shape) != "string" or model.shapes[shape].get("enum"):
            continue
        if plain(name) in wanted:
            return name, _one(name), shape
    return None


def _one(name: str) -> str:
    """Return what one of a list of identifiers is called: `clusterArns` gives `clusterArn`."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name.removesuffix("List").removesuffix("s")


def _result_lists(model: ServiceModel, operation: str) -> list[tuple[Path, str]]:
    output = output_shape(model, operation)
    found: list[tuple[Path, str]] = []
    for name, member in members(model, output).items():
        element = element_shape(model, member["shape"])
        if element is not None and is_structure(model, element) and not _NOT_RESULTS.search(plain(name)):
            found.append(((name,), element))
    return found


def _chunk(model: ServiceModel, request: str | None, member: str) -> int:
    stated = members(model, request)[member]
    largest = model.shapes[stated["shape"]].get("max")
    if largest is not None:
        return int(largest)
    told = _UP_TO.search(str(stated.get("documentation") or ""))
    return int(told[1]) if told else _USUAL_CHUNK
