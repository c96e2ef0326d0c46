"""Rows of any type from documents as the provider writes them, through normalize and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from stocktake.normalize.normalizer import Normalizer
from stocktake.normalize.redact import Redactor
from stocktake.resource_types.spec import Field, Kind, ResourceType, ValueType
from stocktake.store.catalog import Catalog, open_catalog
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import ScopeVersions

ACCOUNT, REGION = "111122223333", "us-east-1"


def document_of(resource_type: ResourceType, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record (fields as the catalog calls them) as the provider's document."""
    return _document(resource_type.fields, record)


def _document(fields: Sequence[Field], record: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name: field for field in fields}
    unknown = set(record) - set(known) - {"account_id", "tags"}
    assert not unknown, f"there is no field {unknown}"
    return {
        str(known[name].provider_name): _value(known[name].type, value)
        for name, value in record.items()
        if name in known and known[name].provider_name is not None and value is not None
    }


def _value(kind: ValueType, value: Any) -> Any:
    if kind.kind is Kind.STRUCT and isinstance(value, dict) and kind.fields:
        return _document(kind.fields, value)
    if kind.kind is Kind.LIST and kind.element is not None:
        return [_value(kind.element, one) for one in value]
    if kind.kind is Kind.MAP and kind.element is not None:
        return {key: _value(kind.element, one) for key, one in value.items()}
    if kind.kind is Kind.TIMESTAMP:
        moment = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return moment.timestamp() if kind.timestamp_format == "unixTimestamp" else moment.isoformat()
    return value


def write_documents(
    path: Path,
    resource_type: ResourceType,
    records: Mapping[str, Mapping[str, Any]],
    moment: datetime,
    *,
    unknown_facets: Mapping[str, Sequence[str]] | None = None,
    status: str = "complete",
) -> None:
    """Write one sweep of resources by their ids. A scope that is not complete closes nothing."""
    bodies = []
    for record in records.values():
        body: Any = document_of(resource_type, record)
        for member in reversed(resource_type.describe_call.result_path if resource_type.describe_call else ()):
            body = {member: body}
        bodies.append(orjson.dumps(body))
    normalizer = Normalizer(resource_type, Redactor(b"k" * 32))
    result = normalizer.normalize(bodies, normalizer.sift(bodies))
    normalizer.close()
    assert result.unreadable == []
    with open_catalog(path) as catalog:
        ensure_tables(catalog, resource_type, moment)
        _write(catalog, resource_type, records, result.table, moment, unknown_facets or {}, status)


def _write(
    catalog: Catalog,
    resource_type: ResourceType,
    records: Mapping[str, Mapping[str, Any]],
    table: pa.Table,
    moment: datetime,
    unknown_facets: Mapping[str, Sequence[str]],
    status: str,
) -> None:
    ids = list(records)
    table = table.drop_columns([name for name in ("_row", "_inline_tags") if name in table.column_names])
    own: dict[str, pa.Array[Any]] = {
        "_id": pa.array(ids, pa.string()),
        "_hash": pa.array([hash((one, str(records[one]))) % 2**62 for one in ids], pa.uint64()),
        "_summary": pa.array([0] * len(ids), pa.uint64()),
        "_server_time": pa.array([moment.replace(tzinfo=None)] * len(ids), pa.timestamp("us")),
        "account_id": pa.array([records[one].get("account_id", ACCOUNT) for one in ids], pa.string()),
    }
    if any(field.name == "tags" for field in resource_type.fields):
        own["tags"] = pa.array([records[one].get("tags") for one in ids], pa.list_(pa.string()))
    if resource_type.facets:
        names = pa.list_(pa.string())
        own["_facets"] = pa.array([[] for _ in ids], pa.map_(pa.string(), pa.uint64()))
        own["_unknown_facets"] = pa.array([list(unknown_facets.get(one, ())) for one in ids], names)
        own["_kept_facets"] = pa.array([[] for _ in ids], names)
    for name, values in own.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, values)
    ledger = Ledger(catalog, moment)
    versions = ScopeVersions(catalog, resource_type, ACCOUNT, REGION, ledger.sweep_id)
    coverage = Coverage(ACCOUNT, REGION, resource_type.name, moment, status=status, finished_at=moment)
    if status == "complete":
        versions.saw(ids, [None] * len(ids))
        applied = versions.apply(table, moment)
        coverage.new, coverage.changed = applied.new, applied.changed
        coverage.deleted = versions.close_unseen(moment)
    versions.close()
    ledger.write_coverage(coverage)
    ledger.finish("complete" if status == "complete" else "gaps", 1, moment)
