"""The first part of a resource: its tags, the fields that tell it apart, its newest change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.insights.job_index import known_facets
from stocktake.query.search.columns import telling_columns
from stocktake.serve.telling.states import state_kind
from stocktake.serve.web.rendering import url
from stocktake.serve.web.views.catalog import value_cell
from stocktake.serve.web.views.difference import edit_rows
from stocktake.serve.web.views.resource import split_tags

if TYPE_CHECKING:
    from stocktake.query.resources import Resource, Version
    from stocktake.store.resource_rows import Schema

_TELLING_SHOWN = 12
_EDITS_SHOWN = 8


def overview(found: Resource, version: Version, schema: Schema) -> dict[str, Any]:
    """Return what the template shows."""
    noun = found.type.rpartition("_")[2]
    values = ((path, _at(version.fields, path)) for path in telling_columns(schema, noun, most=40))
    telling = [(path, value_cell(value)) for path, value in values if value not in (None, "", [])]
    state = next((value for name, value in version.fields.items() if _is_state(name, noun)), None)
    newest = next((one for one in reversed(found.versions) if one.changes), None)
    return {
        "tags": split_tags(version.fields.get("tags")) if "tags" in version.fields else (),
        "has_tags": "tags" in schema,
        "state": state if isinstance(state, str) else "",
        "state_kind": state_kind(state) if isinstance(state, str) else "mute",
        "telling": telling[:_TELLING_SHOWN],
        "newest": newest,
        "newest_edits": edit_rows(newest.changes[:_EDITS_SHOWN]) if newest is not None else (),
        "newest_more": max(0, len(newest.changes) - _EDITS_SHOWN) if newest is not None else 0,
        "job_address": url("/job", key=found.id, type=found.type) if found.type in known_facets() else "",
        "type_address": f"/types/{found.type}",
    }


def _is_state(name: str, noun: str) -> bool:
    plain = name.replace("_", "")
    return plain in {"state", "status", f"{noun}state", f"{noun}status"}


def _at(fields: dict[str, Any], path: str) -> object:
    value: object = fields
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
