"""From an event to the row: through moto's SQS, the simulated cloud behind, `stocktake listen` as a process of its own.

`python benchmarks/listen.py --events 10000 --rounds 30`. moto runs in a process of its own, with its clock made faster
and its deletions kept from undoing each other (tests/event_estate.py says why).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from event_estate import JOB, REGION, mend_queues, new_job, state_change
from stocktake.core.errors import StocktakeError
from stocktake.core.progress import Silent
from stocktake.query.connection import open_reading
from stocktake.query.runner import run_query
from stocktake.sync import SyncRequest, run_sync

_WAIT_SECONDS = 120.0
_BACKLOG = 1_000
"""moto looks at every message of a queue for each that is deleted."""


def serve_queues() -> None:
    """Be moto's server, until the input ends."""
    mend_queues()
    logging.disable(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
    sys.stdin.read()
    server.stop()


class Setting:
    """The cloud, the queue and the catalog."""

    def __init__(self, jobs: int, folder: Path) -> None:
        command = [sys.executable, "-m", "stocktake.demo", "--jobs", str(jobs), "--accounts", "1"]
        command += ["--regions", REGION, "--speed", "0"]
        self._cloud = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = json.loads(self._cloud.stdout.readline() if self._cloud.stdout else "")
        self.endpoint: str = told["environment"].pop("AWS_ENDPOINT_URL")
        os.environ |= told["environment"]
        command = [sys.executable, __file__, "--serve-queues"]
        self._queues = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        url = self._queues.stdout.readline().strip() if self._queues.stdout else ""
        self.sagemaker: Any = boto3.client("sagemaker", endpoint_url=self.endpoint)
        self.sqs: Any = boto3.client("sqs", endpoint_url=url)
        self.queue: str = self.sqs.create_queue(QueueName="events")["QueueUrl"]
        self.catalog = folder / "catalog.duckdb"

    def close(self) -> None:
        """End the processes."""
        if self._queues.stdin:
            self._queues.stdin.close()
        self._cloud.terminate()
        self._cloud.wait()
        self._queues.wait()

    def sync(self, *, full: bool = False) -> None:
        """Read the jobs."""
        request = SyncRequest(catalog=self.catalog, types=(JOB,), endpoint_url=self.endpoint, full=full)
        run_sync(request, Silent())

    def listen(self, *more: str) -> subprocess.Popen[str]:
        """Start listening."""
        command = [sys.executable, "-m", "stocktake", "listen", "--queue", self.queue, "--type", JOB]
        command += ["--endpoint-url", self.endpoint, "--catalog", str(self.catalog), "-o", "json", *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def send(self, bodies: list[str]) -> None:
        """Send events."""
        for start in range(0, len(bodies), 10):
            entries: Any = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
            self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def backlog(self) -> int:
        """Return how many messages there are, whoever has them in hand."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def advance(self, seconds: int) -> None:
        """Let time pass in the cloud."""
        body = json.dumps({"advance_seconds": seconds}).encode()
        request = Request(f"{self.endpoint}/_control/clock", data=body, method="POST")  # noqa: S310 - on loopback
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - on loopback
            answer.read()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the catalog, as any reader does."""
        with open_reading(self.catalog) as catalog:
            return list(run_query(catalog, sql).rows())

    def wait_for(self, sql: str) -> float:
        """Return how long it takes until a question has an answer."""
        began = time.perf_counter()
        while time.perf_counter() - began < _WAIT_SECONDS:
            try:
                if self.rows(sql):
                    break
            except StocktakeError:
                pass  # the catalog changes hands
            time.sleep(0.02)
        return time.perf_counter() - began


def latency(setting: Setting, rounds: int) -> list[float]:
    """Return seconds from sending an event to the row in its table."""
    process = setting.listen()
    found = []
    for number in range(rounds + 1):
        arn = new_job(setting.sagemaker, f"followed-{number}")
        setting.send([state_change(arn)])
        took = setting.wait_for(f"SELECT 1 FROM {JOB} WHERE training_job_name = 'followed-{number}'")  # noqa: S608 - ours
        if number:  # the first waits for the process to start
            found.append(took)
    process.terminate()
    process.communicate(timeout=120)
    return found


def flood(setting: Setting, events: int) -> dict[str, Any]:
    """Return what many events at once cost, and whether the catalog is right after them."""
    arns = [row[0] for row in setting.rows(f"SELECT _id FROM {JOB}")]  # noqa: S608 - our own name
    draw = random.Random(7)  # noqa: S311 - chance with a seed, nothing secret
    setting.advance(4 * 3600)
    for arn in draw.sample(arns, len(arns) // 20):
        with suppress(setting.sagemaker.exceptions.ClientError):  # it may still run
            setting.sagemaker.delete_training_job(TrainingJobName=arn.rsplit("/", 1)[-1])
    named = [*arns, *draw.choices(arns, k=events - len(arns))]
    draw.shuffle(named)
    bodies = [state_change(arn, f"2026-01-{draw.randrange(1, 29):02}T00:00:00Z") for arn in named]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = setting.listen()
    for start in range(0, events, _BACKLOG // 2):
        while setting.backlog() > _BACKLOG // 2:
            time.sleep(0.1)
        setting.send(bodies[start : start + _BACKLOG // 2])
    while setting.backlog():
        time.sleep(0.1)
    process.terminate()
    out, _ = process.communicate(timeout=300)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told: dict[str, Any] = json.loads(out)
    whole = f"SELECT * EXCLUDE (_from) FROM {JOB} ORDER BY _id"  # noqa: S608 - our own name
    by_events = setting.rows(whole)
    setting.sync(full=True)
    by_sync = setting.rows(whole)
    # In four hours jobs come that no event named.
    known = set(arns)
    by_events, by_sync = ([row for row in rows if known & set(map(str, row))] for rows in (by_events, by_sync))
    odd = [one for one in by_events if one not in by_sync] + [one for one in by_sync if one not in by_events]
    for row in odd[:6]:
        Console(stderr=True).print(row)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told | {"wall": wall, "cpu": cpu, "right": not odd}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--serve-queues", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_queues:
        serve_queues()
        return
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(given.jobs, Path(folder))
        try:
            setting.sync()
            took = sorted(latency(setting, given.rounds))
            told = flood(setting, given.events)
        finally:
            setting.close()
    table = Table(title=f"From event to row, {given.rounds} events one after another")
    for name in ("median s", "95 % s", "longest s"):
        table.add_column(name, justify="right")
    table.add_row(f"{statistics.median(took):.2f}", f"{took[int(len(took) * 0.95)]:.2f}", f"{took[-1]:.2f}")
    console.print(table)
    table = Table(title=f"{given.events:,} events for {given.jobs:,} jobs, {told['deleted']} of them deleted")
    for name in ("messages", "calls", "changed", "deleted", "wall s", "CPU s", "as a full sync finds it"):
        table.add_column(name, justify="right")
    numbers = [f"{told[name]:,}" for name in ("messages", "calls", "changed", "deleted")]
    table.add_row(*numbers, f"{told['wall']:.1f}", f"{told['cpu']:.1f}", "yes" if told["right"] else "NO")
    console.print(table)
    if not told["right"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
