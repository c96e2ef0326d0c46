"""What joins the stages of a scope: bounded, and cheap, since every resource goes through two of them.

A stage is woken once for many resources, not once for each, as a queue would.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from stocktake.store.ledger import Aside
from stocktake.sync.writer import Fetched

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class WorkBuffer(Generic[T]):
    """Work that many take, one piece each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False

    async def put(self, items: Iterable[T]) -> None:
        """Add work; where there is more than the limit, wait until half of it has been taken."""
        self._items.extend(items)
        self._filled.set()
        if len(self._items) > self._limit:
            self._room.clear()
            await self._room.wait()

    def close(self) -> None:
        """Say that no more work comes."""
        self._closed = True
        self._filled.set()

    async def take(self) -> T | None:
        """Return a piece of work, waiting for it; None once there is none left and none will come."""
        items = self._items
        while not items:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        if len(items) <= self._limit // 2:
            self._room.set()
        return items.popleft()


class Outcomes:
    """What readers brought and nobody has written yet: resources, what is kept aside, and ids of what is gone."""

    def __init__(self, enough: int) -> None:
        self._enough_count = enough
        self.read: list[Fetched] = []
        self.asides: list[Aside] = []
        self.gone: list[str] = []
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self.closed = False

    async def put(self, one: Fetched | Aside | str) -> None:
        """Add one; wait where the writer is far behind."""
        if isinstance(one, Fetched):
            read = self.read
            read.append(one)
            if len(read) >= self._enough_count:
                self._enough.set()
                if len(read) >= 2 * self._enough_count:
                    self._room.clear()
                    await self._room.wait()
        elif isinstance(one, Aside):
            self.asides.append(one)
        else:
            self.gone.append(one)

    def close(self) -> None:
        """Say that no more come."""
        self.closed = True
        self._enough.set()

    async def filled(self, within_seconds: float) -> None:
        """Wait until there is enough for a batch, or until the time is over or no more come."""
        if self.closed or len(self.read) >= self._enough_count:
            return
        self._enough.clear()
        try:
            async with asyncio.timeout(within_seconds):
                await self._enough.wait()
        except TimeoutError:
            return

    def take(self) -> tuple[list[Fetched], list[Aside], list[str]]:
        """Return all there is, and let readers go on."""
        taken = self.read, self.asides, self.gone
        self.read, self.asides, self.gone = [], [], []
        self._room.set()
        return taken
