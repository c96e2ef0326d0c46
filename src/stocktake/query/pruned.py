"""Which answers about the past are not whole, because history was pruned."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from stocktake.query.covering import words_of
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within
from stocktake.store.catalog import run, translating
from stocktake.store.retention import PRUNED

if TYPE_CHECKING:
    from stocktake.store.catalog import Catalog


def pruned_notes(catalog: Catalog, sql: str, moment: datetime, *, reach: Reach = EVERYTHING) -> list[str]:
    """Return a line for each type of a statement whose history does not go back to a moment."""
    catalog = within(catalog, reach)
    at = moment.replace(tzinfo=None)
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            f"SELECT key, value FROM catalog_meta WHERE starts_with(key, '{PRUNED}') ORDER BY key",
        )
    words = words_of(sql) if rows else set()
    notes = []
    for key, value in rows:
        name, horizon = str(key).removeprefix(PRUNED), datetime.fromisoformat(value)
        if at < horizon and {name.lower(), name.lower().partition("_")[2], "resources", "relations"} & words:
            notes.append(f"{name} was pruned up to {horizon.isoformat()}Z: of before only what lasted longer is told")
    return notes
