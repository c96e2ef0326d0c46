"""A whole organization from one process: memory, CPU, time; and what a denied account and a hanging region delay."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from stocktake.core.progress import ScopeProgress

REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
    "eu-north-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ca-central-1", "sa-east-1",
)  # fmt: skip
HANGING = "eu-north-1"
LATENCY_MS = 20
TIMEOUT_SECONDS = 10.0


def organization(accounts: int, jobs: int, console: Console) -> None:
    """Sync training jobs of every account and region: a first load, again, and on a bad day."""
    places = accounts * len(REGIONS)
    table = Table(title=f"{accounts} accounts x {len(REGIONS)} regions, {jobs:,} training jobs, one process")
    names = ("sync", "scopes", "calls", "CPU s", "CPU ms/scope", "wall s", "last good scope s", "peak MB", "statuses")
    for name in names:
        table.add_column(name, justify="left" if name in {"sync", "statuses"} else "right")
    with served_cloud(accounts, jobs) as cloud, tempfile.TemporaryDirectory() as folder:
        catalog = str(Path(folder) / "catalog.duckdb")
        for what, switches in (
            ("first load", {}),
            ("again, nothing changed", {}),
            (
                f"again, one account denied, {HANGING} hangs",
                {"hang_regions": [HANGING], "denied_actions": [f"sts:AssumeRole@{cloud['accounts'][1]}"]},
            ),
        ):
            _switch(cloud, {"latency_ms": LATENCY_MS, **switches})
            found = _measure(cloud["environment"], catalog)
            table.add_row(
                what,
                f"{found['scopes']:,}",
                f"{found['calls']:,}",
                f"{found['cpu_seconds']:.1f}",
                f"{found['cpu_seconds'] / places * 1e3:.1f}",
                f"{found['wall_seconds']:.1f}",
                f"{found['last_good_seconds']:.1f}",
                f"{found['peak_mb']:,.0f}",
                ", ".join(f"{count:,} {status}" for status, count in sorted(found["statuses"].items())),
            )
    console.print(table)
    console.print(
        f"the cloud answers after {LATENCY_MS} ms; a call that hangs is given up after {TIMEOUT_SECONDS:.0f} s\n"
    )


@contextmanager
def served_cloud(
    accounts: int, jobs: int, regions: tuple[str, ...] = REGIONS, switches: dict[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Serve a simulated cloud as a process of its own; yields what it tells of itself."""
    command = [sys.executable, "-m", "stocktake.demo", "--jobs", str(jobs), "--accounts", str(accounts), "--speed", "0"]
    command += ["--switches", json.dumps(switches or {}), "--regions", *regions]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        told: dict[str, Any] = json.loads(process.stdout.readline() if process.stdout else "")
        yield told
    finally:
        process.terminate()
        process.wait()


def _switch(cloud: dict[str, Any], switches: dict[str, Any]) -> None:
    from urllib.request import Request, urlopen  # noqa: PLC0415 - only the parent speaks to the control calls

    calm = {"hang_regions": [], "denied_actions": [], **switches}
    request = Request(f"{cloud['endpoint_url']}/_control/switches", json.dumps(calm).encode(), method="POST")  # noqa: S310 - our own server
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
        answer.read()


def _measure(environment: dict[str, str], catalog: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, __file__, catalog],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def _sync(catalog: str) -> dict[str, Any]:
    """Run one sync in this process, and say what it cost."""
    from stocktake.sync import SyncRequest, run_sync  # noqa: PLC0415 - the parent need not pay for it

    started = time.monotonic()
    done: dict[tuple[str, str], float] = {}

    class Watch:
        """Notes when each scope ended."""

        def update(self, scope: ScopeProgress) -> None:
            if scope.done:
                done[scope.account_id, scope.region] = time.monotonic() - started

    report = run_sync(
        SyncRequest(
            catalog=Path(catalog),
            types=("aws_sagemaker_trainingjob",),
            endpoint_url=os.environ["AWS_ENDPOINT_URL"],
            organization=True,
            read_timeout_seconds=TIMEOUT_SECONDS,
        ),
        Watch(),
    )
    good = [(scope.account_id, scope.region) for scope in report.scopes if scope.status == "complete"]
    return {
        "scopes": len(report.scopes),
        "calls": report.calls,
        "cpu_seconds": time.process_time(),
        "wall_seconds": report.seconds,
        "last_good_seconds": max(done[key] for key in good),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "statuses": Counter(scope.status for scope in report.scopes),
    }


if __name__ == "__main__":
    print(json.dumps(_sync(sys.argv[1])))
