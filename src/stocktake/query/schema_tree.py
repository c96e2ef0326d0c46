"""What can be asked in SQL, as a tree: tables, their columns, and what is inside of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from stocktake.core.errors import UserError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import run_query
from stocktake.query.within import is_hidden, within
from stocktake.store.catalog import translating
from stocktake.store.type_tables import held_types, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from duckdb.sqltypes import DuckDBPyType

    from stocktake.store.catalog import Catalog

SHARED_TABLES = ("resources", "relations", "changes", "coverage_now", "coverage", "sweeps", "aside")
"""Tables that are no type's; docs/catalog.md has their columns."""
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class TreeTable:
    """A table."""

    name: str
    kind: str
    """type, shared, or derived (a name of ours that stands for a statement)."""
    service: str = ""
    """Of a type: `sagemaker`."""


@dataclass(frozen=True, slots=True)
class TreeColumn:
    """A column, or a field inside of one."""

    name: str
    path: str
    """As it is written in a statement."""
    type: str
    """DuckDB's type; of what has something inside only its kind: STRUCT, STRUCT[], MAP."""
    inside: tuple[TreeColumn, ...] = ()


def read_tables(catalog: Catalog, derived: Collection[str] = (), *, reach: Reach = EVERYTHING) -> tuple[TreeTable, ...]:
    """Return the tables that may be asked: those shared by all types, names of ours, and a table for each type held."""
    near = within(catalog, reach)
    with translating(catalog.path):
        types = sorted(held_types(near))
    return (
        *(TreeTable(name, "shared") for name in SHARED_TABLES if not is_hidden(near, name)),
        *(TreeTable(name, "derived") for name in sorted(derived) if _is_within(name, types)),
        *(TreeTable(name, "type", name.removeprefix("aws_").partition("_")[0]) for name in types),
    )


def read_columns(
    catalog: Catalog, table: str, named: Mapping[str, str] | None = None, *, reach: Reach = EVERYTHING
) -> tuple[TreeColumn, ...]:
    """Return the columns of a table. `named`: as in `runner.run_query`.

    Raises: UserError (`no_such_table`) for one that is not there, or out of reach.
    """
    known = {one.name for one in read_tables(catalog, named or (), reach=reach)}
    if table not in known:
        raise UserError(
            f"There is no table {table}", code="no_such_table", hint="`SHOW TABLES` lists them.", where=table
        )
    rows = run_query(within(catalog, reach), f"DESCRIBE {quote(table)}", named=dict(named or {})).rows()
    return tuple(_column(str(name), quoted(str(name)), duckdb.sqltype(str(kind)), 0) for name, kind, *_ in rows)


def quoted(name: str) -> str:
    """Return a name as it is written: in quotes where it needs them."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else quote(name)


def _is_within(name: str, types: Collection[str]) -> bool:
    """Return whether a name of ours is of all types, or of one of these."""
    return not name.endswith("_insights") or name.removesuffix("_insights") in types


def _column(name: str, path: str, kind: DuckDBPyType, depth: int) -> TreeColumn:
    suffix, step = "", ""
    while kind.id == "list":
        suffix, step = f"{suffix}[]", f"{step}[1]"
        kind = _child(kind, "child")
    if kind.id == "struct" and depth < _DEEPEST:
        inside = tuple(
            _column(inner, f"{path}{step}.{quoted(inner)}", child, depth + 1)
            for inner, child in kind.children
            if not isinstance(child, int | list)
        )
        return TreeColumn(name, path, f"STRUCT{suffix}", inside)
    if kind.id == "map":
        return TreeColumn(name, path, f"MAP({_child(kind, 'key')} → {_short(_child(kind, 'value'))}){suffix}")
    return TreeColumn(name, path, f"{_short(kind)}{suffix}")


def _child(kind: DuckDBPyType, name: str) -> DuckDBPyType:
    found: Any = dict(kind.children)[name]
    child: DuckDBPyType = found
    return child


def _short(kind: DuckDBPyType) -> str:
    text = str(kind)
    return text if len(text) <= 60 else f"{kind.id.upper()}(…)"
