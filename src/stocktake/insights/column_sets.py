"""Derived columns of a type, declared as data: `columns/<type>.toml`, turned into the statement of one view."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocktake.insights.held import widened_columns
from stocktake.insights.sql_text import quoted, text

if TYPE_CHECKING:
    from stocktake.insights.held import Schema

_FOLDER = Path(__file__).with_name("columns")
_SUFFIX = "_insights"
_EACH = "{each}"
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_TEXT = re.compile(r"'(?:[^']|'')*'")


@dataclass(frozen=True, slots=True)
class Example:
    """A row, as far as it matters, and what the column is for it."""

    given: dict[str, Any]
    want: Any


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column that follows from others."""

    name: str
    type: str
    """DuckDB's word for it."""
    sql: str
    about: str
    source: str
    hidden: bool = False
    """A step on the way: no column of the view."""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnSet:
    """All derived columns of a type, each built from the type's and from those before it."""

    type: str
    columns: tuple[DerivedColumn, ...]
    newer: dict[str, Any] = field(default_factory=dict)
    """Dotted path -> page type, or members: fields that a table made from an older model lacks."""
    bills: tuple[tuple[str, str, str], ...] = ()
    """What is billed, by the seconds of each of the column `instances`: a word, the seconds, and whose price counts."""

    @property
    def view(self) -> str:
        """Return the name of the view that has them beside the type's own columns."""
        return f"{self.type}{_SUFFIX}"

    @property
    def shown(self) -> tuple[DerivedColumn, ...]:
        """Return the columns of the view."""
        return tuple(column for column in self.columns if not column.hidden)

    def view_sql(self, schema: Schema) -> str:
        """Return the view's statement over a table of this schema.

        Columns that need no other derived one are computed first, then those that need these, and so on: each is
        computed once for a row, and only if it is asked for.
        """
        own = widened_columns(schema, self.newer)
        base = f"SELECT * REPLACE ({own})" if own else "SELECT *"
        statement = f"{base} FROM {quoted(self.type)}"
        taken = [column.name for column in self.columns if column.name in schema]
        if taken:
            statement = f"SELECT * EXCLUDE ({', '.join(map(quoted, taken))}) FROM ({statement})"
        for level in self._levels():
            made = ", ".join(f"CAST({column.sql} AS {column.type}) AS {quoted(column.name)}" for column in level)
            statement = f"SELECT *, {made} FROM ({statement})"
        hidden = [quoted(column.name) for column in self.columns if column.hidden]
        return f"SELECT * EXCLUDE ({', '.join(hidden)}) FROM ({statement})" if hidden else statement

    def _levels(self) -> list[list[DerivedColumn]]:
        depth: dict[str, int] = {}
        levels: list[list[DerivedColumn]] = []
        for column in self.columns:
            needed = set(_WORD.findall(_TEXT.sub("", column.sql)))
            at = 1 + max((depth[name] for name in needed if name in depth), default=-1)
            depth[column.name] = at
            if at == len(levels):
                levels.append([])
            levels[at].append(column)
        return levels


@cache
def column_sets() -> dict[str, ColumnSet]:
    """Return the sets that there are, by type."""
    return {file.stem: _read(tomllib.loads(file.read_text("utf-8"))) for file in sorted(_FOLDER.glob("*.toml"))}


def _read(stated: dict[str, Any]) -> ColumnSet:
    lists = {name: ", ".join(map(text, words)) for name, words in stated.get("lists", {}).items()}
    columns = [_column(entry, each, lists) for entry in stated["column"] for each in entry.get("for", [""])]
    bills = tuple((one["what"], one["seconds"], one["at"]) for one in stated.get("bill", ()))
    return ColumnSet(stated["type"], tuple(columns), stated.get("newer", {}), bills)


def _column(entry: dict[str, Any], each: str, lists: dict[str, str]) -> DerivedColumn:
    sql = entry["sql"] if "sql" in entry else _cases_sql(entry["of"], entry["cases"], entry["otherwise"])
    for name, words in lists.items():
        sql = sql.replace(f"{{{name}}}", words)
    return DerivedColumn(
        name=entry["name"].replace(_EACH, each),
        type=entry["type"],
        sql=sql.replace(_EACH, each),
        about=entry["about"].replace(_EACH, each),
        source=entry["source"],
        hidden=entry.get("hidden", False),
        examples=tuple(Example(one["given"], one.get("want")) for one in entry.get("tests", ())),
    )


def _cases_sql(of: str, cases: list[list[str]], otherwise: str) -> str:
    whens = " ".join(f"WHEN regexp_matches({of}, {text(pattern)}) THEN {text(word)}" for pattern, word in cases)
    return f"CASE WHEN {of} IS NULL THEN NULL {whens} ELSE {text(otherwise)} END"
