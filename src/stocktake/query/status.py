"""What the catalog knows, how old that is, and what it could not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within
from stocktake.store.catalog import run, translating
from stocktake.store.type_tables import held_types, quote

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.store.catalog import Catalog

_SWEEPS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """The newest word on one scope. Times are UTC without a zone, as the catalog keeps them."""

    type: str
    account_id: str
    region: str
    status: str
    """complete, partial, denied, throttled, unsupported or failed."""
    rows: int
    """Resources held as existing."""
    aside: int
    """Answers and values kept aside, untyped."""
    tags_status: str
    stale: bool
    """The newest sweep did not read it whole, so what is held is from before."""
    complete_at: datetime | None
    """When it was last known whole."""
    finished_at: datetime
    """When it was last asked."""
    sweep_id: int
    reason: str | None
    missing_permission: str | None
    hint: str | None
    drift: list[str]
    """Paths that the provider sent and the model does not know."""


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """One sweep."""

    sweep_id: int
    started_at: datetime
    finished_at: datetime | None
    status: str
    """running, complete, gaps, failed or interrupted."""
    calls: int | None
    stocktake_version: str


@dataclass(frozen=True, slots=True)
class CatalogStatus:
    """What a catalog holds."""

    path: str
    size_bytes: int
    scopes: tuple[ScopeStatus, ...]
    sweeps: tuple[SweepStatus, ...]
    """The newest ones, newest first."""


def read_status(catalog: Catalog, *, reach: Reach = EVERYTHING) -> CatalogStatus:
    """Return what a catalog holds."""
    catalog = within(catalog, reach)
    with translating(catalog.path):
        return CatalogStatus(
            path=str(catalog.path),
            size_bytes=_size_bytes(catalog.path),
            scopes=_read_scopes(catalog),
            sweeps=_read_sweeps(catalog),
        )


def _read_scopes(catalog: Catalog) -> tuple[ScopeStatus, ...]:
    connection = catalog.connection
    counts = _count_rows(catalog)
    asides = {
        (kind, account, region): count
        for kind, account, region, count in run(
            connection, "SELECT type, account_id, region, count(*) FROM aside GROUP BY ALL"
        )
    }
    rows = run(
        connection,
        "SELECT type, account_id, region, status, tags_status, stale, complete_at, finished_at, sweep_id, reason, "
        "missing_permission, hint, drift FROM coverage_now ORDER BY type, account_id, region",
    )
    return tuple(
        ScopeStatus(
            type=row[0],
            account_id=row[1],
            region=row[2],
            status=row[3],
            rows=counts.get(row[:3], 0),
            aside=asides.get(row[:3], 0),
            tags_status=row[4],
            stale=row[5],
            complete_at=row[6],
            finished_at=row[7],
            sweep_id=row[8],
            reason=row[9],
            missing_permission=row[10],
            hint=row[11],
            drift=list(row[12] or ()),
        )
        for row in rows
    )


def _count_rows(catalog: Catalog) -> dict[tuple[str, str, str], int]:
    names = held_types(catalog)
    if not names:
        return {}
    statement = " UNION ALL ".join(
        f"SELECT '{name}', account_id, _region, count(*) FROM {quote(name)} GROUP BY ALL" for name in names
    )
    return {(kind, account, region): n for kind, account, region, n in run(catalog.connection, statement)}


def _read_sweeps(catalog: Catalog) -> tuple[SweepStatus, ...]:
    rows = run(
        catalog.connection,
        "SELECT sweep_id, started_at, finished_at, status, calls, stocktake_version FROM sweeps "
        f"ORDER BY sweep_id DESC LIMIT {_SWEEPS_SHOWN}",
    )
    return tuple(SweepStatus(*row) for row in rows)


def _size_bytes(path: Path) -> int:
    """Return the size of the file and of its log of what is not yet in it."""
    files = (path, Path(f"{path}.wal"))
    return sum(file.stat().st_size for file in files if file.exists())
