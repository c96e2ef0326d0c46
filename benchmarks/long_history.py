"""An account with a long history: its first load, cut short at random moments, and a day of small syncs afterwards."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from stocktake.store.catalog import open_catalog
from stocktake.store.catalog import run as run_sql

JOB = "aws_sagemaker_trainingjob"
SYNCS_A_DAY = int(os.environ.get("SYNCS_A_DAY", "96"))
CREATED_A_DAY, DELETED_A_DAY, REUSED_A_DAY, EDITED_A_DAY = 199, 50, 5, 100
_COMMAND = [sys.executable, "-c", "from stocktake.serve.cli import main; main()", "sync", "--type", JOB, "-o", "json"]
_CLOCK = """
import sys
from datetime import UTC, datetime, timedelta
from stocktake.core import clock
shift = timedelta(seconds=float(sys.argv.pop(1)))
clock.SystemClock.now = lambda self: datetime.now(UTC) + shift
from stocktake.serve.cli import main
main()
"""
_PLAIN: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
_HAZARDS: dict[str, tuple[dict[str, object], float]] = {
    "none": ({}, 0.0),
    "index 20 s late": ({"list_lag_seconds": 20, "search_lag_seconds": 20}, 0.0),
    "our clock 120 s fast": ({}, 120.0),
    "our clock 120 s slow": ({}, -120.0),
}


class Cloud:
    """The simulated cloud as a process of its own, its clock in our hands."""

    def __init__(self, jobs: int, arrivals_a_day: float) -> None:
        arguments = [sys.executable, "-m", "stocktake.demo", "--jobs", str(jobs), "--accounts", "1", "--speed", "0"]
        arguments += ["--regions", "us-east-1", "--arrivals-per-day", str(arrivals_a_day), "--history-days", "900"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline() if self.process.stdout else "")
        self.environment: dict[str, str] = told["environment"]
        self.url = self.environment["AWS_ENDPOINT_URL"]
        keys = {"aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "simulated"}
        # Patient, and not validating: what is measured is the other side.
        self.boto3 = boto3.client(
            "sagemaker", endpoint_url=self.url, region_name="us-east-1", config=Config(read_timeout=120), **keys
        )

    def served(self) -> int:
        """Return how many calls it has answered."""
        with urllib.request.urlopen(f"{self.url}/_control/stats") as answer:  # noqa: S310 - our own server's address
            return int(json.load(answer)["total"])

    def control(self, what: str, **changes: object) -> dict[str, Any]:
        """Change something of the simulation."""
        request = urllib.request.Request(f"{self.url}/_control/{what}", json.dumps(changes).encode())  # noqa: S310 - ours
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the address is our own server's
            found: dict[str, Any] = json.load(answer)
        return found

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.control("clock", advance_seconds=seconds)

    def summaries(self) -> dict[str, dict[str, Any]]:
        """Return what boto3 lists, by name."""
        pages = self.boto3.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
        return {job["TrainingJobName"]: job for page in pages for job in page["TrainingJobSummaries"]}


@dataclass
class Sync:
    """One `stocktake sync` as a process of its own."""

    cloud: Cloud
    catalog: Path
    shift_seconds: float = 0.0
    peak_mb: float = 0.0
    calls: int = 0
    kills: int = 0
    cpu_seconds: float = 0.0
    strategies: list[str] = field(default_factory=list)

    def run(self, *options: str, kill_after_seconds: float | None = None) -> dict[str, Any] | None:
        """Run it to its end and return its report; None where it was killed first."""
        command = [sys.executable, "-c", _CLOCK, str(self.shift_seconds), *_COMMAND[3:], "--catalog", str(self.catalog)]
        environment = os.environ | self.cloud.environment
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
            process = subprocess.Popen([*command, *options], env=environment, stdout=out, stderr=told)
            begun = time.monotonic()
            while True:
                pid, status, used = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if kill_after_seconds is not None and time.monotonic() - begun > kill_after_seconds:
                    process.send_signal(signal.SIGKILL)
                    kill_after_seconds = None
                    self.kills += 1
                self.peak_mb = max(self.peak_mb, _peak_mb(process.pid))
                time.sleep(0.05)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds += used.ru_utime + used.ru_stime
            self.peak_mb = max(self.peak_mb, used.ru_maxrss / 1024)
            if process.returncode == -signal.SIGKILL:
                return None
            out.seek(0)
            told.seek(0)
            try:
                report: dict[str, Any] = json.load(out)
            except ValueError:
                out.seek(0)
                raise RuntimeError(f"a sync failed: {out.read()!r} {told.read()[-4_000:].decode()}") from None
        self.calls += report["calls"]
        self.strategies.append(report["scopes"][0]["strategy"])
        return report


def long_history(jobs: int, kills: int, hazards: list[str], console: Console, keep: Path | None = None) -> None:
    """Print what the first load of a long history costs, and a day of syncs after it under each hazard."""
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(jobs, CREATED_A_DAY)
        try:
            catalog = (keep or Path(folder)) / "catalog.duckdb"
            _first_load(cloud, catalog, jobs, kills, console)
            _let_end(cloud, catalog)
            table = Table(title=f"A day of {SYNCS_A_DAY} syncs, and one reconcile, over {jobs:,} jobs")
            names = (
                "hazard",
                "calls a sync",
                "reconcile's calls",
                "CPU s a sync",
                "created",
                "changed",
                "deleted",
                "reused",
            )
            for name in (*names, "tag edits", "missing", "kept", "stale", "wrong tags"):
                table.add_column(name, justify="left" if name == "hazard" else "right")
            for number, hazard in enumerate(hazards or _HAZARDS):
                switches, shift = _HAZARDS[hazard]
                cloud.control("switches", list_lag_seconds=0, search_lag_seconds=0)
                cloud.control("switches", **switches)
                cells = _day(cloud, catalog, shift, number)
                table.add_row(hazard, *cells)
                print(hazard, *cells, flush=True)
            console.print(table)
        finally:
            cloud.process.terminate()
            cloud.process.wait()


def _first_load(cloud: Cloud, catalog: Path, jobs: int, kills: int, console: Console) -> None:
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    sync = Sync(cloud, catalog)
    begun = time.monotonic()
    report = None
    spread = max(10.0, jobs / 2_000 / (kills + 1))
    for _ in range(kills):
        report = report or sync.run(kill_after_seconds=chance.uniform(3.0, spread))
    report = report or sync.run()
    wall = time.monotonic() - begun
    served = cloud.served()
    missing, kept, stale, _ = _compare(cloud, catalog, [])
    table = Table(title=f"First load of {jobs:,} jobs, killed {sync.kills} times")
    for name in ("calls served", "calls a job", "CPU s", "wall s", "peak MB", "catalog MB", "missing", "kept", "stale"):
        table.add_column(name, justify="right")
    size = catalog.stat().st_size / 1e6
    table.add_row(
        f"{served:,}",
        f"{served / jobs:.3f}",
        f"{sync.cpu_seconds:,.0f}",
        f"{wall:,.0f}",
        f"{sync.peak_mb:,.0f}",
        f"{size:,.0f}",
        str(missing),
        str(kept),
        str(stale),
    )
    console.print(table)


def _let_end(cloud: Cloud, catalog: Path) -> None:
    """Let what was under way when the cloud began, thousands of jobs, come to its end: a day is to be like all days."""
    for _ in range(4):
        cloud.advance(6 * 3_600)
        _whole(Sync(cloud, catalog).run("--reconcile"))


def _day(cloud: Cloud, catalog: Path, shift: float, seed: int) -> list[str]:
    """Live through a day: things happen between the syncs, by chance; then one reconcile, and compare."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    sync = Sync(cloud, catalog, shift)
    counted = dict.fromkeys(("new", "changed", "deleted"), 0)
    before = cloud.summaries()
    ended = [name for name, job in before.items() if job["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"}]
    chance.shuffle(ended)
    doomed, reused = ended[:DELETED_A_DAY], ended[DELETED_A_DAY : DELETED_A_DAY + REUSED_A_DAY]
    edited = ended[DELETED_A_DAY + REUSED_A_DAY :][:EDITED_A_DAY]
    when = {name: chance.randrange(SYNCS_A_DAY) for name in (*doomed, *reused, *edited)}
    for step in range(SYNCS_A_DAY):
        for name in (name for name, at in when.items() if at == step):
            _happen(cloud, before[name]["TrainingJobArn"], name, doomed, reused, chance)
        cloud.advance(86_400 / SYNCS_A_DAY)
        report = _whole(sync.run("--reconcile-every", "1000d"))
        for what in counted:
            counted[what] += report["scopes"][0][what]
    calls, cpu = sync.calls, sync.cpu_seconds
    if set(sync.strategies) != {"open_set"}:
        raise RuntimeError(f"the open set was to be measured, not {sync.strategies}")
    cloud.advance(60)
    report = _whole(sync.run("--reconcile"))
    counted["deleted"] += report["scopes"][0]["deleted"]
    missing, kept, stale, wrong = _compare(cloud, catalog, [before[name]["TrainingJobArn"] for name in edited])
    numbers = (
        counted["new"],
        counted["changed"],
        counted["deleted"],
        len(reused),
        len(edited),
        missing,
        kept,
        stale,
        wrong,
    )
    return [
        f"{calls / SYNCS_A_DAY:.1f}",
        f"{report['calls']:,}",
        f"{cpu / SYNCS_A_DAY:.1f}",
        *(f"{one:,}" for one in numbers),
    ]


def _happen(cloud: Cloud, arn: str, name: str, doomed: list[str], reused: list[str], chance: random.Random) -> None:
    if name in doomed:
        _delete(cloud, name)
    elif name in reused:
        job = cloud.boto3.describe_training_job(TrainingJobName=name)
        if _delete(cloud, name):
            # The same name, and so the same ARN, for another job.
            keep = ("RoleArn", "OutputDataConfig")
            cloud.boto3.create_training_job(TrainingJobName=name, **_PLAIN, **{key: job[key] for key in keep})
    else:
        cloud.boto3.add_tags(ResourceArn=arn, Tags=[{"Key": "edited", "Value": str(chance.random())}])


def _delete(cloud: Cloud, name: str) -> bool:
    """Delete a job; one whose warm pool is kept cannot be deleted."""
    try:
        cloud.boto3.delete_training_job(TrainingJobName=name)
    except cloud.boto3.exceptions.ResourceInUse:
        return False
    return True


def _compare(cloud: Cloud, catalog: Path, edited: list[str]) -> tuple[int, int, int, int]:
    """Compare the catalog with what boto3 lists: missing, kept although deleted, stale; and with tags asked for."""
    truth = {
        name: (
            job["CreationTime"],
            job["TrainingJobStatus"],
            job["LastModifiedTime"],
            job.get("WarmPoolStatus", {}).get("Status"),
        )
        for name, job in cloud.summaries().items()
    }
    with open_catalog(catalog, read_only=True) as opened:
        rows = run_sql(
            opened.connection,
            "SELECT training_job_name, creation_time, training_job_status, last_modified_time, "
            "warm_pool_status.status, training_job_arn, tags FROM aws_sagemaker_trainingjob",
        )
    held = {row[0]: (_aware(row[1]), row[2], _aware(row[3]), row[4]) for row in rows}
    tags = {row[5]: row[6] for row in rows}
    missing = len(truth.keys() - held.keys())
    kept = len(held.keys() - truth.keys())
    stale = sum(held[name] != truth[name] for name in truth.keys() & held.keys())
    chance = random.Random(5)  # noqa: S311 - repeatable, not secret
    asked = {arn for arn in edited if arn in tags} | set(chance.sample(sorted(tags), min(200, len(tags))))
    wrong = 0
    for arn in asked:
        told = cloud.boto3.list_tags(ResourceArn=arn)["Tags"]
        wrong += sorted(f"{tag['Key']}:{tag['Value']}" for tag in told) != (tags[arn] or [])
    return missing, kept, stale, wrong


def _said(job: dict[str, Any]) -> tuple[object, ...]:
    pool = job.get("WarmPoolStatus", {}).get("Status")
    return job["CreationTime"], job["TrainingJobStatus"], job["LastModifiedTime"], pool


def _whole(report: dict[str, Any] | None) -> dict[str, Any]:
    if report is None or report["status"] != "complete":
        raise RuntimeError(f"a sync did not come through: {report}")
    return report


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _peak_mb(pid: int) -> float:
    try:
        told = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", told)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Run this benchmark alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=462_178)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--hazard", action="append", choices=list(_HAZARDS), help="only a day under this one")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the catalog is kept; it should be empty")
    given = parser.parse_args()
    long_history(given.jobs, given.kills, given.hazard or [], Console(width=170), given.keep)


if __name__ == "__main__":
    main()
