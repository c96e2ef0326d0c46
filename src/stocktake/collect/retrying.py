"""How often a failing call is repeated, and how much repeating a session affords in all."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Attempts and waits of one failing call; throttled calls follow the limiter instead."""

    attempts: int = 5
    first_wait_seconds: float = 0.25
    longest_wait_seconds: float = 15.0

    def wait_seconds(self, retry: int) -> float:
        """Return a wait between nothing and a bound that doubles with each retry ("full jitter")."""
        bound = min(self.longest_wait_seconds, self.first_wait_seconds * 2**retry)
        return random.uniform(0, bound)  # noqa: S311 - spreads load, guards nothing


class RetryBudget:
    """Retries that successes pay for, so that a provider in trouble is not asked five times as often.

    The same numbers as botocore's standard mode: 500 to begin with, 5 a retry, 1 back for each success.
    """

    _CAPACITY = 500
    _RETRY_COSTS = 5

    def __init__(self) -> None:
        self._left = self._CAPACITY

    def take(self) -> bool:
        """Pay for one retry, where there is enough left."""
        if self._left < self._RETRY_COSTS:
            return False
        self._left -= self._RETRY_COSTS
        return True

    def refund(self) -> None:
        """Credit one success."""
        if self._left < self._CAPACITY:
            self._left += 1
