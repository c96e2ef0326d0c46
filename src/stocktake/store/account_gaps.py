"""Accounts that could not be entered, in the ledger: one row for the account, and one for each scope known before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.catalog import run
from stocktake.store.ledger import Coverage

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from stocktake.core.errors import StocktakeError
    from stocktake.store.catalog import Catalog
    from stocktake.store.ledger import Ledger

EVERYTHING = "*"
"""Region and type of a row that concerns a whole account."""


def write_account_gap(
    catalog: Catalog,
    ledger: Ledger,
    account_id: str,
    error: StocktakeError,
    types: Collection[str],
    regions: Collection[str],
    now: datetime,
) -> Coverage:
    """Note that nothing of an account could be asked; what is held of it becomes stale, and stays.

    Shape: `types` and `regions` are what the sweep was to read; of `regions`, nothing means any.
    """
    row = Coverage(account_id, EVERYTHING, EVERYTHING, now, status=getattr(error, "status", "failed"))
    row.reason, row.hint = error.message, error.hint
    row.missing_permission = getattr(error, "missing_permission", "")
    row.finished_at = now
    if row.status == "unsupported":
        row.tags_status = "none"
    ledger.write_coverage(row)
    moment = now.replace(tzinfo=None)
    with catalog.transaction() as connection:
        run(
            connection,
            "INSERT INTO coverage (sweep_id, account_id, region, type, status, reason, hint, missing_permission, "
            "calls, throttled_calls, failed_calls, listed, read, new, changed, deleted, unchanged, aside, tags_status, "
            "drift, started_at, finished_at) "
            "SELECT ?, account_id, region, type, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, tags_status, [], ?, ? "
            "FROM coverage_now WHERE account_id = ? AND type <> ? AND list_contains(?, type) "
            "AND (len(?) = 0 OR list_contains(?, region) OR region = 'global')",
            [
                ledger.sweep_id,
                row.status,
                row.reason,
                row.hint or None,
                row.missing_permission or None,
                moment,
                moment,
                account_id,
                EVERYTHING,
                sorted(types),
                sorted(regions),
                sorted(regions),
            ],
        )
    return row


def close_account_gaps(catalog: Catalog, ledger: Ledger, account_ids: Collection[str], now: datetime) -> None:
    """Note that accounts which could not be entered before now can."""
    rows = run(
        catalog.connection,
        "SELECT account_id FROM coverage_now WHERE type = ? AND status <> 'complete' AND list_contains(?, account_id)",
        [EVERYTHING, sorted(account_ids)],
    )
    for (account_id,) in rows:
        row = Coverage(str(account_id), EVERYTHING, EVERYTHING, now)
        row.finished_at = now
        ledger.write_coverage(row)
