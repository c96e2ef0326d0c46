"""All resources as they were at a moment: `resources_as_of(moment)`, one statement over the versions of every type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.catalog import run
from stocktake.store.resource_rows import (
    HeldType,
    has_tags,
    literal,
    name_expression,
    read_held_types,
    state_expression,
)
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

_AT_ONCE = 64
_MOMENT = "CAST(moment AS TIMESTAMP)"


def define_past(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table macro anew, for the types that the catalog has tables of."""
    types = read_held_types(connection)
    if not types:
        return
    run(
        connection,
        "CREATE OR REPLACE MACRO resources_as_of(moment) AS TABLE "
        "SELECT _v.key, type, _v.provider, _v.service, account_id, region, _v.name, _v.tags, _v.state, _v.created_at, "
        "least(_v.changed_at, _v.first) AS first_seen_at, greatest(_c.complete_at, _v.changed_at) AS last_seen_at, "
        "_v.changed_at, coalesce(_c.stale, true) AS stale "
        f"FROM ({union_all([_versions(one) for one in types])}) AS _v LEFT JOIN ("
        "SELECT type, account_id, region, max(finished_at) FILTER (WHERE status = 'complete') AS complete_at, "
        f"arg_max(status, sweep_id) <> 'complete' AS stale FROM coverage WHERE finished_at <= {_MOMENT} GROUP BY ALL"
        ") AS _c USING (type, account_id, region)",
    )


def union_all(selects: Sequence[str]) -> str:
    """Return all rows of some statements; nested, since a chain of thousands would be too deep for the database."""
    while len(selects) > _AT_ONCE:
        chunks = [selects[at : at + _AT_ONCE] for at in range(0, len(selects), _AT_ONCE)]
        selects = [f"SELECT * FROM ({' UNION ALL '.join(chunk)})" for chunk in chunks]
    return " UNION ALL ".join(selects)


def _versions(held: HeldType) -> str:
    """Return the versions of a type that held then."""
    history = quote(history_name(held.name))
    tags = "tags_map(_h.tags)" if has_tags(held) else "CAST(NULL AS MAP(VARCHAR, VARCHAR))"
    picked = {
        "key": "_h._id",
        "type": literal(held.name),
        "provider": literal(held.provider),
        "service": literal(held.service),
        "account_id": "_h.account_id",
        "region": "_h._region",
        "name": name_expression(held, "_h"),
        "tags": tags,
        "state": state_expression(held, "_h"),
        "created_at": "_h._created",
        "changed_at": "_h._from",
        "first": "_first",
    }
    # Only versions that ended can be older than the one that is shown.
    ended = (
        "SELECT account_id AS _a, _region AS _r, _id AS _i, _created AS _b, min(_from) AS _first "
        f"FROM {history} WHERE _to IS NOT NULL GROUP BY ALL"
    )
    return (
        f"SELECT {', '.join(f'{sql} AS {quote(name)}' for name, sql in picked.items())} FROM {history} AS _h "
        f"LEFT JOIN ({ended}) ON _i = _h._id AND _a = _h.account_id AND _r = _h._region "
        "AND _b IS NOT DISTINCT FROM _h._created "
        f"WHERE _h._from <= {_MOMENT} AND (_h._to IS NULL OR _h._to > {_MOMENT})"
    )
