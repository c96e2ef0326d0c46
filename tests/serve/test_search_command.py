"""`stocktake search` in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sample_catalog import SampleCatalog, arn
from stocktake.query.connection import open_reading
from stocktake.query.search.parser import parse
from stocktake.query.search.run import search

DOCS = Path(__file__).parents[2] / "docs" / "search.md"


def names(result: Any) -> list[str]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["name"] for line in result.stdout.splitlines()]


def test_a_pipe_gets_the_resources(run: Any) -> None:
    result = run("search", "team:vision", "--sort", "name")
    assert names(result) == ["alpha", "beta"]
    row = json.loads(result.stdout.splitlines()[0])
    assert row["key"] == arn("alpha")
    assert row["tags"] == {"team": "vision", "env": "prod"}
    assert row["state"] == "Completed"
    assert row["first_seen_at"].endswith("Z")
    assert row["stale"] is False


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((), ["alpha", "beta", "delta"]),
        (("-team:*",), ["delta"]),
        (("-env:prod", "team:vision"), ["beta"]),
        (("--", "-env:prod team:vision"), ["beta"]),
        (("alpha", "OR", "beta"), ["alpha", "beta"]),
        (("resource_config.instance_type:ml.m5* -state:Completed",), ["beta", "delta"]),
        (("--type", "aws_sagemaker_trainingjob", "--limit", "2"), ["alpha", "beta"]),
        (("--offset", "2"), ["delta"]),
        (("--facet", "team=(none)"), ["delta"]),
        (("--facet", "env=dev", "--facet", "env=prod"), ["alpha", "beta"]),
    ],
)
def test_what_is_found(run: Any, arguments: tuple[str, ...], found: list[str]) -> None:
    assert names(run("search", "--sort", "name", *arguments)) == found


def test_as_of(run: Any, sample: SampleCatalog) -> None:
    then = sample.first.isoformat()
    assert names(run("search", "--as-of", then, "--sort", "name")) == ["alpha", "beta", "gamma"]
    assert names(run("search", "--as-of", then, "state:Completed")) == []


def test_json_has_total_facets_and_how_to_go_on(run: Any) -> None:
    page = json.loads(run("search", "--facet", "team", "--limit", "1", "--sort", "name", "-o", "json").stdout)
    assert page["total"] == 3
    assert [one["name"] for one in page["resources"]] == ["alpha"]
    [facet] = page["facets"]
    assert facet["key"] == "team"
    assert [(one["value"], one["count"]) for one in facet["values"]] == [("vision", 2), (None, 1)]
    assert names(run("search", "--sort", "name", "--after", page["after"])) == ["beta", "delta"]


def test_a_table_tells_total_and_facets(run: Any) -> None:
    lines = run(
        "search", "--limit", "2", "--facet", "team=vision", "--facet", "team", "-o", "table"
    ).stdout.splitlines()
    assert lines[0].split()[:4] == ["name", "type", "account_id", "region"]
    text = "\n".join(lines)
    assert "2 resources" in text
    assert re.search(r"^team\n  \* +2  vision\n +1  \(none\)$", text, re.MULTILINE)
    assert run("search", "nothing-of-it", "-o", "table").stdout == "0 resources\n"


@pytest.mark.parametrize("form", ["ndjson", "csv", "md", "table", "json"])
def test_groups_instead_of_resources(run: Any, form: str) -> None:
    text = run("search", "--group-by", "team", "-o", form).stdout
    assert "vision" in text
    assert "alpha" not in text
    if form == "csv":
        assert list(csv.reader(io.StringIO(text))) == [["team", "resources"], ["vision", "2"], ["", "1"]]


def test_parquet(run: Any, tmp_path: Path) -> None:
    assert run("search", "--sort", "name", "--output-file", str(tmp_path / "a.parquet")).exit_code == 0
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column("name").to_pylist() == ["alpha", "beta", "delta"]
    [first, *_] = table.column("tags").to_pylist()
    assert sorted(first or ()) == [("env", "prod"), ("team", "vision")]
    assert run("search", "--group-by", "team", "--output-file", str(tmp_path / "b.parquet")).exit_code == 0
    assert pq.read_table(tmp_path / "b.parquet").to_pylist()[0] == {"team": "vision", "resources": 2}


def test_an_error_shows_the_place(run: Any) -> None:
    result = run("search", "team:vision (a")
    assert result.exit_code == 2
    assert "    team:vision (a\n                ^\n" in result.stderr
    assert "where: character 13" in result.stderr
    assert "code:  search_parenthesis" in result.stderr
    told = json.loads(run("search", "size:> 5", "-o", "json").stderr)
    assert told["code"] == "search_value"
    assert told["where"] == "character 6"


def test_a_note_on_a_key_that_nothing_has(run: Any) -> None:
    result = run("search", "tema:vision")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "note: No resource has tema" in result.stderr
    assert "team" in result.stderr


def documented() -> list[str]:
    """Return every search in the first column of the syntax table."""
    section = DOCS.read_text(encoding="utf-8").split("## What can be written")[1].split("###")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("text", documented())
def test_every_documented_construct_is_one(sample: SampleCatalog, text: str) -> None:
    parse(text)
    with open_reading(sample.path) as catalog:
        search(catalog, text)


def test_all_constructs_are_documented() -> None:
    assert len(documented()) > 40
