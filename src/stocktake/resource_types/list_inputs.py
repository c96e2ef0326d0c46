"""What a list operation must be given: by its shape, or in truth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stocktake.resource_types.members import plain
from stocktake.resource_types.overrides import list_arguments, stated_inputs, stated_loops
from stocktake.resource_types.shapes import input_shape, members, required, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel

_TAG = re.compile("<[^>]+>")
_EITHER = re.compile(
    r"(^|[.,]) *you must (specify|provide|include|use) "
    r"((only )?(one of|either)(?![^.]*marker)|the arn or the name)",
    re.IGNORECASE,
)
_UNLESS_ANOTHER = re.compile(r"must be included in your request if an? ", re.IGNORECASE)
"""Said of an input: one of several again, and this is the one that leads to all."""
_ONE_BY_DEFAULT = re.compile(r"the default ([a-z ]+) is (?:assumed|used)", re.IGNORECASE)
"""Without this input, the list is only of one parent's: the list by parent is the whole."""
_CALLER_BY_DEFAULT = re.compile(
    r"if (?:(?:the )?(\w+)(?: field| parameter)? is not specified|you do not specify an? ([a-z ]+)), [^.]*implicitly",
    re.IGNORECASE,
)
"""The same, said of the operation: without it, the list is of what belongs to the caller."""
_CALLERS_OWN = re.compile("is determined implicitly|whose credentials are used to call", re.IGNORECASE)
"""The same, said of the input."""
_ACCOUNT = frozenset({"accountid", "awsaccountid"})
_PAGING = re.compile("token|marker|maxresults|maxrecords|maxitems|limit|pagesize|sort|order|filter")
_LIMITS = frozenset({"maxresults", "maxrecords", "maxitems", "limit", "pagesize"})
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


def read_inputs(model: ServiceModel, operation: str) -> Iterator[Inputs]:
    """Yield the ways to give an operation what it needs; none where it needs what no rule can supply."""
    request = input_shape(model, operation)
    stated = list_arguments(model.name, operation)
    needed = tuple(
        name for name in required(model, request) if name not in stated and not is_limit(model, request, name)
    )
    needed = (*needed, *stated_loops(model.name, operation))
    if not stated and _wants_either(model, operation):
        reason = "the documentation asks for one of several inputs"
        for one in _choices(model, request, needed):
            yield from _sorted_out(model, operation, Inputs((*needed, one), reason=reason))
        if needed:
            yield from _sorted_out(model, operation, Inputs(needed, reason=reason, is_last_resort=True))
        return
    one_of = [name for name, member in members(model, request).items() if _UNLESS_ANOTHER.search(_text(member))]
    for one in one_of:
        reason = "the documentation asks for one of several inputs"
        yield from _sorted_out(model, operation, Inputs((*needed, one), reason=reason))
    hidden = tuple(name for name in _hidden(model, operation) if name not in (*needed, *stated))
    if hidden:
        reason = f"{', '.join(hidden)} is required in truth"
        yield from _sorted_out(model, operation, Inputs((*needed, *hidden), reason=reason))
    # What a search finds depends on who asks.
    is_last_resort = bool(hidden or one_of) or operation.startswith("Search")
    yield from _sorted_out(model, operation, Inputs(needed, is_last_resort=is_last_resort))


def is_limit(model: ServiceModel, request: str | None, name: str) -> bool:
    """Return whether a member only says how long a page is: readers send the longest, required or not."""
    shape = model.shapes[members(model, request)[name]["shape"]]
    return shape["type"] in {"integer", "long"} and "max" in shape and plain(name) in _LIMITS


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


def _hidden(model: ServiceModel, operation: str) -> Iterator[str]:
    said = _CALLER_BY_DEFAULT.findall(_text(model.operations[operation]))
    by_caller = {(name or words).lower().replace(" ", "") for name, words in said}
    stated = stated_inputs(model.name, operation)
    for name, member in members(model, input_shape(model, operation)).items():
        if type_of(model, member["shape"]) != "string":
            continue
        text = _text(member)
        if name in stated or _CALLERS_OWN.search(text):
            yield name
            continue
        defaults = [plain(one).replace(" ", "") for one in _ONE_BY_DEFAULT.findall(text)]
        if (
            name.lower() in by_caller
            or _UNLESS_ANOTHER.search(_text(member))
            or any(plain(name).startswith(one) for one in defaults)
        ):
            yield name


def _text(stated: object) -> str:
    documentation = stated.get("documentation") if isinstance(stated, dict) else None
    return _TAG.sub("", str(documentation or ""))
