"""The gate and the locked connection: what reads is run, everything else is refused, and errors say where."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.core.errors import StocktakeError, UserError
from stocktake.query.connection import open_reading
from stocktake.query.errors import SqlError
from stocktake.query.runner import run_query
from stocktake.store.catalog import Catalog, open_catalog

READING = [
    "SELECT 1",
    "FROM aws_sagemaker_trainingjob",
    "WITH t AS (SELECT 1 AS a) SELECT a FROM t",
    "VALUES (1), (2)",
    "TABLE sweeps",
    "(SELECT 1)",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "DESCRIBE aws_sagemaker_trainingjob",
    "SUMMARIZE sweeps",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT count(*) FROM sweeps",
    "/* why */ EXPLAIN (FORMAT json) SELECT 1",
    "PIVOT coverage ON status USING count(*) GROUP BY region",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b INTO NAME n VALUE v",
    "SELECT 1; -- the end",
    ";;SELECT 1;;",
    "SELECT tag(tags, 'team') FROM aws.sagemaker_trainingjob",
    "FROM aws_sagemaker_trainingjob_as_of('2026-01-01')",
]

REFUSED = {
    "": "sql_empty",
    "-- nothing": "sql_empty",
    "SELECT 1; SELECT 2": "sql_several_statements",
    "INSERT INTO sweeps VALUES (1)": "not_read_only",
    "UPDATE sweeps SET status = 'x'": "not_read_only",
    "DELETE FROM sweeps": "not_read_only",
    "MERGE INTO sweeps USING coverage ON true WHEN MATCHED THEN DELETE": "not_read_only",
    "CREATE TABLE t (i INT)": "not_read_only",
    "CREATE TEMP TABLE t (i INT)": "not_read_only",
    "DROP TABLE sweeps": "not_read_only",
    "ALTER TABLE sweeps ADD COLUMN x INT": "not_read_only",
    "ATTACH 'other.duckdb'": "not_read_only",
    "DETACH catalog": "not_read_only",
    "COPY sweeps TO 'sweeps.csv'": "not_read_only",
    "EXPORT DATABASE 'folder'": "not_read_only",
    "IMPORT DATABASE 'folder'": "not_read_only",
    "INSTALL httpfs": "not_read_only",
    "LOAD httpfs": "not_read_only",
    "SET memory_limit = '1GB'": "not_read_only",
    "RESET memory_limit": "not_read_only",
    "USE memory": "not_read_only",
    "PRAGMA enable_profiling": "not_read_only",
    "CALL force_checkpoint()": "not_read_only",
    "CHECKPOINT": "not_read_only",
    "VACUUM": "not_read_only",
    "BEGIN": "not_read_only",
    "PREPARE p AS SELECT 1": "not_read_only",
    "EXECUTE p": "not_read_only",
    "EXPLAIN DELETE FROM sweeps": "not_read_only",
    "EXPLAIN ANALYZE INSERT INTO sweeps VALUES (1)": "not_read_only",
    "-- so\nEXPLAIN ANALYZE COPY sweeps TO 'sweeps.csv'": "not_read_only",
    "WITH x AS (DELETE FROM sweeps RETURNING sweep_id) SELECT * FROM x": "not_read_only",
    "SELECT ?": "sql_parameters",
    "SELECT $name": "sql_parameters",
    "SELECT * FROM enable_logging()": "not_read_only",
    "SELECT * FROM read_csv('/etc/passwd')": "sql_denied",
    "SELECT * FROM read_text('/etc/hostname')": "sql_denied",
    "SELECT * FROM read_blob('/proc/self/environ')": "sql_denied",
    "SELECT * FROM glob('/etc/*')": "sql_denied",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')": "sql_denied",
    "SELECT * FROM '/etc/passwd'": "sql_unknown_name",
    "SELECT * FROM query('DELETE FROM sweeps')": "sql_syntax",
    "SELEC 1": "sql_syntax",
    "SELECT foo FROM sweeps": "sql_unknown_name",
    "SELECT * FROM sweps": "sql_unknown_name",
    "SELECT sum(status) FROM sweeps": "sql_binding",
    "SELECT 'x'::INT": "sql_value",
    "SELECT 9223372036854775807 + 1::BIGINT": "sql_value",
    "SELECT error('boom')": "sql_failed",
}

WORDS = ["SELECT", "FROM", "sweeps", "status", "(", ")", ",", "'", '"', "*", "1", ";", "--", "/*", "é", "EXPLAIN", "?"]


@pytest.mark.parametrize("sql", READING)
def test_what_reads_is_run(catalog: Catalog, sql: str) -> None:
    list(run_query(catalog, sql).rows())


@pytest.mark.parametrize("sql", REFUSED)
def test_everything_else_is_refused(catalog: Catalog, sql: str) -> None:
    with pytest.raises(SqlError) as caught:
        list(run_query(catalog, sql).rows())
    assert caught.value.code == REFUSED[sql]
    assert caught.value.hint
    assert "{" not in caught.value.message
    assert list(run_query(catalog, "SELECT count(*) FROM sweeps").rows()) == [(2,)]


def test_a_refused_statement_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    open_catalog(path).close()
    before = path.read_bytes()
    with open_reading(path) as catalog:
        for sql in REFUSED:
            with pytest.raises(SqlError):
                list(run_query(catalog, sql).rows())
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["catalog.duckdb"]


def test_the_place_is_marked(catalog: Catalog) -> None:
    with pytest.raises(SqlError) as caught:
        run_query(catalog, "-- héé\nSELECT 'é',\n  statu\nFROM sweeps")
    assert caught.value.where == "line 3, column 3"
    assert caught.value.excerpt == "  statu\n  ^^^^^"
    assert "Did you mean status" in caught.value.hint


def test_the_place_is_marked_inside_of_explain(catalog: Catalog) -> None:
    with pytest.raises(SqlError) as caught:
        run_query(catalog, "EXPLAIN SELEC 1")
    assert caught.value.excerpt == "EXPLAIN SELEC 1\n        ^^^^^"


def test_a_long_line_is_cut_around_the_place(catalog: Catalog) -> None:
    with pytest.raises(SqlError) as caught:
        run_query(catalog, f"SELECT '{'x' * 500}', foo, '{'y' * 500}' FROM sweeps")
    line, carets = caught.value.excerpt.splitlines()
    assert line.startswith("...x")
    assert line.endswith("y...")
    assert line[carets.index("^") : carets.rindex("^") + 1] == "foo"


@given(sql=st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_no_text_whatever_gets_past_our_own_errors(catalog: Catalog, sql: str) -> None:
    with suppress(SqlError):
        list(run_query(catalog, sql).rows())


def test_no_catalog_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, open_reading(tmp_path / "none.duckdb"):
        pass
    assert caught.value.code == "no_catalog"
    assert not list(tmp_path.iterdir())


def test_errors_have_the_four_fields(catalog: Catalog) -> None:
    with pytest.raises(StocktakeError) as caught:
        run_query(catalog, "SELECT foo FROM sweeps")
    assert set(caught.value.as_dict()) == {"code", "message", "hint", "where"}
