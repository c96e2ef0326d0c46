"""Ask the catalog what its page shows: one search for the facets, the total and the rows; then what the rows need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.query.coverage import CoverageFilter, read_coverage
from stocktake.query.moments import parse_moment
from stocktake.query.search.columns import (
    choose_columns,
    field_columns,
    read_fields,
    read_type_schema,
    tag_keys,
    telling_columns,
)
from stocktake.query.search.errors import SearchError
from stocktake.query.search.run import search
from stocktake.serve.web.views.catalog import COMMON, default_columns, only_type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stocktake.query.search.page import SearchPage
    from stocktake.serve.web.views.catalog_state import CatalogState
    from stocktake.store.catalog import Catalog

_MOST_VALUES = 30
_MOST_AREAS = 150
_UNREAD = ("denied", "failed", "throttled", "partial")


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, or what is wrong with the question."""

    page: SearchPage | None = None
    type: str = ""
    """The one type of all that was found."""
    columns: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    """Fields of that type that may be columns, with their kinds."""
    fields: tuple[dict[str, Any], ...] = ()
    problem: UserError | None = None
    marks: tuple[str, str, str] | None = None
    """The search before, at and after what is wrong in it."""
    unread: dict[str, int] = field(default_factory=dict)
    """Scopes that were not read, by why; only where it was asked for."""
    tag_keys: tuple[str, ...] = ()


def find(catalog: Catalog, state: CatalogState, now: datetime, *, half_typed: bool = False) -> Found:
    """Return what the page shows of a state; what is wrong with the question is told, not raised."""
    try:
        page = search(
            catalog,
            state.q,
            facets=state.facets,
            chosen=state.chosen,
            group_by=state.grouped_by or None,
            limit=0 if state.grouped_by else state.limit,
            after=state.after or None,
            sort=state.sort,
            as_of=parse_moment(state.as_of, now) if state.as_of else None,
            deleted=state.deleted and not state.as_of,
            most_values=_MOST_AREAS if state.view == "map" else _MOST_VALUES,
            half_typed=half_typed,
            now=now,
        )
    except SearchError as error:
        before, after = state.q[: error.position], state.q[error.end :]
        return Found(problem=error, marks=(before, state.q[error.position : error.end], after))
    except UserError as error:
        if error.code in {"no_catalog", "type_not_held"}:
            raise
        return Found(problem=error)
    return _with_fields(catalog, state, page)


def _with_fields(catalog: Catalog, state: CatalogState, page: SearchPage) -> Found:
    """Read what the columns need beyond what all resources have."""
    of_type = only_type(state, page)
    schema = (read_type_schema(catalog, of_type) if of_type else None) or {}
    choices = tuple(field_columns(schema))
    own = _own_fields(state.columns)
    candidates = telling_columns(schema, of_type.rpartition("_")[2]) if schema and not state.columns else []
    fields = tuple(read_fields(catalog, page.rows, own or candidates))
    chosen = choose_columns(fields, candidates)
    columns = state.columns or default_columns(chosen, of_one_type=bool(schema))
    return Found(page, of_type, columns, choices, fields)


def _own_fields(columns: Sequence[str]) -> list[str]:
    return [one for one in columns if one not in COMMON and not one.startswith("tags.")]


def read_unread(catalog: Catalog, state: CatalogState) -> dict[str, int]:
    """Return how many scopes that the choice is about were not read, by why."""

    def only(key: str) -> str:
        values = state.chosen.get(key, ())
        return values[0] if len(values) == 1 else ""

    wanted = CoverageFilter(account=only("account_id"), region=only("region"), type=only("type"))
    statuses = read_coverage(catalog, wanted, most=0).statuses
    return {status: statuses[status] for status in _UNREAD if statuses.get(status)}


__all__ = ["Found", "find", "read_unread", "tag_keys"]
