"""The program, run in this process and as a real one, on a small catalog."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sample_catalog import SampleCatalog, write_sample_catalog
from stocktake.serve.cli.program import program
from web_server import estate, estate_server

__all__ = ["estate", "estate_server"]  # fixtures

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb")


@pytest.fixture
def run(sample: SampleCatalog, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program in this process, on the sample catalog."""
    monkeypatch.setenv("STOCKTAKE_CATALOG", str(sample.path))

    def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(program, list(arguments), input=stdin, prog_name="stocktake")

    return invoke


@pytest.fixture
def start(sample: SampleCatalog) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the program as a second process, on the sample catalog."""

    def popen(*arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [Path(sys.executable).parent / "stocktake", *arguments],
            env=os.environ | {"STOCKTAKE_CATALOG": str(sample.path), "COLUMNS": "100", "TERM": "xterm-256color"},
            stdout=stdout,
            stderr=stderr,
        )

    return popen


@pytest.fixture(autouse=True, scope="session")
def _heed_ctrl_c() -> None:
    """A shell in the background makes its children ignore Ctrl-C, and theirs; the tests are about one that does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
