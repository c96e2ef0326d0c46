"""`stocktake query` in every form."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from stocktake.serve.telling.csv_text import csv_line
from stocktake.serve.telling.values import iso_duration, to_json, to_visible

JOBS = "SELECT training_job_name, environment, tags, creation_time FROM aws_sagemaker_trainingjob ORDER BY 1"
MIXED = (
    "SELECT 1 AS n, -1.50::DECIMAL(9,2) AS d, '-1' AS t, '=HYPERLINK(\"x\")' AS f, NULL AS nothing, '' AS empty, "
    "TIMESTAMP '2026-01-02 03:04:05.678' AS at, DATE '2026-01-02' AS day, [1, NULL] AS l, MAP {'k': 'v'} AS m, "
    "{'a': {'b': DATE '2026-01-02'}} AS s, true AS yes, 12345678901234567890123::HUGEINT AS big, 'ab'::BLOB AS raw, "
    "INTERVAL 90 SECOND AS span, 'nan'::DOUBLE AS nan, '{\"x\": [1]}'::JSON AS j, 'a|b\nc' AS lines"
)


def rows_of(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line, parse_float=Decimal) for line in result.stdout.splitlines()]


def test_a_pipe_gets_ndjson(run: Any) -> None:
    rows = rows_of(run("query", JOBS))
    assert [row["training_job_name"] for row in rows] == ["alpha", "beta", "delta"]
    assert rows[0]["environment"] == {"MODE": "fast", "DATE": "=1+1"}
    assert rows[0]["tags"] == ["team:vision", "env:prod"]
    assert rows[0]["creation_time"] == "2026-01-02T03:04:05Z"


def test_json_keeps_every_value(run: Any) -> None:
    [row] = rows_of(run("query", MIXED))
    assert row == {
        "n": 1,
        "d": Decimal("-1.50"),
        "t": "-1",
        "f": '=HYPERLINK("x")',
        "nothing": None,
        "empty": "",
        "at": "2026-01-02T03:04:05.678000Z",
        "day": "2026-01-02",
        "l": [1, None],
        "m": {"k": "v"},
        "s": {"a": {"b": "2026-01-02"}},
        "yes": True,
        "big": 12345678901234567890123,
        "raw": "YWI=",
        "span": "PT1M30S",
        "nan": None,
        "j": {"x": [1]},
        "lines": "a|b\nc",
    }


def test_json_is_one_array(run: Any) -> None:
    assert json.loads(run("query", MIXED, "-o", "json").stdout) == [json.loads(run("query", MIXED).stdout)]
    assert len(json.loads(run("query", "FROM range(5000)", "-ojson").stdout)) == 5000
    assert json.loads(run("query", "SELECT 1 WHERE false", "--output=json").stdout) == []


def test_columns_of_the_same_name_are_both_kept(run: Any) -> None:
    assert rows_of(run("query", "SELECT 1 AS a, 2 AS a, 3 AS a_1")) == [{"a": 1, "a_1": 2, "a_1_1": 3}]


def test_csv_keeps_numbers_and_disarms_formulas(run: Any) -> None:
    [header, row] = list(csv.reader(io.StringIO(run("query", MIXED, "-o", "csv").stdout)))
    found = dict(zip(header, row, strict=True))
    assert (found["n"], found["d"]) == ("1", "-1.50")
    assert (found["t"], found["f"]) == ("'-1", '\'=HYPERLINK("x")')
    assert found["at"] == "2026-01-02T03:04:05.678000Z"
    assert json.loads(found["l"]) == [1, None]
    assert json.loads(found["m"]) == {"k": "v"}
    assert found["lines"] == "a|b\nc"
    assert ',,"",' in run("query", MIXED, "-o", "csv").stdout


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_csv_is_read_back(cells: list[str]) -> None:
    [read] = list(csv.reader(io.StringIO(csv_line(cells), newline=""), strict=True))
    for cell, text in zip(read, cells, strict=True):
        assert cell == ("'" + text if text[:1] in set("=+-@\t\r") - {""} and text else text)


def test_markdown(run: Any) -> None:
    text = run("query", "SELECT 1 AS n, 'a|b\nc' AS t", "-o", "md").stdout
    assert text == "| n | t |\n|--:|---|\n| 1 | a\\|b<br>c |\n"


def test_parquet_keeps_types(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "jobs.parquet"
    assert run("query", "FROM aws_sagemaker_trainingjob", "--output-file", str(file)).exit_code == 0
    table = pq.read_table(file)
    assert table.num_rows == 3
    assert table.schema.field("creation_time").type == "timestamp[us]"
    assert table.schema.field("resource_config").type.field("instance_count").type == "int32"
    names = pq.read_table(io.BytesIO(run("query", "SELECT 1 AS a, 2 AS a", "-o", "parquet").stdout_bytes)).column_names
    assert names == ["a", "a_1"]


def test_parquet_in_row_groups(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "many.parquet"
    run("query", "SELECT i FROM range(200000) t(i)", "--output-file", str(file))
    assert pq.ParquetFile(file).metadata.num_rows == 200_000
    assert pq.ParquetFile(file).metadata.num_row_groups > 1


@pytest.mark.parametrize(
    ("name", "start"),
    [("x.json", "["), ("x.csv", "a\n"), ("x.md", "| a |"), ("x.jsonl", "{"), ("x", "{"), ("x.txt", "a")],
)
def test_the_suffix_of_a_file_decides_the_form(run: Any, tmp_path: Path, name: str, start: str) -> None:
    assert run("query", "SELECT 1 AS a", "--output-file", str(tmp_path / name)).stdout == ""
    assert (tmp_path / name).read_text().startswith(start)


def test_a_file_appears_whole_or_not_at_all(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("before")
    result = run(
        "query", "SELECT CASE WHEN i = 90000 THEN error('late') END FROM range(100000) t(i)", "--output-file", str(file)
    )
    assert result.exit_code == 2
    assert file.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["x.csv"]


def test_a_file_that_cannot_be_written(run: Any, tmp_path: Path) -> None:
    result = run("query", "SELECT 1", "--output-file", str(tmp_path / "no" / "x.csv"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    assert "output_failed" in result.stderr


def test_sql_from_stdin(run: Any) -> None:
    assert rows_of(run("query", "-", stdin="SELECT 7 AS n -- é\n")) == [{"n": 7}]


def test_a_table_has_what_fits_and_says_what_not(run: Any) -> None:
    text = run("query", "SELECT i, repeat('x', 300) AS t FROM range(3000) t(i)", "-o", "table").stdout
    lines = text.splitlines()
    assert lines[0].split() == ["i", "t"]
    assert "the first 1,000 rows" in lines[-1]
    assert len(lines) == 1003
    assert "(2 rows)" in run("query", "FROM range(2)", "-o", "table").stdout
    assert "(1 row)" in run("query", "SELECT 1", "-o", "table").stdout
    assert len(run("query", "FROM range(1500)", "-o", "table", "--max-rows", "0").stdout.splitlines()) == 1503


def test_a_terminal_is_sent_no_control_characters() -> None:
    assert to_visible("a\x1b[31mb\x07\x9b\x7fc\nd") == "a␛[31mb␇�␡c⏎d"


def test_spans() -> None:
    from datetime import timedelta  # noqa: PLC0415 - only here

    assert iso_duration(timedelta()) == "PT0S"
    assert iso_duration(timedelta(days=1, hours=2, seconds=3.5)) == "P1DT2H3.5S"
    assert iso_duration(-timedelta(minutes=5)) == "-PT5M"
    assert iso_duration(timedelta(days=2)) == "P2D"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False), st.lists))
def test_json_reads_back_equal(value: object) -> None:
    assert json.loads(to_json(value)) == finite(value)


def finite(value: object) -> object:
    """Return a value with null where JSON has no number."""
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def test_a_wrong_statement_is_marked(run: Any) -> None:
    result = run("query", "SELECT calls, foo FROM sweeps")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "    SELECT calls, foo FROM sweeps\n                  ^^^\n" in result.stderr
    assert "kept:  nothing was changed\nnext:  Did you mean" in result.stderr
    assert "Traceback" not in result.stderr


def test_errors_as_json(run: Any) -> None:
    for form in ("json", "ndjson"):
        result = run("query", "SELECT foo FROM sweeps", "-o", form)
        assert result.exit_code == 2
        error = json.loads(result.stderr)
        assert set(error) == {"code", "message", "hint", "where"}
        assert (error["code"], error["where"]) == ("sql_unknown_name", "line 1, column 8")


def test_a_traceback_only_with_debug(run: Any) -> None:
    assert "Traceback" in run("query", "SELECT foo FROM sweeps", "--debug").stderr
    assert "Traceback" in run("--debug", "query", "SELECT foo FROM sweeps").stderr


def test_no_sql_is_a_usage_error(run: Any) -> None:
    result = run("query")
    assert result.exit_code == 2
    assert "Missing argument 'SQL'" in result.stderr
    assert json.loads(run("query", "-o", "json").stderr)["code"] == "usage"


def test_arrow_streams_have_the_columns_as_they_are(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "jobs.arrow"
    assert run("query", JOBS, "--output-file", str(file)).exit_code == 0
    with pa.ipc.open_stream(file.read_bytes()) as reader:
        table = reader.read_all()
    assert table["training_job_name"].to_pylist() == ["alpha", "beta", "delta"]
    assert str(table.schema.field("environment").type) == "map<string, string>"
    assert run("show", "alpha", "-o", "arrow").exit_code == 0


def timed_out(start: Any, sql: str, *options: str) -> tuple[int, str, float]:
    began = time.monotonic()
    process = start("query", sql, *options)
    _, told = process.communicate(timeout=60)
    return process.returncode, told.decode(), time.monotonic() - began


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE a.range * b.range = 7",
        # The database cannot stop a single function.
        "SELECT max(levenshtein(repeat('a', 200000), repeat('b', 200000 + range::INT))) FROM range(1)",
        "SELECT i FROM range(1000000000000) t(i)",
    ],
)
def test_a_statement_ends_when_its_time_is_over(start: Any, sql: str) -> None:
    code, told, seconds = timed_out(
        start, sql, "--timeout", "0.5", "--max-rows", "0", "-o", "csv", "--output-file", "/dev/null"
    )
    assert (code, "sql_timeout" in told) == (2, True), told
    assert seconds < 20


def test_a_statement_ends_where_its_memory_does(start: Any) -> None:
    code, told, _ = timed_out(start, "SELECT length(repeat('x', 3000000000))", "--memory", "500")
    assert (code, "sql_out_of_memory" in told) == (2, True), told
