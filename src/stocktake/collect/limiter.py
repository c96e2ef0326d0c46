"""Rate limits found by trying: one limiter per account, region, service and operation, as AWS counts them.

A limiter does nothing until the provider first throttles; from then on it follows botocore's own CUBIC curve. Beside
botocore's adaptive mode it is awaited instead of blocking, it is not shared between operations, and it cuts the rate
once per congestion: the throttled answers to calls sent *before* a cut say nothing about the new rate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.retries.adaptive import RateClocker
from botocore.retries.throttling import CubicCalculator

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CONCURRENCY = 64
"""Calls of one operation under way at once."""
_MIN_RATE = 0.5
_MAX_RISE = 2.0
"""The allowed rate never exceeds this many times the measured one."""
PATIENCE_SECONDS = 60.0
"""How long nothing but throttled answers may come before the scope is given up."""
_HOPELESS_AFTER = 3


class GivenUpError(Exception):
    """The provider lets nothing pass any more; always caught within this room."""


class TokenQueue:
    """Lets callers pass in the order they came, at most `rate` a second; None is without limit."""

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._tokens = 0.0 if rate is None else max(1.0, rate)
        self._refilled_at: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> float | None:
        """Calls per second let through."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        loop = asyncio.get_running_loop()
        if self._rate is None:
            self._refilled_at = loop.time()
            self._tokens = 0.0
        self._refill(loop.time())  # what has passed is counted at the rate that held then
        self._rate = rate
        self._tokens = min(self._tokens, max(1.0, rate))
        if self._waiting:
            self._pump()

    async def acquire(self) -> None:
        """Wait for our turn."""
        if self._rate is None:
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._refill(loop.time())
            if self._tokens >= 1.0:
                self._tokens -= 1.0
                return
        waiter = loop.create_future()
        self._waiting.append(waiter)
        self._pump()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._tokens += 1.0  # our turn came together with the cancellation
                self._pump()
            raise

    def abandon(self) -> None:
        """Turn away all who wait."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(GivenUpError())

    def _refill(self, now: float) -> None:
        if self._rate is None:
            return
        since = now if self._refilled_at is None else self._refilled_at
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - since) * self._rate)
        self._refilled_at = now

    def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        self._refill(loop.time())
        while self._waiting and self._tokens >= 1.0 - 1e-9:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._tokens -= 1.0
                waiter.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._rate is not None:
            self._timer = loop.call_later((1.0 - self._tokens) / self._rate, self._pump)


class _LoopClock:
    """botocore's idea of a clock, on the event loop's time."""

    def current_time(self) -> float:
        return asyncio.get_running_loop().time()


class Limiter:
    """Admits the calls of one operation; told of every answer, it learns the rate."""

    def __init__(
        self,
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        account_cap: TokenQueue | None = None,
        known_rate: float | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        clock = _LoopClock()
        self._cubic: Any = CubicCalculator(starting_max_rate=known_rate or 0, start_time=clock.current_time())
        self._clocker: Any = RateClocker(clock)
        self._tokens = TokenQueue()
        self._slots = asyncio.Semaphore(max_concurrency)
        self._account_cap = account_cap
        self._patience_seconds = patience_seconds
        self._cut_at = float("-inf")
        self._last_success_at = clock.current_time()
        self._throttled_in_a_row = 0
        self._answers = 0
        self._started_at = clock.current_time()
        if known_rate is not None:
            self._tokens.rate = known_rate

    @property
    def rate(self) -> float | None:
        """Calls per second now allowed; None while no limit has been met."""
        return self._tokens.rate

    async def acquire(self) -> float:
        """Wait until a call may be sent; return when that was, which `throttled` wants to know.

        Raises: GivenUpError where the limiter becomes hopeless meanwhile.
        """
        await self._slots.acquire()
        try:
            if self._account_cap is not None:
                await self._account_cap.acquire()
            if self._tokens.rate is not None:
                await self._tokens.acquire()
        except (asyncio.CancelledError, GivenUpError):
            self._slots.release()
            raise
        return asyncio.get_running_loop().time()

    def release(self) -> None:
        """Say that the call is over, however it ended."""
        self._slots.release()

    def succeeded(self) -> None:
        """Say that the provider let the call pass (whatever it answered)."""
        now = asyncio.get_running_loop().time()
        self._last_success_at = now
        self._throttled_in_a_row = 0
        self._answers += 1
        if self._tokens.rate is not None:
            # Without a limit, nobody asks how fast it goes.
            self._set_rate(self._cubic.success_received(now), self._clocker.record())

    def throttled(self, sent_at: float) -> None:
        """Say that the provider refused the call for its rate."""
        now = asyncio.get_running_loop().time()
        self._throttled_in_a_row += 1
        self._answers += 1
        if self.hopeless:
            self._tokens.abandon()
        measured = self._clocker.record() or self._answers / max(now - self._started_at, 0.5)
        if sent_at < self._cut_at:
            return
        self._cut_at = now
        current = measured if self._tokens.rate is None else min(measured, self._tokens.rate)
        self._set_rate(self._cubic.error_received(current, now), measured)

    @property
    def hopeless(self) -> bool:
        """Whether nothing has passed for so long that waiting on makes no sense."""
        waited = asyncio.get_running_loop().time() - self._last_success_at
        return self._throttled_in_a_row >= _HOPELESS_AFTER and waited >= self._patience_seconds

    def _set_rate(self, rate: float, measured: float) -> None:
        self._tokens.rate = max(_MIN_RATE, min(rate, _MAX_RISE * measured))


@dataclass
class Limiters:
    """The limiters of one account, made as they are asked for."""

    calls_per_second: float | None = None
    """A cap over all calls of the account, where the user sets one."""
    max_concurrency: int = MAX_CONCURRENCY
    patience_seconds: float = PATIENCE_SECONDS
    known_rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(service, operation) -> calls per second to begin with."""
    _cap: TokenQueue | None = field(default=None, init=False)
    _limiters: dict[tuple[str, str, str], Limiter] = field(default_factory=dict, init=False)

    def limiter(self, region: str, service: str, operation: str) -> Limiter:
        """Return the one limiter of this operation in this region."""
        key = (region, service, operation)
        limiter = self._limiters.get(key)
        if limiter is None:
            if self.calls_per_second is not None and self._cap is None:
                self._cap = TokenQueue(self.calls_per_second)
            limiter = self._limiters[key] = Limiter(
                max_concurrency=self.max_concurrency,
                account_cap=self._cap,
                known_rate=self.known_rates.get((service, operation)),
                patience_seconds=self.patience_seconds,
            )
        return limiter
