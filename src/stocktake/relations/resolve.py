"""Which held resources the edges lead to: by id, else by name within the account and region that are meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from stocktake.relations.forms import ARN, ID, NAME, PART, id_rest_sql, text
from stocktake.relations.known_types import known_types
from stocktake.relations.proposals import own_names
from stocktake.store.catalog import run
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb

GLOBAL = "global"
_TYPES_AT_ONCE = 200
_END = "/"
"""In place of a column: what an id ends with."""
_PENDING = "relation_pending"
_FOUND = "relation_found"
_SAME = "v.source_type = p.source_type AND v.path = p.path AND v.value = p.value AND v.account_id = p.account_id"


def resolve_edges(connection: duckdb.DuckDBPyConnection, after_sweep: int, fresh_types: Collection[str]) -> None:
    """Look for what the edges of later sweeps lead to among all that is held, and for older ones among what is new.

    `fresh_types`: those of which versions began after that sweep.
    """
    rows = run(connection, "SELECT type, name_column, schema_json FROM resource_types ORDER BY type")
    held = [_Held(str(name), column, own_names(name, orjson.loads(schema))) for name, column, schema in rows]
    _resolve(connection, held, f"v._sweep > {after_sweep:d}")
    fresh = [replace(one, after_sweep=after_sweep) for one in held if one.type in fresh_types]
    _resolve(connection, fresh, f"v._sweep <= {after_sweep:d} AND ({_may_lead_sql(fresh)})")
    run(
        connection,
        "DELETE FROM relation_versions WHERE source_type = target_type AND source_id = target_id "
        "AND account_id = target_account_id AND region = target_region",
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A type that is held, and where its resources' names are."""

    type: str
    name_sql: str | None
    columns: tuple[str, ...]
    after_sweep: int = -1
    """Only what was written by later sweeps."""


def _resolve(connection: duckdb.DuckDBPyConnection, held: list[_Held], which: str) -> None:
    if not held or not _collect_pending(connection, which):
        return
    run(
        connection,
        f"CREATE OR REPLACE TEMP TABLE {_FOUND} (number BIGINT, rank INTEGER, type VARCHAR, id VARCHAR, "
        "account_id VARCHAR, region VARCHAR)",
    )
    for start in range(0, len(held), _TYPES_AT_ONCE):
        some = " UNION ALL ".join(_held_sql(one) for one in held[start : start + _TYPES_AT_ONCE])
        run(connection, f"INSERT INTO {_FOUND} {_matches_sql(some)}")
    run(
        connection,
        f"""
        UPDATE relation_versions AS v
        SET target_type = f.type, target_id = f.id, target_account_id = f.account_id, target_region = f.region
        FROM {_PENDING} AS p JOIN (
            SELECT number, rank, any_value(type) AS type, any_value(id) AS id, any_value(account_id) AS account_id,
                any_value(region) AS region
            FROM {_FOUND} GROUP BY number, rank HAVING count(DISTINCT (type, id, account_id, region)) = 1
            QUALIFY row_number() OVER (PARTITION BY number ORDER BY rank) = 1
        ) AS f USING (number)
        WHERE v.target_id IS NULL AND {_SAME} AND v.region = p.region
        """,
    )


def _collect_pending(connection: duckdb.DuckDBPyConnection, which: str) -> bool:
    run(
        connection,
        f"""
        CREATE OR REPLACE TEMP TABLE {_PENDING} AS
        SELECT row_number() OVER () AS number, * FROM (
            SELECT DISTINCT v.source_type, v.path, v.form, v.value, v.key, v.account_id, v.region, v.target_type,
                v.target_account_id, v.target_region, coalesce(t.types, []) AS types
            FROM relation_versions AS v
            LEFT JOIN relation_fields AS t ON t.source_type = v.source_type AND t.path = v.path
            WHERE v.target_id IS NULL AND {which}
        )
        """,
    )
    [row] = run(connection, f"SELECT count(*) FROM {_PENDING}")
    return bool(row[0])


def _may_lead_sql(held: list[_Held]) -> str:
    """Return the condition that an edge may lead to one of these types at all: what `_matches_sql` asks of types alone.

    Of what leads nowhere, most leads to types that nobody reads: a bucket of each job, an image, a role.
    """
    types = ", ".join(text(one.type) for one in held) or "NULL"
    services = ", ".join(
        text(one) for one in sorted({s for one in held for s in known_types().arn_services.get(one.type, ())})
    )
    leaves = {column for one in held for column in one.columns}
    leaves |= {f"{one.type.split('_')[1]}_{column}" for one in held for column in one.columns}
    named = ", ".join(text(one) for one in sorted(leaves)) or "NULL"
    return f"""
        CASE v.form
        WHEN {text(ID)} THEN true
        WHEN {text(NAME)} THEN (v.source_type, v.path) IN (
            SELECT source_type, path FROM relation_fields
            WHERE list_has_any(types, [{types}]) OR split_part(path, '.', -1) IN ({named})
        )
        WHEN {text(ARN)} THEN coalesce(v.target_type IN ({types}), true)
            OR split_part(v.value, ':', 3) IN ({services or "NULL"})
        ELSE v.target_type IN ({types}) END OR v.path = '_id'
    """


def _held_sql(held: _Held) -> str:
    """Return the resources of a type, each with everything that it is called."""
    called = [("_id", ""), ("regexp_extract(_id, '[^/:]+$')", _END)]
    if held.type in known_types().parents.values():
        arns = [quote(column) for column in held.columns if column.endswith("arn")]
        called += [(id_rest_sql(one), _END) for one in ("_id", *arns)]
    if held.name_sql:
        called.append((f"CAST({held.name_sql} AS VARCHAR)", ""))
    called += [(quote(column), column) for column in held.columns]
    names = ", ".join(f"{{'name': {name}, 'of': {text(column)}}}" for name, column in called)
    services = ", ".join(text(one) for one in sorted(known_types().arn_services.get(held.type, ())))
    return (
        # Not DISTINCT: several versions of one resource are few, and taking them together would hold all names at once.
        f"SELECT {text(held.type)} AS type, _id AS id, account_id, _region AS region, "
        f"CAST([{services}] AS VARCHAR[]) AS services, unnest([{names}]) AS called "
        f"FROM {quote(history_name(held.type))} WHERE _sweep > {held.after_sweep}"
    )


def _matches_sql(held: str) -> str:
    """Return what fits the pending edges, each with a rank: the smaller, the surer."""
    arn, part, by_id, by_name = text(ARN), text(PART), text(ID), text(NAME)
    unsure, longest = 1000, 2048
    leaf = "split_part(path, '.', -1)"
    own_service = "split_part(type, '_', 2) = split_part(source_type, '_', 2)"
    # Prefixes of the id until a separator, and what the longest of them ends with.
    above = (
        "list_append([value[:i] FOR i IN range(1, length(value)) IF value[i + 1 : i + 1] IN ('/', ':')], "
        "regexp_extract(value, '([^/:]+)[/:][^/:]*$', 1))"
    )
    return f"""
        WITH wanted AS (
            SELECT *, unnest(CASE
                WHEN path = '_id' THEN {above}
                WHEN form = {arn} THEN list_distinct([value, regexp_replace(value, ':[^:]*$', ''), key])
                WHEN form = {part} THEN [value, regexp_extract(value, '[^/:]+$')]
                ELSE [key] END) AS looked_for
            FROM {_PENDING}
        ), offered AS (
            SELECT type, id, account_id, region, services, called.name AS called, called.of AS column_name,
                called.name = id OR ends_with(called.of, 'arn') AS is_arn,
                NOT starts_with(id, 'arn:') AND contains(id, '/') AS is_compound
            FROM ({held})
        )
        SELECT number, CASE
            WHEN path = '_id' THEN {longest} - length(looked_for)
            WHEN form = {arn} AND is_arn
                THEN CASE WHEN looked_for = value THEN 0 ELSE 3 END
                    + CASE WHEN {own_service} THEN 0 WHEN type = w.target_type THEN 1 ELSE 2 END
            WHEN form NOT IN ({by_id}, {by_name}) THEN 6
            ELSE 7 + 3 * coalesce(list_position(types, type), {unsure})
                + CASE column_name WHEN '' THEN 0 WHEN {text(_END)} THEN 1 ELSE 2 END
        END AS rank, type, id, o.account_id, o.region
        FROM wanted AS w JOIN offered AS o ON looked_for = called
        -- What an id made of several ends with is mostly another resource's.
        -- An ARN of a service's is not the own one of another service's resource, even where that is known by it.
        WHERE (
                form = {arn} AND is_arn AND looked_for <> key
                AND (list_contains(services, split_part(value, ':', 3)) OR coalesce(w.target_type, type) = type)
            )
            OR (
                CASE WHEN form IN ({by_id}, {by_name})
                    THEN (form = {by_id} AND (column_name <> {text(_END)} OR NOT is_compound))
                        OR list_contains(types, type) OR (
                        column_name NOT IN ('', {text(_END)}, 'arn', 'id', 'name') AND (
                            (column_name = {leaf} AND {own_service})
                            OR split_part(type, '_', 2) || '_' || column_name = {leaf}
                        )
                    )
                    ELSE type = w.target_type END
                AND coalesce(nullif(w.target_account_id, ''), o.account_id) = o.account_id
                AND (coalesce(nullif(w.target_region, ''), o.region) = o.region OR o.region = {text(GLOBAL)})
            )
    """
