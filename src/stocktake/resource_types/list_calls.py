"""Which operation lists the resources of a noun, and where its answer holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.resource_types.iam import iam_action
from stocktake.resource_types.members import IDENTIFIER_SUFFIXES
from stocktake.resource_types.nouns import Vocabulary, split_operation
from stocktake.resource_types.pagination import UnclearPaginationError, derive_pagination, result_keys
from stocktake.resource_types.shapes import (
    element_shape,
    input_shape,
    is_in_body,
    is_structure,
    members,
    output_shape,
    required,
    shape_at,
    type_of,
)
from stocktake.resource_types.spec import ListCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

_VERBS = ("List", "Describe", "Get")
_NOT_RESULTS = ("error", "failure", "failed", "warning", "unprocessed", "notfound", "invalid")
_WHOLE = re.compile("(For|By|In)(Account|Organization)")
"""Conditions in an operation's name that leave nothing out."""
_TAG = re.compile("<[^>]+>")
_EITHER = re.compile(
    r"(^|[.,]) *you must (specify|provide|include|use) "
    r"((only )?(one of|either)(?![^.]*marker)|the arn or the name)",
    re.IGNORECASE,
)
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
    """Yield every operation that lists something at top level: nothing required to call it."""
    for operation, stated in model.operations.items():
        name = split_operation(operation)
        if name.verb not in _VERBS or not name.noun or stated.get("deprecated"):
            continue
        if name.noun.lower() in _NOT_NOUNS or (name.condition and not _WHOLE.fullmatch(name.condition)):
            continue
        if required(model, input_shape(model, operation)) or _wants_either(model, operation):
            continue
        noun = vocabulary.singular(name.noun)
        if noun == name.noun and name.verb != "List":
            continue
        found = _result(model, operation, name.noun, noun)
        if found is None or _is_batch_describe(model, operation, name.noun):
            continue
        path, item, reason = found
        rank = (
            int(bool(name.condition)),
            int(not is_structure(model, item)),
            -name.version,
            -len(members(model, item)),
            _VERBS.index(name.verb),
        )
        yield ListCandidate(noun, operation, path, item, reason, rank)


def derive_list_call(model: ServiceModel, candidate: ListCandidate) -> ListCall:
    """Return the call: pages, constant arguments, permission.

    Raises: UnclearPaginationError.
    """
    return ListCall(
        operation=candidate.operation,
        result_path=candidate.result_path,
        pagination=derive_pagination(model, candidate.operation, candidate.result_path),
        arguments=_stable_order(model, candidate.operation),
        iam_action=iam_action(model, candidate.operation),
    )


def is_pageable(model: ServiceModel, candidate: ListCandidate) -> bool:
    """Return whether every page of a candidate can be reached."""
    try:
        derive_pagination(model, candidate.operation, candidate.result_path)
    except UnclearPaginationError:
        return False
    return True


def _wants_either(model: ServiceModel, operation: str) -> bool:
    """Return whether the documentation says that one of several inputs is required, which the shape cannot say."""
    request = input_shape(model, operation)
    texts = (model.operations[operation], *members(model, request).values())
    return any(_EITHER.search(_TAG.sub("", str(text.get("documentation") or ""))) for text in texts)


def _is_batch_describe(model: ServiceModel, operation: str, plural: str) -> bool:
    """Return whether an operation wants to be told which resources: it takes names, has no pages, and a List has."""
    lister = f"List{plural}"
    if operation == lister or lister not in model.operations or operation in model.paginators:
        return False
    request = input_shape(model, operation)
    return any(element_shape(model, member["shape"]) is not None for member in members(model, request).values())


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
