"""A type's schema for machines: JSON, and the SQL that makes its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.page import render_description
from stocktake.resource_types.schema import walk
from stocktake.resource_types.spec import page_type, sql_type

if TYPE_CHECKING:
    from stocktake.resource_types.spec import ResourceType


def schema_as_json(resource_type: ResourceType) -> dict[str, object]:
    """Return the schema as plain values.

    Shape: `{"name", "provider", "fields": [{"path", "type", "provider_name", "description"}]}`; `path` is dotted, the
    order is the page's, `type` is the page's word, `description` is Markdown or None.
    """
    return {
        "name": resource_type.name,
        "provider": resource_type.provider,
        "fields": [
            {
                "path": ".".join(path),
                "type": page_type(field.type),
                "provider_name": field.provider_name,
                "description": render_description(field) or None,
            }
            for path, field in walk(resource_type.fields)
        ],
    }


def render_ddl(resource_type: ResourceType) -> str:
    """Return the CREATE TABLE statement for DuckDB, with the descriptions as comments on the columns."""
    table = _identifier(resource_type.name)
    columns = ",\n".join(f"  {_identifier(field.name)} {sql_type(field.type)}" for field in resource_type.fields)
    statements = [f"CREATE TABLE {table} (\n{columns}\n);"]
    for field in resource_type.fields:
        description = render_description(field)
        if description:
            statements.append(f"COMMENT ON COLUMN {table}.{_identifier(field.name)} IS {_literal(description)};")
    return "\n".join(statements) + "\n"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
