"""Any statement, about any moment: what it says of now, it says of then."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sample_catalog import SampleCatalog
from stocktake.query.errors import SqlError
from stocktake.query.past import as_of_statement
from stocktake.query.runner import read_batches, run_query
from stocktake.store.catalog import Catalog

COUNT = "SELECT count(*) FROM aws_sagemaker_trainingjob"
NAMES = "SELECT training_job_name AS n FROM aws_sagemaker_trainingjob"


def rows(catalog: Catalog, sql: str, moment: datetime) -> list[tuple[object, ...]]:
    return list(run_query(catalog, sql, as_of=moment).rows())


@pytest.fixture
def then(sample: SampleCatalog) -> datetime:
    """A moment after the first sweep: alpha, beta and gamma are there, delta is not."""
    return sample.first + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"{NAMES} ORDER BY 1", ["alpha", "beta", "gamma"]),
        ("-- why\n" + NAMES + " ORDER BY 1 DESC LIMIT 1; -- the end", ["gamma"]),
        ("FROM aws.sagemaker_trainingjob SELECT training_job_name ORDER BY 1 LIMIT 1", ["alpha"]),
        (f"WITH t AS ({NAMES}) SELECT n FROM t ORDER BY n DESC LIMIT 1", ["gamma"]),
        (f"WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < ({COUNT})) FROM r", [1, 2, 3]),
        (f"(SELECT 'x' UNION ALL {NAMES} ORDER BY 1 DESC LIMIT 1)", ["x"]),
        (
            'SELECT "aws_sagemaker_trainingjob".training_job_status FROM "aws_sagemaker_trainingjob" LIMIT 1',
            ["InProgress"],
        ),
        ("SELECT AWS_SageMaker_TrainingJob.training_job_status FROM AWS_SageMaker_TrainingJob LIMIT 1", ["InProgress"]),
        (f"VALUES (({COUNT}))", [3]),
        ("TABLE aws_sagemaker_trainingjob", None),
        ("SELECT count(*) FROM changes", [0]),
        ("SELECT count(*) FROM sweeps", [2]),
        ("WITH changes AS (SELECT 7 AS n) SELECT n FROM changes", [7]),
        ("SELECT 1", [1]),
        ("SELECT count(*) FROM main.aws_sagemaker_trainingjob_history", [5]),
        ("SELECT 'aws_sagemaker_trainingjob'", ["aws_sagemaker_trainingjob"]),
        ("SELECT now() IS NOT NULL, current_timestamp FROM aws_sagemaker_trainingjob LIMIT 1", None),
    ],
)
def test_every_form_of_statement(catalog: Catalog, then: datetime, sql: str, expected: list[object] | None) -> None:
    found = rows(catalog, sql, then)
    assert expected is None or [row[0] for row in found] == expected
    if expected is None:
        assert found


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE aws_sagemaker_trainingjob",
        "DESCRIBE SELECT 1 FROM aws_sagemaker_trainingjob",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM aws_sagemaker_trainingjob",
        "EXPLAIN (FORMAT json) SELECT * FROM aws_sagemaker_trainingjob",
        "EXPLAIN ANALYZE FROM aws_sagemaker_trainingjob",
        "PIVOT aws_sagemaker_trainingjob ON training_job_status USING count(*) GROUP BY account_id",
        "UNPIVOT (SELECT 1 AS a, 2 AS b FROM aws_sagemaker_trainingjob) ON a, b",
    ],
)
def test_statements_that_tell_of_statements(catalog: Catalog, then: datetime, sql: str) -> None:
    assert rows(catalog, sql, then)


def test_summarize(catalog: Catalog, then: datetime) -> None:
    [count] = {row[10] for row in rows(catalog, "SUMMARIZE aws_sagemaker_trainingjob", then)}
    assert count == 3


def test_before_anything_was_seen_there_is_nothing(catalog: Catalog, sample: SampleCatalog) -> None:
    assert rows(catalog, COUNT, sample.first - timedelta(days=1)) == [(0,)]
    assert rows(catalog, COUNT, sample.second + timedelta(minutes=1)) == [(3,)]


def test_batches_are_of_then_too(catalog: Catalog, then: datetime) -> None:
    names = read_batches(catalog, NAMES, as_of=then).read_all()["n"].to_pylist()
    assert set(names) == {"alpha", "beta", "gamma"}


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        (f"{NAMES} WHERE nope = 1", "line 1, column 68"),
        (f"WITH t AS ({NAMES})\nSELECT nope FROM t", "line 2, column 8"),
        ("SELECT 'é',\n  nope FROM aws.sagemaker_trainingjob", "line 2, column 3"),
    ],
)
def test_errors_point_into_the_text_as_it_was_given(catalog: Catalog, then: datetime, sql: str, place: str) -> None:
    with pytest.raises(SqlError) as caught:
        rows(catalog, sql, then)
    assert caught.value.where == place
    assert caught.value.excerpt.splitlines()[0].strip(".") in sql


def test_a_statement_about_nothing_with_a_past_runs_as_it_is(catalog: Catalog, then: datetime) -> None:
    assert as_of_statement(catalog, "SELECT 1", then).sql == "SELECT 1"


def test_parameters(catalog: Catalog, then: datetime) -> None:
    sql = f"{NAMES} WHERE training_job_name > $name ORDER BY 1"
    assert list(run_query(catalog, sql, {"name": "alpha"}, as_of=then).rows()) == [("beta",), ("gamma",)]
    assert list(run_query(catalog, "SELECT ?, now() < ?", [1, datetime(2000, 1, 1)]).rows()) == [(1, False)]  # noqa: DTZ001 - UTC
