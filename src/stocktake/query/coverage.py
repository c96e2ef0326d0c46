"""What was read of each account, region and type, how, and at what cost; and the sweeps that did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.search.values import Parameters
from stocktake.query.within import within
from stocktake.store.catalog import run, translating

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.store.catalog import Catalog

WORST_FIRST = ("denied", "failed", "throttled", "partial", "complete", "elsewhere", "unsupported")
"""What a scope's newest status may be, in the order in which it asks for attention."""
_SCOPE = """
    type, account_id, region, status, coalesce(strategy, '') AS strategy, calls, throttled_calls, failed_calls, listed,
    read, new, changed, deleted, unchanged, aside, tags_status, stale, complete_at, started_at, finished_at, sweep_id,
    coalesce(reason, '') AS reason, coalesce(missing_permission, '') AS missing_permission, coalesce(hint, '') AS hint,
    coalesce(drift, []) AS drift
"""


@dataclass(frozen=True, slots=True)
class ScopeCoverage:
    """The newest word on one scope, and what it took to learn it. Times are UTC without a zone."""

    type: str
    account_id: str
    region: str
    status: str
    strategy: str
    """full, bulk, open_set or reconcile; '' where it came to none."""
    calls: int
    throttled_calls: int
    failed_calls: int
    listed: int
    read: int
    new: int
    changed: int
    deleted: int
    unchanged: int
    aside: int
    tags_status: str
    stale: bool
    complete_at: datetime | None
    """When it was last known whole."""
    started_at: datetime
    finished_at: datetime
    sweep_id: int
    reason: str
    missing_permission: str
    """Actions with commas between; '' where none was missing."""
    hint: str
    drift: list[str]


@dataclass(frozen=True, slots=True)
class CoverageFilter:
    """Which scopes are wanted; what is empty is not asked for."""

    statuses: tuple[str, ...] = ()
    account: str = ""
    region: str = ""
    type: str = ""
    """A part of the type's name."""
    stale: bool = False
    """Only those whose newest sweep did not read them whole."""


@dataclass(frozen=True, slots=True)
class CoveragePage:
    """Some of the scopes that are wanted, those that ask for attention first, and what there is to choose from."""

    scopes: tuple[ScopeCoverage, ...]
    total: int
    """How many are wanted in all."""
    statuses: dict[str, int]
    """How many there would be of each status, whichever of them are wanted."""
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    stale: int
    """How many of all scopes are stale."""


@dataclass(frozen=True, slots=True)
class MissingAction:
    """An action that the newest sweeps were denied."""

    action: str
    scopes: int
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """One sweep, and what it came to in the scopes that may be seen. Times are UTC without a zone."""

    sweep_id: int
    started_at: datetime
    finished_at: datetime | None
    status: str
    """running, complete, gaps, failed or interrupted."""
    stocktake_version: str
    scopes: int
    gaps: int
    """Scopes of which something could not be read."""
    calls: int
    throttled_calls: int
    listed: int
    read: int
    new: int
    changed: int
    deleted: int


def read_coverage(
    catalog: Catalog,
    wanted: CoverageFilter = CoverageFilter(),
    *,
    first: int = 0,
    most: int = 200,
    reach: Reach = EVERYTHING,
) -> CoveragePage:
    """Return the scopes from `first` on, `most` of them: denied ones first, then by type, account and region."""
    connection = within(catalog, reach).connection
    parameters = Parameters()
    with translating(catalog.path):
        [(stale, accounts, regions)] = run(
            connection,
            "SELECT count(*) FILTER (stale), list_sort(list(DISTINCT account_id)), list_sort(list(DISTINCT region)) "
            "FROM coverage_now",
        )
        found = f"FROM coverage_now WHERE {_conditions(wanted, parameters)}"
        counted = run(connection, f"SELECT status, count(*) {found} GROUP BY status", dict(parameters.values))
        chosen = f"{found} AND {_of_status(wanted, parameters)}"
        order = f"list_position({parameters.add(list(WORST_FIRST))}, status), type, account_id, region"
        rows = run(
            connection,
            f"SELECT {_SCOPE} {chosen} ORDER BY {order} LIMIT {int(most)} OFFSET {int(first)}",
            parameters.values,
        )
    statuses = dict(sorted(counted, key=lambda one: _order(one[0])))
    return CoveragePage(
        tuple(ScopeCoverage(*row) for row in rows),
        sum(number for status, number in statuses.items() if not wanted.statuses or status in wanted.statuses),
        {str(status): int(number) for status, number in statuses.items()},
        tuple(accounts or ()),
        tuple(regions or ()),
        int(stale),
    )


def read_missing_actions(catalog: Catalog, *, reach: Reach = EVERYTHING) -> tuple[MissingAction, ...]:
    """Return the actions that the newest sweep of each scope was denied, those that concern most scopes first."""
    with translating(catalog.path):
        rows = run(
            within(catalog, reach).connection,
            "SELECT action, count(*) AS scopes, list_sort(list(DISTINCT account_id)), "
            "list_sort(list(DISTINCT region)), list_sort(list(DISTINCT type)) "
            "FROM (SELECT unnest(string_split(missing_permission, ', ')) AS action, * FROM coverage_now) "
            "WHERE action <> '' GROUP BY action ORDER BY scopes DESC, action",
        )
    return tuple(
        MissingAction(action, int(scopes), tuple(accounts), tuple(regions), tuple(types))
        for action, scopes, accounts, regions, types in rows
    )


def read_sweeps(
    catalog: Catalog, *, before: int | None = None, most: int = 20, reach: Reach = EVERYTHING
) -> tuple[SweepSummary, ...]:
    """Return sweeps, the newest first; `before` a number, where one is given.

    Who may not see everything sees the sweeps that read something within reach, and of them only that.
    """
    parameters = Parameters()
    statement = _sweeps_sql(before, most, parameters, sees_all=reach.is_everything)
    with translating(catalog.path):
        rows = run(within(catalog, reach).connection, statement, parameters.values)
    return tuple(SweepSummary(*row) for row in rows)


def _sweeps_sql(before: int | None, most: int, parameters: Parameters, *, sees_all: bool) -> str:
    older = f"sweep_id < {parameters.add(before)}" if before is not None else "true"
    # Who sees everything sees also a sweep that has read nothing yet.
    joined = "LEFT JOIN" if sees_all else "JOIN"
    # A sweep whose process died has no number of calls; its scopes have theirs.
    return f"""
        SELECT s.sweep_id, s.started_at, s.finished_at, s.status, s.stocktake_version, coalesce(c.scopes, 0),
               coalesce(c.gaps, 0), coalesce(c.calls, 0), coalesce(c.throttled, 0), coalesce(c.listed, 0),
               coalesce(c.read, 0), coalesce(c.new, 0), coalesce(c.changed, 0), coalesce(c.deleted, 0)
        FROM (SELECT * FROM sweeps WHERE {older}) AS s {joined} (
            SELECT sweep_id, count(*) AS scopes,
                   count(*) FILTER (status NOT IN ('complete', 'unsupported', 'elsewhere')
                       OR status = 'complete' AND tags_status NOT IN ('complete', 'none')) AS gaps,
                   sum(calls)::BIGINT AS calls, sum(throttled_calls)::BIGINT AS throttled,
                   sum(listed)::BIGINT AS listed, sum(read)::BIGINT AS read, sum(new)::BIGINT AS new,
                   sum(changed)::BIGINT AS changed, sum(deleted)::BIGINT AS deleted
            FROM coverage GROUP BY sweep_id
        ) AS c USING (sweep_id)
        ORDER BY s.sweep_id DESC LIMIT {int(most)}
    """


def _conditions(wanted: CoverageFilter, parameters: Parameters) -> str:
    parts = []
    if wanted.account:
        parts.append(f"account_id = {parameters.add(wanted.account)}")
    if wanted.region:
        parts.append(f"region = {parameters.add(wanted.region)}")
    if wanted.type:
        parts.append(f"contains(type, {parameters.add(wanted.type.lower())})")
    if wanted.stale:
        parts.append("stale")
    return " AND ".join(parts) or "true"


def _of_status(wanted: CoverageFilter, parameters: Parameters) -> str:
    return f"list_contains({parameters.add(list(wanted.statuses))}, status)" if wanted.statuses else "true"


def _order(status: str) -> int:
    return WORST_FIRST.index(status) if status in WORST_FIRST else len(WORST_FIRST)
