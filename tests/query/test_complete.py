"""What may stand where in a statement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.query.complete import Completion, SqlCompleter
from stocktake.query.runner import run_query
from stocktake.store.catalog import Catalog

JOB = "aws_sagemaker_trainingjob"


@pytest.fixture(scope="module")
def completer(catalog: Catalog) -> SqlCompleter:
    return SqlCompleter(lambda sql: run_query(catalog, sql).rows(), names=["jobs"])


def at(completer: SqlCompleter, text: str) -> Completion:
    """Complete where the text has a bar."""
    return completer.complete(text.replace("|", ""), text.index("|"))


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("SELECT * FROM aws_sage|", "table", [JOB, f"{JOB}_history"]),
        ("SELECT * FROM |", "table", ["changes", "coverage", "jobs", JOB, "relations", "sweeps"]),
        ("SELECT * FROM aws.|", "table", ["sagemaker_trainingjob"]),
        ("FROM |", "schema", ["aws"]),
        ("SELECT 1 FROM sweeps s JOIN cov|", "table", ["coverage", "coverage_now"]),
        ("DESCRIBE swe|", "table", ["sweeps"]),
        ("WITH mine AS (SELECT 1) SELECT * FROM mi|", "table", ["mine"]),
        ("SELECT * FROM aws_sagemaker_trainingjob_as|", "function", [f"{JOB}_as_of("]),
        (f"SELECT training_job_n| FROM {JOB}", "column", ["training_job_name"]),
        ("SELECT resource_con| FROM aws.sagemaker_trainingjob", "column", ["resource_config"]),
        (f"SELECT j.training_job_st| FROM {JOB} AS j", "column", ["training_job_status"]),
        (f"SELECT * FROM {JOB} j WHERE j.resource_config.instance_t|", "path", ["instance_type"]),
        (f"SELECT resource_config.| FROM {JOB}", "path", ["instance_count", "instance_type", "volume_size_in_gb"]),
        (f"SELECT input_data_config[1].data_source.s3| FROM {JOB}", "path", ["s3_data_source"]),
        (f"SELECT aws_sagemaker_trainingjob.role| FROM {JOB}", "column", ["role_arn"]),
        (f"SELECT count(*) FROM {JOB} WHERE status| = 'x'", "column", ["training_job_status", "secondary_status"]),
        (f"SELECT json_ext| FROM {JOB}", "function", ["json_extract_string"]),
        (f"SELECT tag| FROM {JOB}", "function", ["tag"]),
        ("SEL|", "keyword", ["SELECT"]),
        ("SELECT 1 FROM sweeps WH|", "keyword", ["WHERE"]),
        ("SELECT x.st| FROM sweeps AS x; SELECT 1", "column", ["status", "started_at"]),
        ("SELECT 1; SELECT st| FROM sweeps", "column", ["status"]),
    ],
)
def test_what_is_offered(completer: SqlCompleter, text: str, kind: str, expected: list[str]) -> None:
    found = {item.text for item in at(completer, text).items if item.kind == kind}
    assert set(expected) <= found


def test_types_come_along(completer: SqlCompleter) -> None:
    item = at(completer, f"SELECT j.resource_config.instance_c| FROM {JOB} j").items[0]
    assert (item.text, item.type) == ("instance_count", "INTEGER")


@pytest.mark.parametrize(
    ("text", "replaced"),
    [(f"SELECT trai|ning FROM {JOB}", "training"), ("SELECT * FROM aws.sage|", "sage"), ("SELECT |", "")],
)
def test_what_is_replaced(completer: SqlCompleter, text: str, replaced: str) -> None:
    found = at(completer, text)
    assert text.replace("|", "")[found.start : found.end] == replaced


@pytest.mark.parametrize("text", ["SELECT 'trai|", "SELECT 1 -- trai|", "SELECT /* trai|", f"SELECT nope.| FROM {JOB}"])
def test_nothing_is_offered_where_nothing_can_stand(completer: SqlCompleter, text: str) -> None:
    assert at(completer, text).items == ()


def test_what_begins_so_comes_first(completer: SqlCompleter) -> None:
    texts = [item.text for item in at(completer, f"SELECT training| FROM {JOB}").items]
    first = next(n for n, text in enumerate(texts) if not text.startswith("training"))
    assert not any(text.startswith("training") for text in texts[first:])


@given(st.text(st.sampled_from("aws_.SELECT FROM'\"()[];-/*|, \n\té1"), max_size=40), st.integers(0, 45))
def test_any_text_is_completed_or_not(completer: SqlCompleter, text: str, cursor: int) -> None:
    found = completer.complete(text, cursor)
    assert 0 <= found.start <= found.end <= len(text)
