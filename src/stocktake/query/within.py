"""A catalog of which only what is within somebody's reach can be asked.

Every statement of ours that runs on it has the names of the catalog's tables covered by common tables of the same
name, which have the rows within reach alone. So a question needs no condition of its own, and forgets none. It is for
our own statements: SQL of people runs apart from the file (`apart`), on tables that were fetched through here.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import duckdb

from stocktake.core.errors import FatalError
from stocktake.query.covering import is_followed_by_as, place_of_tables, tokens_of
from stocktake.query.within_tables import PLACES, TAG_KEYS, UNPLACED, covered_sql, keys_of_sql, keys_sql
from stocktake.store.catalog import Catalog, run, translating
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from stocktake.query.covering import Token
    from stocktake.query.reach import Reach

_AS_OF = "_as_of"
_HISTORY = "_history"
_ROWID = "rowid"
_MOST_LOOKED = 1_000
_LOOKED: dict[tuple[Path, frozenset[str]], tuple[int, frozenset[str]]] = {}
"""By catalog and accounts: up to which sweep the ledger was read, and which types it said were looked for."""
_TAG_KEYS: dict[tuple[Path, Reach], tuple[tuple[Any, ...], tuple[str, ...]]] = {}
"""By catalog and reach: for which state of the search table keys were looked for, and which there are."""


def within(catalog: Catalog, reach: Reach) -> Catalog:
    """Return the catalog as far as it is within reach: the catalog itself where that is all of it."""
    if reach.is_everything:
        return catalog
    before = _reach_connection(catalog)
    if before is not None and before.reach == reach:
        return catalog
    with translating(catalog.path):
        rows = run(catalog.connection, "SELECT type FROM resource_types ORDER BY type")
        held = [str(name) for (name,) in rows]
        near = _types_within(catalog, held, reach)
    connection = ReachConnection(catalog.path, catalog.connection, reach, held, near)
    return Catalog(catalog.path, cast(duckdb.DuckDBPyConnection, connection), read_only=catalog.read_only)


def is_within(catalog: Catalog) -> bool:
    """Return whether a part of a catalog only can be asked."""
    return _reach_connection(catalog) is not None


def is_hidden(catalog: Catalog, table: str) -> bool:
    """Return whether a table, view or table macro of the catalog is like one that does not exist."""
    connection = _reach_connection(catalog)
    return connection is not None and connection.is_hidden(table)


def _reach_connection(catalog: Catalog) -> ReachConnection | None:
    connection: object = catalog.connection
    return connection if isinstance(connection, ReachConnection) else None


def _types_within(catalog: Catalog, held: list[str], reach: Reach) -> frozenset[str]:
    """Return the types within reach that sweeps looked for in an account within reach."""
    near = {name for name in held if reach.has_type(name)}
    if reach.accounts is None or not near:
        return frozenset(near)
    # The ledger grows with each sweep, and what it once said stays: so only what is new in it is read again.
    key = (catalog.path, reach.accounts)
    newest, looked = _LOOKED.get(key, (0, frozenset[str]()))
    rows = run(
        catalog.connection,
        "SELECT type, max(sweep_id) FROM coverage "
        f"WHERE sweep_id >= {newest} AND {reach.account_condition('account_id')} GROUP BY type",
    )
    looked |= {str(name) for name, _ in rows}
    if len(_LOOKED) >= _MOST_LOOKED:
        _LOOKED.clear()
    _LOOKED[key] = (max((int(sweep) for _, sweep in rows), default=newest), looked)
    return frozenset(near & looked)


class ReachConnection:
    """Hands statements on with what they may see in place of the catalog's tables."""

    def __init__(
        self,
        path: Path,
        connection: duckdb.DuckDBPyConnection,
        reach: Reach,
        held: Iterable[str],
        near: frozenset[str],
    ) -> None:
        self.reach = reach
        self._path = path
        self._connection = connection
        self._near = near
        self._types: Mapping[str, tuple[str, bool]] = {
            table.lower(): (name, is_history)
            for name in held
            for table, is_history in ((name, False), (history_name(name), True))
        }
        self._schemas = {name.partition("_")[0] for name in held}

    def execute(self, statement: str | duckdb.Statement, parameters: object = None) -> Any:  # noqa: ANN401 - a cursor
        """Run a statement."""
        return self._connection.execute(self._covered(statement), parameters)

    def sql(self, statement: str | duckdb.Statement, *, params: object = None) -> Any:  # noqa: ANN401 - a relation
        """Return a statement's rows."""
        return self._connection.sql(self._covered(statement), params=params)

    def extract_statements(self, sql: str) -> list[duckdb.Statement]:
        """Return the statements of a text."""
        return self._connection.extract_statements(sql)

    def cursor(self) -> ReachConnection:
        """Return another connection to the same."""
        found = object.__new__(ReachConnection)
        found.__dict__ |= self.__dict__ | {"_connection": self._connection.cursor()}
        return found

    def interrupt(self) -> None:
        """Stop what is under way."""
        self._connection.interrupt()

    def close(self) -> None:
        """Let go."""
        self._connection.close()

    def is_hidden(self, table: str) -> bool:
        """Return whether a table, view or table macro is not one of ours, or of a type within reach."""
        name = table.lower().removesuffix(_AS_OF)
        return name not in PLACES and (name not in self._types or self._types[name][0] not in self._near)

    def _covered(self, statement: str | duckdb.Statement) -> str:
        sql = statement if isinstance(statement, str) else statement.query
        tokens = list(tokens_of(sql))
        words = {token.word for token in tokens}
        _refuse_qualified(tokens, self._schemas)
        covers = {
            name: said
            for name in sorted(words)
            if (said := self._cover(name, with_rowid=_ROWID in words)) and not _is_own(tokens, name)
        }
        data = bytearray(sql.encode())
        # From the last to the first, so that places stay what they are.
        for start, end, said in sorted(self._past(sql, tokens), reverse=True):
            data[start:end] = said.encode()
        if covers:
            place, before, after = place_of_tables(tokens)
            tables = ", ".join(f"{quote(name)} AS NOT MATERIALIZED ({said})" for name, said in covers.items())
            data[place:place] = f"{before} {tables}{after} ".encode()
        return data.decode()

    def _cover(self, name: str, *, with_rowid: bool) -> str:
        """Return what stands for a table; '' where it is none, or all of it is within reach."""
        columns = f"{_ROWID}, *" if with_rowid else "*"
        if name in self._types:
            type_name, is_history = self._types[name]
            table = f"main.{quote(history_name(type_name) if is_history else type_name)}"
            if type_name not in self._near:
                return f"SELECT {columns if is_history else '*'} FROM {table} WHERE false"
            if self.reach.accounts is None:
                return ""
            account = self.reach.account_condition("account_id")
            return f"SELECT {columns if is_history else '*'} FROM {table} WHERE {account}"
        if name in UNPLACED:
            raise _uncovered(name)
        if name == TAG_KEYS:
            return keys_sql(self._tag_keys())
        return covered_sql(name, self.reach, self._near, with_rowid=with_rowid) if name in PLACES else ""

    def _tag_keys(self) -> tuple[str, ...]:
        """Return the keys of the tags within reach: looked for anew where the search table has changed."""
        [state] = run(self._connection, "SELECT count(*), max(changed_at), max(scope) FROM main.resource_index")
        kept = _TAG_KEYS.get((self._path, self.reach))
        if kept is not None and kept[0] == state:
            return kept[1]
        rows = run(self._connection, keys_of_sql(self.reach))
        keys = tuple(sorted(str(key) for (key,) in rows))
        if len(_TAG_KEYS) >= _MOST_LOOKED:
            _TAG_KEYS.clear()
        _TAG_KEYS[self._path, self.reach] = (state, keys)
        return keys

    def _past(self, sql: str, tokens: list[Token]) -> Iterable[tuple[int, int, str]]:
        """Yield the places of calls that tell of a moment, and what stands there instead."""
        data = sql.encode()
        for number, token in enumerate(tokens):
            name = token.word.removesuffix(_AS_OF)
            is_call = token.word.endswith(_AS_OF) and [one.word for one in tokens[number + 1 : number + 2]] == ["("]
            if not is_call or name not in {"relations", "resources", *self._types}:
                continue
            end = _closing(tokens, number + 1)
            call = data[token.start : end].decode()
            if name == "relations":
                inside = data[tokens[number + 1].end : end - 1].decode()
                at = f"CAST({inside} AS TIMESTAMP)"
                history = covered_sql("relations_history", self.reach, self._near)
                said = f"SELECT * EXCLUDE (_to) FROM ({history}) WHERE _from <= {at} AND (_to IS NULL OR _to > {at})"
            elif name == "resources":
                said = f"FROM {call} WHERE {self.reach.condition('account_id', 'type')}"
            else:
                account = self.reach.account_condition("account_id")
                said = f"FROM {call} WHERE {account if self._types[name][0] in self._near else 'false'}"
            yield token.start, end, f"({said})"


def _refuse_qualified(tokens: list[Token], schemas: set[str]) -> None:
    """Raise where a statement of ours names a table in a way that nothing can cover."""
    for token, after in itertools.pairwise(tokens):
        if after.word == "." and token.word in {"main", *schemas}:
            raise _uncovered(f"{token.word}.")


def _is_own(tokens: list[Token], name: str) -> bool:
    """Return whether a statement defines a common table of this name itself, and nothing before means another."""
    places = [number for number, token in enumerate(tokens) if token.word == name]
    if not any(is_followed_by_as(tokens, number) for number in places):
        return False
    first = places[0]
    if is_followed_by_as(tokens, first):
        opening = next(number for number in range(first, len(tokens)) if tokens[number].word == "(")
        end = _closing(tokens, opening)
        if not any(tokens[number].end <= end for number in places[1:]):
            return True
    raise _uncovered(name)


def _closing(tokens: list[Token], opening: int) -> int:
    """Return where the parenthesis ends, in bytes."""
    depth = 0
    for token in tokens[opening:]:
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0:
            return token.end
    raise _uncovered("(")


def _uncovered(name: str) -> FatalError:
    return FatalError(
        f"A statement names {name!r} in a way that cannot be kept within somebody's reach",
        code="reach_unclear",
        hint="This is a mistake in Stocktake, and nothing was told; please report it.",
    )
