"""Sweeps of small things through the store, as a sync makes them: for tests of history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from small_types import thing_type
from stocktake.resource_types.spec import ResourceType
from stocktake.store.catalog import Catalog
from stocktake.store.change_log import update_changes
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.versions import ScopeVersions

T0 = datetime(2026, 1, 1, tzinfo=UTC)
THING = thing_type()
ACCOUNT, REGION = "111122223333", "eu-west-1"
COLUMNS: dict[str, pa.DataType] = {
    "account_id": pa.string(),
    "name": pa.string(),
    "state": pa.string(),
    "created_at": pa.timestamp("us"),
    "ended_at": pa.timestamp("us"),
    "modified_at": pa.timestamp("us"),
    "part": pa.struct([("color", pa.string()), ("size", pa.int32())]),
    "parts": pa.list_(pa.struct([("color", pa.string()), ("size", pa.int32())])),
    "tags": pa.list_(pa.string()),
    "_id": pa.string(),
    "_hash": pa.uint64(),
    "_summary": pa.uint64(),
    "_unknown": pa.string(),
    "_server_time": pa.timestamp("us"),
}


def arn(name: str) -> str:
    return f"arn:aws:test:{REGION}:{ACCOUNT}:thing/{name}"


def thing(name: str, **fields: Any) -> dict[str, Any]:
    created = datetime(2025, 1, 1)  # noqa: DTZ001 - the catalog's times are naive UTC
    row = {"account_id": ACCOUNT, "name": name, "state": "Running", "created_at": created, "tags": [], "_id": arn(name)}
    return row | {"_summary": 1, "_server_time": created} | fields


def sweep(
    catalog: Catalog,
    at: datetime,
    things: list[dict[str, Any]],
    *,
    listed: list[str] | None = None,
    complete: bool = True,
    cut: str = "",
    of: ResourceType = THING,
    columns: Mapping[str, pa.DataType] | None = None,
) -> None:
    """Do what a sweep does; `cut` ends it as a crash does: before the ledger's word on the scope, or after.

    `columns`: those of the batch that differ from the usual.
    """
    ledger = Ledger(catalog, at)
    versions = ScopeVersions(catalog, of, ACCOUNT, REGION, ledger.sweep_id)
    ids = [arn(name) for name in listed] if listed is not None else [row["_id"] for row in things]
    versions.saw(ids, [None] * len(ids))
    rows = [row | {"_hash": ledger.sweep_id} for row in things]
    fresh = pa.Table.from_pylist(rows, schema=pa.schema(COLUMNS | dict(columns or {})))
    applied = versions.apply(fresh, ledger.moment(at))
    deleted = versions.close_unseen(ledger.moment(at)) if complete else 0
    versions.close()
    if cut == "scope":
        return
    coverage = Coverage(ACCOUNT, REGION, of.name, at, new=applied.new, changed=applied.changed, deleted=deleted)
    coverage.status = "complete" if complete else "partial"
    ledger.write_coverage(coverage)
    if cut == "sweep":
        return
    update_changes(catalog)
    ledger.finish("complete" if complete else "gaps", 1, at)


def day(number: int) -> datetime:
    return T0 + timedelta(days=number)
