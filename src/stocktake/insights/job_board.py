"""All jobs at one look: what runs and when it must end, what waits, why jobs fail, and what they cost and save."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stocktake.insights.column_sets import column_sets
from stocktake.insights.held import held_types, require_types
from stocktake.insights.job_index import facet_of
from stocktake.insights.names import ask
from stocktake.query.reach import EVERYTHING

if TYPE_CHECKING:
    import pyarrow as pa

    from stocktake.query.reach import Reach
    from stocktake.store.catalog import Catalog

Row = dict[str, Any]
PARTS = ("states", "running", "queue", "failures", "teams", "savings", "days", "warm_pools")
_MOST = 100
_LIVE_FOR = timedelta(days=2)
"""A catalog whose newest job changed longer ago is told of as it was then: nothing in it is known to go on."""
_SAME = "{0}.type = j.type AND {0}.id = j.id AND {0}.account_id = j.account_id AND {0}.region = j.region"
_JOBS = f"""
    SELECT j.* EXCLUDE (tags), d.* EXCLUDE (type, id, account_id, region), c.instance_hours, c.cost, c.currency,
        c.cost / nullif(c.instance_seconds, 0) AS cost_per_second,
        coalesce(j.ended_at, j.created_at) >= $since AS is_recent,
        j.state IN ('failed', 'timed_out', 'partial', 'cancelled') AS is_lost
    FROM jobs AS j LEFT JOIN job_costs AS c ON {_SAME.format("c")} LEFT JOIN job_details AS d ON {_SAME.format("d")}
    WHERE (len($types) = 0 OR list_contains($types, j.type)) AND ($account = '' OR j.account_id = $account)
        AND ($team = '' OR coalesce(d.team, '') = $team)
"""
_SHOWN = (
    "type, id, name, account_id, region, team, raw_state, detail, created_at, started_at, current_phase, "
    "current_phase_since, phases, instance_type, instance_count, compute, ends_by, runtime_used_pct, interruptions, "
    "retries, launcher"
)
_WAITS = "(state = 'queued' OR current_phase = 'pending')"
_STATEMENTS = {
    "states": "SELECT coalesce(state, 'unknown') AS state, count(*) AS jobs FROM j "
    "WHERE is_recent OR state IN ('queued', 'starting', 'running', 'stopping') GROUP BY ALL ORDER BY jobs DESC, state",
    "running": f"SELECT {_SHOWN} FROM j WHERE state IN ('starting', 'running', 'stopping') "
    f"AND NOT coalesce({_WAITS}, false) ORDER BY ends_by NULLS LAST, created_at, id LIMIT {_MOST}",
    "queue": f"SELECT {_SHOWN} FROM j WHERE state IN ('queued', 'starting', 'running') "
    f"AND coalesce({_WAITS}, false) ORDER BY created_at, id LIMIT {_MOST}",
    "failures": "SELECT coalesce(failure_class, '(no class)') AS class, coalesce(failure_subclass, '') AS subclass, "
    "count(*) AS jobs, coalesce(sum(instance_hours), 0) AS instance_hours, sum(cost) AS cost, "
    "max(ended_at) AS last_at, arg_max(id, ended_at) AS last_id, arg_max(name, ended_at) AS last_name "
    f"FROM j WHERE is_recent AND state IN ('failed', 'timed_out', 'partial') GROUP BY ALL "
    f"ORDER BY jobs DESC, class, subclass LIMIT {_MOST}",
    "teams": "SELECT coalesce(team, '') AS team, count(*) AS jobs, coalesce(sum(instance_hours), 0) AS instance_hours, "
    "coalesce(sum(instance_hours) FILTER (is_lost), 0) AS lost_hours, sum(cost) AS cost, "
    "sum(cost) FILTER (is_lost) AS lost_cost, max(currency) AS currency "
    f"FROM j WHERE is_recent GROUP BY ALL ORDER BY cost DESC NULLS LAST, instance_hours DESC, team LIMIT {_MOST}",
    "savings": "SELECT instance_type, count(*) AS jobs, sum(spot_saved_instance_seconds) / 3600.0 AS saved_hours, "
    "coalesce(sum(instance_hours), 0) AS billed_hours, "
    "100.0 * sum(spot_saved_instance_seconds) / nullif(sum(spot_saved_instance_seconds) "
    "+ coalesce(sum(instance_hours), 0) * 3600, 0) AS percent, "
    "sum(spot_saved_instance_seconds * cost_per_second) AS saved_cost, sum(interruptions) AS interruptions "
    "FROM j WHERE is_recent AND spot_saved_instance_seconds IS NOT NULL AND spot_saved_instance_seconds > 0 "
    f"GROUP BY ALL ORDER BY saved_hours DESC, instance_type LIMIT {_MOST}",
    "days": "SELECT date_trunc('day', ended_at) AS day, count(*) FILTER (state = 'succeeded') AS succeeded, "
    "count(*) FILTER (state IN ('failed', 'timed_out', 'partial')) AS failed, "
    "count(*) FILTER (state = 'cancelled') AS cancelled FROM j WHERE is_recent AND ended_at IS NOT NULL "
    "GROUP BY ALL ORDER BY day",
    "warm_pools": f"SELECT {_SHOWN}, ended_at, warm_pool_state, warm_pool_ends_at FROM j "
    f"WHERE warm_pool_state = 'Available' ORDER BY warm_pool_ends_at NULLS LAST, id LIMIT {_MOST}",
}


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Which jobs; what is empty leaves none out."""

    types: tuple[str, ...] = ()
    account_id: str = ""
    team: str = ""
    days: int = 30
    """Of jobs that have ended, those that ended in the last so many days."""


@dataclass(frozen=True, slots=True)
class Board:
    """The parts, a row each with the names of the statement's columns. Times are UTC without a zone."""

    moment: datetime
    """What counts as now: the newest change that any job shows, where that is long past, else the time of asking."""
    is_live: bool
    """The moment is the time of asking."""
    types: tuple[str, ...]
    """The types of job that are held, within reach."""
    parts: dict[str, list[Row]]

    @property
    def currency(self) -> str:
        """Return the currency of all costs; '' where no prices are given."""
        return next((row["currency"] for row in self.parts["teams"] if row["currency"]), "")


def read_board(
    catalog: Catalog,
    wanted: BoardFilter,
    now: datetime,
    prices: pa.Table | None = None,
    *,
    reach: Reach = EVERYTHING,
) -> Board:
    """Return the board, in one statement: jobs, their details and costs are looked at once.

    Without `wanted.types` it is about the types of which more is derived, where one is held, else about all.
    Raises: UserError for a type that is not held.
    """
    held = held_types(catalog, reach=reach)
    require_types(held, wanted.types, "The board")
    known = tuple(name for name, one in held.items() if facet_of(name, one.model_version) is not None)
    types = wanted.types or tuple(name for name in known if name in column_sets())
    moment, is_live = newest_moment(catalog, types, now, reach=reach)
    parameters = {
        "since": moment - timedelta(days=wanted.days),
        "types": list(types),
        "account": wanted.account_id,
        "team": wanted.team,
    }
    lists = ", ".join(
        f"(SELECT list(_row) FROM ({statement}) AS _row) AS {name}" for name, statement in _STATEMENTS.items()
    )
    sql = f"WITH j AS MATERIALIZED ({_JOBS}) SELECT {lists}"
    [found] = ask(catalog, sql, parameters, prices=prices, types=types, reach=reach).rows()
    return Board(moment, is_live, known, {name: list(rows or ()) for name, rows in zip(PARTS, found, strict=True)})


def newest_moment(
    catalog: Catalog, types: tuple[str, ...], now: datetime, *, reach: Reach = EVERYTHING
) -> tuple[datetime, bool]:
    """Return what counts as now for jobs of these types, and whether that is the time of asking; see `Board.moment`."""
    asked = now.replace(tzinfo=None)
    sql = (
        "SELECT max(greatest(j.created_at, j.started_at, j.ended_at, d.current_phase_since)) FROM jobs AS j "
        f"LEFT JOIN job_details AS d ON {_SAME.format('d')} WHERE len($types) = 0 OR list_contains($types, j.type)"
    )
    [[newest]] = ask(catalog, sql, {"types": list(types)}, types=types, reach=reach).rows()
    if not isinstance(newest, datetime) or asked - _LIVE_FOR <= newest <= asked:
        return asked, True
    return newest, False
