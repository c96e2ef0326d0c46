"""The catalog's file, open for reading in this process, until somebody wants to write it: then this makes way.

While a file is open for reading, nobody can open it for writing. So a reader looks from time to time whether somebody
has the turn (see `store.owner`), and lets go: at once where it does nothing, after stopping a question that it can ask
the writer again, or after taking in the rest of an answer that is being handed on.
"""

from __future__ import annotations

import pickle
import threading
import time
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from stocktake.core.errors import FatalError
from stocktake.query.pieces import IN_MEMORY_BYTES, ON_DISK_BYTES
from stocktake.store.owner import is_turn_taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stocktake.store.catalog import Catalog

_LOOK_SECONDS = 0.25
_IDLE_SECONDS = 1.0
"""Between two questions of one command less time passes."""
_CHUNK_ROWS = 10_000


class MadeWayError(FatalError):
    """The file was closed for somebody who wants to write it; ask there."""


class DirectConnection:
    """A connection of the driver's own, as far as questions need it, that makes way for a writer."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self._path = path
        self._catalog = catalog
        self._connection = catalog.connection
        self._rows: DirectRows | None = None
        self._is_asking = False
        self._wanted = False
        self._idle_since = time.monotonic()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="stocktake-make-way", daemon=True).start()

    def execute(self, sql: str, parameters: object) -> DirectRows:
        """Run a statement; its rows are the driver's values. Raises: MadeWayError."""
        return self._ask(lambda: self._connection.execute(sql, parameters))

    def sql(self, sql: str, parameters: object) -> DirectRows:
        """Run a statement; its rows can be had as Arrow. Raises: MadeWayError."""
        return self._ask(lambda: self._connection.sql(sql, params=parameters))

    def extract_statements(self, sql: str) -> list[duckdb.Statement]:
        """Return the statements of a text."""
        with self._lock:
            return (self._connection if not self._closed.is_set() else duckdb).extract_statements(sql)

    def interrupt(self) -> None:
        """Stop what is under way."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the file. Raises: what the driver raises where a question cannot be stopped."""
        with self._lock:
            if not self._closed.is_set():
                self._closed.set()
                self._catalog.close()

    def _ask(self, work: Callable[[], Any]) -> DirectRows:
        with self._lock:
            if self._closed.is_set():
                raise _made_way(self._path)
            self._is_asking, self._rows = True, None
        try:
            rows = DirectRows(work())
        except duckdb.InterruptException:
            if not self._wanted:
                raise
            self.close()
            raise _made_way(self._path) from None
        finally:
            with self._lock:
                self._is_asking = False
                self._idle_since = time.monotonic()
        self._rows = rows
        return rows

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            if is_turn_taken(self._path):
                self._make_way()

    def _make_way(self) -> None:
        with self._lock:
            self._wanted = True
            if self._is_asking:
                self._connection.interrupt()
                return
            if self._rows is not None:
                # It may be read on after a long time, or never.
                self._rows.take_in()
            is_free = self._rows is None or not self._rows.needs_source
            if is_free and time.monotonic() - self._idle_since >= _IDLE_SECONDS and not self._closed.is_set():
                self._closed.set()
                self._catalog.close()


class DirectRows:
    """The rows of one answer. Their rest may be taken in, so that the file is needed no longer."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - the driver's cursor or relation, whose rows are alike
        self._source = source
        self._lock = threading.Lock()
        self._rest: SpooledTemporaryFile[bytes] | None = None
        self._chunk: list[Any] = []
        self._reader: pa.RecordBatchReader | None = None
        self._error: Exception | None = None
        self.needs_source = True
        """Whether there are rows that only the database has."""

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        """The columns: name, type and what the driver tells besides."""
        found: list[tuple[Any, ...]] | None = self._source.description
        return found

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        rows: list[tuple[Any, ...]] = []
        while chunk := self.fetchmany(_CHUNK_ROWS):
            rows += chunk
        return rows

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return so many rows, fewer only at the end."""
        with self._lock:
            if self._rest is None:
                found: list[tuple[Any, ...]] = self._source.fetchmany(size)
                self.needs_source = len(found) == size
                return found
            while len(self._chunk) < size and (more := self._next()) is not None:
                self._chunk += more
            found, self._chunk = self._chunk[:size], self._chunk[size:]
            return found

    def to_arrow_reader(self, batch_rows: int) -> pa.RecordBatchReader:
        """Return the rows as Arrow."""
        self._reader = self._source.to_arrow_reader(batch_rows)
        return pa.RecordBatchReader.from_batches(self._reader.schema, self._batches())

    def take_in(self) -> None:
        """Take in the rest, as far as that is not too much."""
        with self._lock:
            if self._rest is not None or not self.needs_source:
                return
            self._rest = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - read on later
            try:
                while self._rest.tell() < ON_DISK_BYTES and (more := self._from_source()) is not None:
                    pickle.dump(more, self._rest, pickle.HIGHEST_PROTOCOL)
            except (duckdb.Error, OSError) as error:
                self._error, self.needs_source = error, False
            self._rest.seek(0)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            with self._lock:
                batch = self._next()
            if batch is None:
                return
            yield batch

    def _next(self) -> Any:  # noqa: ANN401 - a list of rows, or a batch
        """Return what comes next: what was taken in, then what the database has; None at the end."""
        if self._rest is not None:
            try:
                return pickle.load(self._rest)  # noqa: S301 - written by this very object
            except EOFError:
                if self._error is not None:
                    raise self._error from None
        return self._from_source()

    def _from_source(self) -> Any:  # noqa: ANN401 - as `_next`
        if not self.needs_source:
            return None
        reader = self._reader
        found = next(iter(reader), None) if reader is not None else self._source.fetchmany(_CHUNK_ROWS) or None
        self.needs_source = found is not None
        return found


def _made_way(path: Path) -> MadeWayError:
    return MadeWayError(f"{path} was closed for who wants to write it", code="made_way")
