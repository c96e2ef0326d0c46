"""What stands beside a resource: what people call it, and how well its account, region and type were read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktake.store.catalog import run, translating

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.query.resources import Resource, Version
    from stocktake.store.catalog import Catalog

_STEP = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')


@dataclass(frozen=True, slots=True)
class ScopeWord:
    """The newest word on a resource's scope. Times are UTC without a zone."""

    status: str = "unknown"
    tags_status: str = ""
    stale: bool = True
    reason: str = ""
    missing_permission: str = ""
    hint: str = ""
    finished_at: datetime | None = None


def read_scope_word(catalog: Catalog, found: Resource) -> ScopeWord:
    """Return how well a resource's account, region and type were read by the newest sweep that tried."""
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            "SELECT status, coalesce(tags_status, ''), stale, coalesce(reason, ''), coalesce(missing_permission, ''), "
            "coalesce(hint, ''), finished_at FROM coverage_now "
            "WHERE type = $type AND account_id = $account AND region = $region",
            {"type": found.type, "account": found.account_id, "region": found.region},
        )
    return ScopeWord(*rows[0]) if rows else ScopeWord()


def read_name(catalog: Catalog, found: Resource, version: Version) -> str:
    """Return what people call a resource: its name, else its tag Name, else its id's last part."""
    with translating(catalog.path):
        sql = "SELECT name_column FROM resource_types WHERE type = $type"
        rows = run(catalog.connection, sql, {"type": found.type})
    column = rows[0][0] if rows else None
    named = _at(version.fields, column) if column else None
    if isinstance(named, str) and named and str(column).rstrip('"').endswith("name"):
        return named
    tags = version.fields.get("tags")
    tagged = [str(tag)[5:] for tag in tags if str(tag).startswith("Name:")] if isinstance(tags, list) else []
    last = re.split("[/:]", found.id)[-1]
    return next((one for one in (*tagged, named, last) if isinstance(one, str) and one), found.id)


def _at(fields: dict[str, Any], column: str) -> object:
    """Return the value at a column as SQL names it: `"vpc_id"`, `"image"."name"`."""
    value: object = fields
    for quoted, plain in _STEP.findall(column):
        value = value.get((quoted or plain).replace('""', '"')) if isinstance(value, dict) else None
    return value
