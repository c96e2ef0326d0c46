"""What a list operation must be given: by its shape, or in truth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stocktake.resource_types.members import plain
from stocktake.resource_types.overrides import list_arguments
from stocktake.resource_types.shapes import input_shape, members, required, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.facts import Facts

_TAG = re.compile("<[^>]+>")
_EITHER = re.compile(
    r"(^|[.,]) *you must (specify|provide|include|use) "
    r"((only )?(one of|either)(?![^.]*marker)|the arn or the name)",
    re.IGNORECASE,
)
_ONE_BY_DEFAULT = re.compile(r"the default [a-z ]+ is assumed", re.IGNORECASE)
"""Without this input, the list is only of one parent's: the list by parent is the whole."""
_ACCOUNT = frozenset({"accountid", "awsaccountid"})
_PAGING = re.compile("token|marker|maxresults|maxrecords|maxitems|limit|pagesize|sort|order|filter")
_MOST_VALUES = 40
"""An enum of more values is a vocabulary, not a partition of the list."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an operation must be given, by where it comes from."""

    open: tuple[str, ...] = ()
    """Members that only a parent can supply."""
    loops: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Members with a few possible values."""
    context: dict[str, str] = field(default_factory=dict)
    """Members that ask for the account."""
    reason: str = ""
    is_last_resort: bool = False
    """Used only where no other way leads to the resources."""


def read_inputs(model: ServiceModel, operation: str, noun: str, facts: Facts) -> Iterator[Inputs]:
    """Yield the ways to give an operation what it needs; none where it needs what no rule can supply."""
    request = input_shape(model, operation)
    stated = list_arguments(model.name, operation)
    needed = tuple(name for name in required(model, request) if name not in stated)
    if not stated and _wants_either(model, operation):
        reason = "the documentation asks for one of several inputs"
        for one in _choices(model, request, needed):
            yield from _sorted_out(model, operation, Inputs((*needed, one), reason=reason))
        if needed:
            yield from _sorted_out(model, operation, Inputs(needed, reason=reason, is_last_resort=True))
        return
    hidden = tuple(name for name in _hidden(model, operation, noun, facts) if name not in (*needed, *stated))
    if hidden:
        reason = f"{', '.join(hidden)} is required in truth"
        yield from _sorted_out(model, operation, Inputs((*needed, *hidden), reason=reason))
    yield from _sorted_out(model, operation, Inputs(needed, is_last_resort=bool(hidden)))


def _sorted_out(model: ServiceModel, operation: str, needed: Inputs) -> Iterator[Inputs]:
    """Yield the inputs by where they come from; nothing where one is no string."""
    stated = members(model, input_shape(model, operation))
    loops, context, still_open = {}, {}, []
    for name in needed.open:
        shape = str(stated[name]["shape"])
        values = tuple(map(str, model.shapes[shape].get("enum", ())))
        if type_of(model, shape) != "string":
            return
        if plain(name) in _ACCOUNT:
            context[name] = "account_id"
        elif values and len(values) <= _MOST_VALUES:
            loops[name] = values
        else:
            still_open.append(name)
    yield replace(needed, open=tuple(still_open), loops=loops, context=context)


def _wants_either(model: ServiceModel, operation: str) -> bool:
    """Return whether the documentation says that one of several inputs is required, which the shape cannot say."""
    texts = (model.operations[operation], *members(model, input_shape(model, operation)).values())
    return any(_EITHER.search(_text(one)) for one in texts)


def _choices(model: ServiceModel, request: str | None, needed: tuple[str, ...]) -> Iterator[str]:
    for name, member in members(model, request).items():
        shape = model.shapes[member["shape"]]
        is_choice = shape["type"] == "string" and not shape.get("enum") and not _PAGING.search(plain(name))
        if is_choice and name not in needed:
            yield name


def _hidden(model: ServiceModel, operation: str, noun: str, facts: Facts) -> Iterator[str]:
    known = facts.nouns.get(plain(noun))
    asked = {plain(name) for name in known.list_inputs} if known is not None else set()
    for name, member in members(model, input_shape(model, operation)).items():
        if type_of(model, member["shape"]) != "string":
            continue
        if _ONE_BY_DEFAULT.search(_text(member)) or plain(name) in asked:
            yield name


def _text(stated: object) -> str:
    documentation = stated.get("documentation") if isinstance(stated, dict) else None
    return _TAG.sub("", str(documentation or ""))
