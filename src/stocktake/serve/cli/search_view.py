"""What a search found, as documents, as rows, and for the eye."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from stocktake.query.result import Column, Result
from stocktake.query.search.page import FoundResource
from stocktake.serve.telling.readable import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.query.search.facets import FacetCounts
    from stocktake.query.search.page import SearchPage

_TIMES = frozenset({"created_at", "first_seen_at", "last_seen_at", "changed_at"})
# For the eye: what tells resources apart comes first, and the key, which is long, last.
_SHOWN = ("name", "type", "account_id", "region", "state", "changed_at", "tags", "key")


def resource_rows(page: SearchPage, *, for_the_eye: bool) -> Result:
    """Return the found resources as rows."""
    names = _SHOWN if for_the_eye else tuple(field.name for field in fields(FoundResource))
    columns = tuple(Column(name, _kind(name)) for name in names)
    rows = [tuple(_cell(getattr(row, name), for_the_eye=for_the_eye) for name in names) for row in page.rows]
    return Result(columns, [rows])


def _kind(name: str) -> str:
    if name == "tags":
        return "MAP(VARCHAR, VARCHAR)"
    return "TIMESTAMP" if name in _TIMES else "BOOLEAN" if name == "stale" else "VARCHAR"


def _cell(value: object, *, for_the_eye: bool) -> object:
    if for_the_eye and isinstance(value, dict):
        return " ".join(f"{key}:{item}" for key, item in value.items())
    return value


def group_rows(groups: FacetCounts) -> Result:
    """Return groups as rows: value and how many resources have it."""
    columns = (Column(groups.key, "VARCHAR"), Column("resources", "BIGINT"))
    return Result(columns, [[(one.value, one.count) for one in groups.values]])


def facet_lines(page: SearchPage) -> Iterator[str]:
    """Yield a block of lines for each facet; what is chosen of it is marked."""
    for facet in page.facets:
        shown = sum(one.value is not None for one in facet.values)
        more = f" (the {shown} most frequent of {facet.distinct:,})" if facet.distinct > shown else ""
        yield ""
        yield f"{facet.key}{more}"
        for one in facet.values:
            name = "(none)" if one.value is None else one.value
            yield f"  {'*' if one.chosen else ' '} {one.count:>9,}  {name}"


def total_line(page: SearchPage) -> str:
    """Return how many there are, and how to see more of them."""
    if len(page.rows) == page.total or not page.rows:
        return count(page.total, "resource")
    more = f"; --after {page.after} shows more" if page.after else ""
    return f"{len(page.rows):,} of {count(page.total, 'resource')}{more}"
