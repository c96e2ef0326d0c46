"""SQL as a conversation: on a real terminal, and from a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample_catalog import SampleCatalog
from stocktake.serve.cli.sql_shell import split_statements

PROGRAM = str(Path(sys.executable).parent / "stocktake")
JOBS = "aws_sagemaker_trainingjob"


class Terminal:
    """The program at a terminal of its own."""

    def __init__(self, catalog: Path, home: Path) -> None:
        self._end, theirs = pty.openpty()
        self._shown = ""
        environment = os.environ | {
            "STOCKTAKE_CATALOG": str(catalog),
            "HOME": str(home),
            "TERM": "dumb",
            "COLUMNS": "100",
        }
        environment |= {"XDG_STATE_HOME": str(home / "state"), "NO_COLOR": "1", "INPUTRC": "/dev/null"}
        self.process = subprocess.Popen(
            [PROGRAM, "sql"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)

    def wait_for(self, text: str, seconds: float = 20.0) -> str:
        """Return all that was shown since the last time, up to some text."""
        end = time.monotonic() + seconds
        while (found := re.search(text, self._shown)) is None:
            left = end - time.monotonic()
            assert left > 0, self._shown
            if select.select([self._end], [], [], left)[0]:
                self._shown += os.read(self._end, 65_536).decode(errors="replace")
        shown, self._shown = self._shown[: found.end()], self._shown[found.end() :]
        return shown

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def terminal(sample: SampleCatalog, tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(sample.path, tmp_path)
    opened.wait_for("stocktake> ")
    yield opened
    opened.close()


def test_statements_over_several_lines_and_commands(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type(f"SELECT training_job_name AS n\nFROM {JOBS}\nORDER BY n LIMIT 1;\n")
    assert "alpha" in terminal.wait_for(r"\(1 row\)")
    terminal.type("\\o csv\nSELECT 'a,b' AS x, 2 AS y;\n")
    assert '"a,b",2' in terminal.wait_for('"a,b",2')
    terminal.type("\\as-of 2h ago\n\\timing\nSELECT 'was ' || count(*) AS n FROM " + JOBS + ";\n")
    terminal.wait_for("was 3")
    terminal.wait_for(r"\d\.\d+ s")
    terminal.type("\\nope\n")
    terminal.wait_for("is no command")
    terminal.type("SELECT foo FROM sweeps;\n")
    terminal.wait_for("sql_unknown_name")
    terminal.type("SELECT count(*) FROM jobs;\n\\q\n")
    terminal.process.wait(20)
    history = tmp_path / "state" / "stocktake" / "sql_history"
    assert "ORDER BY n LIMIT 1;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_tab_completes(terminal: Terminal) -> None:
    terminal.type("SELECT count(*) AS n FROM coverage_n\t;\n")
    terminal.wait_for("coverage_now")
    terminal.wait_for(r"\(1 row\)")


def test_ctrl_c_stops_what_runs_and_the_conversation_goes_on(terminal: Terminal) -> None:
    terminal.type("SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range = 7;\n")
    time.sleep(1.0)
    terminal.type("\x03")
    terminal.wait_for("stopped|sql_out_of_memory")
    terminal.type("SELECT 40 + 2 AS n;\n")
    terminal.wait_for("42")


def piped(sample: SampleCatalog, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "sql", *options],
        input=text,
        env=os.environ | {"STOCKTAKE_CATALOG": str(sample.path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_from_a_pipe(sample: SampleCatalog) -> None:
    done = piped(
        sample, f"SELECT 1 AS a; -- one; two\nSELECT environment AS e FROM {JOBS} ORDER BY training_job_name LIMIT 1;\n"
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"a": 1},
        {"e": {"MODE": "fast", "DATE": "=1+1"}},
    ]
    assert done.returncode == 0


def test_a_script_stops_at_its_first_error(sample: SampleCatalog) -> None:
    done = piped(sample, "SELECT 1 AS a; SELECT foo; SELECT 2 AS a")
    assert json.loads(done.stdout) == {"a": 1}
    assert (done.returncode, "sql_unknown_name" in done.stderr or "sql_binding" in done.stderr) == (2, True)


def test_limits_hold(sample: SampleCatalog) -> None:
    slow = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range = 7"
    done = piped(sample, slow, "--timeout", "0.5")
    assert done.returncode == 2
    assert "sql_timeout" in done.stderr or "sql_out_of_memory" in done.stderr


def test_every_kind_of_value_reads_as_in_a_query(sample: SampleCatalog, run: Any) -> None:
    values = (
        "SELECT 1 AS n, -1.50::DECIMAL(9,2) AS d, NULL AS nothing, TIMESTAMP '2026-01-02 03:04:05.678' AS at, "
        "TIMESTAMPTZ '2026-01-02 03:04:05+02' AS tz, DATE '2026-01-02' AS day, [1, NULL] AS l, MAP {'k': [1]} AS m, "
        "{'a': {'b': TIMESTAMP '2026-01-02'}} AS s, true AS yes, 'ab'::BLOB AS raw, 1.5::FLOAT AS f"
    )
    assert json.loads(piped(sample, values).stdout) == json.loads(run("query", values).stdout)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("a; b", ["a", " b"]),
        ("select ';' ; x;", ["select ';' ", " x", ""]),
        ("-- a;\nb;", ["-- a;\nb", ""]),
        ('select "a;b"; /* ; */', ['select "a;b"', " /* ; */"]),
    ],
)
def test_where_statements_end(text: str, parts: list[str]) -> None:
    assert split_statements(text) == parts


@given(st.text(st.sampled_from("ab;'\"-/* \n"), max_size=20))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    assert ";".join(split_statements(text)).replace(";", "") == text.replace(";", "")


def test_complete_for_editors(run: Any) -> None:
    text = f"SELECT resource_config. FROM {JOBS}"
    found = json.loads(run("complete", text, "--cursor", "23", "-o", "json").stdout)
    assert (found["start"], found["end"]) == (23, 23)
    assert {"text": "instance_type", "kind": "path", "type": "VARCHAR"} in found["items"]
    assert "jobs" in [item["text"] for item in json.loads(run("complete", "-", stdin="FROM job").stdout)["items"]]
