"""SQL over many training jobs: twelve typical queries beside PostgreSQL, the questions, history, size, the sandbox.

`python benchmarks/run.py --sql` makes a catalog of a million jobs and a million mixed resources, loads the jobs into a
private PostgreSQL 15 (JSONB, GIN), and asks both in the same run; about twenty minutes and 8 GB of disk. `--sql-jobs`
takes other sizes.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from postgres import Cluster, find_binaries
from stocktake.core.errors import StocktakeError
from stocktake.insights.questions import answer, read_questions
from stocktake.query.changes import read_changes
from stocktake.query.connection import open_reading
from stocktake.query.resources import find_resource
from stocktake.query.runner import read_batches, run_query
from stocktake.query.sandbox import SqlLimits, SqlWorker
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.change_log import update_changes
from stocktake.store.key_index import index_keys
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.resource_index import refresh_resources
from synthetic import JOB, make_catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5


@dataclass(frozen=True)
class Typical:
    """A query in both dialects; the answers must be the same."""

    what: str
    ours: str
    theirs: str


def read_typical() -> list[Typical]:
    """Return the twelve."""
    said = tomllib.loads((Path(__file__).parent / "typical.toml").read_text())
    return [Typical(**one) for one in said["query"]]


@dataclass(frozen=True)
class Cost:
    """What a query cost, the median of some runs, and its answer."""

    wall_ms: float
    cpu_ms: float
    answer: list[str]


def cost_of(ask: Callable[[], list[tuple[Any, ...]]], rounds: int = ROUNDS) -> Cost:
    """Measure a question that this process answers; a first run, which warms up, is not counted."""
    rows = ask()
    walls, cpus = [], []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        rows = ask()
        walls.append((time.perf_counter() - wall) * 1e3)
        cpus.append((time.process_time() - cpu) * 1e3)
    return Cost(statistics.median(walls), statistics.median(cpus), [as_text(row) for row in rows])


def as_text(row: tuple[Any, ...]) -> str:
    """Return a row as psql prints it."""
    return "|".join("" if value is None else str(value) for value in row)


def load_postgres(cluster: Cluster, catalog: Catalog) -> float:
    """Load the jobs as documents, as tools of that kind keep them, and index them; return the seconds that it took."""
    began = time.monotonic()
    cluster.ask("CREATE UNLOGGED TABLE staged (arn text, account_id text, region text, doc text)")

    def lines() -> Iterator[bytes]:
        sql = (
            "SELECT _id || chr(2) || account_id || chr(2) || _region || chr(2) || "
            "CAST(to_json(j) AS VARCHAR) AS line "
            "FROM (SELECT * EXCLUDE (_created, _from, _unknown) FROM aws_sagemaker_trainingjob) AS j"
        )
        for batch in read_batches(catalog, sql):
            yield b"".join(f"{line}\n".encode() for line in batch.column(0).to_pylist())

    cluster.copy("staged", lines())
    cluster.ask("CREATE TABLE resource (arn text, account_id text, region text, type text, doc jsonb)")
    cluster.ask(
        "INSERT INTO resource SELECT arn, account_id, region, 'aws_sagemaker_trainingjob', "
        "jsonb_strip_nulls(doc::jsonb) FROM staged"
    )
    cluster.ask("DROP TABLE staged")
    cluster.ask("CREATE EXTENSION pg_trgm")
    cluster.ask("ALTER TABLE resource ADD PRIMARY KEY (arn)")
    cluster.ask("CREATE INDEX ON resource USING gin (doc jsonb_path_ops)")
    cluster.ask("CREATE INDEX ON resource USING gin ((doc->>'training_job_name') gin_trgm_ops)")
    cluster.ask("VACUUM ANALYZE resource")
    return time.monotonic() - began


def typical(path: Path, console: Console, rounds: int, *, alone: bool) -> None:
    """Ask the twelve queries of both, warm, and compare CPU."""
    binaries = None if alone else find_binaries()
    if binaries is None and not alone:
        console.print("PostgreSQL 15 is not installed (Debian: postgresql-15): our side alone")
    table = Table(title="Twelve typical queries, warm, median of the runs: wall / CPU ms")
    for name in ("query", "stocktake wall", "CPU", "PostgreSQL wall", "CPU", "its CPU : ours"):
        table.add_column(name, justify="left" if name == "query" else "right")
    ratios = []
    with open_reading(path) as catalog:
        [(arn, jobs)] = run_query(catalog, "SELECT max(_id), count(*) FROM aws_sagemaker_trainingjob").rows()
        cluster = Cluster(binaries) if binaries else None
        if cluster is not None:
            seconds = load_postgres(cluster, catalog)
            size = cluster.size_bytes / jobs
            console.print(f"PostgreSQL: loaded and indexed in {seconds:,.0f} s, {size:,.0f} bytes a job")
        for number, query in enumerate(read_typical()):
            sql = query.ours.replace("$ARN", arn)
            if number == 0:
                # As `stocktake show` looks it up; with its whole history, and when it was last known.
                ours = cost_of(lambda: [(find_resource(catalog, arn).id,)], rounds)
            else:
                ours = cost_of(lambda sql=sql: list(run_query(catalog, sql).rows()), rounds)  # type: ignore[misc] # a loop's own
            cells = [query.what, f"{ours.wall_ms:,.1f}", f"{ours.cpu_ms:,.1f}"]
            if cluster is not None:
                runs = [cluster.measure(query.theirs.replace("$ARN", arn)) for _ in range(rounds + 1)][1:]
                wall = statistics.median(one.wall_ms for one in runs)
                # A tick is 10 ms: only the mean of the runs says something of what is shorter, and wall bounds it.
                cpu = max(statistics.fmean(one.cpu_ms for one in runs), min(wall, 10 / rounds))
                ratios.append(cpu / max(ours.cpu_ms, 0.05))
                cells += [f"{wall:,.1f}", f"{cpu:,.1f}", f"{ratios[-1]:,.2f}"]
                same = number == 0 or ours.answer == runs[-1].rows
                cells[0] += "" if same else " (ANSWERS DIFFER)"
            table.add_row(*cells)
        if cluster is not None:
            cluster.__exit__()
    console.print(table)
    if ratios:
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        console.print(f"geometric mean of the ratios of CPU: {mean:,.1f} (acceptance: 20)\n")


def questions(path: Path, console: Console) -> None:
    """Ask every question that people ask."""
    table = Table(title="Questions (`stocktake ask`), warm, median of 3: wall / CPU ms")
    for name in ("question", "rows", "wall", "CPU"):
        table.add_column(name, justify="left" if name == "question" else "right")
    walls, cpus = [], []
    with open_reading(path) as catalog:
        for name, question in read_questions().items():
            try:
                cost = cost_of(lambda question=question: list(answer(catalog, question, {}).rows()), 3)  # type: ignore[misc] # a loop's own
            except StocktakeError as error:
                table.add_row(name, error.code, "", "")
                continue
            walls.append(cost.wall_ms)
            cpus.append(cost.cpu_ms)
            table.add_row(name, f"{len(cost.answer):,}", f"{cost.wall_ms:,.0f}", f"{cost.cpu_ms:,.0f}")
    console.print(table)
    console.print(f"{len(cpus)} questions: median {statistics.median(cpus):,.0f} ms CPU, most {max(cpus):,.0f} ms\n")


def history(path: Path, console: Console) -> None:
    """Change one job in a hundred, a hundred syncs without a change, and ask what was."""
    table = Table(title="History")
    for name in ("what", "wall ms", "CPU ms", ""):
        table.add_column(name, justify="left" if name in {"what", ""} else "right")
    at = datetime(2026, 10, 2, tzinfo=UTC)
    with open_catalog(path) as catalog:
        connection = catalog.connection
        [(jobs,)] = run(connection, "SELECT count(*) FROM aws_sagemaker_trainingjob")
        update_changes(catalog)
        changed = max(1, jobs // 100)
        run(connection, "CHECKPOINT")
        before = _used_bytes(catalog)
        for number in range(2):
            table.add_row(*_change(catalog, at + timedelta(days=number), changed))
        run(connection, "CHECKPOINT")
        grown = _used_bytes(catalog) - before
        table.add_row("the file grew", "", "", f"{grown / (2 * changed):,.0f} bytes a change, the log included")
        before = _used_bytes(catalog)
        for number in range(100):
            ledger = Ledger(catalog, at + timedelta(days=3, hours=number))
            for account, region in run(
                connection, "SELECT DISTINCT account_id, _region FROM aws_sagemaker_trainingjob"
            ):
                ledger.write_coverage(Coverage(account, region, JOB, at + timedelta(days=3, hours=number), unchanged=1))
            update_changes(catalog)
            refresh_resources(catalog)
            ledger.finish("complete", 1, at + timedelta(days=3, hours=number))
        run(connection, "CHECKPOINT")
        grown = _used_bytes(catalog) - before
        table.add_row("100 syncs without a change", "", "", f"the file grew by {100 * grown / before:.2f} %")
    with open_reading(path) as catalog:
        moment = at + timedelta(hours=1)
        group = "SELECT resource_config.instance_type, count(*) FROM aws_sagemaker_trainingjob GROUP BY ALL"
        for what, ask in {
            "as of: jobs by instance type": lambda: list(run_query(catalog, group, as_of=moment).rows()),
            "now: jobs by instance type": lambda: list(run_query(catalog, group).rows()),
            "changes of a day": lambda: [(len(read_changes(catalog, at + timedelta(hours=12), limit=0).records),)],
            "changes of a day in one field": lambda: [
                (len(read_changes(catalog, at + timedelta(hours=12), search="changed:training_job_status").records),)
            ],
            "changes since a day without any": lambda: [(len(read_changes(catalog, at + timedelta(days=5)).records),)],
        }.items():
            cost = cost_of(ask)
            table.add_row(what, f"{cost.wall_ms:,.1f}", f"{cost.cpu_ms:,.1f}", f"{len(cost.answer):,} rows")
    console.print(table)


def _used_bytes(catalog: Catalog) -> int:
    """Return what the file holds, without the room that removed rows left in it."""
    [(size,)] = run(catalog.connection, "SELECT block_size * used_blocks FROM pragma_database_size()")
    return int(size)


def _change(catalog: Catalog, at: datetime, count: int) -> tuple[str, str, str, str]:
    """Apply some changes as a sync does, over the whole table, and write them down."""
    connection = catalog.connection
    ledger = Ledger(catalog, at)
    naive, number = at.replace(tzinfo=None), ledger.sweep_id
    run(
        connection,
        "CREATE OR REPLACE TEMP TABLE fresh AS SELECT * FROM aws_sagemaker_trainingjob_history WHERE _to IS NULL "
        "ORDER BY hash(_id, $sweep) LIMIT $count",
        {"sweep": number, "count": count},
    )
    cpu, wall = time.process_time(), time.perf_counter()
    with catalog.transaction():
        run(
            connection,
            "UPDATE aws_sagemaker_trainingjob_history SET _to = $at, _end_sweep = $sweep, _gone = false "
            "WHERE _to IS NULL AND _id IN (SELECT _id FROM fresh)",
            {"at": naive, "sweep": number},
        )
        run(
            connection,
            "INSERT INTO aws_sagemaker_trainingjob_history SELECT * REPLACE ($at AS _from, $sweep AS _sweep, "
            "hash(_id, $sweep) AS _hash, 'Stopped' AS training_job_status, "
            "struct_update(resource_config, volume_size_in_gb := 7) AS resource_config) FROM fresh",
            {"at": naive, "sweep": number},
        )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for account, region in run(connection, "SELECT DISTINCT account_id, _region FROM aws_sagemaker_trainingjob"):
        ledger.write_coverage(Coverage(account, region, JOB, at, changed=1, finished_at=at))
    logged = time.process_time()
    update_changes(catalog)
    logged = time.process_time() - logged
    ledger.finish("complete", 1, at)
    said = f"and {logged * 1e3:,.0f} ms CPU to write down which fields changed"
    return (f"{count:,} changes applied", f"{wall * 1e3:,.0f}", f"{cpu * 1e3:,.0f}", said)


def sandbox(path: Path, console: Console) -> None:
    """Start, ask, kill, and see how soon it is there again."""
    seconds, cpu = [], []
    with SqlWorker(path) as worker:
        began = time.monotonic()
        worker.run("SELECT count(*) FROM aws_sagemaker_trainingjob").read_all()
        first = time.monotonic() - began
        for _ in range(5):
            try:
                worker.run("SELECT lpad('x', 2000000000, 'y')", None, SqlLimits(seconds=0.2)).read_all()
            except StocktakeError:
                began = time.monotonic()
                worker.run("SELECT 1").read_all()
                seconds.append(time.monotonic() - began)
                fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
                cpu.append((int(fields[11]) + int(fields[12])) * 10.0)
    console.print(
        f"sandbox: first answer after {first * 1e3:,.0f} ms, after a kill {statistics.median(seconds) * 1e3:,.0f} ms, "
        f"of which the new process used {statistics.median(cpu):,.0f} ms CPU\n"
    )


def main() -> None:
    """Make the catalog, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--mixed", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--catalog", type=Path, help="a catalog that synthetic.py made; it is changed")
    parser.add_argument("--alone", action="store_true", help="without PostgreSQL")
    parser.add_argument("--only", choices=["typical", "questions", "history", "sandbox"])
    given = parser.parse_args()
    console = Console(width=130)
    with tempfile.TemporaryDirectory() as folder:
        path = given.catalog or Path(folder) / "catalog.duckdb"
        if given.catalog is None:
            make_catalog(path, given.jobs, given.mixed)
        sizes(path, console)
        if given.only in {None, "typical"}:
            typical(path, console, given.rounds, alone=given.alone)
        if given.only in {None, "questions"}:
            questions(path, console)
        if given.only in {None, "history"}:
            history(path, console)
        if given.only in {None, "sandbox"}:
            sandbox(path, console)


def sizes(path: Path, console: Console) -> None:
    """Say what a job takes on disk, with its line in the search table."""
    with open_catalog(path) as catalog:
        before = path.stat().st_size
        refresh_resources(catalog)
        index_keys(catalog)
        run(catalog.connection, "CHECKPOINT")
        [(jobs,)] = run(catalog.connection, "SELECT count(*) FROM aws_sagemaker_trainingjob")
        [(resources,)] = run(catalog.connection, "SELECT count(*) FROM resources")
    size = path.stat().st_size
    console.print(
        f"{jobs:,} jobs among {resources:,} resources: {before / resources:,.0f} bytes a resource, "
        f"{size / resources:,.0f} with the search table and the index of keys\n"
    )


if __name__ == "__main__":
    main()
