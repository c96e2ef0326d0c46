"""The clients that `run.py` compares, each run as a process of its own: prints what it cost as one line of JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

THREADS = 16


def boto3_to_rows(path: Path) -> dict[str, Any]:
    """Do what a script with boto3 does: threads, renamed dictionaries, an Arrow table by the type's schema, DuckDB."""
    import boto3  # noqa: PLC0415 - each client pays for its own imports
    import duckdb  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from stocktake.providers.aws.models import open_models  # noqa: PLC0415 - the same table as ours, so the same schema
    from stocktake.resource_types.registry import load_type  # noqa: PLC0415
    from stocktake.resource_types.spec import sql_type  # noqa: PLC0415

    started = time.process_time()
    client = boto3.client("sagemaker", config=Config(max_pool_connections=THREADS))
    calls = [0]

    def read(summary: dict[str, Any]) -> dict[str, Any]:
        job: dict[str, Any] = client.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        del job["ResponseMetadata"]
        found = client.list_tags(ResourceArn=summary["TrainingJobArn"])["Tags"]
        calls[0] += 2
        row: dict[str, Any] = renamed(job)
        row["tags"] = sorted(f"{tag['Key']}:{tag['Value']}" for tag in found)
        row["account_id"] = summary["TrainingJobArn"].split(":")[4]
        return row

    fields = load_type("aws_sagemaker_trainingjob", open_models()).fields
    columns = ", ".join(f'"{f.name}" {sql_type(f.type)}' for f in fields)
    connection = duckdb.connect(str(path))
    connection.execute(f"CREATE TABLE jobs ({columns})").fetchall()
    schema = connection.sql("FROM jobs").to_arrow_table().schema
    pages = client.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
    batch: list[dict[str, Any]] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for page in pages:
            calls[0] += 1
            batch += pool.map(read, page["TrainingJobSummaries"])
            if len(batch) >= 2_000:
                _insert(connection, pa.Table.from_pylist(batch, schema=schema))
                batch = []
    if batch:
        _insert(connection, pa.Table.from_pylist(batch, schema=schema))
    [(rows,)] = connection.execute("SELECT count(*) FROM jobs").fetchall()
    connection.close()
    return {"calls": calls[0], "rows": int(rows), "start_cpu_seconds": started}


def _insert(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> None:
    connection.register("batch", table)
    connection.execute("INSERT INTO jobs SELECT * FROM batch").fetchall()


def renamed(value: object) -> Any:  # noqa: ANN401 - any value of boto3's
    """Return a value of boto3's with snake-case names and times without a zone."""
    from datetime import UTC, datetime  # noqa: PLC0415 - part of this client

    from botocore import xform_name  # noqa: PLC0415

    if isinstance(value, dict):
        # Maps (hyperparameters, environment) keep their keys; a real script would have to list them, as here.
        return {xform_name(k): (list(v.items()) if k in MAPS else renamed(v)) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v) for v in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


MAPS = {
    "HyperParameters",
    "Environment",
    "RuleParameters",
    "CollectionParameters",
    "HookParameters",
    "ProfilingParameters",
}


def stocktake_sync(path: Path, *, own_tags: bool = False, relations: bool = False) -> dict[str, Any]:
    """Run `stocktake sync` for the type.

    `own_tags` asks for each job's tags by its own call, as boto3 does; without `relations`, it stops where boto3's
    client does: at typed rows in a file.
    """
    from stocktake.core.progress import Silent  # noqa: PLC0415 - each client pays for its own imports
    from stocktake.store.catalog import open_catalog, run  # noqa: PLC0415
    from stocktake.sync import SyncRequest, run_sync, scope, sweep  # noqa: PLC0415

    if own_tags:
        scope.WORTH_A_BULK_CALL = 1_000_000
    started = time.process_time()
    without = nullcontext() if relations else mock.patch.object(sweep, "_WORK", ())
    with without:
        report = run_sync(SyncRequest(catalog=path, types=("aws_sagemaker_trainingjob",)), Silent())
    with open_catalog(path, read_only=True) as catalog:
        [(rows,)] = run(catalog.connection, "SELECT count(*) FROM aws_sagemaker_trainingjob")
    return {"calls": report.calls, "rows": rows, "start_cpu_seconds": started}


def main() -> None:
    """Run one client."""
    client, path = sys.argv[1], Path(sys.argv[2])
    begun = time.monotonic()
    match client:
        case "boto3":
            found = boto3_to_rows(path)
        case "stocktake":
            found = stocktake_sync(path)
        case "stocktake-own-tags":
            found = stocktake_sync(path, own_tags=True)
        case "stocktake-relations":
            found = stocktake_sync(path, relations=True)
        case _:
            sys.exit(f"no such client: {client}")
    found["wall_seconds"] = time.monotonic() - begun
    found["cpu_seconds"] = time.process_time()
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
