"""Search over a million mixed resources, and over a million training jobs more: page, total and facets from one call.

`python benchmarks/run.py --search` makes the catalogs (about three minutes, 700 MB in a temporary folder) and asks.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stocktake.query.connection import open_reading
from stocktake.query.search.completion import complete
from stocktake.query.search.run import search
from stocktake.store.catalog import open_catalog, run
from stocktake.store.resource_index import refresh_resources
from synthetic import JOB, make_catalog

FACETS = ("type", "account_id", "region", "state", "team", "env")


@dataclass(frozen=True)
class Question:
    """A search, and the most CPU that it may take over a million mixed resources, in milliseconds."""

    what: str
    text: str
    most: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


SIX: dict[str, Any] = {"facets": FACETS}
QUESTIONS = (
    Question("a page of everything", "", 60),
    Question("the same, with 6 facets", "", 200, SIX),
    Question("a word in 6 % of all", "checkout", 200),
    Question("the same, with 6 facets", "checkout", 200, SIX),
    Question("a word in nothing", "zebra", 200),
    Question("a tag, with 6 facets", "team:vision", 200, SIX),
    Question(
        "the same, two facets chosen",
        "team:vision",
        200,
        SIX | {"chosen": {"region": ["us-east-1"], "env": ["prod", "(none)"]}},
    ),
    Question("a tag that is not set", "-team:*", 200),
    Question("either of two tags, with 6 facets", "team:vision OR env:prod", 200, SIX),
    Question("part of a name, with 6 facets", "name:*checkout*", 200, SIX),
    Question("the beginning of an ARN", "arn:aws:ec2:us-east-1:*", None),
    Question("everything, by name", "", None, {"sort": "name"}),
    Question("a field of 49 types, with 6 facets", "status:failed", 200, SIX),
)
OF_JOBS = (
    Question("a nested field, with 6 facets", "resource_config.instance_type:ml.p4d*", None, SIX),
    Question(
        "a number and a time, with 6 facets", "training_time_in_seconds:>3600 creation_time:>2026-08-01", None, SIX
    ),
    Question("an entry of a map", "hyper_parameters.epochs:3", None),
    Question("an element of a list", "input_data_config.channel_name:validation", None),
)


# A sweep that found 10,000 jobs changed, as the store would have written it.
_CHANGES = """
    INSERT INTO sweeps VALUES (2, '2026-10-02', '2026-10-02', 'complete', 0, '0', NULL);
    CREATE TEMP TABLE picked AS SELECT _id AS p FROM aws_sagemaker_trainingjob_history USING SAMPLE 10000;
    INSERT INTO aws_sagemaker_trainingjob_history BY NAME
        SELECT * REPLACE ('Stopped' AS training_job_status, TIMESTAMP '2026-10-02' AS _from, 2 AS _sweep)
        FROM aws_sagemaker_trainingjob_history WHERE _id IN (SELECT p FROM picked);
    UPDATE aws_sagemaker_trainingjob_history SET _to = '2026-10-02', _gone = false, _end_sweep = 2
        WHERE _sweep = 1 AND _id IN (SELECT p FROM picked);
    INSERT INTO coverage BY NAME
        SELECT * REPLACE (2 AS sweep_id, 1 AS changed, TIMESTAMP '2026-10-02' AS finished_at)
        FROM coverage WHERE type = 'aws_sagemaker_trainingjob'
"""


def _measure(action: Any, rounds: int) -> tuple[float, float]:  # noqa: ANN401 - whatever is called
    """Return CPU and wall in milliseconds, the median of the rounds; one more before them to warm up."""
    action()
    taken = []
    for _ in range(rounds):
        begun, cpu = time.perf_counter(), time.process_time()
        action()
        taken.append((time.process_time() - cpu, time.perf_counter() - begun))
    cpu, wall = (statistics.median(one) * 1e3 for one in zip(*taken, strict=True))
    return cpu, wall


def asking(path: Path, questions: tuple[Question, ...], title: str, rounds: int, console: Console) -> None:
    """Ask each question, and print what it took."""
    table = Table(title=title)
    for name in ("search", "finds", "CPU ms", "wall ms", "at most"):
        table.add_column(name, justify="left" if name == "search" else "right")
    with open_reading(path) as catalog:
        for question in questions:
            total = search(catalog, question.text, **question.more).total
            cpu, wall = _measure(lambda q=question: search(catalog, q.text, **q.more), rounds)
            most = "" if question.most is None else f"{question.most}{'' if cpu <= question.most else ' MISSED'}"
            shown = f"{question.what}: {question.text}" if question.text else question.what
            table.add_row(shown, f"{total:,}", f"{cpu:,.0f}", f"{wall:,.0f}", most)
        for typed in ("te", "team:vi"):
            cpu, wall = _measure(lambda text=typed: complete(catalog, text), rounds)
            table.add_row(f"completion: {typed}", "", f"{cpu:,.0f}", f"{wall:,.0f}", "")
    console.print(table)


def keeping(path: Path, console: Console) -> None:
    """Fill the search table, then change 10,000 jobs and bring it up to date; print CPU and size."""
    before = path.stat().st_size
    with open_catalog(path) as catalog:
        begun = time.process_time()
        rows = refresh_resources(catalog)
        built = time.process_time() - begun
        run(catalog.connection, "CHECKPOINT")
        grown = path.stat().st_size - before
        console.print(
            f"search table of {rows:,} resources: {built / rows * 1e6:.0f} µs CPU and {grown / rows:.0f} B each"
        )
        [(jobs,)] = run(catalog.connection, "SELECT count(*) FROM resource_types WHERE type = ?", [JOB])
        if not jobs:
            return
        for statement in _CHANGES.split(";"):
            run(catalog.connection, statement)
        begun = time.process_time()
        rows = refresh_resources(catalog)
        console.print(f"{rows:,} changed: brought up to date in {(time.process_time() - begun) * 1e3:,.0f} ms CPU")
        begun = time.process_time()
        refresh_resources(catalog)
        console.print(f"nothing changed: {(time.process_time() - begun) * 1e3:,.0f} ms CPU\n")


def main() -> None:
    """Make the catalogs and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--mixed", type=int, default=1_000_000)
    parser.add_argument("--types", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as folder:
        for jobs, questions in ((0, QUESTIONS), (given.jobs, QUESTIONS + OF_JOBS)):
            path = Path(folder) / f"{jobs}.duckdb"
            make_catalog(path, jobs, given.mixed, types=given.types)
            keeping(path, console)
            title = f"{given.mixed:,} resources of {given.types} types"
            title += f", and {jobs:,} training jobs" if jobs else ""
            asking(path, questions, title, given.rounds, console)


if __name__ == "__main__":
    main()
