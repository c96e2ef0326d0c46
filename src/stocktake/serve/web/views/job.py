"""One job, as its template takes it: phases, curves, money, what the rules found, lineage."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stocktake.insights.job_words import LIVE
from stocktake.serve.web.pictures.axes import seconds_of
from stocktake.serve.web.pictures.bars import Part, share_bar
from stocktake.serve.web.pictures.curves import Point, Series, curves
from stocktake.serve.web.pictures.gantt import Bar, Mark, gantt
from stocktake.serve.web.rendering import duration, resource_url, url
from stocktake.serve.web.views.jobs import STATE_KINDS, phase_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.insights.job_report import JobReport, Phase
    from stocktake.insights.metric_runs import MetricRun
    from stocktake.query.resources import Resource

_FACTS = (
    ("Type", "facet", "type"), ("Account", "facet", "account_id"), ("Region", "facet", "region"),
    ("Team", "derived", "team"), ("Started by", "derived", "launcher"), ("Instances", "derived", "instance_count"),
    ("Compute", "facet", "compute"), ("Image", "derived", "image_repository"),
    ("Image version", "derived", "image_tag"), ("Image pinned by", "derived", "image_pin"),
    ("Data", "derived", "data_path"), ("Interruptions", "derived", "interruptions"), ("Retries", "derived", "retries"),
    ("Failed in", "derived", "failed_phase"), ("Failure class", "derived", "failure_class"),
    ("What went wrong", "derived", "failure_subclass"),
)  # fmt: skip
_LINKS = (("Runs as", "principal"), ("Parent", "parent"))
_ALMOST = 0.9
_MANY = 6
"""Of more metrics than these, the rest are told in the table only."""
NO_ISSUES = frozenset({"NoIssuesFound"})


def job_view(
    report: JobReport, found: Resource, runs: Sequence[MetricRun], moment: datetime, *, is_live: bool
) -> dict[str, Any]:
    """Return everything that the template shows, but lineage and policies. `moment`: what counts as now."""
    facet, derived = report.facet, report.derived
    goes_on = facet["state"] in LIVE
    facts = [(label, getattr(report, part).get(name)) for label, part, name in _FACTS]
    return {
        "facet": facet,
        "derived": derived,
        "state": facet["state"] or "unknown",
        "state_kind": STATE_KINDS.get(facet["state"], "mute"),
        "goes_on": goes_on,
        "moment": moment,
        "is_live": is_live,
        "phases_picture": phases_picture(report, moment),
        "phases": [_phase_row(one, moment) for one in report.phases],
        "facts": [(label, value) for label, value in facts if value not in (None, "")],
        "links": [(label, facet[name]) for label, name in _LINKS if facet[name]],
        "limits": limit_rows(report, moment),
        "money": money_view(report),
        "warm_pool": warm_pool_view(report),
        "curves": metric_pictures(found, runs, facet["id"]),
        "metrics": sorted(report.metrics.items()),
        "rules": [_rule_row(one) for one in report.rules],
        "parameters": sorted((report.fields.get("hyper_parameters") or {}).items()),
        "environment": sorted((report.fields.get("environment") or {}).items()),
        "channels": derived.get("channels") or [],
        "versions": len(found.versions),
    }


def phases_picture(report: JobReport, moment: datetime) -> str:
    """Return the phases as a Gantt chart; of a job that goes on, with now and the moment at which it is ended."""
    bars = [phase_bar(one.name, one.started_at, one.ended_at, moment) for one in report.phases]
    spent: dict[str, float] = {}
    for bar in bars:
        spent[bar.row] = spent.get(bar.row, 0.0) + bar.end - bar.start
    whole = sum(spent.values()) or 1.0
    notes = {name: f"{duration(seconds)} · {100 * seconds / whole:.0f} %" for name, seconds in spent.items()}
    marks = []
    if any(one.goes_on for one in bars):
        marks.append(Mark(seconds_of(moment), "now", "now"))
        ends_by = report.derived.get("ends_by")
        if isinstance(ends_by, datetime):
            marks.append(Mark(seconds_of(ends_by), "must end", "limit"))
    says = "; ".join(f"{name} {note}" for name, note in notes.items())
    return gantt(f"Phases of {report.facet['name']}", says, bars, notes, marks)


def _phase_row(one: Phase, moment: datetime) -> dict[str, Any]:
    end = one.ended_at or max(moment, one.started_at)
    return {"name": one.name, "started_at": one.started_at, "ended_at": one.ended_at, "lasted": end - one.started_at}


def limit_rows(report: JobReport, moment: datetime) -> list[dict[str, Any]]:
    """Return how much of its limits the job has used."""
    derived = report.derived
    rows = []
    for label, name in (("Runtime limit", "runtime_used_pct"), ("Wait limit", "wait_used_pct")):
        used = derived.get(name)
        if used is not None:
            rows.append(_limit(label, used / 100, f"{used:.1f} %"))
    ends_by, created = derived.get("ends_by"), report.facet["created_at"]
    if isinstance(ends_by, datetime) and isinstance(created, datetime) and ends_by > created:
        used = (moment - created) / (ends_by - created)
        left = ends_by - moment
        says = f"{duration(left)} left" if left > timedelta() else "over"
        rows.append(_limit("Until it must end", used, says) | {"at": ends_by})
    return rows


def _limit(label: str, used: float, says: str) -> dict[str, Any]:
    kind = "late" if used > _ALMOST else "used"
    bar = share_bar(f"{label}: {says}", [Part(min(max(used, 0.0), 1.0), kind)], 1.0)
    return {"label": label, "says": says, "bar": bar, "at": None}


def money_view(report: JobReport) -> dict[str, Any]:
    """Return what is billed and what spot capacity saved."""
    derived = report.derived
    is_spot = bool(report.fields.get("enable_managed_spot_training"))
    saved_seconds = derived.get("spot_saved_instance_seconds") if is_spot else None
    billed_seconds = sum(bill["instance_seconds"] for bill in report.bills if bill["what"] == "training")
    per_second = report.cost / (report.instance_hours * 3600) if report.cost and report.instance_hours else None
    bar = ""
    if saved_seconds:
        says = f"{duration(billed_seconds)} of instances billed, {duration(saved_seconds)} saved"
        parts = [Part(billed_seconds, "spent", "billed"), Part(saved_seconds, "saved", "saved by spot capacity")]
        bar = share_bar(says, parts, billed_seconds + saved_seconds)
    return {
        "bills": report.bills,
        "hours": report.instance_hours,
        "cost": report.cost,
        "currency": report.currency,
        "is_spot": is_spot,
        "savings_pct": derived.get("spot_savings_pct") if is_spot else None,
        "saved_hours": saved_seconds / 3600 if saved_seconds else None,
        "saved_cost": saved_seconds * per_second if saved_seconds and per_second else None,
        "bar": bar,
        "redone_seconds": derived.get("redone_seconds"),
    }


def warm_pool_view(report: JobReport) -> dict[str, Any] | None:
    """Return what became of the instances after the job; None where they were not to be kept."""
    status = report.fields.get("warm_pool_status") or {}
    keeps = (report.fields.get("resource_config") or {}).get("keep_alive_period_in_seconds")
    if not status and not keeps:
        return None
    chain = [
        ("Took over from" if edge.source[1] != report.facet["id"] else "Passed on to", _other(edge, report))
        for edge in report.edges
        if "WARM_POOL" in edge.name
    ]
    return {
        "state": status.get("status") or "not yet",
        "keeps_seconds": keeps,
        "billed_seconds": status.get("resource_retained_billable_time_in_seconds"),
        "reused_by": status.get("reused_by_job"),
        "ends_at": report.derived.get("warm_pool_ends_at"),
        "chain": chain,
    }


def _other(edge: Any, report: JobReport) -> str:  # noqa: ANN401 - insights.lineage.Edge, or a stand-in of tests
    return str(edge.target[1] if edge.source[1] == report.facet["id"] else edge.source[1])


def metric_pictures(found: Resource, runs: Sequence[MetricRun], key: str) -> list[dict[str, Any]]:
    """Return a picture for each metric: its values as this job went on, or where only the last is known, of all runs.

    The provider tells only the newest value; each look at the job keeps one, so a curve has a point for each look.
    """
    points: dict[str, dict[float, float]] = {}
    for version in found.versions:
        for one in version.fields.get("final_metric_data_list") or []:
            if one.get("timestamp") is not None and one.get("value") is not None:
                points.setdefault(one["metric_name"], {})[seconds_of(one["timestamp"])] = float(one["value"])
    pictures = []
    for name in sorted(points)[:_MANY]:
        values = points[name]
        of_runs = [run for run in runs if name in run.metrics]
        if len(values) > 1:
            series = Series(name, tuple(Point(at, value, f"{value:.6g}") for at, value in sorted(values.items())))
            title = f"{name}, as the job went on"
            picture = curves(f"{name} over time", _range(values.values()), [series])
        elif len(of_runs) > 1:
            dots = tuple(
                Point(float(number), run.metrics[name], f"{run.name}: {run.metrics[name]:.6g}",
                      "this" if run.id == key else "")
                for number, run in enumerate(of_runs)
            )  # fmt: skip
            values_of_runs = [run.metrics[name] for run in of_runs]
            title = f"{name}, this job among {len(of_runs)} runs of its like, oldest to newest"
            picture = curves(
                f"{name} of {len(of_runs)} runs", _range(values_of_runs), [Series(name, dots)], over_time=False
            )
        else:
            continue
        pictures.append({"name": name, "title": title, "picture": picture, "last": values[max(values)]})
    return pictures


def _range(values: Any) -> str:  # noqa: ANN401 - any collection of numbers
    return f"From {min(values):.6g} to {max(values):.6g}"


def _rule_row(one: dict[str, Any]) -> dict[str, Any]:
    status = str(one.get("rule_evaluation_status") or "unknown")
    kind = "bad" if status in {"IssuesFound", "Error"} else "ok" if status in NO_ISSUES else "mute"
    return {
        "name": one.get("rule_configuration_name"),
        "status": status,
        "kind": kind,
        "details": one.get("status_details"),
        "at": one.get("last_modified_time"),
        "job": one.get("rule_evaluation_job_arn"),
    }


def job_address(type_name: str, key: str, job_types: Sequence[str]) -> str:
    """Return the address of a resource's page, or of the job's."""
    return url("/job", key=key) if type_name in job_types else resource_url(key)


def gantt_of_two(left: JobReport, right: JobReport, moment: datetime) -> str:
    """Return the phases of two jobs on one scale, each from its own beginning."""
    bars: list[Bar] = []
    for side, report in (("a", left), ("b", right)):
        if not report.phases:
            continue
        begin = report.phases[0].started_at
        for one in report.phases:
            bar = phase_bar(one.name, one.started_at, one.ended_at, moment)
            offset = seconds_of(begin)
            bars.append(Bar(side, bar.kind, bar.start - offset, bar.end - offset, bar.says, bar.goes_on))
    notes = {"a": left.facet["name"], "b": right.facet["name"]}
    return gantt("Phases of both jobs", "Each from its own creation", bars, notes, from_zero=True)
