"""`stocktake demo`: what it begins anew, what it leaves alone, and the catalog that it serves while jobs go on."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import httpx
import pytest
from click.testing import CliRunner

from stocktake.core.errors import StocktakeError
from stocktake.serve.cli.commands.demo import _begin_anew
from stocktake.serve.cli.program import program
from stocktake.store.catalog import open_catalog, run

LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/login/link\?key=\S+")
PATIENCE = 240.0
"""The machine may be busy."""


def write_format(path: Path, version: int) -> None:
    with open_catalog(path) as catalog:
        run(catalog.connection, f"UPDATE catalog_meta SET value = '{version}' WHERE key = 'format_version'")


@pytest.mark.parametrize("version", [1, 9_999])
def test_a_demo_of_another_format_is_begun_anew(tmp_path: Path, version: int) -> None:
    catalog = tmp_path / "demo.duckdb"
    write_format(catalog, version)
    beside = tmp_path / "demo.duckdb.server.sqlite"
    beside.touch()
    _begin_anew(catalog)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [1, 9_999])
def test_what_has_another_name_is_left_alone(tmp_path: Path, version: int) -> None:
    catalog = tmp_path / "mine.duckdb"
    write_format(catalog, version)
    with pytest.raises(StocktakeError) as told:
        _begin_anew(catalog)
    assert told.value.code == "catalog_exists"
    assert catalog.exists()


def test_what_is_no_catalog_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "demo.duckdb"
    file.write_bytes(b"something else" * 1_000)
    with pytest.raises(StocktakeError):
        _begin_anew(file)
    assert file.read_bytes() == b"something else" * 1_000


def test_two_ways_to_serve_exclude_each_other() -> None:
    told = CliRunner().invoke(program, ["demo", "--serve", "--cloud-only"])
    assert told.exit_code == 2
    assert "exclude" in told.output


def read_until(stream: IO[bytes], found: Callable[[str], object]) -> str:
    """Read what a process says until it has said something."""
    text, end = "", time.monotonic() + PATIENCE
    while not found(text):
        assert time.monotonic() < end, text
        if select.select([stream], [], [], 1.0)[0]:
            piece = os.read(stream.fileno(), 65_536)
            assert piece, f"it ended: {text}"
            text += piece.decode()
    return text


def test_the_catalog_is_served_while_jobs_go_on(tmp_path: Path) -> None:
    catalog = tmp_path / "demo.duckdb"
    command: list[str | Path] = [
        Path(sys.executable).parent / "stocktake",
        "demo",
        "--serve",
        "--jobs",
        "60",
        "--speed",
        "600",
    ]
    process = subprocess.Popen(
        [*command, "--accounts", "1", "--catalog", catalog], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        found = LINK.search(read_until(process.stdout, LINK.search))
        assert found is not None
        with httpx.Client(base_url=found[1], timeout=60.0) as client:
            assert client.get("/api/v1/me").status_code == 401
            assert client.get(found[0]).status_code == 200
            assert client.get("/api/v1/me").json()["name"] == "owner"
            assert client.get(found[0], headers={"accept": "application/json"}).status_code == 401, "it works once"
            _wait_for_changes(client)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, 130, -signal.SIGINT}
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True).stdout
    assert str(catalog) not in left, "a sync goes on"


def _wait_for_changes(client: httpx.Client) -> None:
    """Wait until a second sweep has seen a job change."""
    sql = "SELECT (SELECT max(sweep_id) FROM sweeps) AS sweeps, (SELECT count(*) FROM changes) AS changes"
    end = time.monotonic() + PATIENCE
    while True:
        shown = client.get("/sql", params={"q": sql, "run": "1", "part": "answer"}).text
        numbers = [int(one.replace(",", "")) for one in re.findall(r'<td class="number">([\d,]+)</td>', shown)]
        if len(numbers) == 2 and numbers[0] > 1 and numbers[1] > 0:
            return
        assert time.monotonic() < end, shown
        time.sleep(1.0)
