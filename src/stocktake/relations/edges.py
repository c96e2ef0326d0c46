"""Edges out of values: what form a value has, which type it names, where that would be."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

from stocktake.relations.extract import intervals_sql
from stocktake.relations.forms import ARN, ID, NAME, PART, form_sql, group_sql, type_sql
from stocktake.relations.known_types import known_types
from stocktake.store.catalog import run

if TYPE_CHECKING:
    import duckdb

# Many edges share an ARN: its type is looked for once.
_ARNS_SQL = f"""
    CREATE OR REPLACE TEMP TABLE relation_arns AS
    SELECT value, account, a.region, tail, type FROM (
        SELECT DISTINCT value, split_part(value, ':', 3) AS service, split_part(value, ':', 4) AS region,
            split_part(value, ':', 5) AS account, regexp_extract(value, '^(?:[^:]*:){{5}}(.*)$', 1) AS resource,
            regexp_extract(regexp_replace(value, ':\\*$', ''), '[^/:]+$') AS tail,
            lower(replace(regexp_extract(value, '^(?:[^:]*:){{5}}([^/:]*)', 1), '-', '')) AS head
        FROM relation_intervals WHERE form = '{ARN}'
    ) AS a
    LEFT JOIN arn_forms AS f ON f.service = a.service AND f.head IN (a.head, '')
        AND (f.alone OR regexp_matches(a.resource, f.pattern))
    -- Several services may have the ARNs of one (RDS, DocumentDB): then the one that is called so.
    QUALIFY row_number() OVER (
        PARTITION BY value ORDER BY weight DESC, split_part(type, '_', 2) = a.service DESC, type
    ) = 1
"""
# `alias/models`: the last part of an ARN of the service that the field's name proposes.
_PARTS_SQL = f"""
    CREATE OR REPLACE TEMP TABLE relation_parts AS
    SELECT i.source_type, i.path, i.value, f.type FROM (
        SELECT DISTINCT source_type, path, value, lower(replace(split_part(value, '/', 1), '-', '')) AS head
        FROM relation_intervals WHERE form = '{NAME}' AND path <> '_id' AND regexp_matches(value, '^[a-z][a-z-]+/.')
    ) AS i
    JOIN relation_fields AS t ON t.source_type = i.source_type AND t.path = i.path
    JOIN arn_forms AS f ON f.head = i.head AND regexp_matches(i.value, f.pattern)
        AND list_contains(list_transform(t.types, lambda x: split_part(x, '_', 2)), split_part(f.type, '_', 2))
    QUALIFY row_number() OVER (PARTITION BY i.source_type, i.path, i.value ORDER BY f.weight DESC, f.type) = 1
"""


@cache
def _edges_sql() -> str:
    """Return the statement; made when it is first needed, since the forms that it speaks of are read from a file."""
    target_type = type_sql(
        "form", f"coalesce(s.type, CASE form WHEN '{ARN}' THEN a.type WHEN '{ID}' THEN c.claimed END)"
    )
    return f"""
    INSERT INTO relation_versions BY NAME
    SELECT i.source_id, i.source_type, i.account_id, i.region, i.path, t.edge,
        CASE WHEN s.type IS NULL THEN i.form ELSE '{PART}' END AS form, i.value,
        {group_sql("form", "i.value", "key", "coalesce(a.tail, i.value)")} AS key,
        {target_type} AS target_type,
        NULL AS target_id,
        {group_sql("form", "i.value", "account", "coalesce(a.account, i.account_id)")} AS target_account_id,
        {group_sql("form", "i.value", "region", "coalesce(a.region, i.region)")} AS target_region,
        seen_from AS _from, seen_to AS _to, $sweep AS _sweep
    FROM relation_intervals AS i
    JOIN relation_fields AS t ON t.source_type = i.source_type AND t.path = i.path
    LEFT JOIN said_fields AS c ON c.source_type = i.source_type AND c.path = i.path
    LEFT JOIN relation_arns AS a ON a.value = i.value
    LEFT JOIN relation_parts AS s ON s.source_type = i.source_type AND s.path = i.path AND s.value = i.value
    -- Edges of one source together take half the space.
    ORDER BY i.source_type, i.source_id, i.path
"""


def insert_edges(connection: duckdb.DuckDBPyConnection, sweep_id: int) -> None:
    """Write what the extracted values say as edges that lead nowhere yet. `said_fields`: what their fields may say."""
    run(
        connection,
        "CREATE OR REPLACE TEMP TABLE relation_intervals AS "
        f"SELECT *, {form_sql('value')} AS form FROM ({intervals_sql(connection)})",
    )
    forms = known_types().arn_forms
    table = pa.table(
        {
            name: [getattr(form, name) for form in forms]
            for name in ("service", "head", "pattern", "weight", "type", "alone")
        }
    )
    connection.register("arn_forms", table)
    try:
        run(connection, _ARNS_SQL)
        run(connection, _PARTS_SQL)
    finally:
        connection.unregister("arn_forms")
    run(connection, _edges_sql(), {"sweep": sweep_id})
