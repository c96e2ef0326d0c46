"""In which order found resources come, and how the next page goes on."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import UserError
from stocktake.query.search.meaning import COMMON_KEYS, meaning_of

if TYPE_CHECKING:
    from stocktake.query.search.values import Parameters

DEFAULT_SORT = "-changed_at"
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Sorting:
    """A column of all resources. Where it is the same, scopes and rows keep the catalog's own order."""

    column: str
    descending: bool
    of_scope: bool
    kind: str

    @property
    def direction(self) -> str:
        """Return the order as SQL; what has no value comes last."""
        return f"{'DESC' if self.descending else 'ASC'} NULLS LAST"


@dataclass(frozen=True, slots=True)
class Place:
    """The last resource of a page: what it is sorted by, and which it is."""

    value: str | None
    scope: int
    row: int
    key: str
    is_indexed: bool
    """The row is one of the search table."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which of the found resources are shown."""

    sorting: Sorting
    limit: int
    offset: int = 0
    after: Place | None = None


def read_paging(sort: str, limit: int, offset: int, after: str | None) -> Paging:
    """Return what the arguments say.

    Raises: UserError where they say nothing.
    """
    name = sort.removeprefix("-")
    meaning = meaning_of(name)
    column = meaning.common
    if not column or column == "tags":
        known = ", ".join(dict.fromkeys(key for key in COMMON_KEYS if key != "tags"))
        raise UserError(
            f"Resources cannot be sorted by {name!r}",
            code="search_sort",
            hint=f"Sort by one of {known}; with a - before it, descending.",
            where=sort,
        )
    if not 0 <= limit <= MOST_ROWS or offset < 0:
        raise UserError(
            f"A page has from 0 to {MOST_ROWS:,} resources, and begins at 0 or later",
            code="search_page",
            hint='Go on with `after`, or write all of them to a file: stocktake query "FROM resources".',
        )
    sorting = Sorting(column, sort.startswith("-"), meaning.level in {"scope", "type"}, meaning.kind)
    return Paging(sorting, limit, offset, None if after is None else _read(after))


def token(place: Place) -> str:
    """Return what to give for the page after a place."""
    return urlsafe_b64encode(orjson.dumps(astuple(place))).decode().rstrip("=")


def _read(text: str) -> Place:
    try:
        found = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        value, scope, row, key, is_indexed = found
        if (value is None or isinstance(value, str)) and isinstance(scope, int) and isinstance(row, int):
            return Place(value, scope, row, str(key), bool(is_indexed))
    except (ValueError, TypeError):
        pass
    raise UserError(
        "This is not what an earlier page said to go on with",
        code="search_page",
        hint="Give `after` as the page before has it, with the same search and order; or begin at the first page.",
        where=text[:100],
    )


def page_statement(paging: Paging, where: str, parameters: Parameters, scopes: str) -> str:
    """Return the statement that takes a page, and one row more where there is one.

    Shape: part 0, the sort value as text, position, source, row, scope.
    """
    sorting = paging.sorting
    value = f"_z.{sorting.column}" if sorting.of_scope else "s0"
    join = f"JOIN {scopes} AS _z USING (scope)" if sorting.of_scope else ""
    conditions = [where]
    if paging.after is not None:
        conditions.append(_after(paging.after, sorting, value, parameters))
    return (
        "(SELECT 0 AS part, v, row_number() OVER () AS n, src, rid, scope FROM ("
        f"SELECT CAST({value} AS VARCHAR) AS v, src, rid, scope FROM hit {join} WHERE {' AND '.join(conditions)} "
        f"ORDER BY {value} {sorting.direction}, scope, src, rid LIMIT {paging.limit + 1} OFFSET {paging.offset}))"
    )


def _after(place: Place, sorting: Sorting, value: str, parameters: Parameters) -> str:
    add = parameters.add
    rest = f"(scope > {add(place.scope)} OR (scope = {add(place.scope)} AND rid > {add(place.row)}))"
    if place.value is None:
        return f"({value} IS NULL AND {rest})"
    kind = {"TIMESTAMP": "TIMESTAMP", "BOOLEAN": "BOOLEAN"}.get(sorting.kind, "VARCHAR")
    last = f"CAST({add(place.value)} AS {kind})"
    further = "<" if sorting.descending else ">"
    return f"({value} {further} {last} OR {value} IS NULL OR ({value} = {last} AND {rest}))"


def place_of(row: tuple[Any, ...], key: str, *, is_indexed: bool) -> Place:
    """Return the place of a row of `page_statement`."""
    return Place(row[1], row[5], row[4], key, is_indexed)
