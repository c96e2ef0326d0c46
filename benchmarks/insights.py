"""Derive insights of many training jobs in one scan: how long it takes, and that it grows with their number only.

`python benchmarks/insights.py 20000 80000 320000`: a catalog of invented jobs each (see synthetic.py), then, of three
turns the best, every derived column of every job, all jobs' facets, their bills, and the whole lineage.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from stocktake.insights.names import ask
from stocktake.query.connection import open_reading
from synthetic import make_catalog

if TYPE_CHECKING:
    from stocktake.store.catalog import Catalog

_SCANS = {
    # A hash over whole rows needs every column of each.
    "all derived columns": "SELECT bit_xor(hash(row)) FROM aws_sagemaker_trainingjob_insights AS row",
    "phases, bills, savings": (
        "SELECT sum(training_seconds), sum(retries), sum(total_instance_seconds), avg(spot_savings_pct) "
        "FROM aws_sagemaker_trainingjob_insights"
    ),
    "facets": "SELECT bit_xor(hash(row)) FROM jobs AS row",
    "costs": "SELECT sum(instance_seconds), count(cost) FROM job_costs",
    "lineage": "SELECT count(*), bit_xor(hash(row)) FROM lineage AS row",
}


def measure(catalog: Catalog, sql: str) -> tuple[float, float]:
    """Return the least seconds, of CPU and of the wall's clock, of three turns."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        list(ask(catalog, sql).rows())
        best = min(best, (time.process_time() - cpu, time.perf_counter() - wall))
    return best


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=int, nargs="*", default=[20_000, 80_000])
    sizes = parser.parse_args().jobs
    table = Table(title="Insights of training jobs: CPU seconds (wall seconds), best of 3")
    table.add_column("jobs", justify="right")
    for name in _SCANS:
        table.add_column(name, justify="right")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog.duckdb"
            make_catalog(path, size, 0)
            with open_reading(path) as catalog:
                found = [measure(catalog, sql) for sql in _SCANS.values()]
        table.add_row(f"{size:,}", *(f"{cpu:.2f} ({wall:.2f})" for cpu, wall in found))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
