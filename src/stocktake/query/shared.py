"""A connection to a catalog, wherever it is open: the part of the driver's own that questions use."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, NoReturn

import duckdb
import orjson
import pyarrow as pa

from stocktake.core.errors import FatalError
from stocktake.query.direct import DirectConnection, MadeWayError
from stocktake.query.errors import SqlError
from stocktake.query.pieces import Pieces, fill
from stocktake.query.serving import COLUMNS, DRIVER_ERROR, END, OWN_ERROR, QUESTION, ROWS, encode_question
from stocktake.store.door import OwnerLostError, owner_lost
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stocktake.query.direct import DirectRows
    from stocktake.store.door import Channel

WHOLE_BYTES = 8_000_000
"""A result up to that size has come whole before its first row is handed on, so that nobody sees its owner go."""
_AGAIN_SECONDS = 30.0
"""How long to look for a successor of an owner that went away."""
_TRIES = 3
"""An owner that lets go so often without ending is not going away: something is wrong with it."""
_TEXTS_KEPT = 3
Description = list[tuple[str, str]]


@functools.cache
def _scratch() -> duckdb.DuckDBPyConnection:
    """Return a database in memory, which turns what came into Python's values and knows SQL's grammar."""
    connection = duckdb.connect()
    connection.execute("SET GLOBAL timezone = 'UTC'")
    connection.execute("SET GLOBAL threads = 1")
    connection.execute("SET GLOBAL errors_as_json = true")
    return connection


class ReadingConnection:
    """Asks the process that has the catalog open, or the file itself where nobody has.

    Which of the two it is may change between two questions, or in the middle of one that is then asked again.
    """

    def __init__(
        self,
        path: Path,
        found: Channel | DirectConnection,
        reach: Callable[[float], Channel | DirectConnection],
    ) -> None:
        """`reach` finds who has the catalog open now, or opens it, within some seconds."""
        self._path = path
        self._direct: DirectConnection | None = None
        self._channel: Channel | None = None
        self._reach = reach
        self._local: duckdb.DuckDBPyConnection | None = None
        self._pieces: Pieces | None = None
        self._interrupted = False
        self._texts: list[tuple[duckdb.Statement, str]] = []
        self._take(found)

    @property
    def is_direct(self) -> bool:
        """Return whether the file itself is read, in this process."""
        return self._direct is not None

    def execute(self, statement: str | duckdb.Statement, parameters: object = None) -> Rows | DirectRows:
        """Run a statement that only reads, and return its rows."""
        return self._ask(self._text(statement), parameters, DirectConnection.execute)

    def sql(self, statement: str | duckdb.Statement, *, params: object = None) -> Rows | DirectRows:
        """Return what `execute` does; its rows can be had as Arrow."""
        return self._ask(self._text(statement), params, DirectConnection.sql)

    def extract_statements(self, sql: str) -> list[duckdb.Statement]:
        """Return the statements of a text."""
        found = (self._direct or _scratch()).extract_statements(sql)
        if len(found) == 1:
            # A statement's own text lacks what stands before it, and errors tell their place in the whole.
            self._texts = [*self._texts[-_TEXTS_KEPT:], (found[0], sql)]
        return found

    def interrupt(self) -> None:
        """Stop what is under way, here and there."""
        self._interrupted = True
        for one in (self._direct, self._local):
            if one is not None:
                one.interrupt()
        self._drop_channel()

    def close(self) -> None:
        """Let go. Raises: what the driver raises where a question cannot be stopped."""
        if self._pieces is not None:
            self._pieces.close()
        self._drop_channel()
        if self._direct is not None:
            self._direct.close()

    def _ask(
        self,
        sql: str,
        parameters: object,
        directly: Callable[[DirectConnection, str, object], DirectRows],
    ) -> Rows | DirectRows:
        """Return the answer of the file, of the owner, or of its successor."""
        question = encode_question(sql, parameters)
        end = time.monotonic() + _AGAIN_SECONDS
        lost: list[int] = []
        while True:
            try:
                if self._direct is not None:
                    return directly(self._direct, sql, parameters)
                return self._answer(self._idle_channel(), question)
            except MadeWayError:
                self._direct = None
            except OwnerLostError:
                if self._interrupted:
                    raise duckdb.InterruptException("Interrupted") from None
                lost.append(self._channel.peer_pid if self._channel is not None else 0)
                if time.monotonic() >= end or lost.count(lost[-1]) >= _TRIES:
                    raise
                self._drop_channel()
            self._take(self._reach(max(0.0, end - time.monotonic())))

    def _text(self, statement: str | duckdb.Statement) -> str:
        if isinstance(statement, str):
            return statement
        return next((text for one, text in self._texts if one is statement), statement.query)

    def _take(self, found: Channel | DirectConnection) -> None:
        if isinstance(found, DirectConnection):
            self._direct = found
        else:
            self._channel = found

    def _drop_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _idle_channel(self) -> Channel:
        """Return a channel on which no answer is under way. Raises: OwnerLostError where there is none."""
        if self._pieces is not None:
            if not self._pieces.has_ended:
                self._drop_channel()
            self._pieces.close()
            self._pieces = None
        if self._channel is None:
            raise owner_lost(self._path, "the answer before was given up")
        return self._channel

    def _answer(self, channel: Channel, question: bytes) -> Rows:
        channel.send(QUESTION, question)
        kind, body = channel.receive()
        if kind != COLUMNS:
            _raise(kind, bytes(body))
        description: Description = [(name, type_) for name, type_ in orjson.loads(body)]

        def take() -> bytearray | None:
            kind, body = channel.receive()
            if kind == ROWS:
                return body
            if kind != END:
                _raise(kind, bytes(body))
            return None

        pieces = Pieces()
        while pieces.size < WHOLE_BYTES:
            try:
                piece = take()
            except (duckdb.Error, SqlError, FatalError) as error:
                if isinstance(error, OwnerLostError) or pieces.size == 0:
                    raise
                pieces.end(error)
                break
            if piece is None:
                pieces.end()
                break
            pieces.put(piece)
        else:
            fill(pieces, take)
        self._pieces = pieces
        self._local = _scratch().cursor()
        return Rows(self._local, description, pieces)


class Rows:
    """The rows of one answer, as the driver's own cursor and relation hand them on. They are read once."""

    def __init__(self, local: duckdb.DuckDBPyConnection, description: Description, pieces: Pieces) -> None:
        self._local = local
        self.description = description
        self._pieces = pieces
        self._rows: duckdb.DuckDBPyConnection | None = None

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return so many rows, fewer only at the end."""
        try:
            return self._cursor().fetchmany(size)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._pieces.error or error from error

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        try:
            return self._cursor().fetchall()
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._pieces.error or error from error

    def to_arrow_reader(self, batch_rows: int) -> pa.RecordBatchReader:
        """Return the rows as Arrow, in the types in which the driver would hand them on."""
        self._local.register("_rows", self._stream())
        reader: pa.RecordBatchReader = self._local.sql(self._typed_sql()).to_arrow_reader(batch_rows)
        return reader

    def _typed_sql(self) -> str:
        """Return the rows with those types again that Arrow has no word for: of its own it makes texts of enums."""
        if not any("ENUM(" in kind for _, kind in self.description):
            return "FROM _rows"
        names = ", ".join(f"c{number}" for number in range(len(self.description)))
        picked = ", ".join(
            f"CAST(c{number} AS {kind}) AS {quote(name)}" for number, (name, kind) in enumerate(self.description)
        )
        return f"SELECT {picked} FROM _rows AS given({names})"

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if self._rows is None:
            self._local.register("_rows", self._stream())
            self._rows = self._local.execute("FROM _rows")
        return self._rows

    def _stream(self) -> pa.RecordBatchReader:
        return pa.ipc.open_stream(pa.PythonFile(self._pieces, "r"))


def _raise(kind: int, body: bytes) -> NoReturn:
    """Raise what went wrong at the owner's as if it had been here."""
    told = orjson.loads(body)
    if kind == DRIVER_ERROR:
        name, text = told
        found = getattr(duckdb, name, duckdb.Error)
        raise found(text)
    if kind == OWN_ERROR:
        raise SqlError(**told)
    raise FatalError(f"An answer of an unknown kind: {kind}", code="owner_version")
