"""Judge many training jobs by all rules about them: how long it takes, and that it grows with their number only.

`python benchmarks/policies.py 20000 80000`: a catalog of invented jobs each (see synthetic.py); the best of three.
`python benchmarks/policies.py --simulated 20000`: jobs synced from the simulated cloud; no contract may be broken.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stocktake.policies.judging import judge
from stocktake.policies.packs import own_packs, pick_rules
from stocktake.query.connection import open_reading
from synthetic import make_catalog

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from simulated_estate import simulate


def judge_simulated(jobs: int, console: Console) -> None:
    """Judge jobs that the simulated cloud made by the contract rules; exit with 1 where one is broken."""
    [contract] = [pack for pack in own_packs() if pack.name == "training-job-contract"]
    with (
        tempfile.TemporaryDirectory() as folder,
        simulate(Path(folder), jobs) as estate,
        open_reading(estate.catalog) as catalog,
    ):
        cpu = time.process_time()
        report = judge(catalog, own_packs(), contract.rules, datetime.now(UTC))
        cpu = time.process_time() - cpu
    broken = list(report.open_findings())
    judged = sum(one.passed + one.failed for one in report.tallies.values())
    console.print(
        f"{report.resources:,} simulated jobs, {len(contract.rules)} contract rules: {judged:,} verdicts, "
        f"{len(broken):,} findings, {cpu:.2f} s of CPU"
    )
    for one in broken[:10]:
        console.print(f"{one.rule.id} {one.resource}")
    if broken:
        sys.exit(1)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=int, nargs="*", default=[20_000, 80_000])
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many is shown")
    parser.add_argument("--simulated", type=int, metavar="JOBS", help="only the contract, on simulated jobs")
    given = parser.parse_args()
    if given.simulated:
        judge_simulated(given.simulated, Console(width=100))
        return
    rules = pick_rules(own_packs(), types=("aws_sagemaker_trainingjob",))
    table = Table(title=f"Training jobs judged by {len(rules)} rules, best of {given.rounds}")
    for name in ("jobs", "CPU seconds", "wall seconds", "findings"):
        table.add_column(name, justify="right")
    for size in given.jobs:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog.duckdb"
            make_catalog(path, size, 0)
            best = (float("inf"), float("inf"))
            with open_reading(path) as catalog:
                for _ in range(given.rounds):
                    wall, cpu = time.perf_counter(), time.process_time()
                    report = judge(catalog, own_packs(), rules, datetime.now(UTC))
                    best = min(best, (time.process_time() - cpu, time.perf_counter() - wall))
        table.add_row(f"{size:,}", f"{best[0]:.2f}", f"{best[1]:.2f}", f"{len(report.findings):,}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
