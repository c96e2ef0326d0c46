"""Questions that take too long are stopped."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stocktake.query.errors import SqlError
from stocktake.query.interrupt import is_interruption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.store.catalog import Catalog


@contextmanager
def stopping(catalog: Catalog, seconds: float) -> Iterator[None]:
    """Stop what the catalog is asked in this block when its time is over. Raises: SqlError (`question_timeout`)."""
    entry = _WATCH.begin(catalog, time.monotonic() + seconds)
    try:
        yield
    except BaseException as error:
        # A question that was stopped ends as Ctrl-C does.
        if entry.is_over and (isinstance(error, KeyboardInterrupt) or is_interruption(error)):
            raise SqlError(
                f"This question takes longer than {seconds:g} seconds, and was stopped",
                code="question_timeout",
                hint="Ask for less: narrow the search, take fewer facets, or a shorter time.",
            ) from error
        raise
    finally:
        _WATCH.end(entry)


class _Entry:
    def __init__(self, catalog: Catalog, end: float) -> None:
        self.catalog = catalog
        self.end = end
        self.is_over = False


class _Watch:
    """One thread that looks after all of them."""

    def __init__(self) -> None:
        self._entries: set[_Entry] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self, catalog: Catalog, end: float) -> _Entry:
        entry = _Entry(catalog, end)
        with self._changed:
            self._entries.add(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stocktake-deadlines", daemon=True)
                self._thread.start()
            elif len(self._entries) == 1:
                self._changed.notify()
        return entry

    def end(self, entry: _Entry) -> None:
        with self._changed:
            self._entries.discard(entry)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                for one in [entry for entry in self._entries if entry.end <= now]:
                    one.is_over = True
                    one.catalog.connection.interrupt()
                    self._entries.discard(one)
                soonest = min((one.end for one in self._entries), default=None)
                self._changed.wait(None if soonest is None else max(0.01, soonest - now))


_WATCH = _Watch()
