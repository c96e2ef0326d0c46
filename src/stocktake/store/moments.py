"""Times for what is seen: each later than all before it, even where the machine's clock was set back."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

_TICK = timedelta(microseconds=1)


class Moments:
    """The times that one catalog has given out, in this process or, as far as it was told, in others."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    @property
    def last(self) -> datetime:
        """The latest so far."""
        return self._last

    def next(self, now: datetime) -> datetime:
        """Return a time for what is seen now, later than all before it."""
        with self._lock:
            self._last = max(now, self._last + _TICK)
            return self._last

    def reached(self, moment: datetime) -> None:
        """Take note that others have come so far."""
        with self._lock:
            self._last = max(moment, self._last)
