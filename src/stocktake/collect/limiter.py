"""Rate limits found by trying: one limiter per account, region, service and operation, as AWS counts them.

A limiter does nothing until the provider first throttles; from then on it follows botocore's own CUBIC curve. Beside
botocore's adaptive mode it is awaited instead of blocking, it is not shared between operations, it begins with few
calls at once, it cuts the rate once per congestion (throttled answers to calls sent *before* a cut say nothing about
the new rate), it knows that a bucket was empty at either of two refusals, so that what passed between them is the very
rate of its refilling, and it does not go beyond that rate while more than a few of its calls are refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.retries.throttling import CubicCalculator

from stocktake.collect.limits import Limits

if TYPE_CHECKING:
    from stocktake.collect.limits import Limit

MAX_CONCURRENCY = 64
"""Calls of one operation under way at once."""
_FIRST_CONCURRENCY = 4
"""So many to begin with; one more with each answer that is no refusal."""
_MIN_RATE = 0.5
_MAX_RISE = 2.0
"""The allowed rate never grows beyond this many times the measured one."""
_MAX_CUT = 0.25
"""No estimate from a short while cuts the rate to less than this share at once."""
_FIRST_CUT = 0.2
"""The first refusal comes at the end of a burst, which is far above the rate that lasts."""
_WASTE = 0.03
"""Where more calls than this share are refused, no higher rate than the known one is tried."""
_BELOW = 0.98
_CREEP = 0.005
_LEAP = 0.0001
_CUT = 0.7
"""CUBIC's own: a refusal cuts to this share of the highest rate."""
_CUT_OF_KNOWN = 0.9
"""Where the rate is known, less does."""
_ENOUGH = 40
"""So many calls between two refusals tell the rate to a few percent."""
_LONG_SECONDS = 10.0
_METER_SECONDS = 0.5
_REMEMBERED = 1_000
"""Answers after which older ones count half."""
PATIENCE_SECONDS = 60.0
"""How long nothing but throttled answers may come before the scope is given up."""
_HOPELESS_AFTER = 3


class GivenUpError(Exception):
    """The provider lets nothing pass any more; always caught within this room."""


class TokenQueue:
    """Lets callers pass in the order they came, at most `rate` a second; None is without limit."""

    __slots__ = ("_burst", "_rate", "_refilled_at", "_timer", "_tokens", "_waiting", "idled")

    def __init__(self, rate: float | None = None, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = 0.0 if rate is None else self._most(rate)
        self._refilled_at: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.idled = False
        """Whether it was full: there were fewer callers than could have passed."""

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
        self._tokens = min(self._tokens, self._most(rate))
        if self._waiting:
            self._pump()

    def drain(self) -> None:
        """Forget what was saved up: the provider's bucket has shown itself to be empty."""
        self._burst = None
        self._tokens = min(self._tokens, 0.0)
        self.idled = False

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
        _turn_away(self._waiting)

    def _most(self, rate: float) -> float:
        return max(1.0, rate if self._burst is None else self._burst)

    def _refill(self, now: float) -> None:
        if self._rate is None:
            return
        since = now if self._refilled_at is None else self._refilled_at
        self._tokens += (now - since) * self._rate
        if self._tokens > (most := self._most(self._rate)):
            self._tokens = most
            self.idled = True
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


def _turn_away(waiting: deque[asyncio.Future[None]]) -> None:
    while waiting:
        waiter = waiting.popleft()
        if not waiter.done():
            waiter.set_exception(GivenUpError())


class _Window:
    """Calls under way at once: few to begin with, one more with each that passes."""

    __slots__ = ("_most", "_under_way", "_waiting", "size")

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(_FIRST_CONCURRENCY, most)
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        if self._under_way < self.size and not self._waiting:
            self._under_way += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.leave()  # our turn came together with the cancellation
            raise

    def leave(self) -> None:
        self._under_way -= 1
        self._admit()

    def widen(self) -> None:
        if self.size < self._most:
            self.size += 1
            self._admit()

    def abandon(self) -> None:
        """Turn away all who wait."""
        _turn_away(self._waiting)

    def _admit(self) -> None:
        while self._waiting and self._under_way < self.size:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._under_way += 1
                waiter.set_result(None)


class _Refill:
    """The rate at which the provider's bucket fills: what passed between two moments when it was empty."""

    __slots__ = ("_anchors", "_passed", "rate")

    def __init__(self) -> None:
        self.rate: float | None = None
        self._passed = 0
        self._anchors: deque[tuple[float, int]] = deque()
        """Moments when it was empty, and how much had passed by then; the oldest first."""

    def passed(self) -> None:
        self._passed += 1

    def empty(self, now: float, *, idle: bool) -> None:
        """Take note of a refusal; `idle`: there was a pause, in which the bucket may have been full."""
        if idle:
            self._anchors.clear()
        while len(self._anchors) > 1 and self._passed - self._anchors[1][1] >= _ENOUGH:
            self._anchors.popleft()  # limits change: what is old tells nothing
        if self._anchors:
            since, before = self._anchors[0]
            if self._passed - before >= _ENOUGH or now - since >= _LONG_SECONDS:
                self.rate = (self._passed - before) / (now - since)
        self._anchors.append((now, self._passed))


class _Meter:
    """How many answers a second came lately."""

    __slots__ = ("_before", "_count", "_since")

    def __init__(self, now: float) -> None:
        self._since = now
        self._count = 0
        self._before = 0.0

    def note(self, now: float) -> None:
        passed = now - self._since
        if passed >= _METER_SECONDS:
            self._before = self._count / passed
            self._since = now
            self._count = 0
        self._count += 1

    def rate(self, now: float) -> float:
        passed = now - self._since
        if passed < _METER_SECONDS / 2 and self._before:
            return self._before
        return self._count / max(passed, _METER_SECONDS / 10)


class Limiter:
    """Admits the calls of one operation; told of every answer, it learns the rate."""

    __slots__ = (
        "_account_cap",
        "_allowed",
        "_answers",
        "_cubic",
        "_cut_at",
        "_holding",
        "_last_success_at",
        "_meter",
        "_passed_since_cut",
        "_patience_seconds",
        "_refill",
        "_refusals",
        "_throttled_in_a_row",
        "_tokens",
        "_window",
    )

    def __init__(
        self,
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        account_cap: TokenQueue | None = None,
        known: Limit | None = None,
        allowed: Limit | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        now = asyncio.get_running_loop().time()
        self._cubic: Any = CubicCalculator(starting_max_rate=known.per_second if known else 0, start_time=now)
        self._meter = _Meter(now)
        self._tokens = TokenQueue(known.per_second, known.burst) if known else TokenQueue()
        self._allowed = TokenQueue(allowed.per_second, allowed.burst) if allowed else None
        self._window = _Window(max_concurrency)
        self._account_cap = account_cap
        self._patience_seconds = patience_seconds
        self._cut_at = float("-inf")
        self._passed_since_cut = 0
        self._refill = _Refill()
        self._holding = False
        self._last_success_at = now
        self._throttled_in_a_row = 0
        self._answers = self._refusals = 0.0

    @property
    def rate(self) -> float | None:
        """Calls per second now allowed; None while no limit has been met."""
        return self._tokens.rate

    async def acquire(self) -> float:
        """Wait until a call may be sent; return when that was, which `throttled` wants to know.

        Raises: GivenUpError where the limiter becomes hopeless meanwhile.
        """
        await self._window.enter()
        try:
            if self._tokens.rate is not None:
                await self._tokens.acquire()
            if self._allowed is not None:
                await self._allowed.acquire()
            if self._account_cap is not None:
                # Last: whoever waits for a slow operation must not use the account's turns up.
                await self._account_cap.acquire()
        except (asyncio.CancelledError, GivenUpError):
            self._window.leave()
            raise
        return asyncio.get_running_loop().time()

    def release(self) -> None:
        """Say that the call is over, however it ended."""
        self._window.leave()

    def succeeded(self) -> None:
        """Say that the provider let the call pass (whatever it answered)."""
        now = asyncio.get_running_loop().time()
        self._last_success_at = now
        self._throttled_in_a_row = 0
        self._passed_since_cut += 1
        self._refill.passed()
        self._answers += 1
        self._meter.note(now)
        self._window.widen()
        if self._tokens.rate is not None:
            self._set_rate(self._cubic.success_received(now), now)

    def throttled(self, sent_at: float) -> None:
        """Say that the provider refused the call for its rate."""
        now = asyncio.get_running_loop().time()
        self._throttled_in_a_row += 1
        self._answers += 1
        self._refusals += 1
        if self._answers > _REMEMBERED:
            self._answers, self._refusals = self._answers / 2, self._refusals / 2
        if self.hopeless:
            self._tokens.abandon()
            self._window.abandon()
        self._meter.note(now)
        if sent_at >= self._cut_at:
            self._cut(now)

    @property
    def hopeless(self) -> bool:
        """Whether nothing has passed for so long that waiting on makes no sense."""
        waited = asyncio.get_running_loop().time() - self._last_success_at
        return self._throttled_in_a_row >= _HOPELESS_AFTER and waited >= self._patience_seconds

    def _cut(self, now: float) -> None:
        before, measured = self._tokens.rate, self._meter.rate(now)
        self._refill.empty(now, idle=self._tokens.idled)
        if before is None:
            # The end of a burst, far above the rate that lasts: down at once, and up again fast where that was too low.
            self._curve_from(measured, now, _FIRST_CUT)
            self._tokens.rate = max(_MIN_RATE, measured * _FIRST_CUT)
        elif (found := self._refill.rate) is not None:
            self._curve_from(min(found, before), now, _CUT_OF_KNOWN)
            self._set_rate(min(found, before) * _CUT_OF_KNOWN, now)
        else:
            found = max(self._passed_since_cut / max(now - self._cut_at, 1e-3), before * _MAX_CUT)
            found = min(found, measured, before)
            self._curve_from(found, now, _CUT)
            self._set_rate(found * _CUT, now)
        self._tokens.drain()
        self._cut_at = now
        self._passed_since_cut = 0

    def _curve_from(self, highest: float, now: float, cut: float) -> None:
        self._cubic = CubicCalculator(starting_max_rate=highest, start_time=now, beta=cut)

    def _set_rate(self, rate: float, now: float) -> None:
        found = self._refill.rate
        if found is not None:
            if self._refusals > _WASTE * self._answers:
                # A little more with time, since what was lost from a full bucket makes the rate look lower than it is;
                # and soon much more, since a limit may have been raised.
                calm = now - self._cut_at
                rate = min(rate, found * (_BELOW + _CREEP * calm + _LEAP * calm**3))
                self._holding = True
            elif self._holding:
                # From here, not from where the curve would have been by now.
                self._holding = False
                rate = found
                self._curve_from(found / _CUT_OF_KNOWN, now, _CUT_OF_KNOWN)
        if rate > (before := self._tokens.rate or 0.0):
            rate = max(before, min(rate, _MAX_RISE * self._meter.rate(now)))
        self._tokens.rate = max(_MIN_RATE, rate)


@dataclass
class Limiters:
    """The limiters of one account, made as they are asked for."""

    calls_per_second: float | None = None
    """A cap over all calls of the account, where the user sets one."""
    max_concurrency: int = MAX_CONCURRENCY
    patience_seconds: float = PATIENCE_SECONDS
    limits: Limits = field(default_factory=Limits)
    _cap: TokenQueue | None = field(default=None, init=False)
    _limiters: dict[tuple[str, str, str], Limiter] = field(default_factory=dict, init=False)

    def limiter(self, region: str, service: str, operation: str) -> Limiter:
        """Return the one limiter of this operation in this region."""
        known = self.limits.known_of(service, operation)
        # Operations that the provider counts together wait in one line.
        key = (region, service, known.operation if known is not None and known.together else operation)
        limiter = self._limiters.get(key)
        if limiter is None:
            if self.calls_per_second is not None and self._cap is None:
                self._cap = TokenQueue(self.calls_per_second)
            limiter = self._limiters[key] = Limiter(
                max_concurrency=self.max_concurrency,
                account_cap=self._cap,
                known=known,
                allowed=self.limits.of_user_for(service, operation),
                patience_seconds=self.patience_seconds,
            )
        return limiter

    def forget(self, service: str, region: str = "") -> None:
        """Drop the limiters of a service that is not called for now: what it lets pass is soon found again."""
        for key in [key for key in self._limiters if key[1] == service and region in {"", key[0]}]:
            del self._limiters[key]
