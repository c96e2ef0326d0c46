"""How a call goes on to its next page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.shapes import (
    element_shape,
    input_shape,
    is_structure,
    members,
    output_shape,
    shape_at,
    type_of,
)
from stocktake.resource_types.spec import Pagination

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Json, ServiceModel
    from stocktake.resource_types.spec import Path

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_TOKENS = (
    "nexttoken",
    "nextmarker",
    "paginationtoken",
    "nextpagetoken",
    "pagetoken",
    "marker",
    "continuationtoken",
    "position",
)
_ASKING = (*_TOKENS, "startingtoken", "token")
_MORE = ("hasmore", "istruncated", "truncated")
"""What an answer says where there is more, token or not."""
_LIMITS = ("maxresults", "maxrecords", "maxitems", "limit", "pagesize", "maxentries")


class UnclearPaginationError(ValueError):
    """The model states how to go on in a form that cannot be followed: pages after the first would be missed."""


def derive_pagination(model: ServiceModel, operation: str, result_path: Path) -> Pagination | None:
    """Return how an operation's pages go on; None where one answer holds everything.

    Raises: UnclearPaginationError.
    """
    stated = model.paginators.get(operation)
    return _inferred(model, operation, result_path) if stated is None else _stated(model, operation, stated)


def plain_path(expression: str) -> Path | None:
    """Return a JMESPath of plain members (`A.B`) as a path; None for any other."""
    return tuple(expression.split(".")) if _PLAIN_PATH.fullmatch(expression) else None


def result_keys(model: ServiceModel, operation: str) -> tuple[Path, ...]:
    """Return where botocore's paginator finds the results of an operation."""
    stated = model.paginators.get(operation, {}).get("result_key", ())
    keys = (stated,) if isinstance(stated, str) else stated
    return tuple(path for key in keys if (path := plain_path(key)) is not None)


def _stated(model: ServiceModel, operation: str, stated: Json) -> Pagination:
    inputs, outputs = _as_list(stated["input_token"]), _as_list(stated["output_token"])
    paths = [plain_path(output) for output in outputs]
    if len(inputs) != len(outputs) or any(path is None for path in paths):
        raise UnclearPaginationError(operation)
    plain = [path for path in paths if path is not None]
    limit_key = stated.get("limit_key")
    return Pagination(
        input_token=inputs[0],
        output_token=plain[0],
        limit_key=limit_key,
        page_size=_largest(model, operation, limit_key),
        further_tokens=tuple(zip(inputs[1:], plain[1:], strict=True)),
    )


def _inferred(model: ServiceModel, operation: str, result_path: Path) -> Pagination | None:
    inputs = {name.lower(): name for name in members(model, input_shape(model, operation))}
    outputs = {name.lower(): name for name in members(model, output_shape(model, operation))}
    last = _last_item(model, operation, result_path, inputs, outputs)
    if last is not None:
        return last
    pairs = _usual_tokens(model, operation, inputs, result_path) or _like_named_tokens(inputs, outputs)
    if not pairs:
        if any(name.startswith(_MORE) for name in outputs):
            raise UnclearPaginationError(operation)
        return None
    limit_key = next((inputs[limit] for limit in _LIMITS if limit in inputs), None)
    return Pagination(
        input_token=pairs[0][0],
        output_token=pairs[0][1],
        limit_key=limit_key,
        page_size=_largest(model, operation, limit_key),
        origin="inferred",
        further_tokens=pairs[1:],
    )


def _usual_tokens(
    model: ServiceModel, operation: str, inputs: dict[str, str], result_path: Path
) -> tuple[tuple[str, Path], ...]:
    answered = _answered_token(model, output_shape(model, operation), result_path)
    asked = next((token for token in _ASKING if token in inputs), None)
    if (asked is None) != (answered is None):
        raise UnclearPaginationError(operation)
    return () if asked is None or answered is None else ((inputs[asked], answered),)


def _last_item(
    model: ServiceModel, operation: str, result_path: Path, inputs: dict[str, str], outputs: dict[str, str]
) -> Pagination | None:
    """Return how a list goes on after its last item: `ExclusiveStart…` of an item's own name, with `HasMore…`."""
    start = next((name for name in inputs if name.startswith("exclusivestart")), None)
    more = next((name for name in outputs if name.startswith(_MORE)), None)
    listed = shape_at(model, output_shape(model, operation), result_path)
    element = None if listed is None else element_shape(model, listed)
    if start is None or more is None or element is None or any(token in inputs for token in _ASKING):
        return None
    wanted = start.removeprefix("exclusivestart")
    path: Path | None = () if type_of(model, element) == "string" else None
    for name in members(model, element):
        if name.lower() in {wanted, wanted.removesuffix("id") + "id"}:
            path = (name,)
    if path is None:
        return None
    limit_key = next((inputs[limit] for limit in _LIMITS if limit in inputs), None)
    return Pagination(
        input_token=inputs[start],
        output_token=(outputs[more],),
        limit_key=limit_key,
        page_size=_largest(model, operation, limit_key),
        origin="last item",
        last_item_path=path,
    )


def _like_named_tokens(inputs: dict[str, str], outputs: dict[str, str]) -> tuple[tuple[str, Path], ...]:
    """Return markers that both sides call the same, or `ExclusiveStart…` with its `LastEvaluated…`."""
    pairs = [(inputs[name], (outputs[name],)) for name in inputs if name.endswith("marker") and name in outputs]
    starts = [name for name in inputs if name.startswith("exclusivestart")]
    lasts = {name: outputs.get(name.replace("exclusivestart", "lastevaluated")) for name in starts}
    pairs += [(inputs[name], (last,)) for name, last in lasts.items() if last is not None]
    return tuple(pairs)


def _answered_token(model: ServiceModel, output: str | None, result_path: Path) -> Path | None:
    """Return where the answer holds the next token: at its root, or beside the list."""
    for depth in range(len(result_path)):
        above = result_path[:depth]
        shape = shape_at(model, output, above)
        if not is_structure(model, shape):
            break
        found = {name.lower(): name for name in members(model, shape)}
        token = next((found[token] for token in _TOKENS if token in found), None)
        if token is not None:
            return (*above, token)
    return None


def _largest(model: ServiceModel, operation: str, limit_key: str | None) -> int | None:
    """Return the largest page that the request member's shape allows."""
    member = members(model, input_shape(model, operation)).get(limit_key or "")
    if member is None or type_of(model, member["shape"]) not in {"integer", "long"}:
        return None
    largest = model.shapes[member["shape"]].get("max")
    return None if largest is None else int(largest)


def _as_list(stated: str | list[str]) -> list[str]:
    return [stated] if isinstance(stated, str) else stated
