"""Run one statement and hand its rows on as they come, so that memory does not grow with the result."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
from duckdb import StatementType

from stocktake.query.covering import cover_names
from stocktake.query.interrupt import run_interruptible
from stocktake.query.past import PastStatement, as_of_statement
from stocktake.query.problems import translating_sql
from stocktake.query.result import Column, Result
from stocktake.query.statements import check_statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa

    from stocktake.query.result import Row
    from stocktake.store.catalog import Catalog

CHUNK_ROWS = 2_048
_ZONED = "TIMESTAMP WITH TIME ZONE"


class _Question:
    """One statement that was checked, as it was given and as it runs."""

    def __init__(
        self, catalog: Catalog, sql: str, parameters: object, as_of: datetime | None, named: Mapping[str, str] | None
    ) -> None:
        self.connection = catalog.connection
        self.sql = sql
        self.parameters = parameters
        statement = check_statement(catalog.connection, sql, with_parameters=parameters is not None)
        self.is_explain = statement.type == StatementType.EXPLAIN
        self.ran: duckdb.Statement | str = statement
        covered, moved = cover_names(sql, named) if named else (sql, 0)
        self.past = PastStatement(covered, -moved)
        if as_of is not None:
            past = as_of_statement(catalog, covered, as_of)
            self.past = PastStatement(past.sql, past.shift - moved)
        if self.past.sql != sql:
            self.ran = self.past.sql

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn the database's errors into ours, with their place in the statement as it was given."""
        with translating_sql(self.sql, shift=self.past.shift):
            yield

    def execute(self, statement: duckdb.Statement | str) -> duckdb.DuckDBPyConnection:
        with self.translating():
            return run_interruptible(self.connection, lambda: self.connection.execute(statement, self.parameters))


def run_query(
    catalog: Catalog,
    sql: str,
    parameters: object = None,
    *,
    as_of: datetime | None = None,
    named: Mapping[str, str] | None = None,
) -> Result:
    """Run one read-only statement; about a moment (UTC), where one is given.

    `named`: names that stand for statements, which it may use like tables (`covering`).

    Shape: values as Python has them; times without a zone are UTC. `DATE` and `TIMESTAMP` values outside of Python's
    range are their text.
    Raises: SqlError, also while the chunks are read; KeyboardInterrupt once the database has stopped.
    """
    question = _Question(catalog, sql, parameters, as_of, named)
    cursor = question.execute(question.ran)
    columns = _columns(cursor)
    if any(_ZONED in column.type for column in columns) and not question.is_explain:
        # The driver cannot hand these over without a time zone package; in UTC nothing is lost without the zone.
        cursor = question.execute(_without_zones(question.past.sql, columns))
        columns = _columns(cursor)
    return Result(columns, _chunks(question, cursor))


def read_batches(
    catalog: Catalog,
    sql: str,
    batch_rows: int = 8_192,
    parameters: object = None,
    *,
    as_of: datetime | None = None,
    named: Mapping[str, str] | None = None,
) -> pa.RecordBatchReader:
    """Run one read-only statement and return Arrow batches, read as they are asked for.

    `named`: as in `run_query`.

    Raises: SqlError; KeyboardInterrupt.
    """
    question = _Question(catalog, sql, parameters, as_of, named)
    connection = question.connection

    def read() -> pa.RecordBatchReader:
        try:
            reader: pa.RecordBatchReader = connection.sql(question.ran, params=question.parameters).to_arrow_reader(
                batch_rows
            )
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
            # Only this way of asking tells the place.
            connection.execute(question.ran, question.parameters)
            raise
        return reader

    with question.translating():
        return run_interruptible(connection, read)


def _columns(cursor: duckdb.DuckDBPyConnection) -> tuple[Column, ...]:
    return tuple(Column(str(name), str(kind)) for name, kind, *_ in cursor.description or ())


def _chunks(question: _Question, cursor: duckdb.DuckDBPyConnection) -> Iterator[list[Row]]:
    while True:
        with question.translating():
            chunk: list[Row] = run_interruptible(question.connection, lambda: cursor.fetchmany(CHUNK_ROWS))
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
