"""Two jobs side by side: what they were told, what came of it, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.query.result import Column, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.insights.job_report import JobReport

Line = tuple[str, str, Any, Any, float | None]
COLUMNS = (
    Column("part", "VARCHAR"),
    Column("what", "VARCHAR"),
    Column("left", "VARCHAR"),
    Column("right", "VARCHAR"),
    Column("difference", "DOUBLE"),
)
_OUTCOME = ("state", "raw_state", "detail", "failure_reason")
_TIME = ("queue_seconds", "run_seconds")


def compare_jobs(left: JobReport, right: JobReport, *, everything: bool = False) -> Result:
    """Return what two jobs have in each part. Shape: `COLUMNS`.

    Outcome, metrics, time and cost are told even where they are alike; what the jobs were told, only where it differs,
    unless `everything` is asked for. `difference` is right less left, where both are numbers.
    """
    lines = [*_outcomes(left, right), *_settings(left, right, everything=everything)]
    return Result(COLUMNS, [lines])


def _outcomes(left: JobReport, right: JobReport) -> Iterator[Line]:
    yield _line("job", "name", left.facet["name"], right.facet["name"])
    for name in _OUTCOME:
        if left.facet[name] is not None or right.facet[name] is not None:
            yield _line("outcome", name, left.facet[name], right.facet[name])
    metrics = (left.metrics, right.metrics)
    for name in sorted({*metrics[0], *metrics[1]}):
        yield _line("metric", name, _rounded(metrics[0].get(name), 6), _rounded(metrics[1].get(name), 6))
    for name in _TIME:
        yield _line("time", name, left.facet[name], right.facet[name])
    spent = _seconds(left), _seconds(right)
    for name in dict.fromkeys([*spent[0], *spent[1]]):
        yield _line("time", f"{name}_seconds", spent[0].get(name), spent[1].get(name))
    yield _line("cost", "instance_hours", round(left.instance_hours, 4), round(right.instance_hours, 4))
    currency = left.currency or right.currency
    if currency:
        yield _line("cost", currency, _rounded(left.cost), _rounded(right.cost))
    for name in ("spot_savings_pct", "runtime_used_pct", "interruptions", "retries"):
        values = left.derived.get(name), right.derived.get(name)
        if any(values):
            yield _line("cost" if name == "spot_savings_pct" else "time", name, *(_rounded(one, 2) for one in values))


def _settings(left: JobReport, right: JobReport, *, everything: bool) -> Iterator[Line]:
    for part, name in (("hyperparameter", "hyper_parameters"), ("environment", "environment")):
        yield from _differing(part, left.fields.get(name) or {}, right.fields.get(name) or {}, everything=everything)
    names = ("instance_types", "instance_count", "image_repository", "image_tag", "image_digest", "input_modes",
             "input_uris", "launcher", "config_fingerprint")  # fmt: skip
    configured = [{name: one.derived.get(name) for name in names} for one in (left, right)]
    configured = [
        told | {"compute": one.facet["compute"], "principal": one.facet["principal"], "parent": one.facet["parent"]}
        for told, one in zip(configured, (left, right), strict=True)
    ]
    yield from _differing("configuration", *configured, everything=everything)


def _differing(part: str, left: dict[str, Any], right: dict[str, Any], *, everything: bool) -> Iterator[Line]:
    for name in sorted({*left, *right}):
        before, after = left.get(name), right.get(name)
        if before != after or (everything and before is not None):
            yield _line(part, name, before, after)


def _line(part: str, what: str, left: Any, right: Any) -> Line:  # noqa: ANN401 - any value
    before, after = _number(left), _number(right)
    difference = None if before is None or after is None else round(after - before, 6)
    return part, what, left, right, difference


def _number(value: Any) -> float | None:  # noqa: ANN401 - any value
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def _seconds(report: JobReport) -> dict[str, float]:
    """Return the seconds of each phase that has ended, all its times together, in the order in which they came."""
    spent: dict[str, float] = {}
    for phase in report.phases:
        if phase.ended_at is not None:
            spent[phase.name] = spent.get(phase.name, 0.0) + (phase.ended_at - phase.started_at).total_seconds()
    return spent if report.derived else {}
