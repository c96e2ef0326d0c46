"""Jobs of all types, filtered and ordered: what `stocktake jobs` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.insights.held import held_types, require_types
from stocktake.insights.names import ask
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from stocktake.query.result import Result
    from stocktake.store.catalog import Catalog

ORDERS = {
    "created": "j.created_at DESC NULLS LAST",
    "ended": "j.ended_at DESC NULLS LAST",
    "run": "j.run_seconds DESC NULLS LAST",
    "queue": "j.queue_seconds DESC NULLS LAST",
    "hours": "c.instance_hours DESC NULLS LAST",
    "cost": "c.cost DESC NULLS LAST, c.instance_hours DESC NULLS LAST",
    "savings": "d.spot_savings_pct DESC NULLS LAST",
}
BAR_LETTERS = {
    "pending": "p",
    "starting": "s",
    "downloading": "d",
    "training": "T",
    "interrupted": "!",
    "uploading": "u",
    "stopping": "x",
}
"""A letter for each phase; another phase is a dot."""
_BAR_WIDTH = 12


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; what is empty leaves none out."""

    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    account_id: str = ""
    region: str = ""
    name: str = ""
    """A part of the job's name."""
    team: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    """Created at or after."""


def list_jobs(
    catalog: Catalog,
    wanted: JobFilter,
    *,
    order: str = "created",
    limit: int = 0,
    prices: pa.Table | None = None,
    reach: Reach = EVERYTHING,
) -> Result:
    """Return the jobs, a row each; `order` is one of `ORDERS`, limit 0 stands for all.

    Raises: UserError for a type that is not held.
    """
    catalog = within(catalog, reach)
    require_types(held_types(catalog), wanted.types, "The list")
    conditions, parameters = _conditions(wanted)
    same = "{0}.type = j.type AND {0}.id = j.id AND {0}.account_id = j.account_id AND {0}.region = j.region"
    shown = f"LIMIT {limit}" if limit else ""
    return ask(
        catalog,
        f"""
        SELECT j.state, j.name, j.created_at, round(j.queue_seconds) AS queue_seconds,
            round(j.run_seconds) AS run_seconds, c.instance_hours, round(c.cost, 2) AS cost, c.currency,
            round(d.spot_savings_pct, 1) AS savings_pct, {_bar_sql("d.phases")} AS phases, d.interruptions, d.retries,
            j.compute, j.type, j.account_id, j.region, j.raw_state, j.detail, j.started_at, j.ended_at, j.parent,
            j.principal, d.launcher, d.failure_class, j.failure_reason, j.id
        FROM jobs AS j LEFT JOIN job_costs AS c ON {same.format("c")} LEFT JOIN job_details AS d ON {same.format("d")}
        WHERE {conditions} ORDER BY {ORDERS[order]}, j.name, j.id {shown}
        """,
        parameters or None,
        prices=prices,
        types=wanted.types,
    )


def _conditions(wanted: JobFilter) -> tuple[str, dict[str, object]]:
    """Return the condition, and the values that it names."""
    found: dict[str, tuple[str, object]] = {
        "types": ("list_contains($types, j.type)", list(wanted.types)),
        "states": ("list_contains($states, j.state)", list(wanted.states)),
        "account": ("j.account_id = $account", wanted.account_id),
        "region": ("j.region = $region", wanted.region),
        "name": ("contains(lower(j.name), lower($name))", wanted.name),
        "team": ("d.team = $team", wanted.team),
        "tags": (
            "len(list_intersect(j.tags, $tags)) = len($tags)",
            [f"{key}:{value}" for key, value in wanted.tags],
        ),
        "since": ("j.created_at >= $since", wanted.since),
    }
    used = {name: one for name, one in found.items() if one[1]}
    return " AND ".join(condition for condition, _ in used.values()) or "true", {
        name: value for name, (_, value) in used.items()
    }


def _bar_sql(phases: str) -> str:
    """Return the phases as letters, each for about as much of the job's time as it took, and at least one."""
    cases = " ".join(f"WHEN '{phase}' THEN '{letter}'" for phase, letter in BAR_LETTERS.items())
    total = f"greatest(list_sum(list_transform({phases}, lambda q: coalesce(q.seconds, 0))), 1)"
    return (
        f"array_to_string(list_transform({phases}, lambda p: repeat(CASE p.phase {cases} ELSE '.' END, "
        f"greatest(1, round({_BAR_WIDTH} * coalesce(p.seconds, 0) / {total})::INTEGER))), '')"
    )
