"""Rows of a statement as a picture: bars of what is named, lines of what goes on in time or along a number."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from stocktake.serve.telling.values import to_text, to_visible
from stocktake.serve.web.pictures.axes import seconds_of, short_number
from stocktake.serve.web.pictures.curves import Point, Series, curves
from stocktake.serve.web.pictures.svg import element, percent, picture, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

KINDS = ("bar", "line")
_BARS = 40
_POINTS = 1_000
_SERIES = 8
_LINES = 4
"""Columns of numbers that are drawn where none is chosen."""
_ROW, _LABEL, _THICK = 40, 13, 13
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of rows, and what it leaves out."""

    kind: str
    x: str
    y: tuple[str, ...]
    picture: Markup
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Rows:
    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def column(self, name: str) -> list[Any]:
        at = self.names.index(name)
        return [row[at] for row in self.rows]


def numbers_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    """Return the columns that can be drawn: numbers, as far as they are not null."""
    return tuple(name for at, name in enumerate(names) if _are_numbers(row[at] for row in rows))


def draw_rows(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, kind: str = "", x: str = "", y: str = ""
) -> Chart | None:
    """Return the picture that is asked for, as far as the rows can be drawn so; without a word, what fits them.

    None where there is nothing to draw: no number, or less than two rows.
    """
    if len(rows) < 2 or len(set(names)) < len(names):
        return None
    found = _Rows(tuple(names), rows)
    drawn = [name for name in numbers_of(names, rows) if name != x]
    across = x if x in names else _across(found, drawn)
    along = [name for name in drawn if name != across]
    shown = (y,) if y in along else tuple(along[:_LINES])
    if not across or not shown:
        return None
    ordered = _ordered(found.column(across))
    wanted = kind if kind in KINDS else "line" if ordered and len(rows) > 2 else "bar"
    if wanted == "line" and ordered:
        return _lines(found, across, shown[:_SERIES])
    return _bars(found, across, shown[0])


def _across(found: _Rows, drawn: Sequence[str]) -> str:
    """Return the column to draw along: a time, else what names the rows, else the first number of two."""
    for name in found.names:
        values = [value for value in found.column(name) if value is not None]
        if values and all(isinstance(value, date) for value in values):
            return name
    named = [name for name in found.names if name not in drawn]
    if named:
        return named[0]
    return drawn[0] if len(drawn) > 1 else ""


def _ordered(values: Sequence[Any]) -> bool:
    """Return whether values have an order to draw a line along."""
    present = [value for value in values if value is not None]
    return bool(present) and (all(isinstance(value, date) for value in present) or _are_numbers(present))


def _are_numbers(values: Iterable[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(_is_number(value) for value in present)


def _is_number(value: object) -> bool:
    """Return whether a value has a place on an axis: larger ones than a double can be are nowhere."""
    match value:
        case bool():
            return False
        case int():
            return abs(value) <= sys.float_info.max
        case float():
            return math.isfinite(value)
        case Decimal():
            return value.is_finite() and abs(value) <= sys.float_info.max
        case _:
            return False


def _bars(found: _Rows, x: str, y: str) -> Chart:
    labels, values = found.column(x), found.column(y)
    pairs = [(label, float(value)) for label, value in zip(labels, values, strict=True) if value is not None]
    shown = pairs[:_BARS]
    low = min(0.0, *(value for _, value in shown))
    high = max(0.0, *(value for _, value in shown))
    whole = high - low or 1.0
    parts: list[Markup] = []
    for number, (label, value) in enumerate(shown):
        top = number * _ROW
        said = f"{_short(label)}: {short_number(value)}"
        begin, end = sorted(((0.0 - low) / whole, (value - low) / whole))
        bar = element(
            "rect", element("title", said), class_="bar kind-result", x=percent(begin), y=top + _LABEL + 6,
            width=percent(max(end - begin, 0.001)), height=_THICK,
        )  # fmt: skip
        parts += [
            text(_short(label), class_="label", x="0", y=top + _LABEL),
            text(short_number(value), class_="value", x="100%", y=top + _LABEL, text_anchor="end"),
            bar,
        ]
    note = f"The first {_BARS} of {len(pairs):,} rows are drawn." if len(pairs) > _BARS else ""
    about = "; ".join(f"{_short(label)} {short_number(value)}" for label, value in shown[:10])
    drawn = picture("bars", f"{y} by {x}", about, *parts, height=max(len(shown), 1) * _ROW)
    return Chart("bar", x, (y,), drawn, note)


def _lines(found: _Rows, x: str, shown: Sequence[str]) -> Chart:
    places = [None if value is None else _place(value) for value in found.column(x)]
    over_time = any(isinstance(value, date) for value in found.column(x))
    series = []
    for name in shown:
        points = [
            Point(at, float(value), f"{name} {short_number(float(value))} at {_short(label)}")
            for at, value, label in zip(places, found.column(name), found.column(x), strict=True)
            if at is not None and value is not None
        ]
        points.sort(key=lambda point: point.x)
        series.append(Series(name, tuple(islice(points, _POINTS))))
    note = f"The first {_POINTS:,} of {len(found.rows):,} rows are drawn." if len(found.rows) > _POINTS else ""
    about = f"{len(found.rows):,} rows along {x}"
    return Chart("line", x, tuple(shown), curves(", ".join(shown), about, series, over_time=over_time), note)


def _place(value: Any) -> float:  # noqa: ANN401 - a number or a time
    if isinstance(value, datetime):
        return seconds_of(value)
    if isinstance(value, date):
        return seconds_of(datetime(value.year, value.month, value.day))  # noqa: DTZ001 - naive UTC
    return float(value)


def _short(value: object) -> str:
    shown = to_visible(to_text(value)) if value is not None else "(null)"
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
