"""Statements of people we do not know while a sync has the catalog open: the same answers, and nothing runs there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_catalog import SampleCatalog, write_sample_catalog
from stocktake.query.connection import open_reading
from stocktake.query.errors import SqlError
from stocktake.query.runner import read_batches
from stocktake.query.sandbox import SqlLimits, SqlWorker
from stocktake.store.owner import join_catalog

LIMITS = SqlLimits(seconds=20, memory_bytes=800_000_000)
JOB = "aws_sagemaker_trainingjob"
OWNER = """
import json, sys
from pathlib import Path
from stocktake.query import serving
from stocktake.store.owner import CatalogOwner, join_catalog

asked = []
check = serving.check_statement
serving.check_statement = lambda cursor, sql, **options: asked.append(sql) or check(cursor, sql, **options)
joined = join_catalog(Path(sys.argv[1]), "write", "0", wait_seconds=10)
serving.lock_down(joined.catalog)
owner = CatalogOwner(joined.catalog, joined.turn, {serving.READ: serving.serve_reader})
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(asked), flush=True)
owner.close()
joined.catalog.close()
owner.release()
"""


class Owner:
    """A process that has the catalog open as a sync has, and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def asked(self) -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: list[str] = json.loads(self._line())
        return found

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("apart") / "catalog.duckdb")


STATEMENTS = [
    f"SELECT count(*) AS n FROM {JOB}",
    f"SELECT training_job_name, tag(tags, 'team') AS team FROM {JOB} ORDER BY 1",
    f"SELECT * FROM {JOB} ORDER BY _id",
    f"FROM {JOB} SELECT training_job_name ORDER BY 1",
    f"SELECT j.resource_config.instance_type, count(*) AS n FROM {JOB} AS j GROUP BY ALL",
    "SELECT training_job_name FROM aws.sagemaker_trainingjob ORDER BY 1",
    f"WITH t AS (SELECT training_job_name AS name FROM {JOB}) SELECT name FROM t ORDER BY name",
    f"SELECT count(*) AS n FROM {JOB}_as_of('2999-01-01')",
    f"SELECT (SELECT count(*) FROM {JOB}_history) - (SELECT count(*) FROM {JOB}) AS more",
    "SELECT change, len(fields) AS n FROM changes ORDER BY ALL",
    "SELECT type, name, tags['team'] AS team FROM resources ORDER BY ALL",
    f"PIVOT (SELECT training_job_status, account_id FROM {JOB}) ON training_job_status USING count(*)",
    f"SELECT column_name FROM (DESCRIBE {JOB}) ORDER BY 1 LIMIT 3",
    "SELECT sweep_id * 2 AS n FROM sweeps ORDER BY 1",
    "SELECT 1 AS one",
    "VALUES (1), (2)",
    f"EXPLAIN SELECT 1 FROM {JOB}",
    f"DESCRIBE {JOB}",
    "SHOW TABLES",
]


@pytest.fixture(scope="module")
def expected(own: SampleCatalog) -> dict[str, Any]:
    with open_reading(own.path) as catalog:
        return {sql: read_batches(catalog, sql).read_all().to_pylist() for sql in STATEMENTS}


@pytest.fixture(scope="module")
def owner(own: SampleCatalog, expected: dict[str, Any]) -> Iterator[Owner]:
    assert expected
    started = Owner(own.path)
    yield started
    started.end()


@pytest.fixture(scope="module")
def worker(own: SampleCatalog, owner: Owner) -> Iterator[SqlWorker]:
    assert owner.process.poll() is None
    with SqlWorker(own.path) as started:
        yield started


@pytest.mark.parametrize("sql", STATEMENTS)
def test_answers_are_the_same(worker: SqlWorker, expected: dict[str, Any], sql: str) -> None:
    found = worker.run(sql, None, LIMITS).read_all().to_pylist()
    if sql.startswith("EXPLAIN"):
        assert found
    else:
        assert found == expected[sql]


def test_parameters_moments_and_names(worker: SqlWorker, own: SampleCatalog) -> None:
    then = own.first + timedelta(minutes=1)
    sql = f"SELECT training_job_name AS n FROM {JOB} WHERE training_job_name > $name ORDER BY 1"
    assert worker.run(sql, {"name": "alpha"}, LIMITS, as_of=then).read_all()["n"].to_pylist() == ["beta", "gamma"]
    resources = "SELECT name AS n FROM resources ORDER BY 1"
    assert worker.run(resources, None, LIMITS, as_of=then).read_all()["n"].to_pylist() == ["alpha", "beta", "gamma"]
    named = {"mine": f"SELECT training_job_name AS n FROM {JOB}"}
    found = worker.run("SELECT n FROM mine ORDER BY 1 LIMIT 1", None, LIMITS, named=named).read_all()
    assert found["n"].to_pylist() == ["alpha"]


def test_the_owner_runs_nothing_of_it(worker: SqlWorker, owner: Owner) -> None:
    """What would take its memory is not even seen there."""
    for sql in ("SELECT repeat('x', 3000000000)", f"SELECT repeat(training_job_name, 3000000000) FROM {JOB}"):
        with pytest.raises(SqlError) as caught:
            worker.run(sql, None, LIMITS).read_all()
        assert caught.value.code in {"sql_out_of_memory", "sql_value"}
    with pytest.raises(SqlError):
        worker.run("SELECT * FROM read_text('/etc/hostname')", None, LIMITS).read_all()
    asked = owner.asked()
    assert not [sql for sql in asked if "repeat" in sql or "read_text" in sql]
    assert [sql for sql in asked if "training_job_name" in sql]
    assert owner.process.poll() is None


def test_errors_keep_their_place(worker: SqlWorker) -> None:
    with pytest.raises(SqlError) as caught:
        worker.run(f"SELECT training_job_name,\n  nope FROM {JOB}", None, LIMITS)
    assert (caught.value.code, caught.value.where) == ("sql_unknown_name", "line 2, column 3")
    with pytest.raises(SqlError) as caught:
        worker.run("DELETE FROM sweeps", None, LIMITS)
    assert caught.value.code == "not_read_only"
    with pytest.raises(SqlError) as caught:
        worker.run("FROM resources_as_of('2026-01-01')", None, LIMITS)
    assert caught.value.code == "sql_busy"


def test_a_deadline_holds_here_too(worker: SqlWorker) -> None:
    slow = f"SELECT count(*) FROM {JOB}, range(1000000000) a, range(1000000000) b WHERE a.range * b.range = 7"
    began = time.monotonic()
    with pytest.raises(SqlError) as caught:
        worker.run(slow, None, SqlLimits(seconds=0.6, memory_bytes=800_000_000)).read_all()
    assert caught.value.code in {"sql_timeout", "sql_out_of_memory"}
    assert time.monotonic() - began < 6


def test_a_statement_on_the_file_makes_way_for_a_sync_and_is_answered_beside_it(tmp_path: Path) -> None:
    path = write_sample_catalog(tmp_path / "catalog.duckdb").path
    slow = f"SELECT count(*) AS n FROM {JOB}, range(40000000) a WHERE hash(a.range) % 7 = 3"
    found: list[Any] = []
    with SqlWorker(path) as asking:
        asking.run("SELECT 1", None, LIMITS).read_all()
        thread = threading.Thread(target=lambda: found.extend(asking.run(slow, None, LIMITS).read_all().to_pylist()))
        thread.start()
        time.sleep(0.2)
        owner = Owner(path)
        thread.join(30)
        # Owner waits ten seconds at most for the file.
        assert found[0]["n"] > 1_000_000
        assert asking.run(f"SELECT count(*) AS n FROM {JOB}", None, LIMITS).read_all().to_pylist() == [{"n": 3}]
        owner.end()
        assert asking.run(f"SELECT count(*) AS n FROM {JOB}", None, LIMITS).read_all().to_pylist() == [{"n": 3}]
        joined = join_catalog(path, "write", "0", wait_seconds=5)
        assert joined.catalog is not None
        joined.catalog.close()
        assert joined.turn is not None
        joined.turn.release()
