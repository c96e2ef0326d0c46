"""Views for the time of a connection: insights of types with derived columns, jobs of all types, what they cost.

A view is made only where its name is needed, since each costs the database some milliseconds to plan.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.insights.column_sets import ColumnSet, column_sets
from stocktake.insights.held import held_types
from stocktake.insights.job_view import jobs_sql, state_macro_sql
from stocktake.insights.lineage_view import EDGES, edges_sql
from stocktake.insights.prices import NO_PRICES
from stocktake.insights.sql_text import quoted, text
from stocktake.query.definitions import define_macro, define_table, define_view

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from stocktake.store.catalog import Catalog

PRICES, BILLS, COSTS, JOBS, STATES = "prices", "job_bills", "job_costs", "jobs", "job_state"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONE_JOB = "type, id, account_id, region"


def define_insights(catalog: Catalog, names: Iterable[str], prices: pa.Table | None = None) -> None:
    """Define those of our views that are named, and what they are built from.

    Names: `<type>_insights`, `jobs`, `job_state(word)`, `prices`, `job_bills`, `job_costs`, `lineage`; others are not
    ours. A view of a type that is not held is not made; the others then are without rows.
    """
    wanted = _with_parts({name.lower() for name in names})
    if not wanted:
        return
    held = held_types(catalog)
    sets = {name: one for name, one in column_sets().items() if name in held}
    if STATES in wanted:
        define_macro(catalog, STATES, "word", state_macro_sql())
    for name, one in sets.items():
        if one.view in wanted or wanted & {BILLS, EDGES}:
            define_view(catalog, one.view, one.view_sql(held[name].schema))
    if PRICES in wanted:
        define_table(catalog, PRICES, NO_PRICES if prices is None else prices)
    if BILLS in wanted:
        define_view(catalog, BILLS, _bills_sql(sets.values()))
        define_view(catalog, COSTS, _costs_sql())
    if JOBS in wanted:
        define_view(catalog, JOBS, jobs_sql(held))
    if EDGES in wanted:
        define_view(catalog, EDGES, edges_sql(held))


def define_mentioned(catalog: Catalog, sql: str, prices: pa.Table | None = None) -> None:
    """Define the views that a statement may mean."""
    define_insights(catalog, _WORD.findall(sql), prices)


def _with_parts(names: set[str]) -> set[str]:
    ours = {PRICES, BILLS, COSTS, JOBS, STATES, EDGES} | {one.view for one in column_sets().values()}
    wanted = names & ours
    if wanted & {BILLS, COSTS}:
        wanted |= {BILLS, COSTS, PRICES}
    if JOBS in wanted:
        wanted |= {STATES}
    return wanted


def _bills_sql(sets: Iterable[ColumnSet]) -> str:
    """Return one row for each job, what is billed, and kind of instance; where a price is given, what it costs."""
    parts = [_bill_sql(one, what, seconds, at) for one in sets for what, seconds, at in one.bills]
    none = (
        "SELECT ''::VARCHAR AS type, ''::VARCHAR AS id, ''::VARCHAR AS account_id, ''::VARCHAR AS region, "
        "''::VARCHAR AS what, ''::VARCHAR AS instance_type, 0::BIGINT AS instance_count, "
        "0::BIGINT AS instance_seconds, NULL::TIMESTAMP AS billed_at WHERE false"
    )
    billed = " UNION ALL ".join(parts or [none])
    holds = (
        "b.billed_at >= coalesce({0}.valid_from, b.billed_at) "
        "AND b.billed_at < coalesce({0}.valid_to, b.billed_at + INTERVAL 1 SECOND)"
    )
    return (
        "SELECT b.*, coalesce(p.per_hour, q.per_hour) AS per_hour, "
        "b.instance_seconds / 3600.0 * coalesce(p.per_hour, q.per_hour) AS cost, "
        f"coalesce(p.currency, q.currency) AS currency FROM ({billed}) AS b "
        f"LEFT JOIN {PRICES} AS p ON p.instance_type = b.instance_type AND p.region = b.region AND {holds.format('p')} "
        f"LEFT JOIN {PRICES} AS q ON q.instance_type = b.instance_type AND q.region IS NULL AND {holds.format('q')}"
    )


def _bill_sql(one: ColumnSet, what: str, seconds: str, at: str) -> str:
    return (
        f"SELECT {text(one.type)} AS type, _id AS id, account_id, _region AS region, {text(what)} AS what, "
        "i.type AS instance_type, i.count::BIGINT AS instance_count, seconds * i.count AS instance_seconds, billed_at "
        "FROM (SELECT _id, account_id, _region, unnest(instances) AS i, "
        f"({seconds})::BIGINT AS seconds, ({at}) AS billed_at "
        f"FROM {quoted(one.view)} WHERE ({seconds}) > 0)"
    )


def _costs_sql() -> str:
    """Return one row for each job that something is billed for; without a price for all of it, it has no cost."""
    return (
        f"SELECT {_ONE_JOB}, sum(instance_seconds)::BIGINT AS instance_seconds, "
        "round(sum(instance_seconds) / 3600.0, 4) AS instance_hours, "
        "CASE WHEN count(cost) = count(*) THEN sum(cost) END AS cost, max(currency) AS currency, "
        "round(coalesce(sum(instance_seconds) FILTER (cost IS NULL), 0) / 3600.0, 4) AS unpriced_hours "
        f"FROM {BILLS} GROUP BY {_ONE_JOB}"
    )
