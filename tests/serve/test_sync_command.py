"""`stocktake sync`: what it prints and how it exits, against the simulated cloud and without one."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sample_catalog import ACCOUNT, REGION, TYPE, SampleCatalog
from stocktake.core.errors import UnreachableError
from stocktake.core.progress import Progress, ScopeProgress
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.serve.cli.progress import LineProgress, LiveProgress
from stocktake.store.ledger import Coverage
from stocktake.sync import SyncReport, SyncRequest

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedCloud]:
    estate = Estate(60, (ACCOUNT,), (REGION,), arrivals_per_day=0.0)
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0.0)) as running:
        for name, value in running.environment(ACCOUNT).items():
            monkeypatch.setenv(name, value)
        yield running


def arguments(cloud: SimulatedCloud, catalog: Path, *more: str) -> tuple[str, ...]:
    return (
        *("sync", "--type", TYPE, "--region", REGION, "--endpoint-url", cloud.endpoint_url),
        *("--catalog", str(catalog), *more),
    )


def test_a_sync_then_questions(run: Any, cloud: SimulatedCloud, tmp_path: Path) -> None:
    catalog = tmp_path / "new" / "catalog.duckdb"
    result = run(*arguments(cloud, catalog, "-o", "json"))
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    [scope] = report["scopes"]
    assert (report["status"], report["sweep_id"]) == ("complete", 1)
    assert scope["listed"] == scope["new"] == scope["read"] > 0
    assert report["calls"] == scope["calls"] > scope["listed"]
    assert "1 of 1 scopes done" in result.stderr

    again = run(*arguments(cloud, catalog))
    assert again.exit_code == 0
    assert "sweep 2: complete" in again.stdout
    counted = run("query", f"SELECT count(*) AS n FROM {TYPE}", "--catalog", str(catalog))
    assert json.loads(counted.stdout) == {"n": scope["listed"]}
    first = json.loads(run("query", f"FROM {TYPE} LIMIT 1", "--catalog", str(catalog)).stdout)
    shown = json.loads(run("show", first["_id"], "--catalog", str(catalog)).stdout)
    assert shown["fields"] == {name: value for name, value in first.items() if not name.startswith("_")}


def test_a_gap_names_the_permission_and_exits_with_3(run: Any, cloud: SimulatedCloud, tmp_path: Path) -> None:
    cloud.switch(denied_actions=["sagemaker:ListTrainingJobs"])
    catalog = tmp_path / "catalog.duckdb"
    result = run(*arguments(cloud, catalog))
    assert result.exit_code == 3
    assert "denied" in result.stdout
    assert "missing permission: sagemaker:ListTrainingJobs" in result.stdout
    assert "sweep 1: gaps" in result.stdout
    status = run("status", "-o", "table", "--catalog", str(catalog))
    assert "missing permission: sagemaker:ListTrainingJobs" in status.stdout


def test_errors_before_anything_is_written(run: Any, cloud: SimulatedCloud, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.duckdb"
    unknown = run("sync", "--type", "aws_sagemaker_trainngjob", "--catalog", str(catalog))
    assert unknown.exit_code == 2
    assert "Did you mean aws_sagemaker_trainingjob" in unknown.stderr
    nobody = run(
        "sync", "--type", TYPE, "--endpoint-url", "http://127.0.0.1:9", "--catalog", str(catalog), "-o", "json"
    )
    assert nobody.exit_code == 5
    assert json.loads(nobody.stderr)["hint"]
    cloud.switch(expired_accounts=["*"])
    expired = run(*arguments(cloud, catalog))
    assert expired.exit_code == 4
    assert "Traceback" not in expired.stderr
    assert not catalog.exists()


def test_an_endpoint_that_does_not_answer(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise UnreachableError("http://127.0.0.1:9 does not answer", code="refused", hint="Check that it is running.")

    # The real thing, with its five attempts, is tested with the room that makes them.
    monkeypatch.setattr("stocktake.sync.run_sync", refused)
    result = run("sync", "--endpoint-url", "http://127.0.0.1:9", "-o", "json")
    assert result.exit_code == 5
    assert json.loads(result.stderr)["code"] == "refused"


def test_profile_and_endpoint_exclude_each_other(run: Any) -> None:
    result = run("sync", "--type", TYPE, "--profile", "p", "--endpoint-url", "http://127.0.0.1:9")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_every_option_reaches_the_sweep(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SyncRequest] = []

    def fake(request: SyncRequest, progress: Progress) -> SyncReport:
        del progress
        asked.append(request)
        return SyncReport(1)

    monkeypatch.setattr("stocktake.sync.run_sync", fake)
    run(
        *("sync", "--type", "a", "--type", "b", "--region", "r", "--profile", "p", "--profile", "q", "--full"),
        *("--concurrency", "7", "--models", str(tmp_path), "--catalog", str(tmp_path / "c")),
    )
    run("sync", "--endpoint-url", "http://127.0.0.1:9")
    assert asked[0] == SyncRequest(
        catalog=tmp_path / "c",
        types=("a", "b"),
        regions=("r",),
        profiles=("p", "q"),
        models=tmp_path,
        full=True,
        concurrency=7,
        lock_wait_seconds=5.0,
    )
    assert (asked[1].types, asked[1].profiles, asked[1].endpoint_url) == ((), (None,), "http://127.0.0.1:9")


def test_the_summary_tells_what_is_odd(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = Coverage(ACCOUNT, REGION, TYPE, T0, tags_status="denied", throttled_calls=3, aside=2, drift={"B", "A"})
    monkeypatch.setattr("stocktake.sync.run_sync", lambda *_: SyncReport(4, [scope], 1_234, 2.5))
    result = run("sync")
    assert result.exit_code == 3
    for text in (
        "tags denied",
        "3 calls throttled, and asked again",
        "2 fields unknown to the model, kept in _unknown: A, B",
        "2 values kept aside: stocktake query 'FROM aside'",
        "sweep 4: gaps, 1,234 calls in 2.5 s",
    ):
        assert text in result.stdout
    [written] = json.loads(run("sync", "-o", "json").stdout)["scopes"]
    assert written["drift"] == ["A", "B"]


def test_an_interrupted_sync_says_what_is_kept(sample: SampleCatalog) -> None:
    waiting = (
        "import signal, sys, time, stocktake.sync\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def run_sync(*_):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "stocktake.sync.run_sync = run_sync\n"
        "from stocktake.serve.cli import main\n"
        f"sys.argv = ['stocktake', 'sync', '--catalog', {str(sample.path)!r}]\n"
        "main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    kept = "what was committed before stays in the catalog; the same command goes on from there"
    assert errors == f"\ninterrupted; {kept}\n"


def test_a_log_gets_a_line_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("stocktake.serve.cli.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    with LineProgress(stream) as progress:
        for second in range(21):
            now[0] = float(second)
            progress.update(ScopeProgress(ACCOUNT, REGION, TYPE, listed=second, calls=second * 10))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[0] == "5 s: 0 of 1 scopes done, 5 listed, 0 read, 50 calls (10/s)"


def test_a_terminal_gets_a_table_that_repaints() -> None:
    stream = io.StringIO()
    with LiveProgress(stream) as progress:
        progress.update(ScopeProgress(ACCOUNT, REGION, TYPE, listed=5, read=2, to_read=4, note="describing"))
        progress.update(ScopeProgress(ACCOUNT, "eu-west-1", TYPE, done=True))
        table = progress.render()
    assert table.row_count == 2
    assert "1 of 2 scopes done, 5 listed, 2 read" in str(table.caption)
