"""One job as a whole: its facet, what is derived of it, what it cost, and what it stands between."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.insights.column_sets import column_sets
from stocktake.insights.lineage import Edge, edges_of
from stocktake.insights.names import ask
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within

if TYPE_CHECKING:
    import pyarrow as pa

    from stocktake.query.resources import Resource
    from stocktake.store.catalog import Catalog

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in a job's life. Times are UTC without a zone."""

    name: str
    started_at: datetime
    ended_at: datetime | None
    """None while it goes on."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """All that is known of a job."""

    facet: Row
    """Its row of `jobs`."""
    derived: Row
    """Its row of insights; without what the type itself has. Empty where the type has no derived columns."""
    fields: Row
    """The type's own fields."""
    phases: tuple[Phase, ...]
    bills: tuple[Row, ...] = ()
    """Its rows of `job_bills`."""
    edges: tuple[Edge, ...] = field(default=())

    @property
    def cost(self) -> float | None:
        """Return what it cost, where prices say so for all of it."""
        costs = [bill["cost"] for bill in self.bills]
        return None if not costs or None in costs else sum(costs)

    @property
    def currency(self) -> str:
        """Return the currency of the cost; '' where there is none."""
        return next((bill["currency"] for bill in self.bills if bill["currency"]), "")

    @property
    def instance_hours(self) -> float:
        """Return what is billed in all."""
        return float(sum(bill["instance_seconds"] for bill in self.bills)) / 3600

    @property
    def metrics(self) -> dict[str, float]:
        """Return the final metrics by name."""
        listed = self.fields.get("final_metric_data_list") or []
        return {one["metric_name"]: one["value"] for one in listed}

    @property
    def rules(self) -> list[Row]:
        """Return what the debugger's and profiler's rules found."""
        names = ("debug_rule_evaluation_statuses", "profiler_rule_evaluation_statuses")
        return [one for name in names for one in self.fields.get(name) or []]


def read_job(
    catalog: Catalog,
    found: Resource,
    prices: pa.Table | None = None,
    *,
    with_edges: bool = True,
    reach: Reach = EVERYTHING,
) -> JobReport:
    """Return the report of a resource that is a job.

    Raises: UserError where its type is no job, or it is there no more.
    """
    catalog = within(catalog, reach)
    where = "{0} = $id AND account_id = $account AND {1} = $region"
    parameters = {"id": found.id, "account": found.account_id, "region": found.region}
    plain = where.format("id", "region")
    facets = _rows(catalog, f"SELECT * FROM jobs WHERE {plain}", parameters, types=(found.type,))
    if not facets:
        raise _no_job(found)
    one_set = column_sets().get(found.type)
    derived: Row = {}
    bills: list[Row] = []
    if one_set is not None:
        [whole] = _rows(catalog, f"SELECT * FROM {one_set.view} WHERE {where.format('_id', '_region')}", parameters)
        derived = {column.name: whole[column.name] for column in one_set.shown}
        sql = f"SELECT * FROM job_bills WHERE type = '{found.type}' AND {plain} ORDER BY what, instance_group"
        bills = _rows(catalog, sql, parameters, prices)
    fields = found.versions[-1].fields
    edges = edges_of(catalog, [(found.type, found.id)]) if with_edges else []
    return JobReport(facets[0], derived, fields, _phases(facets[0], derived), tuple(bills), tuple(edges))


def _rows(
    catalog: Catalog, sql: str, parameters: Row, prices: pa.Table | None = None, types: tuple[str, ...] = ()
) -> list[Row]:
    result = ask(catalog, sql, parameters, prices=prices, types=types)
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows()]


def _phases(facet: Row, derived: Row) -> tuple[Phase, ...]:
    """Return the phases that the job tells of; of one that tells of none, its wait and its run."""
    told = derived.get("phases") or []
    if told:
        return tuple(Phase(one["phase"], one["started_at"], one["ended_at"]) for one in told)
    created, started, ended = facet["created_at"], facet["started_at"], facet["ended_at"]
    found = []
    if isinstance(created, datetime) and (isinstance(started, datetime) or facet["state"] == "queued"):
        found.append(Phase("waiting", created, started))
    if isinstance(begun := started or created, datetime) and (started or not found):
        found.append(Phase("running", begun, ended))
    return tuple(found)


def _no_job(found: Resource) -> UserError:
    if found.gone_at is not None:
        return UserError(
            f"{found.id} is there no more: it was deleted at {found.gone_at.isoformat()}Z",
            code="job_gone",
            hint="`stocktake show` shows it as it was last seen.",
            where=found.id,
        )
    return UserError(
        f"{found.id} is no job: {found.type} has no life that begins and ends",
        code="not_a_job",
        hint="`stocktake show` shows any resource; `stocktake jobs` lists the jobs.",
        where=found.id,
    )
