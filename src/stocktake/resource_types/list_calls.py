"""Which operations list the resources of a noun, and where their answers hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stocktake.resource_types.full_answers import ask_for_all
from stocktake.resource_types.iam import iam_action
from stocktake.resource_types.list_inputs import Inputs, read_inputs
from stocktake.resource_types.members import IDENTIFIER_SUFFIXES, plain
from stocktake.resource_types.nouns import split_operation
from stocktake.resource_types.overrides import list_arguments
from stocktake.resource_types.pagination import UnclearPaginationError, derive_pagination, result_keys
from stocktake.resource_types.shapes import (
    element_shape,
    input_shape,
    is_in_body,
    is_structure,
    members,
    output_shape,
    shape_at,
    type_of,
)
from stocktake.resource_types.spec import ListCall
from stocktake.resource_types.time_filters import time_filter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.nouns import Vocabulary
    from stocktake.resource_types.spec import ParentCall, Path

_VERBS = ("List", "Describe", "Get", "Search")
_NOT_RESULTS = ("error", "failure", "failed", "warning", "unprocessed", "notfound", "invalid")
_WHOLE = re.compile("(For|By|In)(Account|Organization)")
"""Conditions in an operation's name that leave nothing out."""
_NOT_NOUNS = ("tag", "tags", "resourcetags")


@dataclass(frozen=True, slots=True)
class ListCandidate:
    """An operation that lists a noun, and why it is thought to."""

    noun: str
    operation: str
    result_path: Path
    item_shape: str
    """The elements' shape: a structure, or a string."""
    reason: str
    rank: tuple[int, ...]
    """Smaller is better."""
    inputs: Inputs
    """What the operation must be given."""
    is_beside: bool = False
    """The operation is called after another noun."""

    def holds_arns(self, model: ServiceModel) -> bool:
        """Return whether the list is one of bare ARNs."""
        named = f"{self.result_path[-1]} {self.item_shape}".lower()
        return type_of(model, self.item_shape) == "string" and "arn" in named

    def bare_suffix(self) -> str:
        """Return what a list of bare strings says they are: `TableNames` gives `name`; '' where it says nothing."""
        return next(
            (suffix for suffix in IDENTIFIER_SUFFIXES if self.result_path[-1].lower().endswith(f"{suffix}s")), ""
        )


def list_candidates(model: ServiceModel, vocabulary: Vocabulary) -> Iterator[ListCandidate]:
    """Yield every operation that lists something, once for each way to give it what it needs."""
    for operation, stated in model.operations.items():
        name = split_operation(operation)
        if name.verb not in _VERBS or not name.noun or stated.get("deprecated") or name.noun.lower() in _NOT_NOUNS:
            continue
        noun = vocabulary.listed(name.noun)
        if noun == name.noun and name.verb != "List" and not _is_uncountable(model, operation, noun):
            continue
        if _is_batch_describe(model, operation, name.noun):
            continue
        partial = bool(name.condition) and not _WHOLE.fullmatch(name.condition)
        for path, item, reason, own_noun in _results(model, operation, name.noun, noun, vocabulary):
            listed = own_noun or noun
            for inputs in read_inputs(model, operation):
                rank = (
                    int(bool(inputs.open)),
                    int(partial),
                    int(bool(inputs.loops)),
                    int(bool(name.condition)),
                    int(not is_structure(model, item)),
                    -name.version,
                    -len(members(model, item)),
                    _VERBS.index(name.verb),
                    len(inputs.open),
                )
                why = f"{reason}; {inputs.reason}" if inputs.reason else reason
                yield ListCandidate(listed, operation, path, item, why, rank, inputs, is_beside=own_noun is not None)


def derive_list_call(model: ServiceModel, candidate: ListCandidate, parent: ParentCall | None = None) -> ListCall:
    """Return the call: pages, constant arguments, what it is repeated for, permission.

    Raises: UnclearPaginationError.
    """
    operation = candidate.operation
    return ListCall(
        operation=operation,
        result_path=candidate.result_path,
        pagination=derive_pagination(model, operation, candidate.result_path),
        arguments={
            **_stable_order(model, operation),
            **ask_for_all(model, operation),
            **list_arguments(model.name, operation),
        },
        iam_action=iam_action(model, operation),
        parent=parent,
        loops=dict(candidate.inputs.loops),
        context=dict(candidate.inputs.context),
        time_filter=time_filter(model, operation),
    )


def is_pageable(model: ServiceModel, candidate: ListCandidate) -> bool:
    """Return whether every page of a candidate can be reached."""
    try:
        derive_pagination(model, candidate.operation, candidate.result_path)
    except UnclearPaginationError:
        return False
    return True


def listing_shapes(model: ServiceModel, candidate: ListCandidate) -> dict[str, str]:
    """Return the members of a resource's listing (see `spec.ParentCall`), each with its shape."""
    stated = members(model, input_shape(model, candidate.operation))
    return {name: str(stated[name]["shape"]) for name in (*candidate.inputs.open, *candidate.inputs.loops)}


def _is_batch_describe(model: ServiceModel, operation: str, plural: str) -> bool:
    """Return whether an operation wants to be told which resources: it takes names, has no pages, and a List has."""
    lister = f"List{plural}"
    if operation == lister or lister not in model.operations or operation in model.paginators:
        return False
    request = input_shape(model, operation)
    return any(element_shape(model, member["shape"]) is not None for member in members(model, request).values())


def _is_uncountable(model: ServiceModel, operation: str, noun: str) -> bool:
    """Return whether an operation of a noun without plural (`DescribeInstanceInformation`) lists it all the same."""
    output = output_shape(model, operation)
    keys = result_keys(model, operation)
    if not keys and not noun.endswith("s"):
        return False
    lists = keys or tuple(_list_paths(model, output))
    return any(_is_named(path[-1], noun, noun) and _item_shape(model, output, path) is not None for path in lists)


def _results(
    model: ServiceModel, operation: str, plural: str, noun: str, vocabulary: Vocabulary
) -> Iterator[tuple[Path, str, str, str | None]]:
    """Yield path to a list in the answer, its elements' shape, the rule that found it, and its noun if another's."""
    found = _result(model, operation, plural, noun)
    if found is not None:
        yield (*found, None)
    output = output_shape(model, operation)
    lists = dict.fromkeys((*result_keys(model, operation), *_list_paths(model, output)))
    for path in lists:
        item = _item_shape(model, output, path)
        if item is None or not is_structure(model, item) or (found is not None and path == found[0]):
            continue
        word = path[-1][:1].upper() + path[-1][1:]
        beside = vocabulary.singular(word)
        if beside != word and plain(beside) != plain(noun) and vocabulary.is_made(beside):
            yield path, item, "one of several lists in the answer", beside


def _result(model: ServiceModel, operation: str, plural: str, noun: str) -> tuple[Path, str, str] | None:
    """Return the path to the list in the answer, its elements' shape and the rule that found it."""
    output = output_shape(model, operation)
    paginated = [path for path in result_keys(model, operation) if _item_shape(model, output, path) is not None]
    if paginated:
        path, reason = _best_named(paginated, plural, noun), "paginator's result key"
    else:
        lists = list(_list_paths(model, output))
        if not lists:
            return None
        named = [path for path in lists if _is_named(path[-1], plural, noun)]
        if len(lists) > 1 and not named:
            return None
        path, reason = (named or lists)[0], "list named like the noun" if named else "only list in the answer"
    item = _item_shape(model, output, path)
    if item is None:
        return None
    if not _is_named(path[-1], plural, noun):
        for name, member in members(model, item).items():
            inner = _item_shape(model, item, (name,))
            if type_of(model, member["shape"]) == "list" and inner is not None and _is_named(name, plural, noun):
                return (*path, name), inner, f"{reason}, flattened"
    return path, item, reason


def _list_paths(model: ServiceModel, output: str | None, above: Path = ()) -> Iterator[Path]:
    structures = []
    for name, member in members(model, output).items():
        if not is_in_body(member) or any(word in name.lower() for word in _NOT_RESULTS):
            continue
        path = (*above, name)
        if _item_shape(model, output, (name,)) is not None:
            yield path
        elif is_structure(model, member["shape"]):
            structures.append((path, member["shape"]))
    if len(structures) == 1 and not above:
        yield from _list_paths(model, structures[0][1], structures[0][0])


def _item_shape(model: ServiceModel, output: str | None, path: Path) -> str | None:
    """Return the element shape of the list at a path, where it is one of structures or strings."""
    shape = shape_at(model, output, path)
    element = None if shape is None else element_shape(model, shape)
    return element if element is not None and type_of(model, element) in {"structure", "string"} else None


def _best_named(paths: list[Path], plural: str, noun: str) -> Path:
    return next((path for path in paths if _is_named(path[-1], plural, noun)), paths[0])


def _is_named(member: str, plural: str, noun: str) -> bool:
    name = member.replace("_", "").lower()
    forms = {plural.lower(), noun.lower(), f"{noun.lower()}s"}
    suffixes = ("", "list", "set", "summaries", "summarylist", "arns", "ids", "names", "identifiers", "items", "infos")
    return any(name == form + suffix for form in forms for suffix in suffixes)


def _stable_order(model: ServiceModel, operation: str) -> dict[str, object]:
    """Return arguments that make pages come in the order of creation, where the operation takes such."""
    inputs = members(model, input_shape(model, operation))
    arguments: dict[str, object] = {}
    for member, wanted in (("SortBy", ("CreationTime",)), ("SortOrder", ("Ascending", "ASCENDING", "ASC", "asc"))):
        name = next((name for name in inputs if name.lower() == member.lower()), None)
        allowed = () if name is None else model.shapes[inputs[name]["shape"]].get("enum", ())
        value = next(
            (value for value in allowed if value.replace("_", "").lower() in {w.lower() for w in wanted}), None
        )
        if name is None or value is None:
            return {}
        arguments[name] = value
    return arguments


def with_reason(candidate: ListCandidate, reason: str) -> ListCandidate:
    """Return a candidate with one more reason."""
    return replace(candidate, reason=f"{candidate.reason}; {reason}")
