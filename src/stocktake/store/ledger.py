"""The ledger: which sweeps ran, what each scope answered, and what was kept aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import stocktake
from stocktake.store.catalog import run
from stocktake.store.strategy_columns import MEMORY_SQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from stocktake.store.catalog import Catalog


@dataclass(slots=True)
class Coverage:
    """What a sweep learned of one scope."""

    account_id: str
    region: str
    type: str
    started_at: datetime
    status: str = "complete"
    """complete, partial, denied, throttled, unsupported or failed."""
    reason: str = ""
    hint: str = ""
    missing_permission: str = ""
    calls: int = 0
    throttled_calls: int = 0
    failed_calls: int = 0
    listed: int = 0
    read: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    aside: int = 0
    tags_status: str = "complete"
    """complete, denied, …; or `not refreshed` where unchanged resources' tags could not be asked in bulk."""
    drift: set[str] = field(default_factory=set)
    """Paths that the provider sent and the model does not know."""
    unknown_facets: set[str] = field(default_factory=set)
    """Facets that could not be read of some resources: what is held of them stays."""
    finished_at: datetime | None = None
    strategy: str = ""
    """full, bulk, open_set or reconcile; '' where it came to none."""
    strategy_reason: str = ""
    whole_at: datetime | None = None
    """When the whole list was last read: by this sweep, or by the one that it goes on from."""
    watermark: datetime | None = None
    """The newest creation, by the provider's clock, up to which everything is known."""
    listed_at: datetime | None = None
    """When its list was read, by the provider's clock."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A whole answer (path '') or one value that could not be typed."""

    id: str
    path: str
    reason: str
    value: str


class Ledger:
    """Writes the ledger of one sweep."""

    def __init__(self, catalog: Catalog, now: datetime) -> None:
        """Begin a sweep; one that a crash cut short before is marked as interrupted."""
        self._catalog = catalog
        with catalog.transaction() as connection:
            # Whoever holds no leases (see `leases`) is not running, whatever it wrote.
            run(
                connection,
                "UPDATE sweeps SET status = 'interrupted' WHERE status = 'running' "
                "AND sweep_id NOT IN (SELECT sweep_id FROM lease_holders)",
            )
            [row] = run(connection, "SELECT max(greatest(started_at, finished_at)) FROM sweeps")
            self._last = row[0].replace(tzinfo=UTC) if row[0] else datetime.min.replace(tzinfo=UTC)
            self.sweep_id = self._begin_number(connection, now)

    def moment(self, now: datetime) -> datetime:
        """Return a time for what is seen now, later than all before it, even where the machine's clock was set back."""
        self._last = max(now, self._last + timedelta(microseconds=1))
        return self._last

    def write_coverage(self, coverage: Coverage) -> None:
        """Write the row of a scope that is finished."""
        end = coverage.finished_at or coverage.started_at
        values: list[object] = [self.sweep_id, coverage.account_id, coverage.region, coverage.type, coverage.status]
        values += [coverage.reason or None, coverage.hint or None, coverage.missing_permission or None]
        values += [coverage.calls, coverage.throttled_calls, coverage.failed_calls, coverage.listed, coverage.read]
        values += [coverage.new, coverage.changed, coverage.deleted, coverage.unchanged, coverage.aside]
        values += [coverage.tags_status, sorted(coverage.drift)]
        values += [coverage.started_at.replace(tzinfo=None), end.replace(tzinfo=None)]
        values += [coverage.strategy or None, _naive(coverage.whole_at), _naive(coverage.watermark)]
        values += [_naive(coverage.listed_at), sorted(coverage.unknown_facets)]
        marks = ", ".join("?" for _ in values)
        with self._catalog.transaction() as connection:
            run(connection, f"INSERT INTO coverage VALUES ({marks})", values)
            self._covered(connection, coverage)

    def _covered(self, connection: duckdb.DuckDBPyConnection, coverage: Coverage) -> None:
        """Do what else is to be done of a scope that is finished, in the transaction of its row."""

    def memory(self, account_id: str, region: str, type_name: str) -> tuple[datetime | None, ...]:
        """Return when a scope was last whole, up to which creation it is known, and when it was last listed.

        Shape: three times, aware, UTC; the second and the third by the provider's clock.
        """
        [row] = run(self._catalog.connection, MEMORY_SQL, [account_id, region, type_name])
        return tuple(map(_aware, row))

    def write_asides(self, account_id: str, region: str, type_name: str, asides: Sequence[Aside], at: datetime) -> None:
        """Write what could not be typed; what an earlier sweep said of the same resource is replaced."""
        with self._catalog.transaction() as connection:
            ids = sorted({aside.id for aside in asides})
            run(
                connection,
                "DELETE FROM aside WHERE account_id = ? AND region = ? AND type = ? AND list_contains(?, id)",
                [account_id, region, type_name, ids],
            )
            connection.executemany(
                "INSERT INTO aside VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    [
                        self.sweep_id,
                        account_id,
                        region,
                        type_name,
                        a.id,
                        a.path,
                        a.reason,
                        a.value,
                        at.replace(tzinfo=None),
                    ]
                    for a in asides
                ],
            )

    @staticmethod
    def _begin_number(connection: duckdb.DuckDBPyConnection, now: datetime) -> int:
        """Write the row of a sweep that begins, and return its number."""
        [(number,)] = run(connection, "SELECT coalesce(max(sweep_id), 0) + 1 FROM sweeps")
        run(
            connection,
            "INSERT INTO sweeps VALUES (?, ?, NULL, 'running', NULL, ?, NULL)",
            [number, now.replace(tzinfo=None), stocktake.__version__],
        )
        return int(number)

    def finish(self, status: str, calls: int, now: datetime) -> None:
        """End the sweep: complete, gaps or failed."""
        with self._catalog.transaction() as connection:
            run(
                connection,
                "UPDATE sweeps SET status = ?, calls = ?, finished_at = ? WHERE sweep_id = ?",
                [status, calls, now.replace(tzinfo=None), self.sweep_id],
            )


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
