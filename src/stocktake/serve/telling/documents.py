"""What was found, as JSON objects: what `-o json` prints and the API answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.query.resources import Resource, Version
    from stocktake.query.search.facets import FacetCounts
    from stocktake.query.search.page import SearchPage


def page_document(page: SearchPage) -> dict[str, Any]:
    """Return a page as `-o json` shows it."""
    document: dict[str, Any] = {"total": page.total, "resources": [asdict(row) for row in page.rows]}
    document["facets"] = [_facet_document(facet) for facet in page.facets]
    if page.groups is not None:
        document["groups"] = _facet_document(page.groups)
    return document | {"after": page.after, "notes": [f"{note.message}. {note.hint}" for note in page.notes]}


def _facet_document(facet: FacetCounts) -> dict[str, Any]:
    values = [{"value": one.value, "count": one.count, "chosen": one.chosen} for one in facet.values]
    return {"key": facet.key, "distinct": facet.distinct, "values": values}


def resource_document(resource: Resource, version: Version, as_of: datetime | None) -> dict[str, object]:
    """Return what `show -o json` prints."""
    return {
        "id": resource.id,
        "type": resource.type,
        "account_id": resource.account_id,
        "region": resource.region,
        "created": version.created,
        "as_of": as_of,
        "seen_from": version.seen_from,
        "seen_to": version.seen_to,
        "gone_at": resource.gone_at,
        "complete_at": resource.complete_at,
        "fields": version.fields,
        "unknown": orjson.Fragment(version.unknown) if version.unknown else None,
        "versions": [
            version_document(one, [{"path": c.path, "before": c.before, "after": c.after} for c in one.changes])
            for one in resource.versions
        ],
    }


def version_document(version: Version, changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return when a version held and which sweeps saw it, with its changes as they are told there."""
    return {
        "seen_from": version.seen_from,
        "seen_to": version.seen_to,
        "gone": version.gone,
        "created": version.created,
        "sweep_id": version.sweep_id,
        "end_sweep_id": version.end_sweep_id,
        "changes": changes,
    }
