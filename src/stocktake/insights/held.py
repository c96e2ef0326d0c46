"""What the catalog holds: its types, and the fields of each as its table has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import UserError
from stocktake.insights.sql_text import quoted
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import run_query
from stocktake.query.within import within

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from stocktake.store.catalog import Catalog

Schema = dict[str, Any]
"""Field -> page type, or [page type, members]: what the store remembers of a type."""

_LIST, _MAP = "UNORDERED_LIST_", "MAP_STRING_"
_SQL = {"STRING": "VARCHAR", "INT32": "INTEGER", "INT64": "BIGINT"}


@dataclass(frozen=True, slots=True)
class HeldType:
    """A type that the catalog holds."""

    schema: Schema
    name_column: str | None
    model_version: str


def held_types(catalog: Catalog, *, reach: Reach = EVERYTHING) -> dict[str, HeldType]:
    """Return every type that is held: of those within reach, what sweeps looked for in an account within reach."""
    sql = "SELECT type, schema_json, name_column, model_version FROM resource_types ORDER BY type"
    return {
        str(name): HeldType(orjson.loads(schema), column, str(version))
        for name, schema, column, version in run_query(within(catalog, reach), sql).rows()
    }


def require_types(held: Container[str], needed: Iterable[str], what: str) -> None:
    """Raise a UserError that says what to do if one of the types is not held; `what` needs it."""
    missing = next((name for name in needed if name not in held), None)
    if missing is not None:
        raise UserError(
            f"{what} needs {missing}, which the catalog does not hold",
            code="type_not_held",
            hint=f"Run `stocktake sync --type {missing}` first; `stocktake types` lists the names.",
            where=missing,
        )


def has_field(schema: Schema, path: str) -> bool:
    """Return whether there is a field at a dotted path; lists on the way stand for their elements."""
    members: Any = schema
    for step in path.split("."):
        if not isinstance(members, dict) or step not in members:
            return False
        entry = members[step]
        members = entry[1] if isinstance(entry, list) else None
    return True


def sql_type_of(entry: Any) -> str:  # noqa: ANN401 - JSON
    """Return the DuckDB type of a field of a schema."""
    page_type, members = entry if isinstance(entry, list) else (entry, None)
    if page_type.startswith(_LIST):
        return (
            sql_type_of([page_type.removeprefix(_LIST), members] if members else page_type.removeprefix(_LIST)) + "[]"
        )
    if page_type.startswith(_MAP):
        return f"MAP(VARCHAR, {sql_type_of(page_type.removeprefix(_MAP))})"
    if members:
        inner = ", ".join(f"{quoted(name)} {sql_type_of(member)}" for name, member in members.items())
        return f"STRUCT({inner})"
    return _SQL.get(page_type, "VARCHAR" if page_type == "STRUCT" else page_type)


def widened_columns(schema: Schema, newer: dict[str, Any]) -> str:
    """Return replacements (as `* REPLACE` takes them) that give columns the fields that they lack, with no value.

    `newer`: dotted path -> page type, or the members of a structure.
    """
    wide: dict[str, Any] = {}
    for path, entry in newer.items():
        column, *rest = path.split(".")
        if column in schema and not has_field(schema, path):
            before = wide.get(column, schema[column])
            wide[column] = _with_field(before, rest, ["STRUCT", entry] if isinstance(entry, dict) else entry)
    return ", ".join(f"CAST({quoted(name)} AS {sql_type_of(entry)}) AS {quoted(name)}" for name, entry in wide.items())


def _with_field(entry: Any, path: list[str], added: Any) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return added
    page_type, members = ("STRUCT", {}) if entry is None else entry
    name, *rest = path
    return [page_type, {**members, name: _with_field(members.get(name), rest, added)}]
