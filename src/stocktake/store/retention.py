"""How long history is kept: versions that ended long ago go, what was valid at the horizon and later stays."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.store.catalog import open_catalog, run, translating
from stocktake.store.change_log import known_sweep
from stocktake.store.owner import take_turn
from stocktake.store.type_tables import held_types, history_name, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from stocktake.store.catalog import Catalog

PRUNED = "pruned_before/"
"""Begins the keys of `catalog_meta` that say up to when a type's history was pruned."""


@dataclass(frozen=True, slots=True)
class PrunedType:
    """What goes of one type, or would."""

    type: str
    horizon: datetime
    versions: int
    kept: int
    """Versions that stay."""
    forgotten: int
    """Resources of which nothing is left: they were gone before the horizon."""
    relations: int
    changes: int
    coverage: int
    asides: int

    @property
    def rows(self) -> int:
        """Return how many rows go."""
        return self.versions + self.relations + self.changes + self.coverage + self.asides


@contextmanager
def open_alone(path: Path, wait_seconds: float) -> Iterator[Catalog]:
    """Open a catalog for maintenance: readers make way, syncs wait.

    Raises: what `open_catalog` raises; CatalogLockedError while a sync has it.
    """
    turn = take_turn(path)
    try:
        with open_catalog(path, wait_seconds=wait_seconds) as catalog:
            yield catalog
    finally:
        if turn is not None:
            turn.release()


def prune(
    catalog: Catalog,
    horizon_of: Callable[[str], datetime | None],
    types: Sequence[str] = (),
    *,
    dry_run: bool = False,
) -> list[PrunedType]:
    """Remove what ended before each type's horizon; `horizon_of` returns None for a type that keeps everything.

    A version that was valid at the horizon or later stays, so that `as of` is whole from there on. Each type is one
    transaction. `types` narrows; `dry_run` counts only.
    """
    with translating(catalog.path):
        known = known_sweep(catalog.connection)
        found = []
        for name in held_types(catalog):
            horizon = horizon_of(name) if not types or name in types else None
            if horizon is not None:
                found.append(_prune_type(catalog, name, horizon.replace(tzinfo=None), known, dry_run=dry_run))
    return found


def _prune_type(catalog: Catalog, name: str, horizon: datetime, known: int, *, dry_run: bool) -> PrunedType:
    history = quote(history_name(name))
    parameters: dict[str, object] = {"horizon": horizon, "type": name}
    # What is not yet written down as changed must stay until it is.
    ended = f"_to <= $horizon AND coalesce(_end_sweep, 0) <= {known}"
    key = "(_id, account_id, _region)"
    connection = catalog.connection
    [(versions, kept, forgotten)] = run(
        connection,
        f"SELECT coalesce(sum(gone), 0), coalesce(sum(n - gone), 0), count(*) FILTER (gone = n) FROM "
        f"(SELECT count(*) AS n, count(*) FILTER ({ended}) AS gone FROM {history} GROUP BY {key})",
        {"horizon": horizon},
    )
    conditions = {
        "relation_versions": "source_type = $type AND _to <= $horizon",
        "change_log": "type = $type AND changed_at < $horizon",
        "coverage": f"type = $type AND finished_at < $horizon AND NOT ({_KEPT_LOOK})",
        "aside": f"type = $type AND seen_at < $horizon AND id NOT IN (SELECT _id FROM {history} WHERE _to IS NULL)",
    }
    counts = []
    for table, condition in conditions.items():
        [(count,)] = run(connection, f"SELECT count(*) FROM {table} WHERE {condition}", parameters)
        counts.append(int(count))
    if not dry_run and (versions or any(counts)):
        with catalog.transaction():
            if versions:
                run(connection, f"DELETE FROM {history} WHERE {ended}", {"horizon": horizon})
            for (table, condition), count in zip(conditions.items(), counts, strict=True):
                if count:
                    run(connection, f"DELETE FROM {table} WHERE {condition}", parameters)
            run(
                connection,
                "INSERT OR REPLACE INTO catalog_meta VALUES (?, ?)",
                [PRUNED + name, horizon.isoformat()],
            )
    return PrunedType(name, horizon, int(versions), int(kept), int(forgotten), *counts)


# Of every scope: its first look, where its history began; its last; and the last that was whole.
_KEPT_LOOK = """
    (account_id, region, sweep_id) IN (
        SELECT (account_id, region, unnest([min(sweep_id), max(sweep_id),
            coalesce(max(sweep_id) FILTER (status = 'complete'), max(sweep_id))]))
        FROM coverage WHERE type = $type GROUP BY account_id, region
    )
"""
