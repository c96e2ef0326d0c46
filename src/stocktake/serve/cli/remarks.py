"""What there is to say of a scope, in the same words after a sync and in the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.query.status import ScopeStatus
    from stocktake.store.ledger import Coverage


def scope_name(scope: Coverage | ScopeStatus) -> str:
    """Return a scope as people name it."""
    return f"{scope.type} in {scope.account_id} {scope.region}"


def gap_remarks(scope: Coverage | ScopeStatus, before_gap: str = "") -> Iterator[str]:
    """Yield why a scope is not whole, and what to do about it."""
    name = scope_name(scope)
    if scope.status in {"unsupported", "elsewhere"}:
        yield f"{name}: {scope.status}: {scope.reason or 'no reason given'}"
    elif scope.status != "complete":
        yield f"{before_gap}{name}: {scope.status}: {scope.reason or 'no reason given'}"
    elif scope.reason:
        yield f"{name}: {scope.reason}"
    if scope.missing_permission:
        yield f"  missing permission: {scope.missing_permission}"
    if scope.hint:
        yield f"  next: {scope.hint}"
    if scope.tags_status not in {"complete", "none"}:
        yield f"{name}: tags {scope.tags_status}"
