"""Questions of people we do not know while another process has the catalog open: that one is only asked for tables.

Whoever owns the catalog runs what readers send it in its own process, which must not be the victim of a statement that
takes all memory. So the tables that a statement names are fetched, as far as it uses their columns, into a database in
this process's memory, and the statement runs there.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from stocktake.query.covering import cover_names, tokens_of
from stocktake.query.errors import SqlError
from stocktake.query.past import as_of_statement
from stocktake.query.runner import read_batches, run_query
from stocktake.store.catalog import Catalog, run
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from stocktake.query.covering import Token

_AS_OF = "_as_of"
_RESOURCES = "resources"
# With one of these, columns are used that are not named.
_ALL_COLUMNS = frozenset(
    {"pivot", "unpivot", "summarize", "describe", "natural", "exclude", "replace", "columns", "table", "from_json"}
)
_TOLD = frozenset({"show", "describe", "desc"})


@contextmanager
def fetched(
    owner: Catalog,
    sql: str,
    *,
    as_of: datetime | None,
    named: Mapping[str, str] | None,
    settings: Sequence[str],
) -> Iterator[Catalog]:
    """Yield a catalog in memory with what a statement needs of the one that its owner lets us ask.

    `settings`: statements that run last, and lock it. Raises: what asking raises; the database's errors where the
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
        _copy_tables(owner, local, tokens, as_of)
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


def _copy_tables(owner: Catalog, local: duckdb.DuckDBPyConnection, tokens: list[Token], as_of: datetime | None) -> None:
    words = {token.word for token in tokens}
    rows = run_query(owner, "SELECT type, provider FROM resource_types").rows()
    types = {str(name): str(provider) for name, provider in rows}
    run(local, "CREATE TABLE resource_types (type VARCHAR, provider VARCHAR)")
    if types:
        local.executemany("INSERT INTO resource_types VALUES (?, ?)", [list(pair) for pair in types.items()])
    whole = bool(_ALL_COLUMNS & words) or _has_star(tokens)
    for name in _named_tables(owner, words):
        if name != "resource_types":
            _copy(owner, local, name, words, whole=whole)
    for name, provider in types.items():
        short = name.removeprefix(f"{provider}_")
        if short.lower() in words and provider.lower() in words:
            run(local, f"CREATE SCHEMA IF NOT EXISTS {quote(provider)}")
            if name.lower() not in words:
                _copy(owner, local, name, words, whole=whole)
            run(local, f"CREATE VIEW {quote(provider)}.{quote(short)} AS FROM main.{quote(name)}")
    for name in (*types, "relations"):
        if f"{name}{_AS_OF}".lower() in words:
            _copy_past(owner, local, name, words, whole=whole)
    if f"{_RESOURCES}{_AS_OF}" in words:
        _copy_past_resources(owner, local, as_of)


def _named_tables(owner: Catalog, words: set[str]) -> list[str]:
    rows = run_query(
        owner,
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main' "
        "UNION SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main' ORDER BY 1",
    ).rows()
    return [str(name) for (name,) in rows if str(name).lower() in words]


def _copy(owner: Catalog, local: duckdb.DuckDBPyConnection, name: str, words: set[str], *, whole: bool) -> None:
    if run(local, "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [name]) != [(0,)]:
        return
    _fetch(owner, local, name, f"SELECT {_columns(owner, name, words, whole=whole)} FROM main.{quote(name)}")


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
            "resources_as_of() cannot be asked while a sync has the catalog open",
            code="sql_busy",
            hint="Ask again when the sync is done; or make the whole statement about that moment with --as-of.",
        )
    moment = f"TIMESTAMP '{as_of.replace(tzinfo=None).isoformat(sep=' ')}'"
    _fetch(owner, local, f"{_RESOURCES} then", f"FROM {_RESOURCES}{_AS_OF}({moment})")
    run(local, f'CREATE MACRO {_RESOURCES}{_AS_OF}(moment) AS TABLE FROM "{_RESOURCES} then"')


def _columns(owner: Catalog, name: str, words: set[str], *, whole: bool) -> str:
    """Return the columns of a table that a statement may use; at least one, to count by."""
    there = [str(row[0]) for row in run_query(owner, f"DESCRIBE main.{quote(name)}").rows()]
    used = there if whole else [column for column in there if column.lower() in words]
    return ", ".join(quote(column) for column in used or there[:1])


def _fetch(owner: Catalog, local: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    local.register("_fetched", read_batches(owner, sql))
    try:
        run(local, f"CREATE TABLE {quote(name)} AS FROM _fetched")
    finally:
        local.unregister("_fetched")


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
