"""Our names in statements: insights of types with derived columns, jobs of all types, what they cost, their lineage.

They stand for statements over what is held (see `query.covering`), and are put before one that uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.insights.column_sets import ColumnSet, column_sets
from stocktake.insights.held import held_types
from stocktake.insights.job_view import WORDS, jobs_sql, words_sql
from stocktake.insights.lineage_view import EDGES, edges_sql
from stocktake.insights.prices import NO_PRICES, prices_sql
from stocktake.insights.sql_text import quoted, text
from stocktake.query.covering import words_of
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import run_query
from stocktake.query.within import within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    import pyarrow as pa

    from stocktake.query.result import Result
    from stocktake.store.catalog import Catalog

PRICES, BILLS, COSTS, JOBS, DETAILS = "prices", "job_bills", "job_costs", "jobs", "job_details"
_DETAILS = {
    "team": "VARCHAR", "launcher": "VARCHAR", "launched_by_arn": "VARCHAR", "current_phase": "VARCHAR",
    "interruptions": "BIGINT", "retries": "BIGINT", "spot_savings_pct": "DOUBLE", "runtime_used_pct": "DOUBLE",
    "failure_class": "VARCHAR", "failure_subclass": "VARCHAR", "failed_phase": "VARCHAR",
    "current_phase_since": "TIMESTAMP", "ends_by": "TIMESTAMP", "instance_type": "VARCHAR", "instance_count": "BIGINT",
    "spot_saved_instance_seconds": "BIGINT", "warm_pool_state": "VARCHAR", "warm_pool_ends_at": "TIMESTAMP",
    "phases": 'STRUCT("phase" VARCHAR, "started_at" TIMESTAMP, "ended_at" TIMESTAMP, "seconds" DOUBLE)[]',
}  # fmt: skip
"""Derived columns that are told of jobs of all types together; null where a type's set does not have one."""
_ONE_JOB = "type, id, account_id, region"


def ask(
    catalog: Catalog,
    sql: str,
    parameters: object = None,
    *,
    prices: pa.Table | None = None,
    as_of: datetime | None = None,
    types: Collection[str] = (),
    reach: Reach = EVERYTHING,
) -> Result:
    """Run one read-only statement that may use our names. Raises: as `query.runner.run_query`.

    `types`: of which types `jobs` is to have the jobs; () of all. To plan a view over hundreds takes most of a second.
    """
    catalog = within(catalog, reach)
    return run_query(catalog, sql, parameters, as_of=as_of, named=named_in(catalog, sql, prices, types=types))


def named_in(
    catalog: Catalog,
    sql: str,
    prices: pa.Table | None = None,
    *,
    types: Collection[str] = (),
    reach: Reach = EVERYTHING,
) -> dict[str, str]:
    """Return what those of our names stand for that a statement uses, and what they in turn need, in that order.

    Names: `<type>_insights`, `jobs`, `job_details`, `prices`, `job_bills`, `job_costs`, `lineage`. Where no type that
    one of them is about is held, it has no rows; insights of a type that is not held are no name of ours.
    """
    wanted = words_of(sql) & names_of_ours()
    if not wanted:
        return {}
    held = held_types(within(catalog, reach))
    sets = {name: one for name, one in column_sets().items() if name in held}
    found: dict[str, str] = {}
    if wanted & {PRICES, BILLS, COSTS}:
        found[PRICES] = prices_sql(NO_PRICES if prices is None else prices)
    for name, one in sets.items():
        if one.view in wanted or wanted & {BILLS, COSTS, DETAILS, EDGES}:
            found[one.view] = one.view_sql(held[name].schema)
    if wanted & {BILLS, COSTS}:
        found[BILLS] = _bills_sql(sets.values())
        found[COSTS] = _costs_sql()
    if DETAILS in wanted:
        found[DETAILS] = _details_sql(sets.values())
    if JOBS in wanted:
        found[WORDS] = words_sql()
        found[JOBS] = jobs_sql({name: one for name, one in held.items() if not types or name in types})
    if EDGES in wanted:
        found[EDGES] = edges_sql(held)
    return found


def names_of_ours() -> set[str]:
    """Return all names, whether the types that they are about are held or not."""
    return {PRICES, BILLS, COSTS, JOBS, DETAILS, EDGES} | {one.view for one in column_sets().values()}


def _details_sql(sets: Iterable[ColumnSet]) -> str:
    """Return one row for each job of a type with derived columns."""
    parts = []
    for one in sets:
        there = {column.name for column in one.shown}
        picked = ", ".join(
            f"{quoted(name) if name in there else 'NULL'}::{kind} AS {quoted(name)}" for name, kind in _DETAILS.items()
        )
        parts.append(
            f"SELECT {text(one.type)} AS type, _id AS id, account_id, _region AS region, {picked} "
            f"FROM {quoted(one.view)}"
        )
    nothing = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in _DETAILS.items())
    none = ", ".join(f"''::VARCHAR AS {name}" for name in ("type", "id", "account_id", "region"))
    return " UNION ALL ".join(parts or [f"SELECT {none}, {nothing} WHERE false"])


def _bills_sql(sets: Iterable[ColumnSet]) -> str:
    """Return one row for each job, what is billed, and kind of instance; where a price is given, what it costs."""
    parts = [_bill_sql(one, what, seconds, at) for one in sets for what, seconds, at in one.bills]
    none = (
        "SELECT ''::VARCHAR AS type, ''::VARCHAR AS id, ''::VARCHAR AS account_id, ''::VARCHAR AS region, "
        "''::VARCHAR AS what, ''::VARCHAR AS instance_group, ''::VARCHAR AS instance_type, "
        "0::BIGINT AS instance_count, "
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
        "i.name AS instance_group, i.type AS instance_type, i.count::BIGINT AS instance_count, "
        "seconds * i.count AS instance_seconds, billed_at "
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
