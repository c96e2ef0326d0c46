"""Limits of time and memory for a statement that runs in this process."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MEGABYTE = 1_000_000
_M_ARENA_MAX = -8


def limit_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add --timeout and --memory."""
    timed = click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=600.0,
        show_default=True,
        metavar="SECONDS",
        help="Stop the statement after so long; 0 lets it run.",
    )
    bounded = click.option(
        "--memory",
        type=click.IntRange(min=0),
        default=0,
        metavar="MB",
        help="The memory that the statement may take. Default: four fifths of the machine's.",
    )
    return timed(bounded(function))


@contextmanager
def confined(seconds: float, megabytes: int) -> Iterator[None]:
    """Let the block take so much time, and so much memory beyond what there is; in the main thread.

    Raises: UserError (`sql_timeout`, `sql_out_of_memory`).
    """
    try:
        with _timed(seconds) as is_over, _bounded(megabytes * _MEGABYTE):
            yield
    except KeyboardInterrupt:
        if not is_over():
            raise
        raise UserError(
            f"The statement did not end in {seconds:g} seconds, and was stopped",
            code="sql_timeout",
            hint="Ask for less: a narrower WHERE, fewer joins, LIMIT; or give it more time with --timeout.",
        ) from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "start new thread" not in str(error):
            raise
        raise UserError(
            "The statement needs more memory than allowed",
            code="sql_out_of_memory",
            hint="Ask for fewer rows or columns, or aggregate first; or give it more with --memory.",
        ) from error


@contextmanager
def _timed(seconds: float) -> Iterator[Callable[[], bool]]:
    """Raise KeyboardInterrupt when the time is over; yield what says whether it was that."""
    over: list[bool] = []

    def stop(*_: object) -> None:
        over.append(True)
        # As Ctrl-C would: the database is stopped first, and what it cannot stop is left behind.
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda: bool(over)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _bounded(wanted_bytes: int) -> Iterator[None]:
    """Bound the process's memory, where the system can."""
    if sys.platform != "linux":
        yield
        return
    import ctypes
    import resource

    # Each thread would reserve 64 MB of addresses, which count as memory here.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    page = resource.getpagesize()
    allowed = wanted_bytes or os.sysconf("SC_PHYS_PAGES") * page * 4 // 5
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * page
    before = resource.getrlimit(resource.RLIMIT_AS)
    soft = held + allowed if before[1] == resource.RLIM_INFINITY else min(held + allowed, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
