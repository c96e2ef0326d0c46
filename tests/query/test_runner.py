"""Results: right values, rows as they come, and an end when the user wants one."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from sample_catalog import SampleCatalog
from stocktake.query.errors import SqlError
from stocktake.query.runner import CHUNK_ROWS, read_batches, run_query
from stocktake.store.catalog import Catalog

SLOW = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"


def test_columns_have_names_and_types(catalog: Catalog) -> None:
    result = run_query(catalog, "SELECT 1 AS a, [{'b': 'x'}] AS c")
    assert [(c.name, c.type) for c in result.columns] == [("a", "INTEGER"), ("c", "STRUCT(b VARCHAR)[]")]
    assert list(result.rows()) == [(1, [{"b": "x"}])]


@pytest.mark.parametrize("end", ["", ";", "; -- the end", "\n-- the; end\n"])
def test_times_with_a_zone_come_as_utc(catalog: Catalog, end: str) -> None:
    sql = "SELECT '2026-01-01 12:00:00+02'::TIMESTAMPTZ AS \"a b\", [now()] AS l, ';--' AS s, 2 AS n" + end
    result = run_query(catalog, sql)
    assert [c.name for c in result.columns] == ["a b", "l", "s", "n"]
    [(moment, [now], text, number)] = result.rows()
    assert (moment, text, number) == (datetime(2026, 1, 1, 10), ";--", 2)  # noqa: DTZ001 - UTC without saying so
    assert abs(now - datetime.now(UTC).replace(tzinfo=None)).total_seconds() < 60


def test_the_order_survives_the_change_of_zones(catalog: Catalog) -> None:
    result = run_query(catalog, "SELECT i, now() FROM range(5000) t(i) ORDER BY i DESC")
    assert [row[0] for row in result.rows()] == list(range(4999, -1, -1))


def test_rows_come_in_chunks_and_memory_stays_flat(catalog: Catalog) -> None:
    result = run_query(catalog, "SELECT i, repeat('x', 200) || i AS s FROM range(5000000) t(i)")
    chunks = iter(result.chunks)
    assert len(next(chunks)) == CHUNK_ROWS
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(500):
        next(chunks)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # A million rows of 200 bytes went by.
    assert grown_kib < 100_000


def test_a_result_left_half_read_does_not_block_the_next(catalog: Catalog) -> None:
    next(run_query(catalog, "SELECT i FROM range(1000000) t(i)").rows())
    assert list(run_query(catalog, "SELECT 2").rows()) == [(2,)]


def test_an_error_after_the_first_rows_is_ours_too(catalog: Catalog) -> None:
    result = run_query(catalog, "SELECT CASE WHEN i = 900000 THEN error('late') ELSE i END FROM range(1000000) t(i)")
    with pytest.raises(SqlError, match="late"):
        list(result.rows())


def test_arrow_batches(catalog: Catalog) -> None:
    reader = read_batches(catalog, "SELECT i, now() AS at FROM range(20000) t(i)")
    assert sum(batch.num_rows for batch in reader) == 20_000
    with pytest.raises(SqlError):
        read_batches(catalog, "DROP TABLE sweeps")


def test_interrupting_stops_the_database_at_once(sample: SampleCatalog) -> None:
    program = (
        "import sys, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\n"
        "from stocktake.query.connection import open_reading\n"
        "from stocktake.query.runner import run_query\n"
        f"with open_reading(Path({str(sample.path)!r})) as catalog:\n"
        "    print('ready', flush=True)\n"
        "    try:\n"
        f"        list(run_query(catalog, {SLOW!r}).rows())\n"
        "    except KeyboardInterrupt:\n"
        "        print(list(run_query(catalog, 'SELECT 7').rows()), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "[(7,)]\n"
        assert time.monotonic() - began < 2
