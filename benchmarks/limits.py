"""Two rate limits at once, 32 calls at a time on each: time, calls wasted, calls lost; and boto3's modes beside.

All clients run at the same time, each in an account of its own, since limits are counted for each account.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from organization import served_cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

CONCURRENCY = 32
LATENCY_MS = 30
CLIENTS = ("stocktake", "stocktake, told the limits", "boto3 legacy", "boto3 standard", "boto3 adaptive")


@dataclass(frozen=True, slots=True)
class Load:
    """Calls of one operation against a token bucket."""

    operation: str
    rate: float
    burst: float
    calls: int

    @property
    def ideal_seconds(self) -> float:
        """Return the shortest time there is."""
        return (self.calls - self.burst) / self.rate


LOADS = (Load("DescribeTrainingJob", 20.0, 100.0, 1_280), Load("ListTags", 5.0, 5.0, 300))


@dataclass(slots=True)
class Outcome:
    """What became of a load."""

    seconds: float
    sent: int
    passed: int


def limits(console: Console) -> None:
    """Print how near to the ideal each client comes."""
    throttle = {load.operation: [load.rate, load.burst] for load in LOADS}
    switches = {"throttle": throttle, "latency_ms": LATENCY_MS}
    table = Table(title=f"Two limits at once, {CONCURRENCY} calls at a time on each")
    for name in ("client", "operation", "limit", "calls", "ideal s", "took s", "over ideal", "wasted", "lost"):
        table.add_column(name, justify="left" if name in {"client", "operation", "limit"} else "right")
    with served_cloud(accounts=len(CLIENTS), jobs=200, regions=("us-east-1",), switches=switches) as cloud:
        running = [_start(client, account, cloud) for client, account in zip(CLIENTS, cloud["accounts"], strict=True)]
        for client, process in zip(CLIENTS, running, strict=True):
            told, _ = process.communicate(timeout=900)
            for load, found in zip(LOADS, json.loads(told.splitlines()[-1]), strict=True):
                _add_row(table, client, load, Outcome(**found))
    console.print(table)


def _add_row(table: Table, client: str, load: Load, found: Outcome) -> None:
    table.add_row(
        client,
        load.operation,
        f"{load.rate:g}/s, burst {load.burst:g}",
        f"{load.calls:,}",
        f"{load.ideal_seconds:.0f}",
        f"{found.seconds:.1f}",
        f"{found.seconds / load.ideal_seconds - 1:+.1%}",
        f"{(found.sent - found.passed) / found.sent:.1%}",
        f"{load.calls - found.passed:,}",
    )


def _start(client: str, account: str, cloud: dict[str, Any]) -> subprocess.Popen[str]:
    key = cloud["environment"]["AWS_ACCESS_KEY_ID"].replace(cloud["accounts"][0], account)
    environment = os.environ | cloud["environment"] | {"AWS_ACCESS_KEY_ID": key, "AWS_DEFAULT_REGION": "us-east-1"}
    return subprocess.Popen([sys.executable, __file__, client], env=environment, stdout=subprocess.PIPE, text=True)


# ---- the clients, each a process ----


def _parameters() -> tuple[dict[str, str], ...]:
    import boto3  # noqa: PLC0415 - only the children need it

    [job, *_] = boto3.client("sagemaker").list_training_jobs(MaxResults=1)["TrainingJobSummaries"]
    return {"TrainingJobName": job["TrainingJobName"]}, {"ResourceArn": job["TrainingJobArn"]}


def by_boto3(mode: str) -> list[Outcome]:
    """Call both operations with one client of boto3's and two pools of threads."""
    import boto3  # noqa: PLC0415 - only this child needs it
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    config = Config(retries={"mode": mode}, max_pool_connections=2 * CONCURRENCY)
    client = boto3.client("sagemaker", config=config)
    lock, sent = threading.Lock(), dict.fromkeys((load.operation for load in LOADS), 0)

    def count(operation: str) -> Callable[..., None]:
        def counted(**_: object) -> None:
            with lock:
                sent[operation] += 1

        return counted

    for load in LOADS:
        client.meta.events.register(f"before-send.sagemaker.{load.operation}", count(load.operation))
    methods = (client.describe_training_job, client.list_tags)

    def run(load: Load, call: Callable[..., Any], params: dict[str, str]) -> Outcome:
        def one(_: int) -> bool:
            try:
                call(**params)
            except ClientError:
                return False
            return True

        started = time.monotonic()
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            passed = sum(pool.map(one, range(load.calls)))
        return Outcome(time.monotonic() - started, sent[load.operation], passed)

    with ThreadPoolExecutor(len(LOADS)) as both:
        return list(both.map(run, LOADS, methods, _parameters()))


def by_stocktake(*, told: bool) -> list[Outcome]:
    """Call both operations as a sync does."""
    from stocktake.collect.answers import CallCounts  # noqa: PLC0415 - only this child needs it
    from stocktake.collect.limits import Limit, Limits  # noqa: PLC0415
    from stocktake.collect.session import CollectSettings, open_session  # noqa: PLC0415
    from stocktake.core.errors import StocktakeError  # noqa: PLC0415

    known = tuple(Limit("sagemaker", load.operation, load.rate, load.burst) for load in LOADS) if told else ()
    settings = CollectSettings(limits=Limits(known), max_connections=2 * CONCURRENCY)

    async def run(load: Load, params: dict[str, str]) -> Outcome:
        counts, passed, left = CallCounts(), [0], iter(range(load.calls))
        client = session.service_client("sagemaker")

        async def work() -> None:
            for _ in left:
                try:
                    await client.call(load.operation, params, counts=counts)
                except StocktakeError:
                    continue
                passed[0] += 1

        started = time.monotonic()
        await asyncio.gather(*[work() for _ in range(CONCURRENCY)])
        return Outcome(time.monotonic() - started, counts.total, passed[0])

    async def main() -> list[Outcome]:
        return list(await asyncio.gather(*map(run, LOADS, parameters)))

    parameters = _parameters()
    with asyncio.Runner() as runner:

        async def opened() -> Any:  # noqa: ANN401 - a session; its class is only known to this child
            return open_session(settings=settings)

        session = runner.run(opened())
        return runner.run(main())


if __name__ == "__main__":
    wanted = sys.argv[1]
    outcomes = (
        by_boto3(wanted.removeprefix("boto3 ")) if wanted.startswith("boto3") else by_stocktake(told="told" in wanted)
    )
    print(json.dumps([asdict(outcome) for outcome in outcomes]))
