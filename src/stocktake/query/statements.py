"""The gate: exactly one statement, and one that only reads.

It is the second of two locks. The first is the connection (see `connection`), which can neither write nor reach
another file; this one says so before anything runs, and in words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from duckdb import StatementType

from stocktake.query.errors import SqlError
from stocktake.query.problems import translating_sql

if TYPE_CHECKING:
    import duckdb

# PIVOT without an IN list is MULTI: an enum of its column names, which lives in the session, then the SELECT.
# SHOW, DESCRIBE, SUMMARIZE, VALUES and FROM are SELECT.
_READING = frozenset({StatementType.SELECT, StatementType.EXPLAIN, StatementType.MULTI})
_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*explain(?:\s+analy[sz]e)?(?:\s*\([^)]*\))?", re.IGNORECASE | re.DOTALL
)


def check_statement(
    connection: duckdb.DuckDBPyConnection, sql: str, *, with_parameters: bool = False
) -> duckdb.Statement:
    """Return the one statement of a text, ready to run; `with_parameters`, where their values are given beside it.

    Raises: SqlError for bad syntax, for none or several statements, and for one that does more than read.
    """
    with translating_sql(sql):
        statements = connection.extract_statements(sql)
    if not statements:
        raise SqlError("There is no SQL statement in the text given", code="sql_empty", hint="Try: SHOW TABLES")
    if len(statements) > 1:
        raise SqlError(
            f"One statement is expected, and {len(statements)} are given",
            code="sql_several_statements",
            hint="Run them one at a time, or join them with WITH.",
        )
    statement = statements[0]
    _check_reads(statement, sql)
    if statement.type == StatementType.EXPLAIN:
        explained = sql[match.end() :] if (match := _EXPLAIN.match(sql)) else ""
        with translating_sql(sql, shift=len(sql.encode()) - len(explained.encode())):
            inner = connection.extract_statements(explained)
        for one in inner:
            _check_reads(one, sql)
    if statement.named_parameters and not with_parameters:
        raise SqlError(
            f"The statement has open parameters: {', '.join(sorted(statement.named_parameters))}",
            code="sql_parameters",
            hint="Write the values into the statement; inside single quotes, double each single quote.",
        )
    return statement


def _check_reads(statement: duckdb.Statement, sql: str) -> None:
    if statement.type in _READING:
        return
    words = re.sub(r"(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", " ", sql, flags=re.DOTALL).split()
    raise SqlError(
        f"This statement does more than read: {statement.type.name.replace('_', ' ')}",
        code="not_read_only",
        hint="A query only reads: SELECT, FROM, WITH, VALUES, SHOW, DESCRIBE, SUMMARIZE, PIVOT or EXPLAIN.",
        where=" ".join(words[:4]),
    )
