"""How a call goes on to its next page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.shapes import input_shape, members, output_shape, type_of
from stocktake.resource_types.spec import Pagination

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Json, ServiceModel
    from stocktake.resource_types.spec import Path

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_TOKENS = ("nexttoken", "nextmarker", "paginationtoken", "nextpagetoken", "pagetoken", "marker", "continuationtoken")
_LIMITS = ("maxresults", "maxrecords", "maxitems", "limit", "pagesize", "maxentries")


class UnclearPaginationError(ValueError):
    """The model states how to go on in a form that cannot be followed: pages after the first would be missed."""


def derive_pagination(model: ServiceModel, operation: str) -> Pagination | None:
    """Return how an operation's pages go on; None where one answer holds everything.

    Raises: UnclearPaginationError.
    """
    stated = model.paginators.get(operation)
    return _inferred(model, operation) if stated is None else _stated(model, operation, stated)


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


def _inferred(model: ServiceModel, operation: str) -> Pagination | None:
    inputs = {name.lower(): name for name in members(model, input_shape(model, operation))}
    outputs = {name.lower(): name for name in members(model, output_shape(model, operation))}
    answered = next((token for token in _TOKENS if token in outputs), None)
    if answered is None:
        return None
    asked = next((token for token in (answered, *_TOKENS, "startingtoken") if token in inputs), None)
    if asked is None:
        return None
    limit_key = next((inputs[limit] for limit in _LIMITS if limit in inputs), None)
    return Pagination(
        input_token=inputs[asked],
        output_token=(outputs[answered],),
        limit_key=limit_key,
        page_size=_largest(model, operation, limit_key),
        origin="inferred",
    )


def _largest(model: ServiceModel, operation: str, limit_key: str | None) -> int | None:
    """Return the largest page that the request member's shape allows."""
    member = members(model, input_shape(model, operation)).get(limit_key or "")
    if member is None or type_of(model, member["shape"]) not in {"integer", "long"}:
        return None
    largest = model.shapes[member["shape"]].get("max")
    return None if largest is None else int(largest)


def _as_list(stated: str | list[str]) -> list[str]:
    return [stated] if isinstance(stated, str) else stated
