"""What the server tells Prometheus of itself and of the catalog."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
"""Units: seconds."""


class Metrics:
    """Counts requests; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._began = time.time()

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request; `route` is its template, of which there are not many."""
        with self._lock:
            self._requests[route, method if method.isalpha() else "?", status] += 1
            buckets = self._buckets.setdefault(route, [0] * len(_BOUNDS))
            buckets[next(number for number, bound in enumerate(_BOUNDS) if seconds <= bound)] += 1
            self._seconds[route] += seconds

    def requests(self) -> dict[tuple[str, str, int], int]:
        """Return how many requests there were, by route, method and status."""
        with self._lock:
            return dict(self._requests)

    def durations(self) -> Iterator[tuple[str, list[tuple[str, float]], float]]:
        """Yield each route with how many took at most so long, and how long all took together."""
        with self._lock:
            copied = {route: (list(counts), self._seconds[route]) for route, counts in self._buckets.items()}
        for route, (counts, total) in copied.items():
            upto = 0
            told: list[tuple[str, float]] = []
            for bound, count in zip(_BOUNDS, counts, strict=True):
                upto += count
                told.append(("+Inf" if bound == float("inf") else str(bound), upto))
            yield route, told, total
