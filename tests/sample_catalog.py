"""A small catalog of training jobs, written through the store as a sync writes it: two sweeps, a change, a gap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import Kind, ResourceType, ValueType
from stocktake.store.catalog import Catalog, open_catalog
from stocktake.store.change_log import update_changes
from stocktake.store.ledger import Aside, Coverage, Ledger
from stocktake.store.resource_index import refresh_resources
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import ScopeVersions

TYPE = "aws_sagemaker_trainingjob"
ACCOUNT = "111122223333"
REGION = "us-east-1"


@dataclass(frozen=True)
class SampleCatalog:
    path: Path
    first: datetime
    """When the first sweep saw alpha, beta and gamma."""
    second: datetime
    """When the second one saw alpha changed, gamma gone, and delta."""


@cache
def training_job() -> ResourceType:
    return load_type(TYPE, open_models())


def arn(name: str, region: str = REGION) -> str:
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:training-job/{name}"


def arrow_type(value: ValueType) -> pa.DataType:
    plain: dict[Kind, pa.DataType] = {
        Kind.BOOLEAN: pa.bool_(),
        Kind.INT32: pa.int32(),
        Kind.INT64: pa.int64(),
        Kind.FLOAT: pa.float32(),
        Kind.DOUBLE: pa.float64(),
        Kind.TIMESTAMP: pa.timestamp("us"),
    }
    if value.kind is Kind.STRUCT and value.fields:
        return pa.struct([pa.field(f.name, arrow_type(f.type)) for f in value.fields])
    if value.element is not None:
        element = arrow_type(value.element)
        return pa.list_(element) if value.kind is Kind.LIST else pa.map_(pa.string(), element)
    return plain.get(value.kind, pa.string())


def job(name: str, **fields: Any) -> dict[str, Any]:
    """Return a row of a job; times are naive UTC, as normalize delivers them."""
    started = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - naive UTC
    row: dict[str, Any] = {
        "account_id": ACCOUNT,
        "training_job_name": name,
        "training_job_arn": arn(name),
        "training_job_status": "InProgress",
        "creation_time": started,
        "last_modified_time": started + timedelta(minutes=1),
        "resource_config": {"instance_type": "ml.m5.xlarge", "instance_count": 2, "volume_size_in_gb": 30},
        "environment": [("MODE", "fast"), ("DATE", "=1+1")],
        "tags": ["team:vision", "env:dev"],
        "billable_time_in_seconds": 3_600,
    }
    return row | fields


def batch(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as normalize and sync hand them to the store; the hash stands for the content."""
    schema = [pa.field(f.name, arrow_type(f.type)) for f in training_job().fields]
    own = [("_id", pa.string()), ("_hash", pa.uint64()), ("_summary", pa.uint64()), ("_unknown", pa.string())]
    schema += [pa.field(name, kind) for name, kind in own] + [pa.field("_server_time", pa.timestamp("us"))]
    full = [
        {
            "_id": row["training_job_arn"],
            "_hash": number,
            "_summary": number,
            "_server_time": datetime(2026, 1, 2, 4),  # noqa: DTZ001 - naive UTC
            **row,
        }
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(full, schema=pa.schema(schema))


def write_sweep(
    catalog: Catalog,
    moment: datetime,
    listed: list[str],
    rows: list[dict[str, Any]],
    coverage: list[Coverage],
    asides: tuple[Aside, ...] = (),
) -> None:
    """Write one complete sweep of the home scope, and the words on all scopes."""
    ledger = Ledger(catalog, moment)
    versions = ScopeVersions(catalog, training_job(), ACCOUNT, REGION, ledger.sweep_id)
    versions.saw([arn(name) for name in listed], [None] * len(listed))
    if rows:
        versions.apply(batch(rows), moment)
    versions.close_unseen(moment)
    versions.close()
    if asides:
        ledger.write_asides(ACCOUNT, REGION, TYPE, asides, moment)
    for one in coverage:
        one.finished_at = moment
        ledger.write_coverage(one)
    whole = all(one.status == "complete" for one in coverage)
    refresh_resources(catalog)
    update_changes(catalog)
    ledger.finish("complete" if whole else "gaps", sum(one.calls for one in coverage), moment)


def write_sample_catalog(path: Path) -> SampleCatalog:
    now = datetime.now(UTC)
    first, second = now - timedelta(hours=3), now - timedelta(hours=1)
    with open_catalog(path) as catalog:
        ensure_tables(catalog, training_job(), first)
        home = Coverage(ACCOUNT, REGION, TYPE, first, calls=7, listed=3, read=3, new=3)
        write_sweep(catalog, first, ["alpha", "beta", "gamma"], [job("alpha"), job("beta"), job("gamma")], [home])
        done = job(
            "alpha",
            training_job_status="Completed",
            training_end_time=datetime(2026, 1, 2, 5),  # noqa: DTZ001 - naive UTC
            tags=["team:vision", "env:prod"],
            failure_reason="none\x1b[31m",
            _unknown='{"NewField":1}',
        )
        home = Coverage(ACCOUNT, REGION, TYPE, second, calls=5, listed=3, read=2, new=1, changed=1, deleted=1)
        home.drift = {"NewField"}
        home.aside = 1
        denied = Coverage(
            ACCOUNT,
            "eu-west-1",
            TYPE,
            second,
            status="denied",
            reason="User: arn:aws:iam::111122223333:user/reader is not authorized",
            hint="Attach a policy that allows it.",
            missing_permission="sagemaker:ListTrainingJobs",
            calls=1,
        )
        aside = Aside(arn("delta"), "ResourceConfig.InstanceCount", "does not fit INT32", "99999999999")
        rows = [done, job("delta", tags=[], environment=[], billable_time_in_seconds=None)]
        write_sweep(catalog, second, ["alpha", "beta", "delta"], rows, [home, denied], (aside,))
    return SampleCatalog(path, first, second)
