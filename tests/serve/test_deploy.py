"""What is in deploy/ is about the server that there is: metrics, commands, options, files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import click
import pytest

from stocktake.serve.cli.program import program
from web_server import Served

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\bstocktake_[a-z_]+")
UNITS = sorted(DEPLOY.glob("*.service"))


def test_every_metric_of_the_dashboard_is_served(estate_server: Served) -> None:
    with closing(estate_server.client()) as client:
        client.get("/api/v1/me")
        text = client.get("/metrics").text
    served = set(re.findall(r"^(stocktake_[a-z_]+)", text, re.MULTILINE))
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    asked = {
        name for panel in board["panels"] for target in panel["targets"] for name in METRIC.findall(target["expr"])
    }
    asked |= set(METRIC.findall(json.dumps(board["templating"])))
    assert len(asked) > 10
    assert asked - served == set()


def test_panels_of_the_dashboard_lie_beside_each_other() -> None:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + across, place["y"] + down) for across in range(place["w"]) for down in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(across < 24 for across, _ in cells), panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def parses(words: list[str]) -> bool:
    command = program.get_command(click.Context(program), words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], parent=click.Context(program))
    return True


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    found = re.search(r"^ExecStart=\S+/stocktake (.+)$", unit.read_text(), re.MULTILINE)
    assert found is not None
    assert parses(found[1].split())


def test_the_container_starts_a_command_that_there_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    found = re.search(r"^CMD (\[.+\])$", text, re.MULTILINE)
    assert found is not None
    assert parses(json.loads(found[1]))
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source


def test_the_container_installs_what_the_server_needs() -> None:
    locked = (ROOT / "requirements" / "server.txt").read_text()
    for name in ("fastapi", "uvicorn", "jinja2", "authlib", "prometheus-client", "duckdb", "mcp", "apprise"):
        assert re.search(rf"^{name}==", locked, re.MULTILINE), name
    assert "playwright==" not in locked


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_units(unit: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        # Not on every machine; the words of a section are at least all of the same form.
        lines = [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]
        assert all(re.fullmatch(r"\[\w+\]|[A-Z]\w*=.*", line) for line in lines)
        return
    told = subprocess.run([systemd, "verify", unit], capture_output=True, text=True, check=False).stderr
    unexpected = [line for line in told.splitlines() if "is not executable" not in line]
    assert unexpected == []
