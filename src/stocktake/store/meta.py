"""Numbers that a catalog remembers of itself: up to which sweep something is known, by which rules it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.catalog import run

if TYPE_CHECKING:
    import duckdb


def read_number(connection: duckdb.DuckDBPyConnection, key: str) -> int | None:
    """Return a number; None where there is none yet."""
    found = run(connection, "SELECT value FROM catalog_meta WHERE key = ?", [key])
    return int(found[0][0]) if found else None


def write_number(connection: duckdb.DuckDBPyConnection, key: str, value: int) -> None:
    """Remember a number; within the transaction that is under way."""
    run(connection, "INSERT OR REPLACE INTO catalog_meta VALUES (?, ?)", [key, str(value)])
