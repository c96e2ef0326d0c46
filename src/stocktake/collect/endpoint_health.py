"""Whether an endpoint answers: one that hangs holds few connections, and is soon not asked any more."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from stocktake.core.errors import ScopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.core.errors import StocktakeError

_UNPROVEN_AT_ONCE = 4
"""Calls under way to an endpoint that has never answered: what hangs must not hold the connections of others."""
_TIMEOUTS = {False: 2, True: 6}
"""Time-outs in a row, by whether it ever answered, after which an endpoint is left alone; they cost a minute each."""
_FAILURES = 20
"""Other failures in a row (reset, refused, no such name); they cost next to nothing."""
_REST_SECONDS = 120.0
"""After that, one call tries whether the endpoint is back."""
_SILENT_ENDPOINTS = 2
"""So many services of a region, none of which answers: then the region itself is silent."""


class RegionHealth:
    """What the endpoints of one region know of each other."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        """Services that do not answer."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing in the region answers."""
        return len(self.silent) >= _SILENT_ENDPOINTS


class EndpointHealth:
    """Told of what became of every call to one service in one region, by whichever account."""

    def __init__(
        self, service: str, region: str, beside: RegionHealth, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._region = region
        self._beside = beside
        self._now = now
        self._proven = False
        self._timeouts = self._failures = 0
        self._last = ""
        self._asked_again_at = float("-inf")
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait until a call may be sent; end it with `leave`.

        Raises: ScopeError where the endpoint does not answer any more.
        """
        self._refuse_if_silent()
        while not self._proven and self._under_way >= _UNPROVEN_AT_ONCE:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake(1)  # our turn came together with the cancellation
                raise
            self._refuse_if_silent()
        self._under_way += 1

    def leave(self) -> None:
        """Say that a call is over, however it ended."""
        self._under_way -= 1
        if self._waiting:
            self._wake(1)

    def answered(self) -> None:
        """Say that an answer came, whichever."""
        if self._proven and not self._failures and not self._timeouts:
            return
        self._proven = True
        self._timeouts = self._failures = 0
        self._beside.silent.clear()
        self._wake(len(self._waiting))

    def failed(self, error: StocktakeError) -> None:
        """Say that none came."""
        self._last = error.message
        if error.code == "timeout":
            self._timeouts += 1
        self._failures += 1
        if self._is_silent:
            self._asked_again_at = self._now() + _REST_SECONDS
            if self._timeouts:
                self._beside.silent.add(self._service)
            self._wake(len(self._waiting))

    @property
    def gives_up(self) -> bool:
        """Whether to try again makes no sense for now."""
        return self._is_silent

    @property
    def _is_silent(self) -> bool:
        return self._timeouts >= _TIMEOUTS[self._proven] or self._failures >= _FAILURES

    def _refuse_if_silent(self) -> None:
        if self._is_silent:
            now = self._now()
            if now >= self._asked_again_at:
                self._asked_again_at = now + _REST_SECONDS
                return  # this call tries it for all
            times = f"{self._failures} times in a row"
            self._refuse(f"{self._service} in {self._region} did not answer {times}: {self._last}")
        elif not self._proven and self._beside.is_silent:
            silent = ", ".join(sorted(self._beside.silent))
            self._refuse(f"Nothing answers in {self._region} ({silent}), so {self._service} is not asked there for now")

    def _refuse(self, message: str) -> NoReturn:
        raise ScopeError(
            message,
            code="endpoint_silent",
            status="failed",
            hint="What is held stays, and the next sync tries again. Leave the region out if it cannot be reached.",
            where=f"{self._region}/{self._service}",
        )

    def _wake(self, number: int) -> None:
        while self._waiting and number:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                number -= 1
