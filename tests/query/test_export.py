"""Exports read back by engines that we did not write: every row, every type, every moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from sample_catalog import ACCOUNT, REGION, TYPE, SampleCatalog
from stocktake.core.errors import UserError
from stocktake.query import export
from stocktake.query.export import MANIFEST, export_catalog
from stocktake.query.runner import run_query
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import ScopeVersions
from thing_sweeps import COLUMNS, T0, THING, thing


def sorted_rows(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: str(row["_id"]))


def query(catalog: Catalog, sql: str) -> list[dict[str, Any]]:
    result = run_query(catalog, sql)
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows()]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_pyarrow_reads_what_the_catalog_says(catalog: Catalog, out: Path) -> None:
    done = export_catalog(catalog, out, datetime.now(UTC))
    table = ds.dataset(out / TYPE, partitioning="hive").to_table()
    assert {"in_account", "in_region"} <= set(table.column_names)
    rows = sorted_rows(table.drop_columns(["in_account", "in_region"]))
    wanted = query(catalog, f"FROM {TYPE} ORDER BY _id")
    for row, other in zip(rows, wanted, strict=True):
        row["environment"] = dict(row["environment"]) if row["environment"] is not None else None
        assert row == other
    counted = {one.name: one.rows for one in done.tables}
    assert counted[TYPE] == 3
    assert counted["sweeps"] == 2
    assert ds.dataset(out / "relations").count_rows() == counted["relations"]
    assert ds.dataset(out / "changes").count_rows() == counted["changes"] == 3


def test_duckdb_reads_it_with_and_without_the_folders_keys(catalog: Catalog, out: Path) -> None:
    export_catalog(catalog, out, datetime.now(UTC))
    connection = duckdb.connect()
    files = f"'{out}/{TYPE}/**/*.parquet'"
    for hive in ("true", "false"):
        source = f"read_parquet({files}, hive_partitioning={hive})"
        sql = f"SELECT training_job_name, resource_config.instance_type, account_id FROM {source} ORDER BY 1"
        assert connection.sql(sql).fetchall() == [
            (name, "ml.m5.xlarge", ACCOUNT) for name in ("alpha", "beta", "delta")
        ]
    plan = f"SELECT count(*) FROM read_parquet({files}, hive_partitioning=true) WHERE in_region = '{REGION}'"
    assert connection.sql(plan).fetchall() == [(3,)]


def test_as_of_an_older_time(catalog: Catalog, sample: SampleCatalog, out: Path) -> None:
    export_catalog(catalog, out, sample.first + timedelta(minutes=1))
    names = ds.dataset(out / TYPE, partitioning="hive").to_table(columns=["training_job_name"])
    assert set(names["training_job_name"].to_pylist()) == {"alpha", "beta", "gamma"}
    assert ds.dataset(out / "changes").count_rows() == 0
    resources = ds.dataset(out / "resources").to_table(columns=["name"])["name"].to_pylist()
    assert set(resources) == {"alpha", "beta", "gamma"}


def test_history_of_then_knows_nothing_of_later(catalog: Catalog, sample: SampleCatalog, out: Path) -> None:
    export_catalog(catalog, out, datetime.now(UTC), types=[TYPE], history=True)
    table = ds.dataset(out / TYPE, partitioning="hive").to_table()
    assert table.num_rows == 5
    assert {"_to", "_gone", "_end_sweep"} <= set(table.column_names)
    assert not {"_key", "_hash", "_summary", "_settled"} & set(table.column_names)
    assert [entry.name for entry in sorted(out.iterdir())] == [MANIFEST, TYPE]
    export_catalog(catalog, out, sample.first + timedelta(minutes=1), types=[TYPE], history=True)
    table = ds.dataset(out / TYPE, partitioning="hive").to_table()
    assert table.num_rows == 3
    assert table["_to"].null_count == table["_gone"].null_count == 3


def test_many_scopes_and_rows_and_accounts_that_begin_with_zero(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_OPEN_FILES", 3)
    monkeypatch.setattr(export, "_ROWS_A_GROUP", 20)
    monkeypatch.setattr(export, "_ROWS_A_FILE", 40)
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        ledger = Ledger(catalog, T0)
        for account in ("000000000001", "012345678901", "999999999999"):
            for region in ("eu-west-1", "us east/1", "global"):
                versions = ScopeVersions(catalog, THING, account, region, ledger.sweep_id)
                rows = [
                    thing(f"n{number}", account_id=account, _id=f"{account}/{region}/{number}", _hash=1)
                    for number in range(100)
                ]
                versions.apply(pa.Table.from_pylist(rows, schema=pa.schema(COLUMNS)), T0)
                versions.close()
                ledger.write_coverage(Coverage(account, region, THING.name, T0, new=100))
        # As rows of many scopes lie among each other.
        run(catalog.connection, "CREATE TABLE mixed AS FROM aws_test_thing_history ORDER BY hash(_id)")
        run(catalog.connection, "DELETE FROM aws_test_thing_history")
        run(catalog.connection, "INSERT INTO aws_test_thing_history FROM mixed")
        run(catalog.connection, "DROP TABLE mixed")
        done = export_catalog(catalog, out, datetime.now(UTC))
        wanted = run(catalog.connection, "SELECT _id, account_id, _region, name FROM aws_test_thing ORDER BY 1")
    table = ds.dataset(out / "aws_test_thing", partitioning="hive").to_table()
    found = sorted((row["_id"], row["account_id"], row["_region"], row["name"]) for row in table.to_pylist())
    assert found == wanted
    [thing_table] = [one for one in done.tables if one.name == "aws_test_thing"]
    assert thing_table.files >= 9
    assert (out / "aws_test_thing" / "in_account=000000000001" / "in_region=us%20east%2F1").is_dir()


def test_an_earlier_export_is_replaced_and_nothing_else(catalog: Catalog, out: Path) -> None:
    export_catalog(catalog, out, datetime.now(UTC))
    (out / TYPE / "stale.parquet").write_bytes(b"")
    export_catalog(catalog, out, datetime.now(UTC), types=[TYPE])
    assert not (out / TYPE / "stale.parquet").exists()
    assert not (out / "sweeps").exists()
    assert [one["name"] for one in json.loads((out / MANIFEST).read_bytes())["tables"]] == [TYPE]
    (out / MANIFEST).unlink()
    with pytest.raises(UserError) as caught:
        export_catalog(catalog, out, datetime.now(UTC))
    assert caught.value.code == "export_not_empty"
    assert (out / TYPE).exists()


def test_a_failure_leaves_the_earlier_export(catalog: Catalog, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_catalog(catalog, out, datetime.now(UTC))
    before = sorted(str(file.relative_to(out)) for file in out.rglob("*"))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export._Table, "_flush", fail)
    with pytest.raises(UserError) as caught:
        export_catalog(catalog, out, datetime.now(UTC))
    assert (caught.value.code, "No space left" in caught.value.message) == ("output_failed", True)
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*")) == before
    assert [file.name for file in out.parent.iterdir()] == ["out"]


def test_a_type_that_is_not_held(catalog: Catalog, out: Path) -> None:
    with pytest.raises(UserError) as caught:
        export_catalog(catalog, out, datetime.now(UTC), types=["aws_iam_role"])
    assert caught.value.code == "type_not_held"
    assert not out.exists()


def test_a_catalog_can_be_opened_by_any_client(sample: SampleCatalog) -> None:
    """The file says of itself that clients since 1.4 read it; a plain connection without our settings does."""
    program = f"""
import duckdb
connection = duckdb.connect({str(sample.path)!r}, read_only=True)
print(connection.sql("SELECT count(*) FROM {TYPE}").fetchall())
print(connection.sql("SELECT count(*) FROM aws.sagemaker_trainingjob WHERE tag(tags, 'team') = 'vision'").fetchall())
[(tags,)] = connection.sql("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
print(tags["storage_version"])
"""
    # A process of its own: the tests' one has it open with our settings.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, vision, version = done.stdout.splitlines()
    assert (count, vision) == ("[(3,)]", "[(2,)]")
    assert version.startswith("v1.4")


def test_the_program_writes_and_is_interrupted_without_a_trace(sample: SampleCatalog, out: Path) -> None:
    program = str(Path(sys.executable).parent / "stocktake")
    environment = os.environ | {"STOCKTAKE_CATALOG": str(sample.path)}
    done = subprocess.run([program, "export", str(out)], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["tables"][0]["rows"] == 3
    process = subprocess.Popen([program, "export", str(out.parent / "other")], env=environment, stdout=subprocess.PIPE)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert {file.name for file in out.parent.iterdir()} <= {"out", "other"}
