"""Questions of people we do not know, run apart from the catalog, which is only asked for tables.

Whoever owns the catalog runs what readers send it in its own process, which must not be the victim of a statement that
takes all memory. So the tables that a statement names are fetched, as far as it uses their columns, into a database in
this process's memory, and the statement runs there. The same is done for those who may see a part of the catalog only:
what is out of their reach (`within`) is not fetched, so that no statement, however it is written, comes to it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from stocktake.query.connection import LOCKED_DOWN
from stocktake.query.covering import cover_names, tokens_of
from stocktake.query.errors import SqlError
from stocktake.query.past import as_of_statement
from stocktake.query.runner import read_batches, run_query
from stocktake.query.within import is_hidden, is_within
from stocktake.store.catalog import Catalog, run
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from stocktake.query.covering import Token

_AS_OF = "_as_of"
_BATCH_ROWS = 8_192
_PIECE_BYTES = 32_000_000
_RESOURCES = "resources"
_TYPES = "resource_types"
# With one of these, columns are used that are not named.
_ALL_COLUMNS = frozenset(
    {"pivot", "unpivot", "summarize", "describe", "natural", "exclude", "replace", "columns", "table", "from_json"}
)
_TOLD = frozenset({"show", "describe", "desc"})
# With one of these, a statement is about tables that it does not name.
_LISTING = re.compile(r"show|information_schema|(duckdb|pragma|pg|sqlite)_\w+")


@contextmanager
def fetched(
    owner: Catalog,
    sql: str,
    *,
    as_of: datetime | None = None,
    named: Mapping[str, str] | None = None,
    settings: Sequence[str] = LOCKED_DOWN,
    all_columns: bool | None = None,
) -> Iterator[Catalog]:
    """Yield a catalog in memory with what a statement needs of another one.

    `settings`: statements that run last, and lock it. `all_columns`: whether those that are not named are needed; None:
    the statement's text tells. Raises: what asking raises; the database's errors where the
    tables do not fit into memory.
    """
    covered, _ = cover_names(sql, named) if named else (sql, 0)
    final = as_of_statement(owner, covered, as_of).sql if as_of is not None else covered
    tokens = list(tokens_of(final))
    local = duckdb.connect()
    try:
        catalog = Catalog(owner.path, local, read_only=True)
        run(local, "SET timezone = 'UTC'")
        _copy_macros(owner, local)
        _copy_tables(owner, local, tokens, as_of, all_columns, with_rows=not is_about_tables_alone(sql))
        for statement in settings:
            run(local, statement)
        yield catalog
    finally:
        local.close()


def is_about_tables_alone(sql: str) -> bool:
    """Return whether a statement only tells which tables and columns there are: it has nothing that could be run."""
    words = [token.word for token in tokens_of(sql)]
    return bool(words) and words[0] in _TOLD and not {"(", "select", "from", "with", "values"} & set(words)


def _copy_macros(owner: Catalog, local: duckdb.DuckDBPyConnection) -> None:
    """Define the catalog's own functions. They are ours, and refer to no table."""
    rows = run_query(
        owner,
        "SELECT function_name, parameters, parameter_types, macro_definition FROM duckdb_functions() "
        "WHERE function_type = 'macro' AND NOT internal ORDER BY function_name",
    ).rows()
    macros: dict[str, list[str]] = {}
    for name, parameters, types, definition in rows:
        given = [
            f"{p} {t}" if t else str(p) for p, t in zip(parameters, types or [None] * len(parameters), strict=True)
        ]
        macros.setdefault(str(name), []).append(f"({', '.join(given)}) AS ({definition})")
    left = dict(macros)
    while left:
        # One may use another.
        ready = {n: said for n, said in left.items() if not any(f"{o}(" in one for o in left if o != n for one in said)}
        for name, said in (ready or left).items():
            run(local, f"CREATE MACRO {quote(name)} {', '.join(said)}")
        left = {name: said for name, said in left.items() if name not in (ready or left)}


def _copy_tables(
    owner: Catalog,
    local: duckdb.DuckDBPyConnection,
    tokens: list[Token],
    as_of: datetime | None,
    all_columns: bool | None,
    *,
    with_rows: bool,
) -> None:
    words = {token.word for token in tokens}
    whole = bool(_ALL_COLUMNS & words) or _has_star(tokens) if all_columns is None else all_columns
    # Which types there are is asked for whatever the statement.
    _copy(owner, local, _TYPES, words | {"type", "provider"}, whole=whole and _TYPES in words)
    types = {str(name): str(provider) for name, provider in run(local, f"SELECT type, provider FROM {_TYPES}")}
    for name in _named_tables(owner, words):
        _copy(owner, local, name, words, whole=whole, with_rows=with_rows)
    for name, provider in types.items():
        short = name.removeprefix(f"{provider}_")
        if short.lower() in words and provider.lower() in words:
            run(local, f"CREATE SCHEMA IF NOT EXISTS {quote(provider)}")
            if name.lower() not in words:
                _copy(owner, local, name, words, whole=whole, with_rows=with_rows)
            run(local, f"CREATE VIEW {quote(provider)}.{quote(short)} AS FROM main.{quote(name)}")
    for name in (*types, "relations"):
        if f"{name}{_AS_OF}".lower() in words:
            _copy_past(owner, local, name, words, whole=whole)
    if f"{_RESOURCES}{_AS_OF}" in words:
        _copy_past_resources(owner, local, as_of)
    if is_within(owner) and any(_LISTING.fullmatch(word) for word in words):
        _make_empty(owner, local)


def _named_tables(owner: Catalog, words: set[str]) -> list[str]:
    rows = run_query(
        owner,
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main' "
        "UNION SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main' ORDER BY 1",
    ).rows()
    return [str(name) for (name,) in rows if str(name).lower() in words and not is_hidden(owner, str(name))]


def _make_empty(owner: Catalog, local: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are within reach, and were not fetched, without rows: for statements that list tables."""
    there = {str(name) for (name,) in run(local, "SELECT table_name FROM duckdb_tables()")}
    tables: dict[str, list[str]] = {}
    for name, column, kind in run_query(
        owner,
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main' "
        "ORDER BY table_name, column_index",
    ).rows():
        if name not in there and not is_hidden(owner, str(name)):
            tables.setdefault(str(name), []).append(f"{quote(str(column))} {kind}")
    for name, columns in tables.items():
        run(local, f"CREATE TABLE {quote(name)} ({', '.join(columns)})")


def _copy(
    owner: Catalog,
    local: duckdb.DuckDBPyConnection,
    name: str,
    words: set[str],
    *,
    whole: bool,
    with_rows: bool = True,
) -> None:
    if run(local, "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [name]) != [(0,)]:
        return
    limit = "" if with_rows else " LIMIT 0"
    _fetch(owner, local, name, f"SELECT {_columns(owner, name, words, whole=whole)} FROM {quote(name)}{limit}")


def _copy_past(owner: Catalog, local: duckdb.DuckDBPyConnection, name: str, words: set[str], *, whole: bool) -> None:
    """Fetch all versions, and define what tells those of a moment."""
    source = history_name(name)
    columns = _columns(owner, name, words, whole=whole)
    copied = f"{source} for {_AS_OF}"
    _fetch(owner, local, copied, f"SELECT {columns}, _from AS _f, _to AS _t FROM {quote(source)}")
    run(
        local,
        f"CREATE MACRO {quote(name + _AS_OF)}(moment) AS TABLE SELECT * EXCLUDE (_f, _t) FROM {quote(copied)} "
        "WHERE _f <= CAST(moment AS TIMESTAMP) AND (_t IS NULL OR _t > CAST(moment AS TIMESTAMP))",
    )


def _copy_past_resources(owner: Catalog, local: duckdb.DuckDBPyConnection, as_of: datetime | None) -> None:
    """Fetch the resources of the one moment that the whole statement is about."""
    if as_of is None:
        raise SqlError(
            "resources_as_of() cannot be asked while a sync has the catalog open, nor by who sees a part of it only",
            code="sql_busy",
            hint="Make the whole statement about that moment with --as-of; or ask again when the sync is done.",
        )
    moment = f"TIMESTAMP '{as_of.replace(tzinfo=None).isoformat(sep=' ')}'"
    _fetch(owner, local, f"{_RESOURCES} then", f"FROM {_RESOURCES}{_AS_OF}({moment})")
    run(local, f'CREATE MACRO {_RESOURCES}{_AS_OF}(moment) AS TABLE FROM "{_RESOURCES} then"')


def _columns(owner: Catalog, name: str, words: set[str], *, whole: bool) -> str:
    """Return the columns of a table that a statement may use; at least one, to count by."""
    there = [str(row[0]) for row in run_query(owner, f"DESCRIBE {quote(name)}").rows()]
    used = there if whole else [column for column in there if column.lower() in words]
    return ", ".join(quote(column) for column in used or there[:1])


def _fetch(owner: Catalog, local: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """Copy rows piece by piece: one database does not pull from another one while it works itself."""
    reader = read_batches(owner, sql, _BATCH_ROWS)
    pieces = _pieces(reader)
    _store(local, f"CREATE TABLE {quote(name)} AS FROM _fetched", next(pieces, reader.schema.empty_table()))
    for piece in pieces:
        _store(local, f"INSERT INTO {quote(name)} FROM _fetched", piece)


def _store(local: duckdb.DuckDBPyConnection, statement: str, piece: pa.Table) -> None:
    local.register("_fetched", piece)
    try:
        run(local, statement)
    finally:
        local.unregister("_fetched")


def _pieces(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield the rows in tables that are neither so small that each costs its call, nor large."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        held.append(batch)
        size += batch.nbytes
        if size >= _PIECE_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _has_star(tokens: list[Token]) -> bool:
    """Return whether a star stands for columns: not in count(*), and not between two values."""
    for number, token in enumerate(tokens):
        before = tokens[number - 1].word if number else ""
        if token.word == "*" and (
            before in {"select", ",", "distinct", ".", "all"} or re.fullmatch(r"from|as", before)
        ):
            return True
        # FROM first, without SELECT, is all columns.
        if token.word == "from" and (before in {"", "(", "all", "union", ";", "as"} or number == 0):
            return True
    return False
