"""Syncs from the API with live progress; and what is left when processes are killed, or the disk is full."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sample_catalog import write_sample_catalog
from simulated_estate import ACCOUNT, JOB, REGION
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.query.connection import open_reading
from stocktake.query.status import read_status
from stocktake.serve.gate.config import Role, SyncConfig
from web_server import Served, serving

SECONDS = 240.0


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    estate = Estate(60, (ACCOUNT,), (REGION,), seed=3)
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0)) as one:
        kept = {name: os.environ.get(name) for name in one.environment(ACCOUNT)}
        os.environ |= one.environment(ACCOUNT)
        yield one
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def synced_from(cloud: SimulatedCloud) -> SyncConfig:
    return SyncConfig((JOB,), (REGION,), endpoint_url=cloud.endpoint_url)


def until(check: Callable[[], Any]) -> Any:
    end = time.monotonic() + SECONDS
    while not (found := check()):
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)
    return found


@pytest.fixture
def served(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Served]:
    other = Role("other account", accounts=("999988887777",))
    with serving(tmp_path / "catalog.duckdb", sync=synced_from(cloud), roles=(other,)) as one:
        yield one


def events(client: httpx.Client, last: Callable[[str, Any], bool]) -> list[tuple[str, Any]]:
    """Return what is told live, to the event that is the last."""
    found: list[tuple[str, Any]] = []
    with client.stream("GET", "/api/v1/live", timeout=SECONDS) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
                if last(*found[-1]):
                    break
    return found


def has_ended(kind: str, said: Any) -> bool:
    return kind == "sync" and said["status"] != "running"


def test_a_sync_is_started_watched_and_asked_about(served: Served) -> None:
    with served.client() as client, served.client("other account", "eve") as other:
        assert client.get("/api/v1/search").json()["code"] == "no_catalog"
        assert other.post("/api/v1/syncs", json={}).status_code == 403
        assert client.post("/api/v1/syncs", json={"types": ["aws_iam_role"]}).json()["code"] == "bad_sync"
        started = client.post("/api/v1/syncs", json={})
        assert started.status_code == 202
        run = started.json()
        assert (run["status"], run["by"], run["types"]) == ("running", "owner", [JOB])
        assert client.post("/api/v1/syncs", json={}).json()["code"] == "sync_running"
        told = events(client, has_ended)
        last = told[-1][1]
        assert (last["id"], last["status"], last["error"]) == (run["id"], "complete", None)
        [scope] = last["scopes"]
        assert (scope["type"], scope["account_id"], scope["done"]) == (JOB, ACCOUNT, True)
        assert last["calls"] == scope["calls"] > 0
        assert client.get("/api/v1/search").json()["total"] == scope["written"] > 0
        assert client.get("/api/v1/syncs").json()["syncs"][0]["sweep_id"] == last["sweep_id"] == 1
        # Who does not see the account is told that there was a sync, and nothing of what it read.
        assert other.get(f"/api/v1/syncs/{run['id']}").json()["scopes"] == []
        # The next one finds nothing new, and the file's writing is told.
        again = client.post("/api/v1/syncs", json={}).json()
        told = events(client, lambda kind, said: has_ended(kind, said) and said["id"] == again["id"])
        assert "catalog" in {kind for kind, _ in told}
    audit = served.house.config.beside("audit.ndjson").read_text()
    assert [json.loads(line)["event"] for line in audit.splitlines()].count("sync") == 2


def test_a_sync_that_cannot_be_says_why(tmp_path: Path) -> None:
    nowhere = SyncConfig((JOB,), (REGION,), endpoint_url="http://127.0.0.1:1")
    with serving(tmp_path / "catalog.duckdb", sync=nowhere) as served, served.client() as client:
        run = client.post("/api/v1/syncs", json={}).json()
        until(lambda: client.get(f"/api/v1/syncs/{run['id']}").json()["status"] != "running")
        said = client.get(f"/api/v1/syncs/{run['id']}").json()
        assert said["status"] == "failed"
        assert said["error"]["message"]


def test_a_sync_can_be_stopped(served: Served) -> None:
    with served.client() as client:
        run = client.post("/api/v1/syncs", json={}).json()
        client.delete(f"/api/v1/syncs/{run['id']}")
        until(lambda: client.get(f"/api/v1/syncs/{run['id']}").json()["status"] in {"stopped", "failed", "complete"})
        # Whatever it had done by then, the next one makes it whole.
        client.post("/api/v1/syncs", json={}).raise_for_status()
        assert events(client, has_ended)[-1][1]["status"] == "complete"


def test_questions_are_answered_while_syncs_write(served: Served) -> None:
    with served.client() as client:
        client.post("/api/v1/syncs", json={}).raise_for_status()
        events(client, has_ended)
        total = client.get("/api/v1/search").json()["total"]
        for _ in range(2):
            client.post("/api/v1/syncs", json={"full": True}).raise_for_status()
            asked = 0
            while client.get("/api/v1/syncs").json()["syncs"][0]["status"] == "running":
                answers = (
                    client.get("/api/v1/search", params={"facet": "type"}),
                    client.post("/api/v1/sql", json={"sql": "SELECT count(*) FROM resources"}),
                )
                assert [one.status_code for one in answers] == [200, 200], [one.text for one in answers]
                assert answers[0].json()["total"] == answers[1].json()["rows"][0][0] == total
                asked += 1
            assert asked


@contextmanager
def server_process(
    catalog: Path, config: str = "", *, most_bytes: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the program's server, without a login, and return its address."""
    file = catalog.with_name("server.toml")
    file.write_text(config)

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    arguments = ["serve", "--port", "0", "--no-login", "--catalog", str(catalog), "--config", str(file)]
    with subprocess.Popen(
        [Path(sys.executable).parent / "stocktake", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=limit,  # noqa: PLW1509 - nothing else runs between fork and exec that could be in its way
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split(" at ")[1].split(" until ")[0].rstrip("/")
        finally:
            process.kill()


def test_a_server_that_is_killed_takes_no_sync_down_and_loses_nothing(cloud: SimulatedCloud, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.duckdb"
    config = f'[sync]\ntypes = ["{JOB}"]\nregions = ["{REGION}"]\nendpoint_url = "{cloud.endpoint_url}"\n'
    with server_process(catalog, config) as (process, url), httpx.Client(base_url=url, timeout=SECONDS) as client:
        kept = client.post("/api/v1/views", json={"name": "kept"}).json()
        client.post("/api/v1/syncs", json={}).raise_for_status()
        until(lambda: client.get("/api/v1/syncs").json()["syncs"][0]["scopes"])
        process.send_signal(signal.SIGKILL)
        process.wait()

    def has_synced() -> bool:
        if not catalog.exists():
            return False
        with open_reading(catalog, 60) as opened:
            return any(sweep.status == "complete" for sweep in read_status(opened).sweeps)

    until(has_synced)
    with server_process(catalog, config) as (_, url), httpx.Client(base_url=url, timeout=SECONDS) as client:
        assert client.get(f"/api/v1/views/{kept['id']}").json()["name"] == "kept"
        assert client.get("/api/v1/search").json()["total"] > 0
        assert client.get("/api/v1/syncs").json()["total"] == 0


def worker_pid(served: Served) -> int:
    pid = served.house.sql.pids()[0]
    assert pid is not None
    return pid


def kill(pid: int) -> None:
    """Kill a process, and wait until the last of its threads is dead: until then it holds its end of a line."""
    os.kill(pid, signal.SIGKILL)
    process = Path(f"/proc/{pid}")

    def is_dead() -> bool:
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            return state == "Z" and len(list((process / "task").iterdir())) == 1
        except OSError:
            return True

    until(is_dead)


def test_a_sql_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    sample = write_sample_catalog(tmp_path / "catalog.duckdb")
    with serving(sample.path) as served, served.client() as client:
        ask = {"sql": "SELECT count(*) FROM resources"}
        assert client.post("/api/v1/sql", json=ask).json()["rows"] == [[3]]
        for _ in range(2):
            kill(worker_pid(served))
            assert client.post("/api/v1/sql", json=ask).json()["rows"] == [[3]]
        # Killed while it works: the statement is lost, and told so; the next one is answered.
        slow = {"sql": "SELECT count(*) FROM range(100000000) a, range(100000) b", "number": "slow"}
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/api/v1/sql", json=slow)))
        asking.start()
        until(lambda: served.house.sql.is_running("slow"))
        kill(worker_pid(served))
        asking.join(SECONDS)
        assert (answers[0].status_code, answers[0].json()["code"]) == (413, "sql_out_of_memory")
        assert client.post("/api/v1/sql", json=ask).json()["rows"] == [[3]]


def test_a_statement_can_be_cancelled_by_who_began_it(tmp_path: Path) -> None:
    sample = write_sample_catalog(tmp_path / "catalog.duckdb")
    editor = Role("editor", can_edit=True)
    with (
        serving(sample.path, roles=(editor,)) as served,
        served.client() as client,
        served.client("editor", "eve") as eve,
    ):
        slow = {"sql": "SELECT count(*) FROM range(100000000) a, range(100000) b", "number": "mine"}
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/api/v1/sql", json=slow)))
        asking.start()
        until(lambda: served.house.sql.is_running("mine"))
        assert eve.delete("/api/v1/sql/mine").status_code == 404
        assert client.delete("/api/v1/sql/mine").status_code == 200
        asking.join(SECONDS)
        assert (answers[0].status_code, answers[0].json()["code"]) == (409, "sql_cancelled")
        assert client.delete("/api/v1/sql/mine").status_code == 404


def test_a_statement_that_takes_too_much_is_ended(tmp_path: Path) -> None:
    sample = write_sample_catalog(tmp_path / "catalog.duckdb")
    with serving(sample.path) as served, served.client() as client:
        slow = "SELECT count(*) FROM range(100000000) a, range(100000) b"
        answer = client.post("/api/v1/sql", json={"sql": slow, "seconds": 0.5})
        assert (answer.status_code, answer.json()["code"]) == (408, "sql_timeout")
        answer = client.post("/api/v1/sql", json={"sql": "SELECT repeat('x', 3000000000)"})
        assert answer.status_code in {408, 413}
        answer = client.post("/api/v1/sql", json={"sql": "SELECT * FROM range(100)", "rows": 10})
        assert len(answer.json()["rows"]) == 10
        assert answer.json()["truncated"]
        for sql in (
            "DELETE FROM sweeps",
            "COPY (SELECT 1) TO '/tmp/x'",
            "FROM read_text('/etc/passwd')",
            "SELECT 1; SELECT 2",
        ):
            answer = client.post("/api/v1/sql", json={"sql": sql})
            assert 400 <= answer.status_code < 500
            assert "root:" not in answer.text


def test_a_full_disk_is_an_error_and_nothing_breaks(tmp_path: Path) -> None:
    sample = write_sample_catalog(tmp_path / "catalog.duckdb")
    # No file may grow beyond this: what the system then says of a write is what it says of a full disk.
    with (
        server_process(sample.path, most_bytes=150_000) as (_, url),
        httpx.Client(base_url=url, timeout=SECONDS) as client,
    ):
        failed = None
        for number in range(60):
            answer = client.post("/api/v1/views", json={"name": f"view {number}", "address": "x" * 12_000})
            if answer.status_code != 201:
                failed = answer
                break
        assert failed is not None
        assert (failed.status_code, failed.json()["code"]) in {(507, "disk_full"), (503, "own_store")}
        assert failed.json()["hint"]
        assert client.get("/api/v1/search").json()["total"] == 3
        assert client.get("/api/v1/views").json()["total"] == number
        page = client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200
    with server_process(sample.path) as (_, url), httpx.Client(base_url=url, timeout=SECONDS) as client:
        assert client.get("/api/v1/views").json()["total"] == number
        assert client.post("/api/v1/views", json={"name": "there is room again"}).status_code == 201
