"""Questions of other processes, answered by the one that has the catalog open.

A question is SQL with parameters; the answer is the columns, then Arrow's stream format in pieces. Each visitor has a
cursor of its own in a transaction that only reads: it sees one state of the catalog from its first question to its
last, waits for no writer, and no writer waits for it.
"""

from __future__ import annotations

import io
import math
import select
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pyarrow as pa

from stocktake.core.errors import StocktakeError
from stocktake.query.statements import check_statement
from stocktake.store.catalog import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.store.catalog import Catalog
    from stocktake.store.door import Channel
    from stocktake.store.owner import CatalogOwner

READ = "read"
"""The service's name at the door."""
QUESTION, COLUMNS, ROWS, END, DRIVER_ERROR, OWN_ERROR = range(1, 7)
_BATCH_ROWS = 8_192
_PIECE_BYTES = 256 * 1024
_SNAPSHOT_SECONDS = 2.0
"""How long a visitor may think between two questions and still find the same state."""
_SETTINGS = (
    "SET GLOBAL timezone = 'UTC'",
    # Errors say where in the statement they are as data; and no type is lost on the way.
    "SET GLOBAL errors_as_json = true",
    "SET GLOBAL arrow_lossless_conversion = true",
    "SET GLOBAL autoinstall_known_extensions = false",
    "SET GLOBAL autoload_known_extensions = false",
    "SET GLOBAL enable_external_access = false",
    # Whoever owns the catalog gives its own work more room where it needs it (`Catalog.with_room`).
    "SET GLOBAL allowed_configs = ['memory_limit']",
    # Last: after this no statement can change any other setting.
    "SET GLOBAL lock_configuration = true",
)


def lock_down(catalog: Catalog) -> None:
    """Keep every statement in this process from other files, from the network and from settings, for good."""
    for statement in _SETTINGS:
        run(catalog.connection, statement)


def serve_reader(owner: CatalogOwner, channel: Channel, version: str) -> None:
    """Answer one visitor's questions until it leaves (OwnerLostError)."""
    del version
    owner.catalog.expect_questions()
    cursor = owner.catalog.connection.cursor()
    snapshot = _Snapshot(owner, cursor)
    try:
        while not owner.closing.is_set():
            if snapshot.is_open and not select.select([channel], [], [], _SNAPSHOT_SECONDS)[0]:
                snapshot.end()
            _, question = channel.receive()
            with owner.answering(channel, cursor.interrupt):
                _answer(snapshot, channel, bytes(question))
    finally:
        snapshot.end()
        with suppress(duckdb.Error):
            cursor.close()


class _Snapshot:
    """One state of the catalog, for the questions of one visitor."""

    def __init__(self, owner: CatalogOwner, cursor: duckdb.DuckDBPyConnection) -> None:
        self._owner = owner
        self.cursor = cursor
        self.is_open = False

    def begin(self) -> None:
        if not self.is_open:
            self._owner.gate.enter()
            self.is_open = True
            self.cursor.execute("BEGIN TRANSACTION READ ONLY")

    def end(self) -> None:
        if self.is_open:
            with suppress(duckdb.Error):
                self.cursor.execute("ROLLBACK")
            self.is_open = False
            self._owner.gate.leave()


def _answer(snapshot: _Snapshot, channel: Channel, question: bytes) -> None:
    sql, parameters = decode_question(question)
    try:
        snapshot.begin()
        with _driver_errors():
            statement = check_statement(snapshot.cursor, sql, with_parameters=True)
            relation = _bound(snapshot.cursor, statement, parameters)
            columns = [[name, str(kind)] for name, kind in zip(relation.columns, relation.types, strict=True)]
            channel.send(COLUMNS, orjson.dumps(columns))
            reader = relation.to_arrow_reader(_BATCH_ROWS)
            _send_rows(channel, reader)
    except duckdb.Error as error:
        # The failed statement may have ended the transaction.
        snapshot.end()
        channel.send(DRIVER_ERROR, orjson.dumps([type(error).__name__, str(error)]))
    except StocktakeError as error:
        channel.send(OWN_ERROR, orjson.dumps(error.as_dict() | {"excerpt": getattr(error, "excerpt", "")}))
    else:
        channel.send(END)


def _bound(
    cursor: duckdb.DuckDBPyConnection, statement: duckdb.Statement, parameters: object
) -> duckdb.DuckDBPyRelation:
    """Return a statement's rows to come: a relation streams, where the cursor's own would copy them first."""
    try:
        return cursor.sql(statement, params=parameters)
    except duckdb.Error:
        # What is wrong with it is told as data only this way.
        cursor.execute(statement, parameters)
        raise


@contextmanager
def _driver_errors() -> Iterator[None]:
    """Give errors that come out of a running Arrow stream the class that they would have anywhere else."""
    try:
        yield
    except OSError as error:
        raise driver_error(str(error)) from error


def driver_error(text: str) -> duckdb.Error:
    """Return the driver's error that an Arrow stream tells as text."""
    _, _, rest = text.partition(": ")
    try:
        kind = str(orjson.loads(rest)["exception_type"])
    except (ValueError, KeyError, TypeError):
        return duckdb.Error(text)
    found = getattr(
        duckdb, f"{kind.replace(' ', '').capitalize() if kind.isupper() else kind.replace(' ', '')}Exception", None
    )
    return found(text) if isinstance(found, type) and issubclass(found, duckdb.Error) else duckdb.Error(text)


def _send_rows(channel: Channel, reader: pa.RecordBatchReader) -> None:
    sink = _Pieces(channel)
    with pa.PythonFile(sink, "w") as file, pa.ipc.new_stream(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    sink.send()


class _Pieces(io.IOBase):
    """A file that sends what is written to it, in pieces of some size."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self._parts.append(bytes(data))
        self._size += len(data)
        if self._size >= _PIECE_BYTES:
            self.send()
        return len(data)

    def send(self) -> None:
        """Send what is left; for whoever knows that all went well."""
        if self._parts:
            self._channel.send(ROWS, *self._parts)
        self._parts, self._size = [], 0


def encode_question(sql: str, parameters: object) -> bytes:
    """Return a statement and its parameters as they travel: data only, nothing that could be run."""
    return orjson.dumps([sql, _encoded(parameters)])


def decode_question(data: bytes) -> tuple[str, Any]:
    """Return what `encode_question` was given."""
    sql, parameters = orjson.loads(data)
    return sql, _decoded(parameters)


def _encoded(value: object) -> object:
    match value:
        case datetime():
            return {"time": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case bytes():
            return {"hex": value.hex()}
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case dict():
            return {"members": {str(name): _encoded(one) for name, one in value.items()}}
        case list() | tuple() | set() | frozenset():
            return [_encoded(one) for one in value]
        case _:
            return value


def _decoded(value: Any) -> Any:  # noqa: ANN401 - any parameter
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    [(kind, said)] = value.items()
    match kind:
        case "time":
            return datetime.fromisoformat(said)
        case "date":
            return date.fromisoformat(said)
        case "hex":
            return bytes.fromhex(said)
        case "float":
            return float(said)
        case _:
            return {name: _decoded(one) for name, one in said.items()}
