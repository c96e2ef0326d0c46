"""What happened when: a row for each thing, a bar for each time that it went on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from stocktake.serve.web.pictures.axes import time_ticks
from stocktake.serve.web.pictures.svg import element, percent, picture, text

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROW, _BAR, _TOP, _AXIS = 30, 10, 4, 22
_LEAST = 0.003
"""The narrowest bar, as a share of the whole: what was short still shows."""
_NEAR_END = 0.8


@dataclass(frozen=True, slots=True)
class Bar:
    """A time in which something went on. Times are seconds since 1970."""

    row: str
    kind: str
    """Its class: the stylesheet has its color."""
    start: float
    end: float
    says: str
    """What is told of it where one points at it."""
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that matters: now, a limit."""

    at: float
    label: str
    kind: str


def gantt(
    title: str,
    description: str,
    bars: Sequence[Bar],
    notes: dict[str, str],
    marks: Sequence[Mark] = (),
    *,
    from_zero: bool = False,
) -> Markup:
    """Return the picture. `notes`: row -> what stands beside its name. Rows come in the order of their first bar.

    `from_zero`: times are counted from a beginning of their own, not from 1970.
    """
    if not bars:
        return Markup("")
    start = min(bar.start for bar in bars)
    end = max(*(bar.end for bar in bars), *(mark.at for mark in marks), start + 1)
    rows = list(dict.fromkeys(bar.row for bar in bars))
    height = _TOP + _ROW * len(rows) + _AXIS + (14 if marks else 0)
    bottom = _TOP + _ROW * len(rows)
    parts = [*_axis(start, end, bottom, from_zero=from_zero), *_marks(marks, start, end, bottom)]
    for number, row in enumerate(rows):
        top = _TOP + number * _ROW
        label = (element("tspan", row, class_="strong"), element("tspan", f"  {notes.get(row, '')}", class_="soft"))
        parts.append(element("rect", class_="lane", x="0", y=top + 16, width="100%", height=_BAR))
        parts += [_bar(bar, start, end, top + 16) for bar in bars if bar.row == row]
        parts.append(element("text", *label, class_="label", x="0", y=top + 12))
    return picture("gantt", title, description, *parts, height=height)


def strip(says: str, bars: Sequence[Bar]) -> Markup:
    """Return the same as one line, for a cell of a table; `says` tells it in words."""
    if not bars:
        return Markup("")
    start = min(bar.start for bar in bars)
    end = max(*(bar.end for bar in bars), start + 1)
    return picture("strip", says, "", *(_bar(bar, start, end, 0) for bar in bars), height=_BAR)


def _bar(bar: Bar, start: float, end: float, top: float) -> Markup:
    whole = end - start
    wide = min(1.0, max((bar.end - bar.start) / whole, _LEAST))
    left = min((bar.start - start) / whole, 1 - wide)
    kind = f"bar kind-{bar.kind}{' goes-on' if bar.goes_on else ''}"
    return element(
        "rect", element("title", bar.says), class_=kind, x=percent(left), y=top, width=percent(wide), height=_BAR, rx=2
    )


def _axis(start: float, end: float, bottom: float, *, from_zero: bool) -> list[Markup]:
    parts = []
    for tick in time_ticks(start, end, from_zero=from_zero):
        at = (tick.at - start) / (end - start)
        parts.append(element("line", class_="grid", x1=percent(at), x2=percent(at), y1=_TOP, y2=bottom + 3))
        parts.append(text(tick.label, class_="tick", x=percent(at), y=bottom + 15, text_anchor=anchor(at)))
    return parts


def anchor(at: float) -> str:
    """Return how a text is set at a share of the width, so that it stays inside."""
    return "start" if at < 1 - _NEAR_END else "end" if at > _NEAR_END else "middle"


def _marks(marks: Sequence[Mark], start: float, end: float, bottom: float) -> list[Markup]:
    parts = []
    for mark in marks:
        at = (mark.at - start) / (end - start)
        if at >= 0:
            parts.append(
                element("line", class_=f"mark mark-{mark.kind}", x1=percent(at), x2=percent(at), y1=0, y2=bottom + 18)
            )
            parts.append(
                text(mark.label, class_=f"tick mark-{mark.kind}", x=percent(at), y=bottom + 30, text_anchor=anchor(at))
            )
    return parts
