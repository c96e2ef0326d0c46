"""`stocktake policy`: its exit codes and its forms of output, as a shell sees them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from click.testing import CliRunner, Result

from sample_catalog import SampleCatalog, write_sample_catalog
from stocktake.serve.cli.program import program

RULES = """
[[rule]]
id = "mine-vision"
title = "No job is of the team vision"
type = "aws_sagemaker_trainingjob"
severity = "medium"
tags = {required = ["env"]}
why = "w"
remedy = "r"
source = "s"
bad = {tags = ["team:a"]}
good = {tags = ["env:a"]}
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleCatalog:
    return write_sample_catalog(tmp_path_factory.mktemp("policy") / "catalog.duckdb")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(RULES)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(program, ["policy", *map(str, arguments)])


def check(sample: SampleCatalog, mine: Path, *arguments: object) -> Result:
    return run("check", "--catalog", sample.path, "--policies", mine, "--only-given", *arguments)


def test_check_exits_with_9_where_a_finding_is_severe_enough(sample: SampleCatalog, mine: Path) -> None:
    assert check(sample, mine).exit_code == 0
    assert check(sample, mine, "--fail-on", "medium").exit_code == 9
    assert check(sample, mine, "--fail-on", "never").exit_code == 0
    # The scope in eu-west-1 was denied.
    result = check(sample, mine, "--fail-on", "never", "--fail-on-not-judged")
    assert result.exit_code == 9
    assert "not read: aws_sagemaker_trainingjob in 111122223333 eu-west-1: denied" in result.stderr


def test_every_form_of_output_tells_the_finding(sample: SampleCatalog, mine: Path) -> None:
    lines = check(sample, mine, "-o", "ndjson").stdout.splitlines()
    [row] = [orjson.loads(line) for line in lines]
    assert (row["policy"], row["name"], row["status"]) == ("mine-vision", "delta", "open")
    [row] = orjson.loads(check(sample, mine, "-o", "json").stdout)
    assert row["remedy"] == "r"
    [row] = csv.DictReader(io.StringIO(check(sample, mine, "-o", "csv").stdout))
    assert row["severity"] == "medium"
    log = orjson.loads(check(sample, mine, "-o", "sarif").stdout)
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["mine-vision"]
    root = ET.fromstring(check(sample, mine, "-o", "junit").stdout)  # noqa: S314 - our own text
    assert root.find("testsuite").get("failures") == "1"  # type: ignore[union-attr] # it is there, or the test fails
    assert "mine-vision" in check(sample, mine, "-o", "table").stdout
    [score] = orjson.loads(check(sample, mine, "-o", "json", "--by", "policy").stdout)
    assert (score["passed"], score["failed"], score["score"]) == (2, 1, 66.7)


def test_history_tells_when_it_opened(sample: SampleCatalog, mine: Path) -> None:
    result = run("history", "--catalog", sample.path, "--policies", mine, "--only-given", "-o", "json")
    [row] = orjson.loads(result.stdout)
    assert (row["status"], row["opened_by_sweep"], row["closed_at"]) == ("open", 2, None)


def test_list_and_show(mine: Path) -> None:
    rows = orjson.loads(run("list", "--pack", "aws-storage", "--severity", "critical", "-o", "json").stdout)
    assert {row["policy"] for row in rows} == {"s3-public-policy", "s3-public-acl"}
    assert "our website" not in run("show", "s3-public-policy").stdout
    assert "No job is of the team vision" in run("show", "mine-vision", "--policies", mine).stdout
    assert run("list", "--pack", "nope").exit_code == 2


def test_test_tries_files(mine: Path, tmp_path: Path) -> None:
    assert run("test", mine).exit_code == 0
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RULES.replace('good = {tags = ["env:a"]}', 'good = {tags = ["x:y"]}'))
    result = run("test", wrong, "-o", "json")
    assert result.exit_code == 9
    assert orjson.loads(result.stdout)[0]["outcome"] == "its good example breaks it"
