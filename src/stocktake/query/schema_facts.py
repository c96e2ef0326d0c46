"""What the catalog knows of a type's schema beyond its page: what came when, and which fields are filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from stocktake.core.errors import UserError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within
from stocktake.store.catalog import run, translating
from stocktake.store.type_tables import held_types, quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from duckdb.sqltypes import DuckDBPyType

    from stocktake.store.catalog import Catalog

_FIELDS_AT_ONCE = 150


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change of a type's schema. Times are UTC without a zone."""

    changed_at: datetime
    """When the catalog's table followed."""
    change: str
    """first (the type was first synced), added, dropped, moved or retyped."""
    path: str
    sql_type: str | None
    was: str | None
    """Of a moved field where it was before; of a retyped one where its older values are."""
    is_certain: bool
    """False: a move that no value has confirmed yet."""
    model_version: str


@dataclass(frozen=True, slots=True)
class FilledField:
    """How many resources that exist have a field."""

    path: str
    """Below a list: at least one entry has it."""
    sql_type: str
    filled: int
    rows: int

    @property
    def percent(self) -> float:
        """Return the share of resources that have it."""
        return 100 * self.filled / self.rows if self.rows else 0.0


def read_schema_changes(
    catalog: Catalog, type_name: str, since: datetime | None = None, *, reach: Reach = EVERYTHING
) -> list[SchemaChange]:
    """Return how a type's schema changed, oldest first. Raises: UserError for a type that is not held."""
    catalog = within(catalog, reach)
    _check_held(catalog, type_name)
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            "SELECT changed_at, change, path, sql_type, was, is_certain, model_version FROM schema_changes "
            "WHERE type = $type AND changed_at >= $since ORDER BY changed_at, path, change",
            {"type": type_name, "since": since.replace(tzinfo=None).isoformat() if since else "-infinity"},
        )
    return [SchemaChange(*row) for row in rows]


def read_filled(catalog: Catalog, type_name: str, *, reach: Reach = EVERYTHING) -> list[FilledField]:
    """Return for every field, at any depth, how many of a type's resources have it. Raises: as above.

    Null is not filled, nor is an empty list or map; an empty text is.
    """
    catalog = within(catalog, reach)
    _check_held(catalog, type_name)
    with translating(catalog.path):
        described = run(catalog.connection, f"DESCRIBE {quote(type_name)}")
        nodes = [
            node
            for name, kind, *_ in described
            if not name.startswith("_")
            for node in _nodes(str(name), quote(str(name)), duckdb.sqltype(str(kind)), 0)
        ]
        found = []
        for first in range(0, len(nodes), _FIELDS_AT_ONCE):
            part = nodes[first : first + _FIELDS_AT_ONCE]
            counts = ", ".join(f"count(*) FILTER ({condition})" for _, _, condition in part)
            [(rows, *filled)] = run(catalog.connection, f"SELECT count(*), {counts} FROM {quote(type_name)}")
            found += [
                FilledField(path, kind, int(count), int(rows))
                for (path, kind, _), count in zip(part, filled, strict=True)
            ]
    return found


def _check_held(catalog: Catalog, type_name: str) -> None:
    with translating(catalog.path):
        held = held_types(catalog)
    if type_name not in held:
        raise UserError(
            f"The catalog {catalog.path} holds no {type_name} yet",
            code="type_not_held",
            hint=f"Run `stocktake sync --type {type_name}` first; `stocktake status` says what is held.",
            where=str(catalog.path),
        )


def _nodes(path: str, value: str, kind: DuckDBPyType, depth: int) -> Iterator[tuple[str, str, str]]:
    """Yield a field and those inside of it: path, type, and the condition under which it is filled."""
    children = [(name, child) for name, child in kind.children] if kind.id in {"struct", "list"} else []
    match kind.id:
        case "list":
            yield path, str(kind), f"len({value}) > 0"
            entry = f"e{depth}"
            for inner, shown, condition in _nodes(path, entry, children[0][1], depth + 1):  # type: ignore[arg-type] # a list's child is a type
                if inner != path:
                    yield inner, shown, f"len(list_filter({value}, lambda {entry}: {condition})) > 0"
        case "struct":
            yield path, str(kind), f"{value} IS NOT NULL"
            for name, child in children:
                yield from _nodes(f"{path}.{name}", f"{value}.{quote(name)}", child, depth)  # type: ignore[arg-type] # likewise
        case "map":
            yield path, str(kind), f"cardinality({value}) > 0"
        case _:
            yield path, str(kind), f"{value} IS NOT NULL"
