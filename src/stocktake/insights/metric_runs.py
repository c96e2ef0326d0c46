"""A job's final metrics beside those of the runs that it is one of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.insights.held import has_field, held_types
from stocktake.insights.names import ask
from stocktake.insights.sql_text import quoted
from stocktake.query.reach import EVERYTHING

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.insights.job_report import JobReport
    from stocktake.query.reach import Reach
    from stocktake.store.catalog import Catalog

_METRICS = "final_metric_data_list"
_OUTPUT = "output_data_config.s3_output_path"


@dataclass(frozen=True, slots=True)
class MetricRun:
    """One run and what it came to."""

    id: str
    name: str
    ended_at: datetime
    metrics: dict[str, float]


def read_metric_runs(
    catalog: Catalog, report: JobReport, *, most: int = 60, reach: Reach = EVERYTHING
) -> list[MetricRun]:
    """Return the newest runs that a job belongs to and that ended with metrics, itself included, oldest first.

    Those of the same parent (a tuning job); of a job without one, those that write to the same place.
    """
    type_name = report.facet["type"]
    held = held_types(catalog).get(type_name)
    if held is None or not has_field(held.schema, _METRICS):
        return []
    parent = report.facet["parent"]
    output = (report.fields.get("output_data_config") or {}).get("s3_output_path")
    if parent:
        condition, value = "j.parent = $same", parent
    elif output and has_field(held.schema, _OUTPUT):
        condition, value = f"j.parent IS NULL AND t.{_OUTPUT} = $same", output
    else:
        return []
    found = ask(
        catalog,
        f"SELECT j.id, j.name, j.ended_at, [m.metric_name FOR m IN t.{_METRICS}], [m.value FOR m IN t.{_METRICS}] "
        f"FROM {quoted(type_name)} AS t JOIN jobs AS j ON j.id = t._id AND j.account_id = t.account_id "
        f"AND j.region = t._region WHERE {condition} AND j.ended_at IS NOT NULL AND len(t.{_METRICS}) > 0 "
        f"ORDER BY j.ended_at DESC, j.id LIMIT {int(most)}",
        {"same": value},
        types=(type_name,),
        reach=reach,
    )
    runs = [
        MetricRun(str(run), str(name), ended, dict(zip(names, map(float, values), strict=True)))
        for run, name, ended, names, values in found.rows()
    ]
    return runs[::-1]
