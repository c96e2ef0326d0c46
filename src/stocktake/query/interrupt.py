"""Calls into the database that Ctrl-C can end.

While the database works, Python's own signal handling waits for it; so the work goes to a thread, and the thread that
gets the signal stays free to pass it on.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from stocktake.store.owner import VISIT

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

T = TypeVar("T")
_GRACE_SECONDS = 2.0
_NAME = "stocktake-query"


def run_interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Do the work; on KeyboardInterrupt stop the database first.

    A single function call of the database cannot be stopped from outside; then the thread is left behind after two
    seconds. It only reads, and ends with the process.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []
    # Not thread.join(): a join that was interrupted takes a thread that still runs for one that has ended.
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            failure.append(error)
        done.set()

    threading.Thread(target=run, name=_NAME, daemon=True).start()
    try:
        done.wait()
    except KeyboardInterrupt:
        connection.interrupt()
        done.wait(_GRACE_SECONDS)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


def is_work_left() -> bool:
    """Return whether a call into the database goes on that could not be stopped: ours, or one for another process."""
    return any(thread.name in {_NAME, VISIT} for thread in threading.enumerate())


def is_interruption(error: BaseException) -> bool:
    """Return whether an error is the driver's word for having been stopped."""
    import duckdb  # noqa: PLC0415 - whoever asks has imported it

    return isinstance(error, duckdb.InterruptException)
