"""A small estate of several accounts and types, read in sweeps: whole, or as far as somebody's reach goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa

from sample_catalog import arrow_type
from stocktake.providers.aws.models import open_models
from stocktake.query.reach import Reach
from stocktake.relations.update import update_relations
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import ResourceType
from stocktake.store.catalog import Catalog, open_catalog
from stocktake.store.change_log import update_changes
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.resource_index import refresh_resources
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import ScopeVersions

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
REGION = "eu-west-1"
ACCOUNTS = ("111122223333", "444455556666")
JOB, ROLE, QUEUE, KEY = "aws_sagemaker_trainingjob", "aws_iam_role", "aws_sqs_queue", "aws_kms_key"
TYPES = (JOB, ROLE, QUEUE, KEY)
REACHES = (
    Reach(frozenset(ACCOUNTS[:1])),
    Reach(frozenset(ACCOUNTS[1:])),
    Reach(types=("aws_sagemaker_*",)),
    Reach(types=(QUEUE, ROLE)),
    Reach(frozenset(ACCOUNTS[:1]), ("aws_sagemaker_*", "aws_kms_*")),
    Reach(frozenset()),
    Reach(types=("gcp_*",)),
)


@dataclass(frozen=True)
class Seen:
    """A resource as one sweep sees it."""

    type: str
    account: str
    name: str
    state: int = 0
    """Which of its looks it has."""
    refers: tuple[str, str] = ("", "")
    """Account and name of what it refers to."""

    @property
    def id(self) -> str:
        return identity(self.type, self.account, self.name)

    def fields(self) -> dict[str, Any]:
        account, name = self.refers
        tags = [f"team:{self.name}-{self.account[-1]}", f"secret-{self.account}:{self.state}"][: 1 + self.state % 2]
        made: dict[str, dict[str, Any]] = {
            JOB: {
                "training_job_name": self.name,
                "training_job_arn": self.id,
                "training_job_status": ("InProgress", "Completed", "Failed")[self.state % 3],
                "creation_time": datetime(2025, 12, 1),  # noqa: DTZ001 - the catalog's times are naive UTC
                "role_arn": identity(ROLE, account, name) if account else None,
                "output_data_config": {"kms_key_id": identity(KEY, account, name) if account else name},
                "environment": [("QUEUE", name)],
            },
            ROLE: {"role_name": self.name, "arn": self.id, "description": f"look {self.state}"},
            QUEUE: {"queue_arn": self.id, "kms_master_key_id": name or None, "delay_seconds": str(self.state)},
            KEY: {"key_id": self.name, "arn": self.id, "enabled": self.state % 2 == 0},
        }
        return {"account_id": self.account, "tags": tags} | made[self.type]


def identity(type_name: str, account: str, name: str) -> str:
    return {
        JOB: f"arn:aws:sagemaker:{REGION}:{account}:training-job/{name}",
        ROLE: f"arn:aws:iam::{account}:role/{name}",
        QUEUE: f"arn:aws:sqs:{REGION}:{account}:{name}",
        KEY: f"arn:aws:kms:{REGION}:{account}:key/{name}",
    }[type_name]


@dataclass(frozen=True)
class Sweep:
    """What one sweep finds; scopes that are `closed` deny it."""

    seen: tuple[Seen, ...] = ()
    closed: frozenset[tuple[str, str]] = field(default=frozenset())
    """Account and type."""


A, B = ACCOUNTS
UUID = "9a65f3db-3b0c-486c-a2f7-e3c6f7032864"
SWEEPS = [
    Sweep(
        (
            Seen(JOB, A, "alpha", 0, (B, "alpha")),
            Seen(JOB, B, "alpha", 0, (A, "alpha")),
            Seen(ROLE, A, "alpha"),
            Seen(ROLE, B, "alpha"),
            Seen(QUEUE, A, "alpha", 1),
            Seen(KEY, A, UUID),
            Seen(KEY, B, UUID, 1),
        ),
        frozenset({(B, QUEUE)}),
    ),
    Sweep(
        (
            Seen(JOB, A, "alpha", 1, (A, UUID)),
            Seen(JOB, B, "alpha", 2, (A, "alpha")),
            Seen(ROLE, A, "alpha", 1),
            Seen(QUEUE, A, "alpha", 1),
            Seen(QUEUE, B, "alpha", 2),
            Seen(KEY, A, UUID, 1),
        ),
    ),
]
"""An estate in which something of each account changes, goes, is closed, and refers to the other account."""


@cache
def kind(name: str) -> ResourceType:
    return load_type(name, open_models())


@cache
def _template(types: tuple[str, ...]) -> Path:
    """Return a catalog with the tables of some types, and nothing in them: it takes longer to make than to copy."""
    path = Path(mkdtemp(prefix="stocktake-reach-")) / "c.duckdb"
    with open_catalog(path) as catalog:
        for name in types:
            ensure_tables(catalog, kind(name), T0)
    return path


def write_estate(path: Path, sweeps: Sequence[Sweep], reach: Reach | None = None) -> None:
    """Write the catalog of some sweeps; with a reach, that of sweeps that never saw anything else."""
    asked = [(account, name) for account in ACCOUNTS for name in TYPES if reach is None or reach.has(account, name)]
    shutil.copy(_template(tuple(name for name in TYPES if any(name == of for _, of in asked))), path)
    with open_catalog(path) as catalog:
        for number, one in enumerate(sweeps):
            _write_sweep(catalog, T0 + number * HOUR, one, asked)


def _write_sweep(catalog: Catalog, now: datetime, sweep: Sweep, asked: Iterable[tuple[str, str]]) -> None:
    ledger = Ledger(catalog, now)
    calls, status = 0, "complete"
    for account, name in asked:
        row = Coverage(account, REGION, name, now, calls=len(name))
        if (account, name) in sweep.closed:
            row.status, row.reason, row.missing_permission = "denied", f"not in {account}", f"list:{name}"
            status = "gaps"
        else:
            _write_scope(
                catalog, ledger, row, [one for one in sweep.seen if (one.account, one.type) == (account, name)]
            )
        row.finished_at = now
        ledger.write_coverage(row)
        calls += row.calls
    update_relations(catalog, ledger.sweep_id)
    refresh_resources(catalog)
    update_changes(catalog)
    ledger.finish(status, calls, now)


def _write_scope(catalog: Catalog, ledger: Ledger, row: Coverage, seen: list[Seen]) -> None:
    of = kind(row.type)
    versions = ScopeVersions(catalog, of, row.account_id, REGION, ledger.sweep_id)
    ids = [one.id for one in seen]
    versions.saw(ids, [None] * len(ids))
    held = versions.held(ids)
    schema = [pa.field(f.name, arrow_type(f.type)) for f in of.fields]
    own: dict[str, pa.DataType] = {
        "_id": pa.string(),
        "_hash": pa.uint64(),
        "_summary": pa.uint64(),
        "_unknown": pa.string(),
    }
    schema += [pa.field(name, of_arrow) for name, of_arrow in own.items()]
    schema.append(pa.field("_server_time", pa.timestamp("us")))
    rows = [
        {"_id": one.id, "_hash": hash((one.state, one.refers)) % 2**60, "_summary": 1} | one.fields() for one in seen
    ]
    fresh = [one for one in rows if one["_id"] not in held or held[one["_id"]].hash != one["_hash"]]
    if fresh:
        applied = versions.apply(pa.Table.from_pylist(fresh, schema=pa.schema(schema)), ledger.moment(row.started_at))
        row.new, row.changed = applied.new, applied.changed
    row.deleted = versions.close_unseen(ledger.moment(row.started_at))
    versions.close()
