"""Insights while another process has the catalog open for writing: the same answers as when it is read directly."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stocktake.insights.job_list import JobFilter, list_jobs
from stocktake.insights.job_report import JobReport, read_job
from stocktake.insights.lineage import Lineage, walk_lineage
from stocktake.insights.prices import read_prices
from stocktake.insights.questions import answer, read_questions
from stocktake.query.connection import open_reading
from stocktake.query.resources import find_resource
from stocktake.store.catalog import Catalog

_WRITER = """
import sys
from pathlib import Path
from stocktake.query.serving import READ, lock_down, serve_reader
from stocktake.store.owner import CatalogOwner, join_catalog

joined = join_catalog(Path(sys.argv[1]), "write", "0", wait_seconds=10)
lock_down(joined.catalog)
owner = CatalogOwner(joined.catalog, joined.turn, {READ: serve_reader})
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def copy(estate: Any, tmp_path: Path) -> Path:
    path = tmp_path / "catalog.duckdb"
    shutil.copy(estate.catalog, path)
    return path


@pytest.fixture
def writer(copy: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _WRITER, str(copy)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def told(catalog: Catalog, estate: Any) -> tuple[list[Any], JobReport, Lineage, dict[str, list[Any]]]:
    prices = read_prices(estate.prices)
    name = next(job["arn"] for job in estate.truth if job["kept"])
    listed = list(list_jobs(catalog, JobFilter(states=("failed",)), order="cost", limit=5, prices=prices).rows())
    report = read_job(catalog, find_resource(catalog, name), prices)
    walk = walk_lineage(catalog, ("aws_sagemaker_trainingjob", name), depth=2)
    some = ("cost_by_team", "warm_pool_chains", "roles_used", "phase_timeline")
    answers = {one: list(answer(catalog, read_questions()[one], {}, prices).rows()) for one in some}
    return listed, report, walk, answers


def test_the_same_as_when_read_directly(estate: Any, copy: Path, writer: subprocess.Popen[str]) -> None:
    with open_reading(copy) as catalog:
        beside = told(catalog, estate)
        assert writer.poll() is None
    with open_reading(estate.catalog) as catalog:
        assert told(catalog, estate) == beside
