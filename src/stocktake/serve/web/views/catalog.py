"""What the catalog page shows of a search: facets, a table with columns that fit, groups, the exports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from stocktake.query.search.choices import with_choices
from stocktake.query.search.facets import NONE
from stocktake.serve.telling.states import state_kind
from stocktake.serve.web.rendering import resource_url, with_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stocktake.query.search.facets import FacetCounts
    from stocktake.query.search.page import FoundResource, SearchPage
    from stocktake.serve.web.views.catalog_state import CatalogState

COMMON = {
    "name": "Name",
    "type": "Type",
    "account_id": "Account",
    "region": "Region",
    "state": "State",
    "tags": "Tags",
    "created_at": "Created",
    "changed_at": "Changed",
    "first_seen_at": "First seen",
    "last_seen_at": "Last seen",
    "service": "Service",
    "provider": "Provider",
    "key": "ARN or key",
}
"""Columns that all resources have, and what stands over them."""
_DEFAULT = ("name", "type", "account_id", "region", "state", "changed_at", "tags")
_OF_ONE_TYPE = ("name", "state")
_AFTER_FIELDS = ("account_id", "region", "changed_at", "tags")
_UNSORTED = frozenset({"tags"})
_SHOWN_VALUES = 7
_FORMS = (
    ("csv", "CSV"),
    ("ndjson", "NDJSON, a resource a line"),
    ("json", "JSON"),
    ("parquet", "Parquet"),
    ("arrow", "Arrow"),
)
_VALUE_WORDS = {"stale": {"true": "stale", "false": "up to date"}}
_TITLES = {"stale": "Freshness", "account_id": "Account", "service": "Service", "type": "Type"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of the table; the template knows each kind."""

    kind: str
    """name, text, time, state, tags, list, number, bool or none."""
    value: Any = None
    extra: str = ""
    """What is shown instead of a text, the kind of a state, why there is none."""


def facet_views(state: CatalogState, page: SearchPage) -> list[dict[str, Any]]:
    """Return the facets; what is chosen stays, though nothing has it."""
    return [_facet(state, facet, number) for number, facet in enumerate(page.facets)]


def _facet(state: CatalogState, facet: FacetCounts, number: int) -> dict[str, Any]:
    chosen = state.chosen.get(facet.key, ())
    words = _VALUE_WORDS.get(facet.key, {})
    counted = [(NONE if one.value is None else one.value, one.count) for one in facet.values]
    counted += [(value, 0) for value in chosen if value not in {known for known, _ in counted}]
    values = [
        {
            "value": value,
            "label": words.get(value, value),
            "count": count,
            "chosen": value in chosen,
            "only": state.with_choice(facet.key, () if chosen == (value,) else (value,)),
            "id": f"f-{number}-{place}",
        }
        for place, (value, count) in enumerate(counted)
    ]
    # What is chosen is never folded away.
    first = [one for place, one in enumerate(values) if place < _SHOWN_VALUES or one["chosen"]]
    rest = [one for one in values if one not in first]
    unpinned = tuple(one for one in state.pinned if one != facet.key)
    return {
        "key": facet.key,
        "title": facet_title(facet.key),
        "first": first,
        "rest": rest,
        "hidden": max(0, facet.distinct - sum(one.value is not None for one in facet.values)),
        "chosen": len(chosen),
        "clear_address": state.with_choice(facet.key, ()) if chosen else "",
        "unpin_address": state.address(pinned=unpinned) if facet.key in state.pinned else "",
    }


def facet_title(key: str) -> str:
    """Return what stands over a facet or a group."""
    return _TITLES.get(key) or COMMON.get(key) or key


def only_type(state: CatalogState, page: SearchPage) -> str:
    """Return the one type of all that is found; '' where there are several."""
    chosen = state.chosen.get("type", ())
    if len(chosen) == 1:
        return chosen[0]
    found = next((facet.values for facet in page.facets if facet.key == "type"), ())
    return str(found[0].value) if len(found) == 1 and not chosen else ""


def default_columns(fields: Sequence[str], *, of_one_type: bool) -> tuple[str, ...]:
    """Return the columns where none were chosen: those of one type have its fields among them."""
    return (*_OF_ONE_TYPE, *fields, *_AFTER_FIELDS) if of_one_type else _DEFAULT


def headers(state: CatalogState, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the heads of the columns, each with the address that sorts by it, where it can be sorted by."""
    found = []
    for column in columns:
        current = {column: "ascending", f"-{column}": "descending"}.get(state.sort, "")
        first = f"-{column}" if column.endswith("_at") else column
        other = column if first.startswith("-") else f"-{column}"
        sort = other if state.sort == first else first
        is_sorted = column in COMMON and column not in _UNSORTED
        label = COMMON.get(column) or column.removeprefix("tags.").rpartition(".")[2]
        address = state.address(sort=sort) if is_sorted else ""
        found.append({"key": column, "label": label, "sort": current, "address": address})
    return found


def table_rows(
    page: SearchPage, fields: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_of: str = ""
) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    return [_row(one, values, columns, as_of) for one, values in zip(page.rows, fields, strict=True)]


def _row(one: FoundResource, values: Mapping[str, Any], columns: Sequence[str], as_of: str) -> dict[str, Any]:
    at = as_of or ("" if one.deleted_at is None else one.changed_at.isoformat() + "Z")
    return {
        "key": one.key,
        "address": resource_url(one.key, type=one.type, as_of=at),
        "name": one.name or one.key,
        "stale": one.stale and one.deleted_at is None,
        "last_seen_at": one.last_seen_at,
        "deleted_at": one.deleted_at,
        "cells": [_cell(one, values, column) for column in columns],
    }


def _cell(one: FoundResource, values: Mapping[str, Any], column: str) -> Cell:
    match column:
        case "name":
            return Cell("name", one.name or one.key, one.type)
        case "state":
            return Cell("state", one.state, state_kind(one.state)) if one.state else Cell("none")
        case "tags":
            # None is not the same as none: they could not be read, or the type has none.
            return Cell("tags", sorted(one.tags.items())) if one.tags is not None else Cell("none", extra="not read")
        case _ if column in COMMON:
            return value_cell(getattr(one, column))
        case _ if column.startswith("tags."):
            return value_cell((one.tags or {}).get(column.removeprefix("tags.")))
        case _ if column in values:
            return value_cell(values[column])
        case _:
            # A tag of this name; or a field that this type does not have.
            return value_cell((one.tags or {}).get(column))


def value_cell(value: object) -> Cell:
    """Return a value of any type."""
    match value:
        case None | "":
            return Cell("none")
        case bool():
            return Cell("bool", value)
        case int() | float():
            return Cell("number", value)
        case datetime():
            return Cell("time", value)
        case list() | tuple():
            return Cell("list", [str(item) for item in value]) if value else Cell("none", extra="empty")
        case str() if value.startswith("arn:") and value.count(":") >= 5:
            # What stands before its last part is that of all its neighbors.
            return Cell("text", value, value.split(":", 5)[5])
        case date() | str():
            return Cell("text", str(value))
        case _:
            return Cell("text", value)


def group_rows(state: CatalogState, page: SearchPage) -> list[dict[str, Any]]:
    """Return the groups, each with the addresses of what is in it and of its share of the largest."""
    if page.groups is None:
        return []
    key = page.groups.key
    words = _VALUE_WORDS.get(key, {})
    largest = max((one.count for one in page.groups.values), default=1)
    rows = []
    for one in page.groups.values:
        value = NONE if one.value is None else one.value
        rows.append(
            {
                "value": value,
                "label": words.get(value, value),
                "count": one.count,
                "share": one.count / (page.total or 1),
                "width": round(100 * one.count / (largest or 1), 1),
                "address": state.with_choice(key, (value,), group="", view=""),
                "deeper": state.with_choice(key, (value,), group=next_group(key)),
            }
        )
    return rows


def next_group(key: str) -> str:
    """Return what groups of a key are best divided by."""
    order = ("service", "type", "region", "account_id")
    following = order[order.index(key) + 1 :] if key in order else order
    return following[0] if following else "state"


def export_links(state: CatalogState) -> list[tuple[str, str]]:
    """Return names and addresses of files of all that is found; none of what is deleted, which is not exported."""
    if state.deleted and not state.as_of:
        return []
    text = with_choices(state.q, state.chosen)
    parameters = {"q": text, "as_of": state.as_of}
    return [(label, with_parameters("/api/v1/exports/search", {"form": form} | parameters)) for form, label in _FORMS]
