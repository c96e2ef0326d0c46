"""The tables and views of one resource type: made once, widened when the model grows, never rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stocktake.resource_types.spec import Kind, page_type, sql_type
from stocktake.store.catalog import run
from stocktake.store.evolution import Step, moved_columns, plan_steps, write_steps
from stocktake.store.facet_columns import UNKNOWN, facet_columns_of
from stocktake.store.key_index import drop_index, key_sql

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from stocktake.resource_types.spec import Field, Path, ResourceType, ValueType
    from stocktake.store.catalog import Catalog

# The catalog's own columns, before any field of the provider. Underscored, since no field of a provider is.
OWN_COLUMNS: tuple[tuple[str, str], ...] = (
    ("_id", "VARCHAR"),  # the ARN; without one, what identifies it in account and region
    ("_key", "UINTEGER"),  # a short hash of it, to find it by (see `key_index`)
    ("_region", "VARCHAR"),
    ("_created", "TIMESTAMP"),  # part of the identity: a name may be used again
    ("_from", "TIMESTAMP"),  # this version was first seen then
    ("_to", "TIMESTAMP"),  # and no longer seen then; null while it is the newest
    ("_gone", "BOOLEAN"),  # true where it ended because the resource was deleted
    ("_sweep", "BIGINT"),  # the sweep that saw it first
    ("_end_sweep", "BIGINT"),  # the sweep that saw it end
    ("_hash", "UBIGINT"),  # of the raw answer and its tags
    ("_summary", "UBIGINT"),  # of the list item
    ("_settled", "BOOLEAN"),  # cannot change without its list item changing
    ("_unknown", "VARCHAR"),  # members that the model does not know, as JSON
)
KEY = "_key"
# What a reader of the current view sees of them, after the fields.
VIEW_COLUMNS = ("_id", "_region", "_created", "_from", "_unknown")


def quote(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def history_name(type_name: str) -> str:
    """Return the table of all versions."""
    return f"{type_name}_history"


def ensure_tables(catalog: Catalog, resource_type: ResourceType, now: datetime) -> None:
    """Make the type's table and views, or have them follow the model (see `evolution`).

    Each change of the table is its own transaction and checkpoint.
    """
    name = resource_type.name
    held = _held_columns(catalog.connection, history_name(name))
    if held and KEY not in held:
        _add_keys(catalog, name)
    if not held:
        with catalog.transaction() as connection:
            columns = [
                *OWN_COLUMNS,
                *facet_columns_of(resource_type),
                *((f.name, sql_type(f.type)) for f in resource_type.fields),
            ]
            ddl = ", ".join(f"{quote(column)} {kind}" for column, kind in columns)
            run(connection, f"CREATE TABLE {quote(history_name(name))} ({ddl})")
            make_views(connection, name, resource_type.provider)
            write_steps(connection, name, resource_type.model_version, now, [Step("first", "", None)])
            _remember(connection, resource_type, now)
        return
    [row] = run(catalog.connection, "SELECT schema_json FROM resource_types WHERE type = ?", [name])
    if row[0] == _schema_json(resource_type):
        return
    table = quote(history_name(name))
    steps = plan_steps(
        catalog.connection, table, held, resource_type.fields, (_read_schema(row[0]), _flat(resource_type.fields))
    )
    own = (
        f"ALTER TABLE {table} ADD COLUMN {quote(column)} {kind}"
        for column, kind in facet_columns_of(resource_type)
        if column not in held
    )
    for statement in (*own, *(one for step in steps for one in step.statements)):
        with catalog.transaction() as connection:
            drop_index(connection, name)
            run(connection, statement)
        catalog.checkpoint()
    with catalog.transaction() as connection:
        write_steps(connection, name, resource_type.model_version, now, steps)
        make_views(connection, name, resource_type.provider)
        run(connection, "DELETE FROM resource_types WHERE type = ?", [name])
        _remember(connection, resource_type, now)


def _add_keys(catalog: Catalog, name: str) -> None:
    """Give a table of an older Stocktake the column by which its versions are found."""
    table = quote(history_name(name))
    with catalog.transaction() as connection:
        run(connection, f"ALTER TABLE {table} ADD COLUMN {KEY} UINTEGER")
        run(connection, f"UPDATE {table} SET {KEY} = {key_sql('_id')}")
    catalog.checkpoint()


def column_of(fields: tuple[Field, ...], path: Path | None) -> str | None:
    """Return the SQL expression of a document path (provider names), or None where the type has no such field."""
    if not path:
        return None
    steps: list[str] = []
    for member in path:
        found = next((f for f in fields if member in {f.provider_name, f.wire_name}), None)
        if found is None:
            return None
        steps.append(quote(found.name))
        fields = found.type.fields
    return ".".join(steps)


def type_of(fields: tuple[Field, ...], path: Path) -> ValueType | None:
    """Return the value type at a document path."""
    found: Field | None = None
    for member in path:
        found = next((f for f in fields if member in {f.provider_name, f.wire_name}), None)
        if found is None:
            return None
        fields = found.type.fields
    return found.type if found else None


def _held_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = run(
        connection,
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ?",
        [table],
    )
    return {str(name): str(kind) for name, kind in rows}


def make_views(connection: duckdb.DuckDBPyConnection, name: str, provider: str) -> None:
    """Make what a type's history is read through: now, as of any time, and under the provider's schema."""
    held = _held_columns(connection, history_name(name))
    moved = moved_columns(connection, name)
    fields = sorted(column for column in held if not column.startswith("_"))
    columns = [*fields, *(column for column in (*VIEW_COLUMNS, UNKNOWN) if column in held)]
    shown = ", ".join(f"{moved[one]} AS {quote(one)}" if one in moved else quote(one) for one in columns)
    history = quote(history_name(name))
    select = f"SELECT {shown} FROM {history}"
    run(connection, f"CREATE OR REPLACE VIEW {quote(name)} AS {select} WHERE _to IS NULL")
    run(
        connection,
        f"CREATE OR REPLACE MACRO {quote(name + '_as_of')}(moment) AS TABLE {select}"
        " WHERE _from <= CAST(moment AS TIMESTAMP) AND (_to IS NULL OR _to > CAST(moment AS TIMESTAMP))",
    )
    run(connection, f"CREATE SCHEMA IF NOT EXISTS {quote(provider)}")
    short = name.removeprefix(f"{provider}_")
    run(
        connection,
        f"CREATE OR REPLACE VIEW {quote(provider)}.{quote(short)} AS SELECT * FROM main.{quote(name)}",
    )


def _remember(connection: duckdb.DuckDBPyConnection, resource_type: ResourceType, now: datetime) -> None:
    identity = resource_type.identity
    arn = column_of(resource_type.fields, identity.arn_path)
    names = [column_of(resource_type.fields, path) for path in identity.key_paths]
    run(
        connection,
        "INSERT INTO resource_types VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            resource_type.name,
            resource_type.provider,
            resource_type.service,
            resource_type.model_version,
            arn,
            next((n for n in names if n), None),
            _schema_json(resource_type),
            now.replace(tzinfo=None),
        ],
    )


def _schema_json(resource_type: ResourceType) -> str:
    return orjson.dumps(_flat(resource_type.fields), option=orjson.OPT_SORT_KEYS).decode()


def _flat(fields: tuple[Field, ...]) -> dict[str, object]:
    """Return name -> page type, or name -> [page type, members] where there are members."""
    flat: dict[str, object] = {}
    for f in fields:
        inner = _innermost(f.type)
        flat[f.name] = [page_type(f.type), _flat(inner.fields)] if inner.fields else page_type(f.type)
    return flat


def _innermost(value: ValueType) -> ValueType:
    while value.kind is Kind.LIST and value.element is not None:
        value = value.element
    return value


def _read_schema(text: str) -> dict[str, object]:
    schema = orjson.loads(text)
    return schema if isinstance(schema, dict) else {}


def held_types(catalog: Catalog) -> tuple[str, ...]:
    """Return the names of the types that the catalog has tables of."""
    rows = run(catalog.connection, "SELECT type FROM resource_types ORDER BY type")
    return tuple(str(row[0]) for row in rows)
