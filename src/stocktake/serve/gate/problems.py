"""What went wrong, as HTTP says it: a status, and the four fields of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.core.errors import CatalogLockedError, FatalError, StocktakeError, UserError
from stocktake.serve.gate.visitor import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS: Mapping[str, int] = {
    "unknown_resource": 404,
    "unknown_type": 404,
    "unknown_question": 404,
    "unknown_policy": 404,
    "unknown_document": 404,
    "unknown_token": 404,
    "unknown_sync": 404,
    "not_found": 404,
    "type_not_held": 404,
    "no_such_table": 404,
    "no_such_query": 404,
    "not_known_then": 404,
    "no_catalog": 404,
    "ambiguous_resource": 409,
    "sync_running": 409,
    "sql_cancelled": 409,
    "sql_timeout": 408,
    "question_timeout": 408,
    "sql_result_too_large": 413,
    "sql_out_of_memory": 413,
    "sql_busy": 429,
    "disk_full": 507,
}


def status_of(error: StocktakeError) -> int:
    """Return HTTP's word for an error: 4xx where the request is at fault, 5xx where the catalog cannot be had."""
    if isinstance(error, RefusedError):
        return error.status
    known = _STATUS.get(error.code)
    if known is not None:
        return known
    if isinstance(error, CatalogLockedError):
        return 503
    if isinstance(error, UserError):
        return 400
    return 503 if isinstance(error, FatalError) else 500


def problem_of(error: Exception) -> tuple[int, dict[str, str]]:
    """Return the status and the four fields of any error; of a bug nothing is told but its class."""
    if isinstance(error, StocktakeError):
        return status_of(error), error.as_dict()
    return 500, {
        "code": "bug",
        "message": "Something went wrong inside the server",
        "hint": "Its log has the details; please report them.",
        "where": type(error).__name__,
    }
