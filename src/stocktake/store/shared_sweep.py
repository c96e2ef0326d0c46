"""The ledger of a sync that may not be the only one: it leases what it reads, and goes on where its owner ended.

Several syncs write one catalog at once, all through the process that has it open. Whoever derives something from what
sweeps wrote (relations, changes, the search table) remembers up to which sweep it knows, so a number must not be
written under once it is known. Therefore a sync that ends cuts the others: they go on under new numbers, as if they had
been started again at that moment. The sweep that was cut has the status `continued`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from stocktake.core.errors import FatalError, RetryableError
from stocktake.store import leases
from stocktake.store.catalog import run
from stocktake.store.ledger import Ledger
from stocktake.store.versions import ScopeVersions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import duckdb

    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.catalog import Catalog
    from stocktake.store.leases import Elsewhere, Holder, ScopeKey
    from stocktake.store.ledger import Coverage

_OVER_AT_ONCE = 500
_CATALOG_BYTES = 100_000_000
_SWEEPS: WeakKeyDictionary[Catalog, list[SharedSweep]] = WeakKeyDictionary()
"""The sweeps that write through this process."""


class LeaseLostError(FatalError):
    """A scope's lease was not renewed in time, and another process has it now."""


class ScopeBusyError(RetryableError):
    """Another sync reads a scope, or has just written of the same resources: the same works a little later."""


def sweeps_of(catalog: Catalog) -> list[SharedSweep]:
    """Return the sweeps that write a catalog through this process, which has it open."""
    return _SWEEPS.setdefault(catalog, [])


class SharedSweep(Ledger):
    """A sweep among others. Lives where the catalog is open; its methods run in the catalog's own thread."""

    def __init__(
        self,
        catalog: Catalog,
        now: datetime,
        holder: Holder,
        numbers: Sequence[int] = (),
        began: datetime | None = None,
    ) -> None:
        """Begin a sweep, or go on with one that went by other `numbers` and `began` then."""
        self.holder = holder
        self.numbers = list(numbers)
        self.lost: set[ScopeKey] = set()
        self.wrote = False
        self._in_company = False
        self._over: list[ScopeKey] = []
        self._scopes: list[tuple[ScopeKey, ScopeVersions]] = []
        self._free_dead(catalog)
        super().__init__(catalog, now)
        # After all that is known, also where the machine's clock was set back: what is older is not `read since`.
        self.began = began or max(now, self._last + timedelta(microseconds=1))
        catalog.moments.reached(self._last)
        self.numbers.append(self.sweep_id)
        with catalog.transaction() as connection:
            for number in leases.own_sweeps(connection, holder.id):
                self._end_number(number, now)
            # Which of the leases are over, the owner before may not have written any more.
            leases.give_back_covered(connection, holder.id, self.numbers)
            leases.enter(connection, holder, self.sweep_id, _wall())
        sweeps_of(catalog).append(self)

    def began_at(self) -> datetime:
        """Return when the sweep began, after all that was known then."""
        return self.began

    def moment(self, now: datetime) -> datetime:
        """Return a time for what is seen now, later than all before it in this catalog."""
        return self._catalog.moments.next(now)

    def open_scope(self, resource_type: ResourceType, account_id: str, region: str) -> ScopeVersions:
        """Return what is held of a scope."""
        found = ScopeVersions(self._catalog, resource_type, account_id, region, self.sweep_id)
        self._scopes.append(((account_id, region, resource_type.name), found))
        return found

    def close_scope(self, versions: ScopeVersions, *, was_written: bool) -> None:
        """Forget what was seen of a scope."""
        self._scopes = [one for one in self._scopes if one[1] is not versions]
        versions.close()
        if was_written:
            # A table of many columns takes much memory, however few its rows.
            self._catalog.free_memory(_CATALOG_BYTES)

    def check_scope(self, versions: ScopeVersions) -> None:
        """Raise LeaseLostError where another process has a scope by now."""
        for key, open_one in self._scopes:
            if open_one is versions and key in self.lost:
                raise LeaseLostError(
                    f"Another process took over {key[2]} in {key[0]} {key[1]}: this one did not go on for too long",
                    code="lease_lost",
                    hint="Nothing is lost: the other process reads it.",
                )

    def check_free(self, versions: ScopeVersions, ids: Sequence[str], read_at: datetime) -> None:
        """Raise ScopeBusyError where another sync reads a scope, or wrote of these resources since they were read."""
        key = self._key_of(versions)
        with self._catalog.transaction() as connection:
            for one in sweeps_of(self._catalog):
                one.give_back(connection)
        connection = self._catalog.connection
        if leases.read_busy(connection, self.holder.id, [key]):
            self._free_dead(self._catalog)
        busy = leases.read_busy(connection, self.holder.id, [key])
        if busy:
            raise ScopeBusyError(f"process {busy[0][1].pid} reads {key[2]} in {key[0]} {key[1]}", code="scope_busy")
        if versions.moved_since(ids, read_at):
            raise ScopeBusyError(f"{key[2]} in {key[0]} {key[1]} was written meanwhile", code="scope_busy")

    def note_read(self, versions: ScopeVersions, new: int, changed: int, deleted: int, now: datetime) -> None:
        """Write that single resources of a scope were read.

        Why not in the ledger of scopes: it says nothing of the scope.
        """
        self.wrote = True
        with self._catalog.transaction() as connection:
            run(
                connection,
                "INSERT INTO event_reads VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [self.sweep_id, *self._key_of(versions), new, changed, deleted, now.replace(tzinfo=None)],
            )

    def _key_of(self, versions: ScopeVersions) -> ScopeKey:
        return next(key for key, one in self._scopes if one is versions)

    def lease(
        self, scopes: Collection[ScopeKey], *, again: bool = False, finished_too: bool = False
    ) -> dict[ScopeKey, Elsewhere]:
        """Lease scopes, and return those that are not ours to read: held by another, or read since we began.

        `again`: what another has read since does not count; `finished_too`: it counts as soon as it ended, however.
        """
        elsewhere: dict[ScopeKey, Elsewhere] = {}
        self._in_company = self._in_company or leases.are_others(
            self._catalog.connection, self.holder.id, self.sweep_id
        )
        if self._in_company:
            elsewhere = self._elsewhere(scopes, again=again, finished_too=finished_too)
        ours = [key for key in scopes if key not in elsewhere]
        with self._catalog.transaction() as connection:
            if len(self._over) >= _OVER_AT_ONCE:
                self.give_back(connection)
            leases.take(connection, self.holder.id, ours, _wall())
        self.lost -= set(ours)
        return elsewhere

    def give_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write that the leases of finished scopes are over; in the caller's transaction."""
        leases.give_back(connection, self.holder.id, self._over)
        self._over = []

    def _elsewhere(self, scopes: Collection[ScopeKey], *, again: bool, finished_too: bool) -> dict[ScopeKey, Elsewhere]:
        """Return which of the scopes are not ours to read."""
        elsewhere = {} if again else self._read_since(scopes, ended=finished_too)
        with self._catalog.transaction() as connection:
            for one in sweeps_of(self._catalog):
                one.give_back(connection)
        if leases.read_busy(self._catalog.connection, self.holder.id, scopes):
            self._free_dead(self._catalog)
        for key, holder, sweep_id in leases.read_busy(self._catalog.connection, self.holder.id, scopes):
            elsewhere[key] = leases.Elsewhere(holder.pid, holder.host, sweep_id)
        read = self._read_since(scopes, ended=True)
        if any(one.sweep_id > self.sweep_id for key, one in read.items() if key not in elsewhere):
            # What is read later has the greater number, in each scope.
            self.cut(_wall())
            self.go_on(_wall())
        return elsewhere

    def renew(self) -> None:
        """Hold the leases for longer, and free those of others that are dead."""
        now = _wall()
        with self._catalog.transaction() as connection:
            held = leases.renew(connection, self.holder, now)
            self.give_back(connection)
        if not held:
            # Others took it for dead, and told the ledger so.
            self.go_on(now)
        self._free_dead(self._catalog)

    def _covered(self, connection: duckdb.DuckDBPyConnection, coverage: Coverage) -> None:
        """Note that the scope's lease is over; that is written when it matters to somebody."""
        del connection
        self.wrote = True
        self._over.append((coverage.account_id, coverage.region, coverage.type))

    def finish(self, status: str, calls: int, now: datetime) -> None:
        """End the sweep: complete, gaps or failed."""
        super().finish(status, calls, now)
        with self._catalog.transaction() as connection:
            leases.leave(connection, [self.holder.id])
        self.forget()

    def forget(self) -> None:
        """Take no more part here; whoever holds the sweep goes on elsewhere, or is gone."""
        for _, versions in self._scopes:
            versions.close()
        self._scopes.clear()
        if self in sweeps_of(self._catalog):
            sweeps_of(self._catalog).remove(self)

    def cut(self, now: datetime) -> None:
        """End the number under which the sweep writes."""
        self._in_company = True
        with self._catalog.transaction():
            self._end_number(self.sweep_id, now)

    def go_on(self, now: datetime) -> None:
        """Write under a new number from now on."""
        with self._catalog.transaction() as connection:
            self.sweep_id = self._begin_number(connection, now)
            leases.enter(connection, self.holder, self.sweep_id, _wall())
        self.numbers.append(self.sweep_id)
        for _, versions in self._scopes:
            versions.sweep_id = self.sweep_id

    def _end_number(self, number: int, now: datetime) -> None:
        run(
            self._catalog.connection,
            "UPDATE sweeps SET status = 'continued', finished_at = ? WHERE sweep_id = ? AND finished_at IS NULL",
            [now.replace(tzinfo=None), number],
        )

    def _read_since(self, scopes: Collection[ScopeKey], *, ended: bool) -> dict[ScopeKey, Elsewhere]:
        """Return what other sweeps have read whole since this one began; `ended`: what they came to an end with."""
        wanted = set(scopes)
        condition = "finished_at > ?" if ended else "started_at > ? AND status = 'complete'"
        rows = run(
            self._catalog.connection,
            "SELECT account_id, region, type, sweep_id, status, finished_at FROM coverage "
            f"WHERE {condition} AND NOT list_contains(?, sweep_id) ORDER BY sweep_id",
            [self.began.replace(tzinfo=None), self.numbers],
        )
        return {
            (row[0], row[1], row[2]): leases.Elsewhere(0, "", int(row[3]), row[5], str(row[4]))
            for row in rows
            if (row[0], row[1], row[2]) in wanted
        }

    def _free_dead(self, catalog: Catalog) -> None:
        present = {one.holder.id: one for one in sweeps_of(catalog)} | {self.holder.id: self}
        with catalog.transaction() as connection:
            freed = leases.reap(connection, present, _wall())
        for holder_id, scopes in freed.items():
            if holder_id in present:
                present[holder_id].lost |= set(scopes)


def conclude(
    catalog: Catalog, ledger: SharedSweep, now: datetime, work: Sequence[Callable[[Catalog, int], object]]
) -> None:
    """Do what follows from what sweeps wrote, while none writes: `work` gets the catalog and the newest sweep.

    A sweep that had nothing to read leaves it to those that had.
    """
    if not ledger.wrote:
        return
    others = [one for one in sweeps_of(catalog) if one is not ledger]
    for one in others:
        one.cut(now)
    [(newest,)] = run(catalog.connection, "SELECT max(sweep_id) FROM sweeps")
    try:
        for step in work:
            catalog.with_room(partial(step, catalog, int(newest)))
    finally:
        for one in others:
            one.go_on(now)


def _wall() -> datetime:
    """Return the machine's time: other processes measure leases by it, whatever clock a sweep is given."""
    return datetime.now(UTC)
