"""Two jobs side by side, as the template takes them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from stocktake.serve.telling.values import to_visible
from stocktake.serve.web.rendering import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.insights.comparison import Line
    from stocktake.insights.job_report import JobReport

_TITLES = {
    "job": "Job", "outcome": "Outcome", "metric": "Metrics", "time": "Time", "cost": "Cost",
    "hyperparameter": "Hyperparameters", "environment": "Environment", "configuration": "Configuration",
}  # fmt: skip


def comparison_view(left: JobReport, right: JobReport, lines: Sequence[Line]) -> dict[str, Any]:
    """Return the lines by part, each value as text."""
    parts = [
        {"title": _TITLES.get(part, part), "lines": [_line(one) for one in some]}
        for part, some in groupby(sorted(lines, key=lambda one: list(_TITLES).index(one[0])), key=lambda one: one[0])
        if part != "job"
    ]
    return {"left": left.facet, "right": right.facet, "parts": parts}


def _line(line: Line) -> dict[str, Any]:
    part, what, before, after, difference = line
    is_time = what.endswith("_seconds")
    name = what.removesuffix("_seconds").replace("_", " ") if part in {"time", "outcome", "cost"} else what
    return {
        "name": name,
        "left": _said(before, is_time=is_time),
        "right": _said(after, is_time=is_time),
        "differs": before != after,
        "difference": _difference(difference, before, is_time=is_time),
    }


def _said(value: Any, *, is_time: bool) -> str | None:  # noqa: ANN401 - any value of a field
    if value is None:
        return None
    return duration(float(value)) if is_time else to_visible(value)


def _difference(difference: float | None, before: Any, *, is_time: bool) -> str:  # noqa: ANN401 - as above
    if not difference:
        return ""
    sign = "+" if difference > 0 else "-"
    amount = duration(abs(difference)) if is_time else f"{abs(difference):,.6g}"
    share = f" ({sign}{abs(100 * difference / float(before)):.0f} %)" if _is_number(before) and float(before) else ""
    return f"{sign}{amount}{share}"


def _is_number(value: Any) -> bool:  # noqa: ANN401 - as above
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
