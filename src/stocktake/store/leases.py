"""Leases: which process reads which scope (account, region, type), so that two never do the same work.

A lease ends with its scope, when it is not renewed in time, or when its process is known to be dead. All of it is data
in the catalog, changed only by the process that has the catalog open, one step after another.
"""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from stocktake.store.catalog import run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    import duckdb

LEASE_SECONDS = 60
RENEW_SECONDS = 15
_ALIVE_SECONDS = 240
"""How much longer a lease holds whose process is known to live."""
_ENDED = frozenset("ZX")
"""States of a process that has ended and whose parent has not asked how."""
ScopeKey = tuple[str, str, str]
"""Account, region, type."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A sync in a process, as others may look for it."""

    id: str
    host: str
    pid: int
    born: str
    """Which start of the machine, which process space, and when in it: a process number is used again."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Why a scope is not ours to read now."""

    pid: int
    host: str
    sweep_id: int
    read_at: datetime | None = None
    """When it was read, where that is done; UTC without a zone."""
    status: str = ""
    """How that ended."""

    @property
    def reason(self) -> str:
        """Say it in words."""
        if self.read_at is not None:
            return f"read by sweep {self.sweep_id} after this one began: {self.status}"
        return f"being read by process {self.pid} (sweep {self.sweep_id})"


def new_holder() -> Holder:
    """Return a new sync of this process."""
    return Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), f"{_here()} {_started(os.getpid())}")


def are_others(connection: duckdb.DuckDBPyConnection, own_id: str, sweep_id: int) -> bool:
    """Say whether other syncs are under way, or have begun after a sweep."""
    statement = "SELECT EXISTS (FROM lease_holders WHERE holder <> $id) OR EXISTS (FROM sweeps WHERE sweep_id > $sweep)"
    return bool(run(connection, statement, {"id": own_id, "sweep": sweep_id})[0][0])


def read_busy(
    connection: duckdb.DuckDBPyConnection, own_id: str, scopes: Collection[ScopeKey]
) -> list[tuple[ScopeKey, Holder, int]]:
    """Return those of the scopes that others hold, each with who, and its sweep."""
    with _wanted(connection, scopes):
        rows = run(
            connection,
            "SELECT account_id, region, type, holder, host, pid, born, sweep_id FROM scope_leases "
            "JOIN lease_holders USING (holder) JOIN wanted_scopes USING (account_id, region, type) WHERE holder <> ?",
            [own_id],
        )
    return [((row[0], row[1], row[2]), Holder(*row[3:7]), int(row[7])) for row in rows]


def take(connection: duckdb.DuckDBPyConnection, own_id: str, scopes: Collection[ScopeKey], now: datetime) -> None:
    """Lease scopes that nobody else holds; in the caller's transaction."""
    with _wanted(connection, scopes):
        run(
            connection,
            "INSERT INTO scope_leases SELECT account_id, region, type, $holder, $now FROM wanted_scopes "
            "ANTI JOIN (FROM scope_leases WHERE holder = $holder) USING (account_id, region, type)",
            {"holder": own_id, "now": _naive(now)},
        )


def give_back(connection: duckdb.DuckDBPyConnection, own_id: str, scopes: Collection[ScopeKey]) -> None:
    """End the leases of some scopes; in the caller's transaction."""
    if not scopes:
        return
    with _wanted(connection, scopes):
        run(
            connection,
            "DELETE FROM scope_leases AS l USING wanted_scopes AS w WHERE l.holder = ? "
            "AND l.account_id = w.account_id AND l.region = w.region AND l.type = w.type",
            [own_id],
        )


def give_back_covered(connection: duckdb.DuckDBPyConnection, own_id: str, sweep_ids: Sequence[int]) -> None:
    """End the leases of scopes that a holder's sweeps have finished; in the caller's transaction."""
    run(
        connection,
        "DELETE FROM scope_leases AS l USING coverage AS c WHERE l.holder = ? AND list_contains(?, c.sweep_id) "
        "AND l.account_id = c.account_id AND l.region = c.region AND l.type = c.type",
        [own_id, list(sweep_ids)],
    )


def enter(connection: duckdb.DuckDBPyConnection, holder: Holder, sweep_id: int, now: datetime) -> None:
    """Begin to hold leases, or go on under another sweep's number; in the caller's transaction."""
    run(connection, "DELETE FROM lease_holders WHERE holder = ?", [holder.id])
    until = _naive(now) + timedelta(seconds=LEASE_SECONDS)
    run(
        connection,
        "INSERT INTO lease_holders VALUES (?, ?, ?, ?, ?, ?)",
        [holder.id, sweep_id, holder.host, holder.pid, holder.born, until],
    )


def own_sweeps(connection: duckdb.DuckDBPyConnection, own_id: str) -> list[int]:
    """Return the sweep under whose number a holder wrote last."""
    return [int(row[0]) for row in run(connection, "SELECT sweep_id FROM lease_holders WHERE holder = ?", [own_id])]


def renew(connection: duckdb.DuckDBPyConnection, holder: Holder, now: datetime) -> bool:
    """Hold all leases for longer; say whether they were still held."""
    until = _naive(now) + timedelta(seconds=LEASE_SECONDS)
    [(count,)] = run(connection, "UPDATE lease_holders SET until = ? WHERE holder = ?", [until, holder.id])
    return bool(count)


def leave(connection: duckdb.DuckDBPyConnection, holder_ids: Iterable[str]) -> None:
    """End all leases of some holders; in the caller's transaction."""
    ids = list(holder_ids)
    run(connection, "DELETE FROM scope_leases WHERE list_contains(?, holder)", [ids])
    run(connection, "DELETE FROM lease_holders WHERE list_contains(?, holder)", [ids])


def reap(connection: duckdb.DuckDBPyConnection, present: Collection[str], now: datetime) -> dict[str, list[ScopeKey]]:
    """End the leases of holders that are dead or did not renew them; in the caller's transaction.

    `present`: the holders of this very process, which otherwise cannot tell a sync that failed before from itself.
    Return what each of them had leased.
    """
    rows = run(connection, "SELECT holder, host, pid, born, until, sweep_id FROM lease_holders")
    gone = {row[0]: int(row[5]) for row in rows if _is_over(Holder(*row[:4]), row[4], _naive(now), present)}
    if not gone:
        return {}
    held: dict[str, list[ScopeKey]] = {holder: [] for holder in gone}
    found = run(
        connection,
        "SELECT holder, account_id, region, type FROM scope_leases WHERE list_contains(?, holder)",
        [list(gone)],
    )
    for holder, *scope in found:
        held[holder].append((scope[0], scope[1], scope[2]))
    leave(connection, gone)
    run(
        connection,
        "UPDATE sweeps SET status = 'interrupted' WHERE status = 'running' AND list_contains(?, sweep_id)",
        [list(gone.values())],
    )
    return held


def _is_over(holder: Holder, until: datetime, now: datetime, present: Collection[str]) -> bool:
    """Say whether a holder's process has ended or stands still; of another machine only time tells."""
    here, _, started = holder.born.rpartition(" ")
    if holder.host != socket.gethostname() or here != _here():
        return until <= now
    if holder.pid == os.getpid():
        return holder.id not in present
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # somebody else's, and alive
    # It may wait for the same long step of this process as its renewal does.
    return started != _started(holder.pid) or until + timedelta(seconds=_ALIVE_SECONDS) <= now


@cache
def _here() -> str:
    """Return which start of this machine, and which process space on it, as far as the system tells."""
    boot, space = "", ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{boot}/{space}"


def _started(pid: int) -> str:
    """Return when a process began, as its system counts; '' where that is not told, and of one that has ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name in brackets may hold anything; what follows its last bracket begins with the third field, the state.
    fields = told.rpartition(")")[2].split()
    return "" if fields[0] in _ENDED else fields[19]


@contextmanager
def _wanted(connection: duckdb.DuckDBPyConnection, scopes: Collection[ScopeKey]) -> Iterator[None]:
    """Let statements see scopes as a table, `wanted_scopes`."""
    columns = list(zip(*scopes, strict=True)) or [(), (), ()]
    names = ("account_id", "region", "type")
    table = pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})
    connection.register("wanted_scopes", table)
    try:
        yield
    finally:
        connection.unregister("wanted_scopes")


def _naive(moment: datetime) -> datetime:
    """Return UTC without a zone, as the catalog keeps times."""
    return moment.replace(tzinfo=None)
