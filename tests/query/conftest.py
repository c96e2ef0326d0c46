"""One catalog and one connection for all tests of questions: they only read, and leave nothing open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sample_catalog import SampleCatalog, write_sample_catalog
from stocktake.query.connection import open_reading
from stocktake.store.catalog import Catalog


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb")


@pytest.fixture(scope="session")
def catalog(sample: SampleCatalog) -> Iterator[Catalog]:
    with open_reading(sample.path) as opened:
        yield opened
