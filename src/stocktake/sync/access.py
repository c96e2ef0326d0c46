"""A sweep's way to the catalog: open here, or at the process that has it open, then at its successor."""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import stocktake
from stocktake.query.serving import READ, lock_down, serve_reader
from stocktake.store.door import OwnerLostError
from stocktake.store.leases import RENEW_SECONDS, new_holder
from stocktake.store.owner import CatalogOwner, join_catalog
from stocktake.store.remote import WRITE, ElsewhereDoor, HereDoor, serve_writer
from stocktake.store.shared_sweep import SharedSweep
from stocktake.store.type_tables import held_types

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from datetime import datetime
    from pathlib import Path

    from stocktake.store.remote import Door

_REJOIN_SECONDS = 30.0
"""How long to look for the successor of an owner that went away; then it is an error, and exit code 6."""
_TRIES = 20
"""So many owners in a row that let go before they did a thing are no chance."""
_ALONE_SECONDS = 1.0
"""How long readers may keep the writer from a checkpoint before it gives up until the next occasion."""
T = TypeVar("T")


class CatalogAccess:
    """Who has the catalog open may change at any time; `door` and `ledger` are those of now.

    A step that finds its owner gone raises OwnerLostError. What it committed is kept; then `rejoin`, and do again what
    was not finished.
    """

    door: Door
    ledger: SharedSweep

    def __init__(self, path: Path, now: Callable[[], datetime], wait_seconds: float) -> None:
        self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalog")
        """The catalog's own thread: everything that touches it runs there, one thing after another."""
        self.held: set[str] = set()
        """Types with tables."""
        self._path = path
        self._now = now
        self._wait_seconds = wait_seconds
        self._holder = new_holder()
        self._numbers: list[int] = []
        self._began: datetime | None = None
        self._rejoining = asyncio.Lock()

    async def open(self) -> None:
        """Open the catalog, or join whoever has it open, and begin the sweep."""
        await self.run(self._join, self._wait_seconds)

    async def close(self) -> None:
        """Let go of the catalog. What is under way there ends first: an interrupt may come in its middle."""
        # Not in the catalog's thread, where others may wait for their turn.
        await asyncio.to_thread(self.door.leave)
        await self.run(self.door.close)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in the catalog's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *arguments)

    async def at_owner(self, step: Callable[..., T], *arguments: object) -> T:
        """Run a step that may be done twice, until an owner has done it: it gets the door, the ledger, `arguments`."""
        while True:
            door = self.door
            try:
                return await self.run(step, door, self.ledger, *arguments)
            except OwnerLostError:
                await self.rejoin(door)

    async def rejoin(self, lost: Door) -> None:
        """Find who has the catalog open now, or open it, and go on with the sweep; once for all who ask."""
        async with self._rejoining:
            if self.door is lost:
                await self.run(lost.close)
                await self.run(self._join, max(self._wait_seconds, _REJOIN_SECONDS))

    async def keep_leases(self) -> None:
        """Renew the leases until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.at_owner(lambda _, ledger: ledger.renew())

    def _join(self, wait_seconds: float) -> None:
        end = time.monotonic() + wait_seconds
        lost = 0
        while True:
            door = find_door(self._path, self.executor, max(0.0, end - time.monotonic()))
            now = self._now()
            try:
                self.ledger = door.call(SharedSweep, door.catalog, now, self._holder, self._numbers, self._began)
                self.held |= set(door.call(held_types, door.catalog))
                # By the ledger's time, not ours: a machine's clock may be set back.
                self._began = self._began or self.ledger.began_at()
            except OwnerLostError:
                door.close()
                lost += 1
                if lost >= _TRIES:
                    raise
                # There was somebody, who was about to end: the successor deserves its own time.
                end = time.monotonic() + max(self._wait_seconds, _REJOIN_SECONDS)
            except BaseException:
                door.leave()
                door.close()
                raise
            else:
                self.door = door
                self._numbers.append(self.ledger.sweep_id)
                return


def find_door(path: Path, executor: Executor, wait_seconds: float) -> Door:
    """Open a catalog for writing and let others in, or find who has it open.

    `executor`: one thread, in which everything that touches the catalog runs; others' steps too, where it is open here.
    Raises what `open_catalog` raises.
    """
    joined = join_catalog(path, WRITE, stocktake.__version__, wait_seconds=wait_seconds)
    if joined.channel is not None:
        return ElsewhereDoor(path, joined.channel)
    catalog = joined.catalog
    assert catalog is not None  # noqa: S101 - one of the two is there
    try:
        lock_down(catalog)
        write = functools.partial(serve_writer, thread=executor)
        owner = CatalogOwner(catalog, joined.turn, {READ: serve_reader, WRITE: write})
    except BaseException:
        catalog.close()
        if joined.turn is not None:
            joined.turn.release()
        raise
    catalog.alone = functools.partial(owner.gate.alone, _ALONE_SECONDS)
    return HereDoor(catalog, owner)


def is_owner_lost(error: BaseException) -> bool:
    """Say whether the owner's end is among what ended a group of tasks."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_owner_lost(one) for one in error.exceptions)
    return isinstance(error, OwnerLostError)
