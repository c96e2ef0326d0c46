"""How often one visitor may ask: a bucket that fills steadily, from which each request takes one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from stocktake.serve.gate.visitor import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BUCKETS = 10_000


class RateLimit:
    """Safe to use from several threads."""

    def __init__(self, a_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`burst`: so many at once. Units: requests."""
        self._a_second = a_second
        self._burst = float(burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Count a request. Raises: RefusedError (429) where there were too many."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.get(who, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._a_second)
            if left < 1.0:
                self._buckets[who] = (left, now)
                raise TooManyRequestsError((1.0 - left) / self._a_second)
            if len(self._buckets) >= _MOST_BUCKETS and who not in self._buckets:
                self._forget(now)
            self._buckets[who] = (left - 1.0, now)

    def _forget(self, now: float) -> None:
        """Forget whose bucket is full again; all of them where that is nobody's."""
        full_after = self._burst / self._a_second
        self._buckets = {who: one for who, one in self._buckets.items() if now - one[1] < full_after}
        if len(self._buckets) >= _MOST_BUCKETS:
            self._buckets.clear()


class TooManyRequestsError(RefusedError):
    """There were too many; after `seconds` there may be another one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "Too many requests",
            code="too_many_requests",
            hint=f"Wait {seconds:.1f} s; limits.requests_a_second allows more.",
            status=429,
        )
        self.seconds = seconds


def too_large(most: int) -> RefusedError:
    """Return what is said of a request whose body is too large."""
    return RefusedError(
        f"The request is larger than {most:,} bytes",
        code="request_too_large",
        hint="Send less; limits.body_bytes allows more.",
        status=413,
    )
