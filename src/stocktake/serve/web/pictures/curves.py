"""Values over time or over runs, as lines with their points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from stocktake.serve.web.pictures.axes import number_ticks, time_ticks
from stocktake.serve.web.pictures.gantt import anchor
from stocktake.serve.web.pictures.svg import element, percent, picture, text

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOP, _PLOT, _AXIS = 14, 116, 18
_UNITS = 1_000
"""Of the line's own system of coordinates, which is stretched to the width."""
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Point:
    """A value."""

    x: float
    y: float
    says: str
    """What is told of it where one points at it."""
    kind: str = ""
    """`this` for the one that the picture is about."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values that belong together, in the order of x."""

    name: str
    points: tuple[Point, ...]


def curves(title: str, description: str, series: Sequence[Series], *, over_time: bool = True) -> Markup:
    """Return the picture; each series has the color of its place. `over_time`: x is seconds since 1970."""
    points = [point for one in series for point in one.points]
    if not points:
        return Markup("")
    left, right = _bounds([point.x for point in points], 0.0)
    low, high = _bounds([point.y for point in points], 0.08)
    bottom = _TOP + _PLOT

    def across(x: float) -> float:
        return _MARGIN + (1 - 2 * _MARGIN) * (x - left) / (right - left)

    def down(y: float) -> float:
        return bottom - _PLOT * (y - low) / (high - low)

    parts: list[Markup] = []
    for tick in number_ticks(low, high, 3):
        parts.append(element("line", class_="grid", x1="0", x2="100%", y1=down(tick.at), y2=down(tick.at)))
        parts.append(text(tick.label, class_="tick", x="0", y=down(tick.at) - 3))
    for tick in time_ticks(left, right) if over_time else []:
        at = across(tick.at)
        parts.append(text(tick.label, class_="tick", x=percent(at), y=bottom + 14, text_anchor=anchor(at)))
    for number, one in enumerate(series):
        parts.append(_line([(across(point.x), down(point.y) - _TOP) for point in one.points], number))
        parts += [_dot(point, across(point.x), down(point.y), number) for point in one.points]
    return picture("curves", title, description, *parts, height=bottom + (_AXIS if over_time else 6))


def _bounds(values: Sequence[float], room: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        half = abs(low) * 0.1 or 1.0
        return low - half, high + half
    return low - room * (high - low), high + room * (high - low)


def _line(places: Sequence[tuple[float, float]], number: int) -> Markup:
    said = " ".join(f"{x * _UNITS:.5g},{y:.5g}" for x, y in places)
    line = element("polyline", class_=f"line series-{number}", points=said, vector_effect="non-scaling-stroke")
    return element(
        "svg", line, x="0", y=_TOP, width="100%", height=_PLOT, viewBox=f"0 0 {_UNITS} {_PLOT}",
        preserveAspectRatio="none", class_="plot",
    )  # fmt: skip


def _dot(point: Point, at: float, down: float, number: int) -> Markup:
    kind = f"dot series-{number}{f' {point.kind}' if point.kind else ''}"
    radius = 4 if point.kind else 2.5
    return element("circle", element("title", point.says), class_=kind, cx=percent(at), cy=down, r=radius)
