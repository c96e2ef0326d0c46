"""Two syncs in a loop and three readers on one catalog, each a process of its own: `run.py --sharing SECONDS`.

Nothing may fail, no version may be lost or be there twice, and readers must not feel the syncs: their median is
compared with that of the same readers while nobody syncs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
REGIONS = ("us-east-1", "eu-west-1", "us-west-2")
TYPE = "aws_sagemaker_trainingjob"
READERS, SYNCS = 3, 2
_PAUSE_SECONDS = 0.1
_QUESTIONS = (
    "SELECT training_job_status, count(*) FROM aws_sagemaker_trainingjob GROUP BY ALL ORDER BY ALL",
    "SELECT resource_config.instance_type, sum(billable_time_in_seconds) FROM aws_sagemaker_trainingjob GROUP BY ALL",
    "SELECT count(*), count(DISTINCT _id) FROM aws_sagemaker_trainingjob",
    "SELECT type, region, status, complete_at FROM coverage_now ORDER BY ALL",
)


def read(catalog: Path, stop: Path) -> None:
    """Ask one question after another until the file `stop` is there; print how long each took, in milliseconds."""
    from stocktake.query.connection import open_reading  # noqa: PLC0415 - only readers need it
    from stocktake.query.runner import run_query  # noqa: PLC0415 - likewise

    took: list[float] = []
    versions = 0
    while not stop.exists():
        for sql in _QUESTIONS:
            begun = time.perf_counter()
            with open_reading(catalog, 10) as opened:
                rows = list(run_query(opened, sql).rows())
            took.append((time.perf_counter() - begun) * 1e3)
            if "DISTINCT" in sql and rows[0][0] != rows[0][1]:
                raise SystemExit(f"a resource is there twice: {rows}")
            time.sleep(_PAUSE_SECONDS)
        with open_reading(catalog, 10) as opened:
            [(now,)] = run_query(opened, "SELECT count(*) FROM aws_sagemaker_trainingjob_history").rows()
        if now < versions:
            raise SystemExit(f"{versions - now} versions are gone")
        versions = now
    print(json.dumps({"took": took, "versions": versions}))


def sync(catalog: Path, stop: Path, pause_seconds: float) -> None:
    """Run `stocktake sync` again and again; print what all of them wrote."""
    command = [str(Path(sys.executable).parent / "stocktake"), "sync", "--catalog", str(catalog), "--type", TYPE]
    command += [part for region in REGIONS for part in ("--region", region)]
    command += ["-o", "json", "--debug"]
    total = Counter({"syncs": 0, "new": 0, "changed": 0, "calls": 0, "elsewhere": 0})
    while not stop.exists():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"exit code {done.returncode}: {done.stderr}")
        report = json.loads(done.stdout)
        total["syncs"] += 1
        for scope in report["scopes"]:
            for name in ("new", "changed", "calls"):
                total[name] += scope[name]
            total[scope["status"]] += 1
        time.sleep(pause_seconds)
    print(json.dumps(total))


def main() -> None:
    """Run the soak, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long")
    parser.add_argument("--jobs", type=int, default=3_000, help="training jobs in the simulated account")
    parser.add_argument("--part", choices=["read", "sync"], help="be one of the processes")
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--stop", type=Path)
    given = parser.parse_args()
    if given.part == "read":
        read(given.catalog, given.stop)
    elif given.part == "sync":
        sync(given.catalog, given.stop, 1.0)
    else:
        soak(given.seconds, given.jobs, Console(width=130))


def soak(seconds: float, jobs: int, console: Console) -> None:
    """Run everything, check it, and print the tables."""
    with tempfile.TemporaryDirectory() as folder, _Cloud(jobs) as environment:
        catalog = Path(folder) / "catalog.duckdb"
        env = os.environ | environment
        first = _until_stopped(env, Path(folder) / "first", catalog, syncs=1, readers=0, seconds=0.0)
        idle = _until_stopped(env, Path(folder) / "idle", catalog, syncs=0, readers=READERS, seconds=seconds / 4)
        busy = _until_stopped(env, Path(folder) / "busy", catalog, syncs=SYNCS, readers=READERS, seconds=seconds)
        written = sum(one["new"] + one["changed"] for one in (*first["sync"], *busy["sync"]))
        held, twice, open_twice = _look(catalog)
    table = Table(
        title=f"{SYNCS} syncs in a loop and {READERS} readers on one catalog, {seconds:,.0f} s, {jobs:,} jobs"
    )
    for name in ("readers", "questions", "median ms", "95 % ms", "longest ms"):
        table.add_column(name, justify="left" if name == "readers" else "right")
    medians = {}
    for name, outcome in (("nobody syncs", idle), ("beside two syncs", busy)):
        took = sorted(ms for one in outcome["read"] for ms in one["took"])
        medians[name] = statistics.median(took)
        longest = f"{took[-1]:,.0f}"
        table.add_row(name, f"{len(took):,}", f"{medians[name]:.1f}", f"{took[int(len(took) * 0.95)]:.1f}", longest)
    console.print(table)
    done = [
        f"{one['syncs']} syncs, {one['calls']:,} calls, {one['elsewhere']} scopes left to the other"
        for one in busy["sync"]
    ]
    console.print("; ".join(done))
    console.print(
        f"versions: {written:,} told by the syncs, {held:,} in the catalog, {twice} twice, {open_twice} open twice"
    )
    console.print(f"medians: {medians['beside two syncs'] / medians['nobody syncs']:.2f} times idle")
    if written != held or twice or open_twice:
        raise SystemExit("versions were lost or written twice")


def _until_stopped(
    env: dict[str, str], stop: Path, catalog: Path, *, syncs: int, readers: int, seconds: float
) -> dict[str, list[dict[str, Any]]]:
    """Start processes, let them work for a time, end them, and return what each printed."""
    kinds = ["sync"] * syncs + ["read"] * readers
    arguments = ["--catalog", str(catalog), "--stop", str(stop)]
    children = [
        subprocess.Popen(
            [sys.executable, str(HERE / "sharing.py"), "--part", kind, *arguments],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in kinds
    ]
    if seconds == 0.0:
        while not catalog.exists():
            time.sleep(0.1)
    end = time.monotonic() + seconds
    while time.monotonic() < end and all(child.poll() is None for child in children):
        time.sleep(0.5)
    stop.touch()
    outcome: dict[str, list[dict[str, Any]]] = {"sync": [], "read": []}
    for kind, child in zip(kinds, children, strict=True):
        out, _ = child.communicate()
        if child.returncode:
            raise SystemExit(f"a {kind} process failed: exit code {child.returncode}")
        outcome[kind].append(json.loads(out.splitlines()[-1]))
    return outcome


_SAME_AGAIN = """
SELECT count(*) FROM (
    SELECT _hash = lag(_hash) OVER versions AND NOT lag(_gone) OVER versions AS again
    FROM aws_sagemaker_trainingjob_history WINDOW versions AS (PARTITION BY _id ORDER BY _from)
) WHERE again
"""
_OPEN_TWICE = """
SELECT count(*) FROM (
    SELECT 1 FROM aws_sagemaker_trainingjob_history WHERE _to IS NULL
    GROUP BY _id, account_id, _region HAVING count(*) > 1
)
"""


def _look(catalog: Path) -> tuple[int, int, int]:
    """Return how many versions there are, how many repeat the one before, and how many resources are open twice."""
    from stocktake.store.catalog import open_catalog, run  # noqa: PLC0415 - only here

    with open_catalog(catalog, read_only=True) as opened:
        statements = ("SELECT count(*) FROM aws_sagemaker_trainingjob_history", _SAME_AGAIN, _OPEN_TWICE)
        held, twice, open_twice = (int(run(opened.connection, one)[0][0]) for one in statements)
    return held, twice, open_twice


class _Cloud:
    """A simulated cloud in which a day passes in ten minutes."""

    def __init__(self, jobs: int) -> None:
        command = [sys.executable, "-m", "stocktake.demo", "--jobs", str(jobs), "--accounts", "1", "--speed", "144"]
        command += ["--arrivals-per-day", "400", "--running-share", "0.05", "--regions", *REGIONS]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = json.loads(self._process.stdout.readline() if self._process.stdout else "")
        self._environment: dict[str, str] = told["environment"]

    def __enter__(self) -> dict[str, str]:
        return self._environment

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    main()
