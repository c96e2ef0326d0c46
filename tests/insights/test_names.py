"""Our names in statements: used like tables, at any moment, beside names of the statement's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sample_catalog import SampleCatalog, write_sample_catalog
from stocktake.insights.names import ask, named_in
from stocktake.query.connection import open_reading
from stocktake.query.errors import SqlError
from stocktake.query.runner import read_batches
from stocktake.store.catalog import Catalog

VIEW = "aws_sagemaker_trainingjob_insights"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("names") / "catalog.duckdb")


def first(path: Path, sql: str, as_of: datetime | None = None) -> object:
    with open_reading(path) as catalog:
        row, *_ = ask(catalog, sql, as_of=as_of).rows()
    value: object = row[0]
    return value


def test_only_what_is_used_is_put_before_a_statement(small: SampleCatalog) -> None:
    with open_reading(small.path) as catalog:
        assert named_in(catalog, "SELECT 1") == {}
        assert list(named_in(catalog, "SELECT * FROM Jobs")) == ["_job_words", "jobs"]
        assert list(named_in(catalog, "FROM job_costs")) == ["prices", VIEW, "job_bills", "job_costs"]
        assert list(named_in(catalog, f'SELECT "{VIEW}".team FROM "{VIEW}" -- jobs')) == [VIEW]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM jobs SELECT count(*)",
        "SELECT count(*) FROM jobs;",
        "WITH x AS (SELECT * FROM jobs) SELECT count(*) FROM x",
        "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT min(n) + 1 FROM jobs, x",
        "SELECT count(*) FROM jobs JOIN job_costs USING (id)",
        f"SELECT count(*) FROM (SELECT phases FROM {VIEW} UNION ALL SELECT NULL WHERE false)",
        "SELECT (SELECT count(*) FROM jobs)",
    ],
)
def test_they_are_used_like_tables(small: SampleCatalog, sql: str) -> None:
    assert first(small.path, sql) in {2, 3}


def test_describe_and_summarize_know_them(small: SampleCatalog) -> None:
    assert first(small.path, "DESCRIBE jobs") == "type"
    assert first(small.path, "SUMMARIZE SELECT state FROM jobs") == "state"
    assert first(small.path, "EXPLAIN SELECT * FROM jobs") == "physical_plan"


def test_a_name_of_the_statement_s_own_comes_first(small: SampleCatalog) -> None:
    assert first(small.path, "WITH jobs AS (SELECT 7 AS n) SELECT n FROM jobs") == 7


def test_at_a_moment(small: SampleCatalog) -> None:
    sql = "SELECT count(*) FILTER (state = 'succeeded') FROM jobs"
    assert first(small.path, sql) == 1
    assert first(small.path, sql, small.first + timedelta(minutes=1)) == 0
    assert first(small.path, "SELECT count(*) FROM jobs", small.first + timedelta(minutes=1)) == 3
    assert first(small.path, f"SELECT count(*) FROM {VIEW}", small.first - timedelta(minutes=1)) == 0


def test_as_arrow(small: SampleCatalog) -> None:
    with open_reading(small.path) as catalog:
        sql = f"SELECT team, instance_count FROM {VIEW} ORDER BY 1"
        table = read_batches(catalog, sql, named=named_in(catalog, sql)).read_all()
    assert table.to_pydict()["instance_count"] == [2, 2, 2]


def test_an_error_points_into_the_statement_as_it_was_given(small: SampleCatalog) -> None:
    with open_reading(small.path) as catalog:
        for moment in (None, datetime.now(UTC)):
            with pytest.raises(SqlError) as caught:
                list(ask(catalog, "SELECT id,\n  stat\nFROM jobs", as_of=moment).rows())
            assert caught.value.where == "line 2, column 3"
            assert "stat\n  ^^^^" in caught.value.excerpt
            assert "state" in caught.value.hint


def test_parameters(catalog: Catalog) -> None:
    sql = "SELECT count(*) FROM jobs WHERE state = $state AND created_at < $before"
    values = {"state": "failed", "before": datetime(2026, 2, 1)}  # noqa: DTZ001 - naive UTC
    [[some]] = ask(catalog, sql, values).rows()
    [[every]] = ask(catalog, "SELECT count(*) FROM jobs WHERE state = 'failed'").rows()
    assert 0 < some < every
