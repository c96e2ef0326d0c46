"""Bring the edges up to date with what a sweep has written, one type at a time, in SQL over its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stocktake.relations.extract import extract_values, intervals_sql
from stocktake.relations.fields import text_columns
from stocktake.relations.forms import ARN, ID, NAME, PART, form_sql, group_sql, type_sql
from stocktake.relations.known_types import known_types
from stocktake.relations.proposals import edge_word
from stocktake.relations.resolve import resolve_edges
from stocktake.store.catalog import run
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    import duckdb

    from stocktake.relations.fields import TextField
    from stocktake.store.catalog import Catalog

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
    LEFT JOIN relation_arn_forms AS f ON f.service = a.service AND f.head IN (a.head, '')
        AND (f.alone OR regexp_matches(a.resource, f.pattern))
    QUALIFY row_number() OVER (PARTITION BY value ORDER BY weight DESC, type) = 1
"""
# `alias/models`: the last part of an ARN of the service that the field's name proposes.
_PARTS_SQL = f"""
    CREATE OR REPLACE TEMP TABLE relation_parts AS
    SELECT i.value, i.path, f.type FROM (
        SELECT DISTINCT value, path, lower(replace(split_part(value, '/', 1), '-', '')) AS head
        FROM relation_intervals WHERE form = '{NAME}' AND regexp_matches(value, '^[a-z][a-z-]+/.')
    ) AS i
    JOIN relation_fields AS t ON t.path = i.path
    JOIN relation_arn_forms AS f ON f.head = i.head AND regexp_matches(i.value, f.pattern)
        AND list_contains(list_transform(t.types, lambda x: split_part(x, '_', 2)), split_part(f.type, '_', 2))
    WHERE t.source_type = $type
    QUALIFY row_number() OVER (PARTITION BY i.value, i.path ORDER BY f.weight DESC, f.type) = 1
"""
RULES = 1
"""Goes up when the rules change what an edge is: then all edges are made anew."""
_NONE_YET = 0


def update_relations(catalog: Catalog, sweep_id: int) -> int:
    """Write the edges of all versions that began or ended since the edges of their types were last written.

    Edges of sweeps that were cut short are made up for. Returns how many types had something new.
    """
    connection = catalog.connection
    changed: list[str] = []
    for type_name, schema_json, done in _stale_types(connection):
        columns = list(text_columns(type_name, orjson.loads(schema_json)))
        with catalog.transaction():
            if done == _NONE_YET:
                run(connection, "DELETE FROM relation_versions WHERE source_type = ?", [type_name])
            extract_values(connection, type_name, columns, done)
            _remember_fields(connection, type_name, [field for one in columns for field in one.fields])
            _insert_edges(connection, type_name, sweep_id)
            run(connection, "DELETE FROM relation_state WHERE type = ?", [type_name])
            run(connection, "INSERT INTO relation_state VALUES (?, ?, ?)", [type_name, sweep_id, RULES])
        changed.append(type_name)
    if changed:
        with catalog.transaction():
            resolve_edges(connection, changed, sweep_id)
    return len(changed)


def _stale_types(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int]]:
    """Return the types with versions that the edges do not know yet: name, schema, last sweep that they know."""
    rows = run(
        connection,
        "SELECT t.type, t.schema_json, coalesce(s.sweep_id, 0) FROM resource_types AS t "
        f"LEFT JOIN relation_state AS s ON s.type = t.type AND s.rules = {RULES} ORDER BY t.type",
    )
    stale = []
    for name, schema, done in rows:
        [(newest,)] = run(connection, f"SELECT greatest(max(_sweep), max(_end_sweep)) FROM {quote(history_name(name))}")
        if newest is not None and newest > done:
            stale.append((str(name), str(schema), int(done)))
    return stale


def _remember_fields(connection: duckdb.DuckDBPyConnection, type_name: str, fields: list[TextField]) -> None:
    """Keep what each field that says something may refer to."""
    run(connection, "DELETE FROM relation_fields WHERE source_type = ?", [type_name])
    used = {str(row[0]) for row in run(connection, "SELECT DISTINCT path FROM relation_values")}
    used |= {
        str(row[0])
        for row in run(connection, "SELECT DISTINCT path FROM relation_versions WHERE source_type = ?", [type_name])
    }
    rows = [
        [type_name, field.path, edge_word(tuple(field.path.split("."))), list(field.types)]
        for field in fields
        if field.path in used
    ]
    if rows:
        connection.executemany("INSERT INTO relation_fields VALUES (?, ?, ?, ?)", rows)


def _insert_edges(connection: duckdb.DuckDBPyConnection, type_name: str, sweep_id: int) -> None:
    _offer_arn_forms(connection)
    run(
        connection,
        "CREATE OR REPLACE TEMP TABLE relation_intervals AS "
        f"SELECT *, {form_sql('value')} AS form FROM ({intervals_sql(connection)})",
    )
    run(connection, _ARNS_SQL)
    run(connection, _PARTS_SQL, {"type": type_name})
    own_type = f"coalesce(s.type, CASE form WHEN '{ARN}' THEN a.type WHEN '{ID}' THEN t.types[1] END)"
    run(
        connection,
        f"""
        INSERT INTO relation_versions BY NAME
        SELECT i.source_id, $type AS source_type, i.account_id, i.region, i.path, t.edge,
            CASE WHEN s.type IS NULL THEN i.form ELSE '{PART}' END AS form, i.value,
            {group_sql("form", "i.value", "key", "coalesce(a.tail, i.value)")} AS key,
            {type_sql("form", own_type)} AS target_type,
            NULL AS target_id,
            {group_sql("form", "i.value", "account", "coalesce(a.account, i.account_id)")} AS target_account_id,
            {group_sql("form", "i.value", "region", "coalesce(a.region, i.region)")} AS target_region,
            seen_from AS _from, seen_to AS _to, $sweep AS _sweep
        FROM relation_intervals AS i
        JOIN relation_fields AS t ON t.source_type = $type AND t.path = i.path
        LEFT JOIN relation_arns AS a ON a.value = i.value
        LEFT JOIN relation_parts AS s ON s.value = i.value AND s.path = i.path
        -- Edges of one source together take half the space.
        ORDER BY i.source_id, i.path
        """,
        {"type": type_name, "sweep": sweep_id},
    )


def _offer_arn_forms(connection: duckdb.DuckDBPyConnection) -> None:
    """Let statements see how the ARNs of all types look."""
    held = run(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'relation_arn_forms'")
    if held[0][0]:
        return
    run(
        connection,
        "CREATE TEMP TABLE relation_arn_forms "
        "(service VARCHAR, head VARCHAR, pattern VARCHAR, weight INTEGER, type VARCHAR, alone BOOLEAN)",
    )
    rows = [[f.service, f.head, f.pattern, f.weight, f.type, f.alone] for f in known_types().arn_forms]
    connection.executemany("INSERT INTO relation_arn_forms VALUES (?, ?, ?, ?, ?, ?)", rows)
