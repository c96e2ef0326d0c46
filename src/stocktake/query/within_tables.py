"""What stands for each of the catalog's own tables where only a part of them may be seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.store.migrations import MIGRATIONS
from stocktake.store.resource_rows import literal
from stocktake.store.retention import PRUNED

if TYPE_CHECKING:
    from collections.abc import Collection

    from stocktake.query.reach import Reach

_PLACED = ("account_id", "type")
PLACES: dict[str, tuple[str, str] | None] = {
    "aside": _PLACED,
    "catalog_meta": None,
    "change_log": _PLACED,
    "changes": _PLACED,
    "coverage": _PLACED,
    "coverage_now": _PLACED,
    "event_reads": _PLACED,
    "lease_holders": None,
    "leases": _PLACED,
    "relation_fields": None,
    "relation_state": None,
    "relation_versions": None,
    "relations": None,
    "relations_history": None,
    "resource_index": None,
    "resource_scopes": _PLACED,
    "resource_tag_keys": None,
    "resource_tag_values": None,
    "resource_types": None,
    "resources": _PLACED,
    "schema_changes": None,
    "scope_leases": _PLACED,
    "sweeps": None,
}
"""Every table and view that is no type's: its columns of account and type, where these alone decide."""
TAG_KEYS = "resource_tag_keys"
UNPLACED = {
    name.lower()
    for step in MIGRATIONS
    for statement in step
    for name in re.findall(r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", statement)
} - set(PLACES)
"""Tables of which nobody has said yet what of them is within somebody's reach: they are told to nobody."""
_EDGE = "source_id, source_type, account_id, region, edge, path, value"


def covered_sql(name: str, reach: Reach, near: Collection[str], *, with_rowid: bool = False) -> str:
    """Return the statement that has the rows of a table within reach; `near` are the types that are.

    `with_rowid`: rows of the search table have their number, too.
    """
    placed = PLACES[name]
    if placed is not None:
        return f"FROM main.{name} WHERE {reach.condition(*placed)}"
    if name.startswith("relations"):
        return _relations_sql(reach, is_now=name == "relations")
    if name == "sweeps":
        return _sweeps_sql(reach)
    if name == "resource_index":
        return f"SELECT {'rowid, ' if with_rowid else ''}* FROM {_index(reach)}"
    if name == "relation_versions":
        return f"SELECT * REPLACE ({_masked(reach)}) FROM main.{name} WHERE {_sources(reach)}"
    return f"FROM main.{name} WHERE {_condition(name, reach, near)}"


def keys_of_sql(reach: Reach) -> str:
    """Return the statement that looks for the keys of the tags within reach."""
    return f"SELECT DISTINCT unnest(map_keys(tags)) FROM {_index(reach)}"


def keys_sql(keys: Collection[str]) -> str:
    """Return the statement that has the rows of `TAG_KEYS` within reach; `keys` are those that are."""
    condition = f"key IN ({', '.join(map(literal, keys))})" if keys else "false"
    return f"FROM main.{TAG_KEYS} WHERE {condition}"


def _condition(name: str, reach: Reach, near: Collection[str]) -> str:
    is_near = f"IN ({', '.join(map(literal, sorted(near)))})" if near else "IS NULL"
    entries = f"SELECT unnest(map_entries(tags)) AS e FROM {_index(reach)}"
    conditions = {
        "resource_types": f"type {is_near}",
        "schema_changes": f"type {is_near}",
        "relation_state": f"type {is_near}",
        "relation_fields": f"source_type {is_near}",
        "resource_tag_values": f"(key, value) IN (SELECT (e.key, e.value) FROM ({entries}))",
        "catalog_meta": f"NOT starts_with(key, {literal(PRUNED)}) OR substr(key, {len(PRUNED) + 1}) {is_near}",
        "lease_holders": f"holder IN (SELECT holder FROM main.scope_leases WHERE {reach.condition(*_PLACED)})",
    }
    return conditions[name]


def _index(reach: Reach) -> str:
    scopes = f"SELECT scope FROM main.resource_scopes WHERE {reach.condition(*_PLACED)}"
    return f"main.resource_index WHERE scope IN ({scopes})"


def _sweeps_sql(reach: Reach) -> str:
    """Return the sweeps that looked at something within reach, each as if it had looked at nothing else."""
    return (
        "SELECT w.* REPLACE (CASE WHEN w.status IN ('complete', 'gaps') THEN c.status ELSE w.status END AS status, "
        "CAST(c.calls AS BIGINT) AS calls, CAST(NULL AS VARCHAR) AS catalog_user) FROM main.sweeps AS w JOIN ("
        "SELECT sweep_id, sum(calls) AS calls, CASE WHEN bool_and(status IN ('complete', 'unsupported', 'elsewhere')) "
        "THEN 'complete' ELSE 'gaps' END AS status "
        f"FROM main.coverage WHERE {reach.condition(*_PLACED)} GROUP BY sweep_id) AS c USING (sweep_id)"
    )


def _sources(reach: Reach) -> str:
    return reach.condition("account_id", "source_type")


def _masked(reach: Reach) -> str:
    """Return replacements that make the end of an edge that is out of reach like one that nothing held is called.

    Whether something out of reach is there must not show: so of all ends that are not within reach, held or not, no
    more is told than the value itself says.
    """
    is_there = f"target_id IS NOT NULL AND {reach.condition('target_account_id', 'target_type')}"
    said = {
        "target_type": "NULL",
        "target_id": "NULL",
        "target_account_id": "CASE WHEN form = 'arn' THEN split_part(value, ':', 5) END",
        "target_region": "CASE WHEN form = 'arn' THEN split_part(value, ':', 4) END",
    }
    return ", ".join(f"CASE WHEN {is_there} THEN {name} ELSE {value} END AS {name}" for name, value in said.items())


def _relations_sql(reach: Reach, *, is_now: bool) -> str:
    """Return the edges that begin within reach. One by a mere name is told where it also ends there."""
    now = " AND _to IS NULL" if is_now else ""
    columns = (
        f"{_EDGE}, target_type, target_id, target_account_id, target_region, target_id IS NOT NULL AS resolved, form, "
        f"_from{'' if is_now else ', _to'}"
    )
    edges = f"SELECT * REPLACE ({_masked(reach)}) FROM main.relation_versions WHERE {_sources(reach)}{now}"
    return f"SELECT {columns} FROM ({edges}) WHERE target_id IS NOT NULL OR form <> 'name'"
