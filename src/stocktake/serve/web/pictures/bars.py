"""How much of what: a bar in a table's cell, and columns along a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from stocktake.serve.web.pictures.axes import Tick, number_ticks
from stocktake.serve.web.pictures.gantt import anchor
from stocktake.serve.web.pictures.svg import element, percent, picture, text

if TYPE_CHECKING:
    from collections.abc import Sequence

_THICK = 10
_TOP, _PLOT, _AXIS = 14, 64, 18
_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar or column."""

    value: float
    kind: str
    """Its class: the stylesheet has its color."""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of parts, from the bottom up."""

    parts: tuple[Part, ...]
    says: str


def share_bar(says: str, parts: Sequence[Part], whole: float) -> Markup:
    """Return a bar of parts, as long as their share of `whole`. `says` tells it in words."""
    drawn = [element("rect", class_="lane", x="0", y=0, width="100%", height=_THICK)]
    at = 0.0
    for part in parts:
        share = part.value / whole if whole > 0 else 0.0
        if share > 0:
            wide = min(share, 1 - at)
            title = (element("title", part.says),) if part.says else ()
            place = {"x": percent(at), "width": percent(wide)}
            drawn.append(element("rect", *title, class_=f"bar kind-{part.kind}", y=0, height=_THICK, **place))
            at += wide
    return picture("share", says, "", *drawn, height=_THICK)


def columns(title: str, description: str, some: Sequence[Column], ticks: Sequence[Tick]) -> Markup:
    """Return columns side by side. A tick's `at` is the place of its column, from 0."""
    if not some:
        return Markup("")
    most = max(sum(part.value for part in one.parts) for one in some) or 1.0
    bottom = _TOP + _PLOT
    parts: list[Markup] = []
    for tick in number_ticks(0, most, 2):
        y = bottom - _PLOT * tick.at / most
        parts.append(element("line", class_="grid", x1="0", x2="100%", y1=y, y2=y))
        if tick.at:
            parts.append(text(tick.label, class_="tick", x="0", y=y - 3))
    for number, one in enumerate(some):
        parts.append(_column(one, number, len(some), most, bottom))
    for tick in ticks:
        at = (tick.at + 0.5) / len(some)
        parts.append(text(tick.label, class_="tick", x=percent(at), y=bottom + 14, text_anchor=anchor(at)))
    return picture("columns", title, description, *parts, height=bottom + _AXIS)


def _column(one: Column, number: int, count: int, most: float, bottom: float) -> Markup:
    place = {"x": percent((number + _GAP / 2) / count), "width": percent((1 - _GAP) / count)}
    drawn = [element("title", one.says), element("rect", class_="reach", y=_TOP, height=_PLOT, **place)]
    y = bottom
    for part in one.parts:
        high = _PLOT * part.value / most
        if high > 0:
            y -= high
            drawn.append(element("rect", class_=f"bar kind-{part.kind}", y=y, height=high, **place))
    return element("g", *drawn, class_="column")
