"""Groups as areas: a rectangle for each, as large as its share, as near to a square as it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from stocktake.serve.web.pictures.svg import element, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COLORS = 8
_GAP = 2
_LEAST_WIDE, _LINE = 44, 15


@dataclass(frozen=True, slots=True)
class Area:
    """A group: its name, its size, where a click leads."""

    name: str
    size: int
    address: str
    about: str
    """What is said of it where it is pointed at."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an area lies."""

    x: float
    y: float
    width: float
    height: float


def treemap(title: str, areas: Sequence[Area], width: float = 1200, height: float = 560) -> Markup:
    """Return the picture; areas of no size are left out."""
    shown = sorted((one for one in areas if one.size > 0), key=lambda one: -one.size)
    if not shown:
        return Markup("")
    places = squarify([one.size for one in shown], Place(0, 0, width, height))
    drawn = [_area(area, place, number) for number, (area, place) in enumerate(zip(shown, places, strict=True))]
    return element(
        "svg", element("title", title), *drawn, class_="picture treemap", role="group", aria_label=title,
        viewBox=f"0 0 {width:g} {height:g}",
    )  # fmt: skip


def _area(area: Area, place: Place, number: int) -> Markup:
    wide, high = max(place.width - _GAP, 0.5), max(place.height - _GAP, 0.5)
    inside: list[Markup] = [
        element("title", f"{area.name}: {area.about}"),
        element("rect", class_=f"area area-{number % _COLORS + 1}", x=round(place.x, 1), y=round(place.y, 1),
                width=round(wide, 1), height=round(high, 1), rx=3),
    ]  # fmt: skip
    if wide >= _LEAST_WIDE and high >= _LINE + 6:
        lines = [text(area.name, class_="area-name", x=7, y=17)]
        if high >= 2 * _LINE + 8:
            lines.append(text(area.about, class_="area-about", x=7, y=17 + _LINE))
        # A picture of its own, which cuts off what is too long.
        corner = {"x": round(place.x, 1), "y": round(place.y, 1)}
        inside.append(element("svg", *lines, **corner, width=round(wide, 1), height=round(high, 1)))
    # Its title names it; a label besides would have to say what is written inside.
    return element("a", *inside, href=area.address)


def squarify(sizes: Sequence[float], whole: Place) -> list[Place]:
    """Return a place for each size (largest first) that fill the whole place, their areas in the sizes' proportion.

    Source: Bruls, Huizing, van Wijk, Squarified Treemaps (2000).
    """
    total = sum(sizes)
    scale = whole.width * whole.height / total if total else 0.0
    return list(_fill([size * scale for size in sizes], whole))


def _fill(areas: Sequence[float], whole: Place) -> Iterator[Place]:
    at, rest = 0, whole
    while at < len(areas):
        side = min(rest.width, rest.height)
        end = at + 1
        while end < len(areas) and _worst(areas[at : end + 1], side) <= _worst(areas[at:end], side):
            end += 1
        row = areas[at:end]
        yield from _row(row, rest)
        depth = sum(row) / side if side else 0.0
        if rest.width >= rest.height:
            rest = Place(rest.x + depth, rest.y, max(rest.width - depth, 0.0), rest.height)
        else:
            rest = Place(rest.x, rest.y + depth, rest.width, max(rest.height - depth, 0.0))
        at = end


def _row(row: Sequence[float], rest: Place) -> Iterator[Place]:
    side = min(rest.width, rest.height)
    depth = sum(row) / side if side else 0.0
    along = 0.0
    for area in row:
        length = area / depth if depth else 0.0
        if rest.width >= rest.height:
            yield Place(rest.x, rest.y + along, depth, length)
        else:
            yield Place(rest.x + along, rest.y, length, depth)
        along += length


def _worst(row: Sequence[float], side: float) -> float:
    """Return how far the longest of a row's rectangles is from a square."""
    total = sum(row)
    if not (side and total and min(row)):
        return float("inf")
    return max(side**2 * max(row) / total**2, total**2 / (side**2 * min(row)))
