"""Measure speed and memory, peers in the same run, and print the tables: `make bench`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from limits import limits
from organization import organization

HERE = Path(__file__).parent
CUSTODIAN = HERE.parent / ".cache" / "custodian"
ACCOUNT_ARGUMENTS = ["--accounts", "1", "--regions", "us-east-1", "--speed", "0"]


class Cloud:
    """The simulated cloud as a process of its own, so that its CPU is not counted with a client's."""

    def __init__(self, jobs: int) -> None:
        arguments = [sys.executable, "-m", "stocktake.demo", "--jobs", str(jobs), *ACCOUNT_ARGUMENTS]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        told = json.loads(self._process.stdout.readline() if self._process.stdout else "")
        self.environment: dict[str, str] = told["environment"]

    def __enter__(self) -> dict[str, str]:
        return self.environment

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def measure(client: str, environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Run a client as a process of its own; it prints what it measured of itself as one line of JSON."""
    command = [sys.executable, str(HERE / "clients.py"), client, *arguments]
    run = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def measure_custodian(environment: dict[str, str], folder: Path) -> dict[str, Any] | None:
    """Run Cloud Custodian's own resource for training jobs: it lists, describes and reads tags, and writes JSON.

    It asks for jobs of one status, so the cost is per job that it found. None where it is not installed.
    """
    if not CUSTODIAN.exists():
        return None
    policy = folder / "jobs.yml"
    query = "  query:\n  - StatusEquals: Completed\n"
    policy.write_text(f"policies:\n- name: jobs\n  resource: aws.sagemaker-job\n{query}")
    out = folder / "custodian"
    command = [sys.executable, "-m", "c7n.cli", "run", "--region", "us-east-1", "--cache-period", "0"]
    begun = time.monotonic()
    process = subprocess.Popen(
        [*command, "-s", str(out), str(policy)],
        env=os.environ | environment | {"PYTHONPATH": str(CUSTODIAN)},
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"custodian ended with {process.returncode}")
    rows = len(json.loads((out / "jobs" / "resources.json").read_text()))
    return {
        "calls": rows * 2 + -(-rows // 100),
        "rows": rows,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "start_cpu_seconds": 0.0,
        "wall_seconds": time.monotonic() - begun,
        "peak_mb": used.ru_maxrss / 1024,
    }


def collecting(jobs: int, rounds: int, console: Console) -> None:
    """CPU of list + describe + tags to typed rows in a file, for every training job of an account."""
    table = Table(title=f"{jobs:,} training jobs to typed rows: list + describe + tags (best of {rounds})")
    for name in ("client", "calls", "CPU µs/job", "of which start-up", "wall s", "peak MB", "boto3's CPU : its"):
        table.add_column(name, justify="left" if name == "client" else "right")
    best: dict[str, dict[str, Any]] = {}
    with Cloud(jobs) as environment, tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            # In turns, so that a noisy minute falls on all.
            for client in ("boto3", "stocktake-own-tags", "stocktake", "stocktake-relations"):
                path = str(Path(folder) / f"{client}-{turn}.duckdb")
                found = measure(client, environment, path)
                if client not in best or found["cpu_seconds"] < best[client]["cpu_seconds"]:
                    best[client] = found | {"path": path}
        again = measure("stocktake", environment, best["stocktake"]["path"])
        custodian = measure_custodian(environment, Path(folder))
        size = Path(best["stocktake"]["path"]).stat().st_size
    words = {
        "boto3": "boto3, 16 threads, to Arrow, to DuckDB",
        "stocktake-own-tags": "stocktake, one tags call a job as boto3",
        "stocktake": "stocktake, tags of 100 jobs a call",
        "stocktake-relations": "the same, and relations derived",
    }
    for client, found in best.items():
        ratio = best["boto3"]["cpu_seconds"] / found["cpu_seconds"]
        table.add_row(words[client], *_cells(found, jobs), f"{ratio:.1f}")
    ratio = best["boto3"]["cpu_seconds"] / again["cpu_seconds"]
    table.add_row("stocktake, second sync", *_cells(again, jobs), f"{ratio:.1f}")
    if custodian is not None:
        found = custodian["rows"]
        ratio = best["boto3"]["cpu_seconds"] / jobs / (custodian["cpu_seconds"] / found)
        table.add_row(f"custodian run, {found:,} completed jobs", *_cells(custodian, found), f"{ratio:.1f}")
    console.print(table)
    rows = {client: found["rows"] for client, found in best.items()}
    console.print(f"rows: {rows}; catalog: {size / jobs:,.0f} bytes a job\n")


def _cells(found: dict[str, Any], jobs: int) -> list[str]:
    return [
        f"{found['calls']:,}",
        f"{found['cpu_seconds'] / jobs * 1e6:,.0f}",
        f"{found['start_cpu_seconds'] / jobs * 1e6:,.0f}",
        f"{found['wall_seconds']:.1f}",
        f"{found['peak_mb']:,.0f}",
    ]


def starting(console: Console) -> None:
    """CPU of what a user waits for first."""
    table = Table(title="Start-up CPU (best of 5)")
    for name in ("what", "CPU ms"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for what, code in {
        "python itself": "pass",
        "load aws_sagemaker_trainingjob from its model": "from stocktake.resource_types.registry import load_type\n"
        "from stocktake.providers.aws.models import open_models\nload_type('aws_sagemaker_trainingjob', open_models())",
        "stocktake --version": "import sys; sys.argv = ['stocktake', '--version']\n"
        "from stocktake.serve.cli import main\nmain()",
    }.items():
        timed = (
            f"import time, atexit, sys\natexit.register(lambda: print(time.process_time(), file=sys.stderr))\n{code}"
        )
        runs = [
            subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True) for _ in range(5)
        ]
        table.add_row(what, f"{min(float(run.stderr.split()[-1]) for run in runs) * 1e3:,.0f}")
    console.print(table)


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="training jobs in the simulated account")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many is shown")
    parser.add_argument("--xml", action="store_true", help="only the reading of XML: ours and botocore's parser")
    parser.add_argument("--limits", action="store_true", help="only two rate limits at once, and boto3's modes beside")
    parser.add_argument("--organization", action="store_true", help="only many accounts and regions in one process")
    parser.add_argument("--accounts", type=int, default=200, help="accounts of the organization")
    parser.add_argument("--long-history", action="store_true", help="only 462,178 jobs, and days of syncs after them")
    parser.add_argument("--search", action="store_true", help="only searches over two million resources")
    parser.add_argument("--sql", action="store_true", help="only SQL and history, PostgreSQL in the same run")
    parser.add_argument("--sql-jobs", type=int, default=1_000_000, help="training jobs, and as many mixed resources")
    parser.add_argument("--insights", action="store_true", help="only what is derived of many training jobs")
    parser.add_argument("--policies", action="store_true", help="only many training jobs judged by all their rules")
    parser.add_argument("--listen", action="store_true", help="only events from a queue to rows")
    parser.add_argument(
        "--sharing",
        type=float,
        nargs="?",
        const=300.0,
        metavar="SECONDS",
        help="only two syncs and three readers on one catalog, each a process",
    )
    given = parser.parse_args()
    console = Console(width=130)
    if given.sharing:
        subprocess.run([sys.executable, str(HERE / "sharing.py"), "--seconds", str(given.sharing)], check=True)
        return
    if given.sql:
        sizes = ["--jobs", str(given.sql_jobs), "--mixed", str(given.sql_jobs)]
        subprocess.run([sys.executable, str(HERE / "sql.py"), *sizes], check=True)
        return
    if given.long_history:
        subprocess.run([sys.executable, str(HERE / "long_history.py")], check=True)
        return
    if given.insights:
        subprocess.run([sys.executable, str(HERE / "insights.py")], check=True)
        return
    if given.policies:
        subprocess.run([sys.executable, str(HERE / "policies.py")], check=True)
        return
    if given.listen:
        subprocess.run([sys.executable, str(HERE / "listen.py")], check=True)
        return
    if given.search:
        subprocess.run([sys.executable, str(HERE / "search.py")], check=True)
        return
    if given.limits or given.organization:
        if given.limits:
            limits(console)
        if given.organization:
            organization(given.accounts, given.jobs, Console(width=170))
        return
    if given.xml:
        subprocess.run([sys.executable, str(HERE / "xml_bodies.py"), str(5 * given.rounds)], check=True)
        return
    starting(console)
    collecting(given.jobs, given.rounds, console)


if __name__ == "__main__":
    main()
