"""Run one statement and hand its rows on as they come, so that memory does not grow with the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
from duckdb import StatementType

from stocktake.query.interrupt import run_interruptible
from stocktake.query.problems import translating_sql
from stocktake.query.result import Column, Result
from stocktake.query.statements import check_statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from stocktake.query.result import Row
    from stocktake.store.catalog import Catalog

CHUNK_ROWS = 2_048
_ZONED = "TIMESTAMP WITH TIME ZONE"


def run_query(catalog: Catalog, sql: str) -> Result:
    """Run one read-only statement.

    Shape: values as Python has them; times without a zone are UTC. `DATE` and `TIMESTAMP` values outside of Python's
    range are their text.
    Raises: SqlError, also while the chunks are read; KeyboardInterrupt once the database has stopped.
    """
    connection = catalog.connection
    statement = check_statement(connection, sql)
    with translating_sql(sql):
        cursor = run_interruptible(connection, lambda: connection.execute(statement))
    columns = _columns(cursor)
    if any(_ZONED in column.type for column in columns) and statement.type != StatementType.EXPLAIN:
        # The driver cannot hand these over without a time zone package; in UTC nothing is lost without the zone.
        unzoned = _without_zones(sql, columns)
        with translating_sql(sql):
            cursor = run_interruptible(connection, lambda: connection.execute(unzoned))
        columns = _columns(cursor)
    return Result(columns, _chunks(connection, cursor, sql))


def read_batches(catalog: Catalog, sql: str, batch_rows: int = 8_192) -> pa.RecordBatchReader:
    """Run one read-only statement and return Arrow batches, read as they are asked for.

    Raises: SqlError; KeyboardInterrupt.
    """
    connection = catalog.connection
    statement = check_statement(connection, sql)
    with translating_sql(sql):
        reader: pa.RecordBatchReader = run_interruptible(
            connection, lambda: connection.sql(statement).to_arrow_reader(batch_rows)
        )
    return reader


def _columns(cursor: duckdb.DuckDBPyConnection) -> tuple[Column, ...]:
    return tuple(Column(str(name), str(kind)) for name, kind, *_ in cursor.description or ())


def _chunks(connection: duckdb.DuckDBPyConnection, cursor: duckdb.DuckDBPyConnection, sql: str) -> Iterator[list[Row]]:
    while True:
        with translating_sql(sql):
            chunk: list[Row] = run_interruptible(connection, lambda: cursor.fetchmany(CHUNK_ROWS))
        if not chunk:
            return
        yield chunk


def _without_zones(sql: str, columns: tuple[Column, ...]) -> str:
    """Return a statement with the same rows whose times have no zone."""
    picked = ", ".join(
        f"CAST(c{number} AS {column.type.replace(_ZONED, 'TIMESTAMP')}) AS {_quote(column.name)}"
        if _ZONED in column.type
        else f"c{number} AS {_quote(column.name)}"
        for number, column in enumerate(columns)
    )
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    # On a line of its own, since the statement may end in a comment.
    return f"SELECT {picked} FROM (\n{_without_semicolons(sql)}\n) AS given({names})"


def _without_semicolons(sql: str) -> str:
    """Return the text of a single statement without what ends it."""
    data = bytearray(sql.encode())
    for offset, kind in duckdb.tokenize(sql):
        if kind == duckdb.token_type.operator and data[offset : offset + 1] == b";":
            data[offset : offset + 1] = b" "
    return data.decode()


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
