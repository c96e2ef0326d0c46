from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from sample_catalog import write_sample_catalog
from stocktake.query.connection import open_reading
from stocktake.store.catalog import open_catalog, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_sample_catalog(tmp_path / "catalog.duckdb")
    return tmp_path / "catalog.duckdb"


def count(catalog: object) -> int:
    [(number,)] = run(catalog.connection, "SELECT count(*) FROM resources")  # type: ignore[attr-defined] # a catalog
    return int(number)


@pytest.mark.parametrize("closed_first", [0, 1, 2])
def test_who_closes_takes_nobody_along(path: Path, closed_first: int) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(ExitStack()) for _ in range(3)]
        catalogs = [one.enter_context(open_reading(path)) for one in opened]
        opened[closed_first].close()
        assert [count(one) for number, one in enumerate(catalogs) if number != closed_first] == [3, 3]
        # And another one can still come.
        assert count(stack.enter_context(open_reading(path))) == 3


def test_the_last_one_to_close_closes_the_file(path: Path) -> None:
    with open_reading(path) as one, open_reading(path) as other:
        assert count(one) == count(other)
    # The database would refuse to open a file for writing that it has open for reading.
    with open_catalog(path) as catalog:
        run(catalog.connection, "CREATE TABLE written (number INTEGER)")
