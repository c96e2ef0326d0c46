"""Several processes on one catalog: two syncs and readers, any of them killed at any moment. None is a thread."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.query.connection import open_reading
from stocktake.store.catalog import open_catalog, run
from sync_bench import ACCOUNT, JOB

Content = dict[str, list[tuple[Any, ...]]]
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")
_SYNC = """
import dataclasses, json, sys
from pathlib import Path
from stocktake.core.progress import Silent
from stocktake.sync import SyncRequest, run_sync
import stocktake.sync.scope as scope
scope.CHUNK, scope.BATCH = 40, 30  # many small steps, so that whatever happens can fall between any two
print("ready", flush=True)
request = SyncRequest(
    catalog=Path(sys.argv[1]), types=(sys.argv[2],), endpoint_url=sys.argv[3], regions=tuple(sys.argv[4].split(",")),
    concurrency=int(sys.argv[5]), full="full" in sys.argv, lock_wait_seconds=20
)
report = run_sync(request, Silent())
scopes = [dataclasses.asdict(one) | {"drift": [], "unknown_facets": []} for one in report.scopes]
print(json.dumps({"sweep": report.sweep_id, "calls": report.calls, "scopes": scopes}, default=str))
sys.exit(report.exit_code)
"""
_READ = """
import sys, time
from pathlib import Path
from stocktake.query.connection import open_reading
from stocktake.query.runner import run_query
most = reads = 0
while not Path(sys.argv[2]).exists():
    with open_reading(Path(sys.argv[1]), 20) as catalog:
        if (sys.argv[3],) in run_query(catalog, "SELECT type FROM resource_types").rows():
            [(rows, ids)] = run_query(catalog, f"SELECT count(*), count(DISTINCT _id) FROM {sys.argv[3]}").rows()
            assert rows == ids, "a resource was seen twice in one state"
            assert rows >= most, "a version that was seen is gone"
            most = rows
            reads += 1
    time.sleep(0.02)
print(reads)
"""


class Bench:
    """A simulated cloud with four regions, and processes that sync from it."""

    def __init__(self, cloud: SimulatedCloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []

    def catalog(self, name: str) -> Path:
        path = self.folder / f"{name}.duckdb"
        Path(f"{path}.key").write_text("ab" * 32)
        return path

    def sync(
        self, catalog: Path, *options: str, regions: tuple[str, ...] = REGIONS, concurrency: int = 4
    ) -> subprocess.Popen[str]:
        """Start a sync; it has not looked at the catalog yet."""
        given = [str(catalog), JOB, self.cloud.endpoint_url, ",".join(regions), str(concurrency), *options]
        child = self._start(_SYNC, *given)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    def reader(self, catalog: Path) -> Reader:
        return Reader(self._start, catalog)

    def _start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        return self.run([sys.executable, "-c", code, *arguments])

    def run(self, command: list[str]) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.cloud.environment(ACCOUNT),
        )
        self.processes.append(child)
        return child


class Reader:
    """A process that asks all the time."""

    def __init__(self, start: Callable[..., subprocess.Popen[str]], catalog: Path) -> None:
        self._stop = catalog.with_suffix(".stop")
        self._child = start(_READ, str(catalog), str(self._stop), JOB)

    def reads(self) -> int:
        """End it; return how often it asked and was answered rightly."""
        self._stop.touch()
        out, errors = self._child.communicate(timeout=60)
        assert self._child.returncode == 0, errors
        return int(out)


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    """One for all: its clock stands still, and syncs only read."""
    cloud = SimulatedCloud(Estate(360, (ACCOUNT,), REGIONS), clock=VirtualClock(DEFAULT_START, 0.0)).start()
    yield cloud
    cloud.stop()


@contextmanager
def _bench(cloud: SimulatedCloud, folder: Path) -> Iterator[Bench]:
    bench = Bench(cloud, folder)
    yield bench
    for process in bench.processes:
        process.kill()
        process.communicate()


@pytest.fixture
def bench(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Bench]:
    with _bench(cloud, tmp_path) as bench:
        yield bench


def _ended(child: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    report: dict[str, Any] = json.loads(out)
    return report


def _statuses(report: dict[str, Any]) -> dict[str, str]:
    return {scope["region"]: scope["status"] for scope in report["scopes"]}


def _until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def _is_open(catalog: Path) -> bool:
    return Path(f"{catalog}.door/socket").exists()


def _content(catalog: Path) -> Content:
    """Return all that syncs write but the times at which they did, and which sweep it was."""
    with open_catalog(catalog, read_only=True) as opened:
        connection = opened.connection
        volatile = "_from, _to, _sweep, _end_sweep"
        twice = f"SELECT _id, _hash FROM {JOB}_history GROUP BY ALL HAVING count(*) > 1"
        assert run(connection, twice) == []
        assert run(connection, "FROM leases") == []
        assert run(connection, "SELECT sweep_id FROM sweeps WHERE status = 'running'") == []
        edges = "source_id, region, path, value, target_type, target_id"
        return {
            "now": run(connection, f"SELECT * EXCLUDE (_from) FROM {JOB} ORDER BY _id"),
            "history": run(connection, f"SELECT * EXCLUDE ({volatile}), _to IS NULL FROM {JOB}_history ORDER BY ALL"),
            "aside": run(connection, "SELECT id, path, reason FROM aside ORDER BY ALL"),
            "relations": run(connection, f"SELECT {edges}, _to IS NULL FROM relation_versions ORDER BY ALL"),
            "coverage": run(
                connection, "SELECT account_id, region, type, status, stale FROM coverage_now ORDER BY ALL"
            ),
        }


@pytest.fixture(scope="module")
def calm(cloud: SimulatedCloud, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """Return the content of a catalog that one undisturbed process wrote."""
    with _bench(cloud, tmp_path_factory.mktemp("calm")) as bench:
        path = bench.catalog("calm")
        _ended(bench.sync(path, concurrency=32))
        return _content(path)


def _leased(catalog: Path) -> dict[int, set[str]]:
    """Return process -> regions that it reads now."""
    with open_reading(catalog, 20) as opened:
        found: dict[int, set[str]] = {}
        for pid, region in run(opened.connection, "SELECT pid, region FROM leases"):
            found.setdefault(pid, set()).add(region)
        return found


def _start_two(bench: Bench, path: Path) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
    """Start a sync of two regions, which owns the catalog, and one of all; return when both have written some."""
    bench.cloud.switch(latency_ms=250.0)  # so that none ends before the other has begun, however slow the machine is
    first = bench.sync(path, regions=REGIONS[:2], concurrency=1)
    _until(lambda: _is_open(path))
    second = bench.sync(path, concurrency=1)
    _until(lambda: _written(path) == set(REGIONS))
    assert _leased(path) == {first.pid: set(REGIONS[:2]), second.pid: set(REGIONS[2:])}
    return first, second


def _written(catalog: Path) -> set[str]:
    with open_reading(catalog, 20) as opened:
        if not run(opened.connection, "FROM resource_types"):
            return set()
        return {region for (region,) in run(opened.connection, f"SELECT DISTINCT _region FROM {JOB}")}


def test_two_syncs_and_readers(bench: Bench, calm: Content) -> None:
    path = bench.catalog("shared")
    first, second = _start_two(bench, path)
    readers = [bench.reader(path) for _ in range(2)]
    bench.cloud.switch(latency_ms=5.0)
    one, two = _ended(first), _ended(second)
    assert all(reader.reads() > 0 for reader in readers)
    assert _statuses(one) == dict.fromkeys(REGIONS[:2], "complete")
    # What the first one read, the second did not read again.
    assert _statuses(two) == dict.fromkeys(REGIONS[:2], "elsewhere") | dict.fromkeys(REGIONS[2:], "complete")
    assert all("sweep" in scope["reason"] for scope in two["scopes"] if scope["status"] == "elsewhere")
    assert sum(scope["new"] for scope in one["scopes"] + two["scopes"]) == len(calm["now"])
    assert _content(path) == calm


def test_the_owner_is_killed(bench: Bench, calm: Content) -> None:
    path = bench.catalog("shared")
    first, second = _start_two(bench, path)
    reader = bench.reader(path)
    first.kill()
    bench.cloud.switch(latency_ms=5.0)
    # The second goes on, and in the end reads what the first has left.
    assert _statuses(_ended(second)) == dict.fromkeys(REGIONS, "complete")
    assert reader.reads() > 0
    assert _content(path) == calm


def test_the_second_is_killed(bench: Bench, calm: Content) -> None:
    path = bench.catalog("shared")
    first, second = _start_two(bench, path)
    second.kill()
    # Its leases end with it: nobody waits for them.
    third = bench.sync(path, regions=REGIONS[2:], concurrency=32)
    assert _statuses(_ended(third)) == dict.fromkeys(REGIONS[2:], "complete")
    assert first.poll() is None
    bench.cloud.switch(latency_ms=0.0)
    _ended(first)
    assert _content(path) == calm


def test_the_owner_is_interrupted(bench: Bench, calm: Content) -> None:
    path = bench.catalog("shared")
    first, second = _start_two(bench, path)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    bench.cloud.switch(latency_ms=0.0)
    assert first.returncode != 0
    assert _statuses(_ended(second)) == dict.fromkeys(REGIONS, "complete")
    assert _content(path) == calm


def test_what_is_being_read_is_left_alone_even_by_force(bench: Bench) -> None:
    path = bench.catalog("shared")
    bench.cloud.switch(latency_ms=250.0)
    first = bench.sync(path, regions=REGIONS[:1], concurrency=1)
    _until(lambda: _is_open(path))
    _until(lambda: bool(_leased(path)))
    second = _ended(bench.sync(path, "full", regions=REGIONS[:1]))
    assert first.poll() is None
    assert _statuses(second) == {REGIONS[0]: "elsewhere"}
    assert f"process {first.pid}" in second["scopes"][0]["reason"]
    assert second["calls"] == 0


def test_a_question_that_cannot_be_stopped_keeps_no_sync_from_ending(bench: Bench) -> None:
    path = bench.catalog("shared")
    bench.cloud.switch(latency_ms=250.0)
    command = [str(Path(sys.executable).parent / "stocktake"), "sync", "--catalog", str(path), "--type", JOB]
    command += ["--region", REGIONS[3], "--endpoint-url", bench.cloud.endpoint_url, "-o", "json"]
    first = bench.run(command)
    _until(lambda: _is_open(path))
    stuck = "SELECT levenshtein(repeat('x', 200000), repeat('y', 200000))"
    asking = bench.run([command[0], "query", "--catalog", str(path), stuck])
    time.sleep(2)
    bench.cloud.switch(latency_ms=0.0)
    assert [scope["status"] for scope in _ended(first)["scopes"]] == ["complete"]
    asking.kill()
    # And the file is free again.
    _ended(bench.sync(path, regions=REGIONS[3:]))


def test_kills_at_random(bench: Bench, calm: Content) -> None:
    path = bench.catalog("shared")
    bench.cloud.switch(latency_ms=25.0)
    chance = random.Random(3)
    children = [bench.sync(path, regions=tuple(chance.sample(REGIONS, 3)), concurrency=2) for _ in range(3)]
    for victim in chance.sample(children, 3):
        time.sleep(chance.uniform(0.1, 1.5))
        victim.kill()
        children.append(bench.sync(path, regions=tuple(chance.sample(REGIONS, 2)), concurrency=4))
    for child in children[3:]:
        _ended(child)
    bench.cloud.switch(latency_ms=0.0)
    _ended(bench.sync(path, concurrency=16))
    assert _content(path) == calm
