"""One job, as a page on a terminal and as one JSON object."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from rich.text import Text

from stocktake.insights.lineage import Lineage, Step
from stocktake.serve.cli.lineage_tree import print_trees
from stocktake.serve.cli.tables import make_console, make_table
from stocktake.serve.telling.readable import count
from stocktake.serve.telling.values import iso_time, to_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from stocktake.insights.job_report import JobReport, Phase

_STYLES = {
    "pending": "yellow", "waiting": "yellow", "starting": "cyan", "downloading": "blue", "training": "green",
    "running": "green", "interrupted": "red", "uploading": "magenta", "stopping": "red",
}  # fmt: skip
_STATE_STYLES = {"succeeded": "green", "failed": "red", "timed_out": "red", "partial": "yellow", "cancelled": "yellow"}
_BAR = 56
_MOST_PARAMETERS = 12
_FACTS = (
    ("type", "facet", "type"), ("account", "facet", "account_id"), ("region", "facet", "region"),
    ("runs as", "facet", "principal"), ("started by", "derived", "launcher"), ("parent", "facet", "parent"),
    ("team", "derived", "team"), ("compute", "facet", "compute"), ("instances", "derived", "instance_count"),
    ("image", "derived", "image_repository"), ("image version", "derived", "image_tag"),
    ("image pinned by", "derived", "image_pin"), ("data", "derived", "data_path"),
    ("interruptions", "derived", "interruptions"), ("retries", "derived", "retries"),
    ("failed in", "derived", "failed_phase"), ("failure", "derived", "failure_subclass"),
)  # fmt: skip


def job_document(report: JobReport) -> dict[str, object]:
    """Return what `job -o json` prints."""
    return {
        **report.facet,
        "derived": report.derived,
        "timeline": [
            {"phase": one.name, "started_at": one.started_at, "ended_at": one.ended_at} for one in report.phases
        ],
        "metrics": report.metrics,
        "rules": report.rules,
        "bills": list(report.bills),
        "instance_hours": round(report.instance_hours, 4),
        "cost": report.cost,
        "currency": report.currency or None,
        "lineage": [
            {
                "edge": edge.name, "flow": edge.flow, "source_type": edge.source[0], "source_id": edge.source[1],
                "target_type": edge.target[0], "target_id": edge.target[1], "held": edge.held, "detail": edge.detail,
            }
            for edge in report.edges
        ],
    }  # fmt: skip


def print_job(report: JobReport, stream: IO[str], *, on_terminal: bool) -> None:
    """Print a job: state, timeline, facts, cost, metrics, rules, and what it stands between."""
    console = make_console(stream, on_terminal=on_terminal)
    facet = report.facet
    console.print(Text(to_visible(facet["id"]), style="bold"), soft_wrap=True)
    detail = f", {facet['detail']}" if facet["detail"] not in {None, facet["raw_state"]} else ""
    state = Text(facet["state"] or "unknown", style=_STATE_STYLES.get(facet["state"], "default"))
    console.print(state + Text(f"  ({facet['raw_state']}{detail})", style="dim"), soft_wrap=True)
    if facet["failure_reason"]:
        console.print(Text(to_visible(facet["failure_reason"]), style="red"), soft_wrap=True)
    _print_timeline(console, report.phases)
    _print_facts(console, report)
    _print_cost(console, report)
    _print_pairs(console, "metrics", [(name, f"{value:.6g}") for name, value in report.metrics.items()])
    rules = [(str(one["rule_configuration_name"]), _verdict(one)) for one in report.rules]
    _print_pairs(console, "debugger and profiler rules", rules)
    parameters = sorted((report.fields.get("hyper_parameters") or {}).items())
    _print_pairs(console, "hyperparameters", parameters[:_MOST_PARAMETERS], len(parameters) - _MOST_PARAMETERS)
    _print_edges(console, report)


def _print_timeline(console: Console, phases: tuple[Phase, ...]) -> None:
    if not phases:
        return
    console.print(Text("\ntimeline", style="bold"))
    begin = phases[0].started_at
    end = max(one.ended_at or one.started_at for one in phases)
    whole = max((end - begin).total_seconds(), 1.0)
    table = make_table()
    for header in ("phase", "from", "for", ""):
        table.add_column(header, no_wrap=True)
    for one in phases:
        first = int((one.started_at - begin).total_seconds() / whole * _BAR)
        last = int(((one.ended_at or end) - begin).total_seconds() / whole * _BAR)
        length = max(last - first, 1)
        first = min(first, _BAR - length)
        bar = Text(" " * first) + Text(
            "━" * length if one.ended_at else "━" * (length - 1) + "▶", style=_style(one.name)
        )
        lasted = span(one.ended_at - one.started_at) if one.ended_at else "still"
        table.add_row(one.name, iso_time(one.started_at), lasted, bar)
    console.print(table)


def _style(phase: str) -> str:
    return _STYLES.get(phase, "default")


def _print_facts(console: Console, report: JobReport) -> None:
    found = [(label, getattr(report, part).get(name)) for label, part, name in _FACTS]
    facet = report.facet
    for label, name in (("created", "created_at"), ("started", "started_at"), ("ended", "ended_at")):
        found.append((label, facet[name]))
    for label, name in (("waited", "queue_seconds"), ("ran", "run_seconds")):
        found.append((label, None if facet[name] is None else span(timedelta(seconds=facet[name]))))
    used = report.derived.get("runtime_used_pct")
    found.append(("of its runtime limit", None if used is None else f"{used:.1f} %"))
    _print_pairs(console, "facts", [(label, _said(value)) for label, value in found if value not in (None, "", 0)])


def _print_cost(console: Console, report: JobReport) -> None:
    if not report.bills:
        return
    lines = []
    for bill in report.bills:
        what = f"{bill['what']}, {bill['instance_count']} of {bill['instance_type']}"
        hours = f"{bill['instance_seconds'] / 3600:.4f} instance-hours"
        price = f" at {bill['per_hour']:g} = {bill['cost']:.2f} {bill['currency']}" if bill["cost"] is not None else ""
        lines.append((what, hours + price))
    total = f"{report.instance_hours:.4f} instance-hours"
    if report.cost is not None:
        total += f", {report.cost:.2f} {report.currency}"
    elif not any(bill["cost"] is not None for bill in report.bills):
        total += "; for a cost, give prices: --prices FILE"
    lines.append(("in all", total))
    savings = report.derived.get("spot_savings_pct")
    if savings is not None and report.fields.get("enable_managed_spot_training"):
        lines.append(("spot savings", f"{savings:.1f} %"))
    _print_pairs(console, "billed", lines)


def _print_pairs(console: Console, title: str, pairs: list[tuple[str, str]], more: int = 0) -> None:
    if not pairs:
        return
    console.print(Text(f"\n{title}", style="bold"))
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        console.print(Text(f"  {to_visible(name):<{width}}  ", style="cyan") + Text(to_visible(value)), soft_wrap=True)
    if more > 0:
        console.print(Text(f"  and {more} more: -o json", style="dim"))


def _print_edges(console: Console, report: JobReport) -> None:
    start = (str(report.facet["type"]), str(report.facet["id"]))
    steps = tuple(_steps(report, start))
    if steps:
        console.print()
        print_trees(Lineage(start, steps, more=False), console)
        console.print(Text(f"({count(len(steps), 'edge')}; further: stocktake lineage)", style="dim"))


def _steps(report: JobReport, start: tuple[str, str]) -> Iterator[Step]:
    against = {"upstream": "downstream", "downstream": "upstream", "context": "context"}
    found = [
        Step(1, edge.flow, edge, edge.target, None)
        if edge.source == start
        else Step(1, against[edge.flow], edge, edge.source, None)
        for edge in report.edges
    ]
    yield from sorted(found, key=lambda step: ("upstream", "downstream", "context").index(step.direction))


def _verdict(rule: dict[str, Any]) -> str:
    details = rule.get("status_details")
    return f"{rule['rule_evaluation_status']}{f': {details}' if details else ''}"


def _said(value: object) -> str:
    return iso_time(value) if isinstance(value, datetime) else str(value)


def span(lasted: timedelta) -> str:
    """Return a span as people read it: `1 h 5 min`, `3 min 20 s`, `12.5 s`."""
    seconds = lasted.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
