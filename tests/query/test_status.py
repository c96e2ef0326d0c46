"""What is known, how old it is, what could not be read."""

from __future__ import annotations

from pathlib import Path

from sample_catalog import REGION, SampleCatalog
from stocktake.query.connection import open_reading
from stocktake.query.status import read_status
from stocktake.store.catalog import Catalog, open_catalog


def test_scopes_and_sweeps(catalog: Catalog, sample: SampleCatalog) -> None:
    status = read_status(catalog)
    denied, home = sorted(status.scopes, key=lambda scope: scope.region)
    assert (home.region, home.status, home.rows, home.aside, home.stale) == (REGION, "complete", 3, 1, False)
    assert home.complete_at == sample.second.replace(tzinfo=None)
    assert home.drift == ["NewField"]
    assert (denied.status, denied.rows, denied.stale, denied.complete_at) == ("denied", 0, True, None)
    assert denied.missing_permission == "sagemaker:ListTrainingJobs"
    assert [(sweep.sweep_id, sweep.status, sweep.calls) for sweep in status.sweeps] == [
        (2, "gaps", 6),
        (1, "complete", 7),
    ]
    assert status.size_bytes >= sample.path.stat().st_size > 0


def test_an_empty_catalog(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    open_catalog(path).close()
    with open_reading(path) as empty:
        status = read_status(empty)
    assert (status.scopes, status.sweeps) == ((), ())
