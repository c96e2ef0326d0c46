"""Judge many training jobs by all rules about them: how long it takes, and that it grows with their number only.

`python benchmarks/policies.py 20000 80000`: a catalog of invented jobs each (see synthetic.py); the best of three.
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=int, nargs="*", default=[20_000, 80_000])
    rules = pick_rules(own_packs(), types=("aws_sagemaker_trainingjob",))
    table = Table(title=f"Training jobs judged by {len(rules)} rules, best of 3")
    for name in ("jobs", "CPU seconds", "wall seconds", "findings"):
        table.add_column(name, justify="right")
    for size in parser.parse_args().jobs:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog.duckdb"
            make_catalog(path, size, 0)
            best = (float("inf"), float("inf"))
            with open_reading(path) as catalog:
                for _ in range(3):
                    wall, cpu = time.perf_counter(), time.process_time()
                    report = judge(catalog, own_packs(), rules, datetime.now(UTC))
                    best = min(best, (time.process_time() - cpu, time.perf_counter() - wall))
        table.add_row(f"{size:,}", f"{best[0]:.2f}", f"{best[1]:.2f}", f"{len(report.findings):,}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
