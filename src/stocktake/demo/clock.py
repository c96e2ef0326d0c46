"""The virtual clock: starts where told, runs at a factor, can be paused and advanced."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import NamedTuple

DEFAULT_START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""A Monday morning. A fixed instant, so that two runs with the same seed answer the same."""


def to_ms(instant: datetime) -> int:
    """Return an aware time as milliseconds since 1970."""
    delta = instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(ms: int) -> datetime:
    """Return milliseconds since 1970 as an aware time in UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


class _Base(NamedTuple):
    virtual_ms: int
    real_ns: int
    factor: float


class VirtualClock:
    """A clock whose time is `start + factor * real time passed`, in whole milliseconds."""

    def __init__(self, start: datetime = DEFAULT_START, factor: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._base = _Base(to_ms(start), time.monotonic_ns(), factor)

    @property
    def factor(self) -> float:
        """How many virtual seconds pass in a real one; 0 is a stopped clock."""
        return self._base.factor

    @factor.setter
    def factor(self, value: float) -> None:
        self._rebase(0, value)

    def now_ms(self) -> int:
        """Return virtual milliseconds since 1970."""
        base = self._base
        if not base.factor:
            return base.virtual_ms
        return base.virtual_ms + int((time.monotonic_ns() - base.real_ns) * base.factor) // 1_000_000

    def now(self) -> datetime:
        """Return the virtual time, aware, in UTC."""
        return from_ms(self.now_ms())

    def advance(self, seconds: float) -> None:
        """Jump forward by virtual seconds."""
        if seconds < 0:
            raise ValueError("a clock is only advanced forward")
        self._rebase(int(seconds * 1000), None)

    def pause(self) -> None:
        """Stop the clock where it is."""
        self.factor = 0.0

    def _rebase(self, add_ms: int, factor: float | None) -> None:
        if factor is not None and factor < 0:
            raise ValueError("a clock does not run backward")
        with self._lock:
            kept = self._base.factor if factor is None else factor
            self._base = _Base(self.now_ms() + add_ms, time.monotonic_ns(), kept)
