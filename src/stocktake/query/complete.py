"""What may stand at a place in a statement: data for editors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import duckdb

from stocktake.core.errors import StocktakeError
from stocktake.query.covering import tokens_of
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import run_query
from stocktake.query.within import is_hidden, within
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from duckdb.sqltypes import DuckDBPyType

    from stocktake.query.covering import Token
    from stocktake.store.catalog import Catalog

MOST = 200
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# What stands before the cursor: names with dots between them, entries of lists in brackets, and a name that begins.
_BEFORE = re.compile(r'((?:(?:"(?:[^"]|"")*"|\w+)(?:\[[^\]]*\])*\.)*)("(?:[^"]|"")*|\w*)$')
_STEP = re.compile(r'("(?:[^"]|"")*"|\w+)((?:\[[^\]]*\])*)\.')
_TABLE_WORDS = frozenset({"from", "join", "describe", "summarize", "table", "pivot", "unpivot"})
_CLAUSES = _TABLE_WORDS | frozenset(
    """
    select where group order having on using limit offset qualify window values union except intersect set by as and or
    not in is case when then else end with recursive left right full inner outer cross natural lateral asof semi anti
    distinct all between like ilike
    """.split()  # noqa: SIM905 - a list literal would take a line for each
)


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may stand there."""

    text: str
    """As it is written, in quotes where it needs them."""
    kind: str
    """table, schema, column, path, alias, function or keyword."""
    type: str = ""
    """Of columns and paths: DuckDB's type."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What may replace the text from `start` to `end` (in characters)."""

    start: int
    end: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of a statement."""

    table: str
    alias: str


class SqlCompleter:
    """Completes statements over one catalog; keeps what it has learned of it."""

    def __init__(
        self,
        ask: Callable[[str], Iterable[tuple[Any, ...]]],
        names: Iterable[str] = (),
        is_hidden: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`ask` runs a statement that only reads; `names` stand for tables that are not the catalog's own.

        `is_hidden`: whether a table of the catalog is like one that does not exist.
        """
        self._ask = ask
        self._is_hidden = is_hidden
        self._names = tuple(names)
        self._columns: dict[str, dict[str, DuckDBPyType]] = {}

    @classmethod
    def over(cls, catalog: Catalog, names: Iterable[str] = (), *, reach: Reach = EVERYTHING) -> Self:
        """Return one for statements over a catalog."""
        near = within(catalog, reach)
        return cls(lambda sql: run_query(near, sql).rows(), names, lambda table: is_hidden(near, table))

    def complete(self, text: str, cursor: int | None = None) -> Completion:
        """Return what may stand at a place of a text (in characters; None: its end)."""
        at = len(text) if cursor is None else max(0, min(cursor, len(text)))
        begin, end = _statement_around(text, at)
        statement, place = text[begin:end], at - begin
        if _is_in_text(statement[:place]):
            return Completion(at, at, ())
        found = _BEFORE.search(statement[:place])
        assert found is not None  # noqa: S101 - it matches the empty text
        dotted, partial = found[1], found[2]
        after = re.match(r"\w*", statement[place:])
        start, stop = begin + found.start(2), at + (len(after[0]) if after else 0)
        tokens = list(tokens_of(statement)) if statement.strip() else []
        items = self._items(statement, tokens, len(statement[: found.start()].encode()), dotted)
        return Completion(start, stop, tuple(_matching(items, partial.strip('"'))[:MOST]))

    def _items(self, statement: str, tokens: list[Token], place: int, dotted: str) -> Iterator[Item]:
        sources = list(self._sources(statement, tokens))
        steps = [(_unquoted(name), bool(entry)) for name, entry in _STEP.findall(dotted)]
        if steps:
            yield from self._after_dot(steps, sources)
            return
        clause = next((t.word for t in reversed(tokens) if t.end <= place and t.word in _CLAUSES), "")
        last = next((t.word for t in reversed(tokens) if t.end <= place), "")
        if clause in _TABLE_WORDS and (last in {clause, ","} or not last):
            yield from self._tables_and_schemas(tokens)
            return
        if not tokens or clause:
            for source in sources:
                yield from self._column_items(source.table)
            yield from (Item(_written(source.alias), "alias") for source in sources)
            yield from (Item(name, "function") for name in self._functions)
        yield from (Item(word, "keyword") for word in self._keywords)

    def _after_dot(self, steps: list[tuple[str, bool]], sources: list[_Source]) -> Iterator[Item]:
        (first, is_entry), *rest = steps
        tables = [source.table for source in sources if first in {source.alias.lower(), source.table.lower()}]
        if not is_entry and tables:
            yield from self._inside({one: kind for table in tables for one, kind in self._of(table).items()}, rest)
        elif not is_entry and not rest and first in self._schemas:
            yield from (Item(_written(name), "table") for name in self._schemas[first])
        elif not is_entry and rest and f"{first}.{rest[0][0]}" in {source.table.lower() for source in sources}:
            yield from self._inside(self._of(f"{first}.{rest[0][0]}"), rest[1:])
        else:
            yield from self._inside({n: k for source in sources for n, k in self._of(source.table).items()}, steps)

    def _inside(self, members: dict[str, DuckDBPyType], steps: list[tuple[str, bool]]) -> Iterator[Item]:
        """Yield what is at the end of a path."""
        for name, is_entry in steps:
            kind = next((one for member, one in members.items() if member.lower() == name), None)
            while is_entry and kind is not None and kind.id == "list":
                kind = _children(kind)["child"]
            members = _children(kind) if kind is not None and kind.id == "struct" else {}
        of = "path" if steps else "column"
        yield from (Item(_written(name), of, str(kind)) for name, kind in members.items())

    def _sources(self, statement: str, tokens: list[Token]) -> Iterator[_Source]:
        """Yield the tables that a statement reads, with what it calls them."""
        data = statement.encode()
        known = {name.lower(): name for name in (*self._tables, *self._names)}
        number = 0
        while number < len(tokens):
            word = tokens[number].word
            name = known.get(word)
            if word in self._schemas and number + 2 < len(tokens) and tokens[number + 1].word == ".":
                short = tokens[number + 2].word
                name = f"{word}.{short}" if short in self._schemas[word] else None
                number += 2 if name else 0
            if name is not None and (number == 0 or tokens[number - 1].word != "." or "." in name):
                after = number + 1 + (number + 1 < len(tokens) and tokens[number + 1].word == "as")
                alias = tokens[after] if after < len(tokens) else None
                if alias is not None and alias.word not in _CLAUSES and re.fullmatch(r"\w+", alias.word):
                    yield _Source(name, _unquoted(data[alias.start : alias.end].decode()))
                else:
                    yield _Source(name, name.rpartition(".")[2])
            number += 1

    def _tables_and_schemas(self, tokens: list[Token]) -> Iterator[Item]:
        own = {a.word for a, b in pairwise(tokens) if b.word == "as" and a.word not in _CLAUSES}
        yield from (Item(name, "table") for name in sorted(own - {name.lower() for name in self._tables}) if name)
        yield from (Item(_written(name), "table") for name in (*self._names, *self._tables))
        yield from (Item(_written(name), "schema") for name in self._schemas)
        yield from (Item(f"{_written(name)}(", "function") for name in self._table_functions)

    def _column_items(self, table: str) -> Iterator[Item]:
        yield from (Item(_written(name), "column", str(kind)) for name, kind in self._of(table).items())

    def _of(self, table: str) -> dict[str, DuckDBPyType]:
        """Return the columns of a table."""
        if table not in self._columns:
            # `aws.sqs_queue` is `aws_sqs_queue`.
            try:
                rows = list(self._ask(f"DESCRIBE {quote(table.replace('.', '_'))}"))
            except StocktakeError:
                rows = []
            self._columns[table] = {str(row[0]): duckdb.sqltype(str(row[1])) for row in rows}
        return self._columns[table]

    @cached_property
    def _tables(self) -> list[str]:
        return [
            str(row[0])
            for row in self._ask(
                "SELECT table_name AS name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal "
                "UNION SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal ORDER BY name"
            )
            if not self._is_hidden(str(row[0]))
        ]

    @cached_property
    def _schemas(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for schema, name in self._ask(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal AND schema_name <> 'main' "
            "ORDER BY ALL"
        ):
            if not self._is_hidden(f"{schema}_{name}"):
                found.setdefault(str(schema), []).append(str(name))
        return found

    @cached_property
    def _functions(self) -> list[str]:
        rows = self._ask(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'macro') "
            "AND regexp_full_match(function_name, '[a-z][a-z0-9_]*') ORDER BY 1"
        )
        return [str(name) for (name,) in rows]

    @cached_property
    def _table_functions(self) -> list[str]:
        rows = self._ask(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'table_macro' "
            "AND NOT internal ORDER BY 1"
        )
        return [str(name) for (name,) in rows if not self._is_hidden(str(name))]

    @cached_property
    def _keywords(self) -> list[str]:
        rows = self._ask(
            "SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category <> 'unreserved' ORDER BY 1"
        )
        return [str(name) for (name,) in rows]


def _children(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    return {name: child for name, child in kind.children if not isinstance(child, int | list)}


def _matching(items: Iterable[Item], partial: str) -> list[Item]:
    """Return those that begin so, then those that have it elsewhere, each once."""
    wanted = partial.lower()
    found: dict[str, tuple[bool, Item]] = {}
    for item in items:
        text = item.text.strip('"').lower()
        if wanted in text and item.text not in found:
            found[item.text] = (not text.startswith(wanted), item)
    return [item for _, item in sorted(found.values(), key=lambda pair: pair[0])]


def _written(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quote(name)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"').lower() if name.startswith('"') else name.lower()


def _statement_around(text: str, at: int) -> tuple[int, int]:
    """Return where the statement that has the place begins and ends."""
    ends = [
        m.start()
        for m in re.finditer(r";|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", text, re.DOTALL)
        if m[0] == ";"
    ]
    begin = max((end + 1 for end in ends if end < at), default=0)
    return begin, min((end for end in ends if end >= at), default=len(text))


def _is_in_text(before: str) -> bool:
    """Return whether a place is inside of a text or a comment."""
    rest = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*\n|/\*.*?\*/", " ", before, flags=re.DOTALL)
    return "'" in rest or "--" in rest or "/*" in rest
