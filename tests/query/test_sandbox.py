"""SQL of people we do not know: nothing escapes, nothing takes us along, everything ends in time."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_catalog import SampleCatalog, write_sample_catalog
from stocktake.core.errors import CatalogAccessError, StocktakeError
from stocktake.query.errors import SqlError
from stocktake.query.sandbox import SqlLimits, SqlPool, SqlWorker
from stocktake.store.catalog import open_catalog
from stocktake.store.owner import join_catalog

LIMITS = SqlLimits(seconds=0.6, memory_bytes=400_000_000, rows=1_000, result_bytes=20_000_000)
AMPLE = SqlLimits(seconds=20)
SLACK_SECONDS = 5.0
"""A busy machine's; the deadline itself is a tenth of it."""
ATTACKS: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "sql_attacks.toml").read_text())
CANARY = "canary-that-must-not-sing"
SLOW = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range = 7"
DEEP = {
    "%DEEP_PARENTHESES%": "(" * 50_000 + "1" + ")" * 50_000,
    "%DEEP_SUBQUERIES%": "(SELECT * FROM " * 5_000 + "sweeps" + ")" * 5_000,
    "%DEEP_NOT%": "NOT " * 100_000,
    "%LONG_UNION%": " UNION ALL ".join(["SELECT 1"] * 20_000),
    "%MANY_JOINS%": "SELECT count(*) FROM " + ", ".join(f"sweeps s{n}" for n in range(60)),
    "%DOUBLING_CTES%": "WITH t0 AS (SELECT * FROM range(100)), "
    + ", ".join(f"t{n} AS (SELECT a.range FROM t{n - 1} a, t{n - 1} b)" for n in range(1, 12))
    + " SELECT count(*) FROM t11",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "canary").write_text(CANARY)
    return folder


@pytest.fixture(scope="module")
def own(folder: Path) -> SampleCatalog:
    return write_sample_catalog(folder / "catalog.duckdb")


@pytest.fixture(scope="module")
def worker(own: SampleCatalog) -> Iterator[SqlWorker]:
    with SqlWorker(own.path) as started:
        yield started


def one(worker: SqlWorker, sql: str, limits: SqlLimits = AMPLE, parameters: object = None) -> Any:
    [row] = worker.run(sql, parameters, limits).read_all().to_pylist()
    return next(iter(row.values()))


def prepared(sql: str, folder: Path) -> str:
    for mark, text in DEEP.items():
        sql = sql.replace(mark, text)
    return sql.replace("%CANARY%", str(folder / "canary")).replace("%FOLDER%", str(folder))


def test_there_are_many_attacks() -> None:
    assert len(ATTACKS) >= 60


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, worker: SqlWorker, own: SampleCatalog, folder: Path) -> None:
    before, files = own.path.read_bytes(), sorted(file.name for file in folder.iterdir())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker.start()
    began = time.monotonic()
    told = ""
    try:
        told = str(worker.run(prepared(ATTACKS[name]["sql"], folder), None, LIMITS).read_all().to_pylist())
        code = "answer"
    except SqlError as error:
        code, told = error.code, f"{error.message} {error.hint} {error.excerpt}"
        is_told_well = bool(error.hint) and len(error.message) < 1_000
    else:
        is_told_well = True
    assert is_told_well, told
    assert time.monotonic() - began < LIMITS.seconds + SLACK_SECONDS
    assert code in ATTACKS[name]["codes"], (code, told[:300])
    assert CANARY not in told
    assert own.path.read_bytes() == before
    assert sorted(file.name for file in folder.iterdir()) == files
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown < 200_000
    assert one(worker, "SELECT count(*) FROM sweeps") == 2


def test_answers_are_typed_and_bounded(worker: SqlWorker) -> None:
    with worker.run("SELECT i, [i] AS l, {'a': now()} AS s FROM range(20000) t(i)", None, AMPLE) as answer:
        table = answer.read_all()
    assert (table.num_rows, answer.truncated) == (20_000, False)
    assert [str(field.type) for field in table.schema] == [
        "int64",
        "list<l: int64>",
        "struct<a: timestamp[us, tz=UTC]>",
    ]
    answer = worker.run("FROM range(20000)", None, SqlLimits(rows=10))
    assert (answer.read_all().num_rows, answer.truncated) == (10, True)
    answer = worker.run("FROM range(10)", None, SqlLimits(rows=10))
    assert (answer.read_all().num_rows, answer.truncated) == (10, False)
    assert worker.run("FROM range(0)").read_all().num_rows == 0


def test_parameters_and_moments(worker: SqlWorker, own: SampleCatalog) -> None:
    assert one(worker, "SELECT $a || $b", AMPLE, {"a": "x", "b": "y"}) == "xy"
    assert one(worker, "SELECT ? + 1", AMPLE, [6]) == 7
    then = own.first + timedelta(minutes=1)
    answer = worker.run("SELECT training_job_name AS n FROM aws_sagemaker_trainingjob", as_of=then)
    assert set(answer.read_all()["n"].to_pylist()) == {"alpha", "beta", "gamma"}


def test_errors_keep_their_place(worker: SqlWorker) -> None:
    with pytest.raises(SqlError) as caught:
        worker.run("SELECT foo FROM sweeps")
    assert (caught.value.code, caught.value.where) == ("sql_unknown_name", "line 1, column 8")
    assert caught.value.excerpt.endswith("^^^")


def test_an_answer_that_is_not_read_to_its_end_leaves_the_next_alone(worker: SqlWorker) -> None:
    with worker.run("SELECT i, repeat('x', 1000) AS s FROM range(100000) t(i)") as answer:
        assert next(iter(answer)).num_rows
    assert one(worker, "SELECT 7") == 7
    for _ in worker.run("FROM range(100000)"):
        break
    assert one(worker, "SELECT 8") == 8


def test_a_late_error_comes_while_batches_are_read(worker: SqlWorker) -> None:
    late = "SELECT CASE WHEN i = 900000 THEN error('late') ELSE i END FROM range(1000000) t(i)"
    with pytest.raises(SqlError, match="late"):
        worker.run(late).read_all()
    assert one(worker, "SELECT 1") == 1


def test_cancel_ends_a_statement_from_another_thread(worker: SqlWorker) -> None:
    worker.start()
    timer = threading.Timer(0.3, worker.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(SqlError) as caught:
        worker.run(SLOW, None, SqlLimits(seconds=60, memory_bytes=4_000_000_000)).read_all()
    assert caught.value.code == "sql_cancelled"
    assert time.monotonic() - began < SLACK_SECONDS
    assert one(worker, "SELECT 1") == 1
    worker.cancel()
    assert one(worker, "SELECT 2") == 2


def test_a_child_that_is_killed_is_replaced(worker: SqlWorker) -> None:
    worker.start()
    first = worker.pid
    assert first is not None
    timer = threading.Timer(0.3, os.kill, (first, signal.SIGKILL))
    timer.start()
    with pytest.raises(SqlError) as caught:
        worker.run(SLOW, None, SqlLimits(seconds=60, memory_bytes=4_000_000_000)).read_all()
    assert "signal 9" in caught.value.message
    assert one(worker, "SELECT 1") == 1
    assert worker.pid not in {None, first}


def test_a_child_dies_with_its_parent(own: SampleCatalog) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the parent that is killed
        other = SqlWorker(own.path)
        other.start()
        os.write(told, str(other.pid).encode() + b"\n")
        other.run(SLOW, None, SqlLimits(seconds=600, memory_bytes=4_000_000_000)).read_all()
        os._exit(0)
    pid = int(os.read(ready, 20))
    time.sleep(0.2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    end = time.monotonic() + SLACK_SECONDS
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < end and _state(pid) != "Z":
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists() or _state(pid) == "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_an_idle_child_makes_way_for_who_wants_to_write(own: SampleCatalog) -> None:
    with SqlWorker(own.path) as idle:
        assert one(idle, "SELECT 1") == 1
        joined = join_catalog(own.path, "write", "0", wait_seconds=10)
        assert joined.catalog is not None
        joined.catalog.close()
        assert joined.turn is not None
        joined.turn.release()
        assert one(idle, "SELECT count(*) FROM sweeps") == 2


def test_what_is_wrong_with_the_catalog_is_told(tmp_path: Path) -> None:
    with SqlWorker(tmp_path / "none.duckdb") as lost:
        with pytest.raises(StocktakeError) as caught:
            lost.run("SELECT 1")
        assert caught.value.code == "no_catalog"
        (tmp_path / "none.duckdb").write_bytes(b"no database")
        with pytest.raises(CatalogAccessError):
            lost.run("SELECT 1")
        (tmp_path / "none.duckdb").unlink()
        open_catalog(tmp_path / "none.duckdb").close()
        assert one(lost, "SELECT count(*) FROM sweeps") == 0


def test_a_closed_worker_says_so(own: SampleCatalog) -> None:
    closed = SqlWorker(own.path)
    closed.start()
    closed.close()
    with pytest.raises(SqlError) as caught:
        closed.run("SELECT 1")
    assert caught.value.code == "sql_cancelled"


def test_the_child_has_none_of_our_environment(worker: SqlWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    worker.start()
    pid = worker.pid or 0
    os.kill(pid, signal.SIGKILL)
    while worker._child is None or not worker._child.frames.is_gone():
        time.sleep(0.01)
    assert one(worker, "SELECT 1") == 1
    assert worker.pid != pid
    assert CANARY.encode() not in Path(f"/proc/{worker.pid}/environ").read_bytes()


def test_a_pool_answers_many_beside_one_that_is_slow(own: SampleCatalog) -> None:
    with SqlPool(own.path, 2) as pool:
        slow = threading.Thread(target=lambda: _stopped(pool, SqlLimits(seconds=4, memory_bytes=4_000_000_000)))
        slow.start()
        time.sleep(0.3)
        for number in range(5):
            assert pool.run("SELECT $n AS n", {"n": number}).read_all()["n"].to_pylist() == [number]
        assert slow.is_alive()
        slow.join()


def _stopped(pool: SqlPool, limits: SqlLimits) -> None:
    with pytest.raises(SqlError):
        pool.run(SLOW, None, limits).read_all()
