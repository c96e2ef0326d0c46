"""kill -9 at any moment: the next sync ends in the same catalog as one that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stocktake.store.catalog import open_catalog, run
from sync_bench import JOB, Bench

KILLS = 50
_CHILD = """
import sys
from pathlib import Path
from stocktake.core.progress import Silent
from stocktake.sync import SyncRequest, run_sync
import stocktake.sync.scope as scope
scope.CHUNK, scope.BATCH = 40, 30  # many small steps, so that a kill can fall between any two
print("ready", flush=True)
request = SyncRequest(catalog=Path(sys.argv[1]), types=(sys.argv[2],), regions=("us-east-1",), endpoint_url=sys.argv[3])
sys.exit(run_sync(request, Silent()).exit_code)
"""


def _start(bench: Bench, catalog: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _CHILD, str(catalog), JOB, bench.cloud.endpoint_url]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def _content(catalog: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a sync writes but the times at which it did, and which sweep it was."""
    with open_catalog(catalog, read_only=True) as opened:
        connection = opened.connection
        volatile = "_from, _to, _sweep, _end_sweep"
        return {
            "now": run(connection, f"SELECT * EXCLUDE (_from) FROM {JOB} ORDER BY _id"),
            "history": run(connection, f"SELECT * EXCLUDE ({volatile}), _to IS NULL FROM {JOB}_history ORDER BY ALL"),
            "aside": run(connection, "SELECT id, path, reason FROM aside ORDER BY ALL"),
            "coverage": run(connection, "SELECT account_id, region, type, status, stale FROM coverage_now"),
        }


def test_the_next_sync_mends_what_a_kill_left(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(jobs=300)
    calm, torn = tmp_path / "calm.duckdb", tmp_path / "torn.duckdb"
    (tmp_path / "torn.duckdb.key").write_text("ab" * 32)
    (tmp_path / "calm.duckdb.key").write_text("ab" * 32)
    undisturbed = _start(bench, calm)
    started = time.monotonic()
    assert undisturbed.wait() == 0
    whole = time.monotonic() - started
    chance = random.Random(11)
    killed = 0
    for _ in range(KILLS):
        if killed >= KILLS:
            break
        # From an empty catalog each time, so that early and late moments are both met.
        for file in (torn, torn.with_suffix(".duckdb.wal")):
            file.unlink(missing_ok=True)
        for _ in range(5):
            child = _start(bench, torn)
            time.sleep(chance.uniform(0.0, 0.8 * whole))
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                killed += 1
            child.wait()
        assert _start(bench, torn).wait() == 0
        assert _content(torn) == _content(calm)
        with open_catalog(torn) as catalog:
            open_twice = f"SELECT _id FROM {JOB}_history WHERE _to IS NULL GROUP BY 1 HAVING count(*) > 1"
            assert run(catalog.connection, open_twice) == []
    assert killed >= KILLS


def test_a_kill_while_things_change_loses_no_change(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(jobs=200, arrivals_per_day=400)
    chance = random.Random(5)
    for _ in range(6):
        child = _start(bench, bench.catalog)
        time.sleep(chance.uniform(0.2, 1.2))
        child.kill()
        child.wait()
        bench.cloud.clock.advance(3600)
        [victim] = chance.sample(sorted(bench.provider_names()), 1)
        if bench.boto3.describe_training_job(TrainingJobName=victim)["TrainingJobStatus"] == "Completed":
            bench.boto3.delete_training_job(TrainingJobName=victim)
    assert bench.sync().exit_code == 0
    assert bench.names() == bench.provider_names()
    [(interrupted,)] = bench.rows("SELECT count(*) FROM sweeps WHERE status = 'interrupted'")
    assert interrupted >= 1
