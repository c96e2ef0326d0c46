"""Sweeps one after another, unattended: each as often as asked, none beside another, no failure the end of it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stocktake.core.errors import CredentialsError, FatalError, RetryableError, UnreachableError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from stocktake.core.errors import StocktakeError
    from stocktake.sync.request import SyncReport

_PASSING = (UnreachableError, CredentialsError, RetryableError, FatalError)
"""What may be over the next time: the network, expired credentials, a locked catalog, a full disk."""
_JITTER = 0.1
"""Of the interval: many Stocktakes that were started together do not call together for long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one sweep of a schedule ended, and when the next begins."""

    report: SyncReport | None
    error: StocktakeError | None
    waits: timedelta
    """Until the next begins; zero after the last."""


def run_every(
    sweep: Callable[[], SyncReport], every: timedelta, runs: int | None, stop: threading.Event
) -> Iterator[Outcome]:
    """Run sweeps until `stop` is set or `runs` are done; yield each outcome before the wait for the next.

    A sweep that takes longer than `every` is followed at once. What cannot be over the next time (a wrong type, an
    option that does not fit) is raised.
    """
    number = 0
    while not stop.is_set():
        number += 1
        # Monotonic: what counts is the wait, not the time of day.
        begun = time.monotonic()
        report: SyncReport | None = None
        error: StocktakeError | None = None
        try:
            report = sweep()
        except _PASSING as failure:
            error = failure
        last = runs is not None and number >= runs
        passed = timedelta(seconds=time.monotonic() - begun)
        # Not for security: only so that not all begin at once.
        spread = every * (1 + random.uniform(-_JITTER, _JITTER))  # noqa: S311 - see above
        waits = timedelta() if last else max(spread - passed, timedelta())
        yield Outcome(report, error, waits)
        if last or stop.wait(waits.total_seconds()):
            return
