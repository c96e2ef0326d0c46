"""A catalog opened for questions only: no statement can write, read another file, or use the network.

Where another process has it open for writing, that one is asked (`shared`); where nobody has, the file itself is read.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import duckdb

import stocktake
from stocktake.core.errors import CatalogLockedError
from stocktake.query.direct import DirectConnection
from stocktake.query.serving import READ
from stocktake.query.shared import ReadingConnection
from stocktake.store.catalog import Catalog, open_catalog, run, translating
from stocktake.store.door import OwnerLostError, connect
from stocktake.store.owner import POLL_SECONDS, is_turn_taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stocktake.store.door import Channel

LOCKED_DOWN = (
    # Global, what a connection would have of its own: the next one of this process cannot set anything any more.
    "SET GLOBAL timezone = 'UTC'",
    # Errors then say where in the statement they are, and which names were near, as data.
    "SET GLOBAL errors_as_json = true",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    # Last: after this no statement can change any setting.
    "SET lock_configuration = true",
)

_opening = threading.RLock()
_opened: dict[Path, _Opened] = {}


class _Opened:
    """A file that this process reads: a connection that nobody asks, and how many of its children are asked.

    They share its memory and its settings, which are locked: what is opened beside it could not even set its time zone.
    And they are its children alone, since a connection that is closed takes its own children with it.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.readers = 0


class _Reader(Catalog):
    """One of several that read a file in this process; the last one to be closed closes the file."""

    def __init__(self, path: Path, opened: _Opened, file: Path) -> None:
        super().__init__(path, opened.catalog.connection.cursor(), read_only=True)
        self._opened, self._file, self._is_closed = opened, file, False
        opened.readers += 1

    def close(self) -> None:
        """Close it; the file with the last one."""
        with _opening:
            if self._is_closed:
                return
            super().close()
            self._is_closed = True
            self._opened.readers -= 1
            if not self._opened.readers:
                _opened.pop(self._file, None)
                self._opened.catalog.close()


@contextmanager
def open_reading(path: Path, wait_seconds: float = 0.0, *, settings: Sequence[str] = ()) -> Iterator[Catalog]:
    """Open a catalog for questions, and close it again.

    `settings`: statements that run first, where the file is read in this process.
    Raises: what `open_catalog` raises: UserError where there is none, CatalogLockedError, CatalogAccessError,
    CatalogTooNewError.
    """

    def reach(seconds: float) -> Channel | DirectConnection:
        return _reach(path, seconds, settings)

    connection = ReadingConnection(path, reach(wait_seconds), reach)
    catalog = Catalog(path, cast(duckdb.DuckDBPyConnection, connection), read_only=True)
    try:
        yield catalog
    finally:
        # A call that could not be interrupted still has the connection; it only reads, and ends with the process.
        with suppress(duckdb.ResourceInUseException):
            catalog.close()


def _reach(path: Path, wait_seconds: float, settings: Sequence[str]) -> Channel | DirectConnection:
    """Return a channel to who has the catalog open, or the file, open for reading only."""
    end = time.monotonic() + wait_seconds
    while True:
        is_last = time.monotonic() >= end
        try:
            channel = connect(path, READ, stocktake.__version__)
            if channel is not None:
                return channel
            # Whoever waits to write goes first; else readers that follow each other closely would keep it out.
            if is_last or not is_turn_taken(path):
                return DirectConnection(path, open_directly(path, settings))
        except (CatalogLockedError, OwnerLostError):
            if is_last:
                raise
        time.sleep(POLL_SECONDS)


def open_directly(path: Path, settings: Sequence[str]) -> Catalog:
    """Open the file itself for questions, in this process; a file that it has open already is opened once more.

    Raises: as `open_catalog`; CatalogLockedError where another process has it open for writing.
    """
    file = path.resolve()
    with _opening:
        opened = _opened.get(file)
        if opened is None:
            opened = _Opened(open_catalog(path, read_only=True))
            try:
                with translating(path):
                    for statement in (*settings, *LOCKED_DOWN):
                        run(opened.catalog.connection, statement)
            except BaseException:
                opened.catalog.close()
                raise
            _opened[file] = opened
        with translating(path):
            return _Reader(path, opened, file)


def is_read_here(catalog: Catalog) -> bool:
    """Return whether the file is read in this process; another one shows one state of it, to the last answer."""
    connection: object = catalog.connection
    return not isinstance(connection, ReadingConnection) or connection.is_direct
