"""`relations`, `permissions` and `docs build`, as a user calls them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sample_catalog import SampleCatalog, arn
from stocktake.relations.update import update_relations
from stocktake.serve.cli.program import program
from stocktake.serve.telling.descriptions import description_html
from stocktake.store.catalog import open_catalog
from stocktake.store.catalog import run as run_sql

JOB = "aws_sagemaker_trainingjob"
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def related(sample: SampleCatalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample catalog, with relations and one job that has a role."""
    path = tmp_path_factory.mktemp("related") / "c.duckdb"
    path.write_bytes(sample.path.read_bytes())
    with open_catalog(path) as catalog:
        for name, role in (("alpha", "arn:aws:iam::111122223333:role/r\x1b[31m"), ("beta", arn("alpha"))):
            run_sql(
                catalog.connection,
                f"UPDATE {JOB}_history SET role_arn = ? WHERE training_job_name = ?",
                [role, name],
            )
        update_relations(catalog, 2)
    return path


@pytest.fixture
def call(related: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(program, ["--catalog", str(related), *arguments], prog_name="stocktake")

    return invoke


def test_relations_both_ways_as_rows_and_as_a_tree(call: Run) -> None:
    rows = [json.loads(line) for line in call("relations", arn("alpha")).stdout.splitlines()]
    assert [(row["direction"], row["edge"], row["resolved"]) for row in rows] == [
        ("out", "role_arn", False),
        ("in", "role_arn", True),
    ]
    assert rows[1]["source_id"] == arn("beta")
    assert rows[1]["target_id"] == rows[0]["source_id"] == arn("alpha")
    tree = call("relations", "beta", "--depth", "2", "-o", "table").stdout
    assert "\x1b" not in tree
    assert re.search(
        r"└── → role_arn \S+training-job/alpha.*\n {4}└── → role_arn arn:aws:iam.*aws_iam_role, not held", tree
    )
    assert "(2 relations; 1 to what the catalog does not hold)" in tree
    document = json.loads(call("relations", "beta", "--direction", "in", "-o", "json").stdout)
    assert (document["id"], document["relations"], document["more"]) == (arn("beta"), [], False)
    assert json.loads(call("relations", "beta", "--depth", "2", "--limit", "1", "-o", "json").stdout)["more"]
    assert call("relations", "alpha", "-o", "csv").stdout.startswith("depth,direction,source_type")
    assert call("relations", "alpha", "-o", "md").stdout.startswith("| depth")


def test_relations_of_what_is_unknown_fail_as_show_does(call: Run) -> None:
    shown, related = call("show", "nothing"), call("relations", "nothing")
    assert (related.exit_code, related.stderr) == (shown.exit_code, shown.stderr)
    early = call("relations", "delta", "--as-of", "2h ago")
    assert (early.exit_code, "not_known_then" in early.stderr) == (2, True)


def test_relations_as_of_a_time_and_of_the_deleted(call: Run) -> None:
    assert json.loads(call("relations", "beta", "--as-of", "2h ago", "--direction", "out").stdout)["value"] == arn(
        "alpha"
    )
    gone = call("relations", "gamma", "-o", "table")
    assert gone.exit_code == 0
    assert "as of" in gone.stdout


def test_a_policy_is_sorted_whole_and_no_more_than_needed(call: Run) -> None:
    policy = json.loads(call("permissions", "--type", JOB, "--type", "aws_ecs_service", "-o", "json").stdout)
    assert policy["Version"] == "2012-10-17"
    statements = policy["Statement"]
    assert all(set(one) == {"Sid", "Effect", "Action", "Resource"} for one in statements)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", one["Sid"]) and one["Effect"] == "Allow" for one in statements)
    assert [one["Action"] for one in statements] == [sorted(one["Action"]) for one in statements]
    actions = [action for one in statements for action in one["Action"]]
    assert actions == sorted(set(actions))
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", action) for action in actions)
    assert {"ecs:ListClusters", "ecs:ListServices", "sagemaker:DescribeTrainingJob", "sagemaker:ListTags"} <= set(
        actions
    )
    assert {"tag:GetResources", "sts:GetCallerIdentity"} <= set(actions)
    assert not [action for action in actions if "Create" in action or "Delete" in action]


def test_a_policy_for_what_is_held(call: Run) -> None:
    table = call("permissions", "-o", "table").stdout
    assert "sagemaker:ListTrainingJobs" in table
    assert "ecs:" not in table
    assert "unknown_type" in call("permissions", "--type", "aws_no_such").stderr


def test_check_says_what_the_newest_sync_lacked(call: Run) -> None:
    result = call("permissions", "--check", "-o", "json")
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    [lacking] = answer["lacking"]
    assert (lacking["type"], lacking["region"], lacking["missing"]) == (
        JOB,
        "eu-west-1",
        ["sagemaker:ListTrainingJobs"],
    )
    assert answer["policy_to_add"]["Statement"][0]["Action"] == ["sagemaker:ListTrainingJobs"]
    table = call("permissions", "--check")
    assert table.exit_code == 3
    assert '"sagemaker:ListTrainingJobs"' in table.stdout
    fine = call("permissions", "--check", "--type", "aws_ecs_cluster")
    assert (fine.exit_code, fine.stdout.strip()) == (0, "No permission was lacking in 0 scopes.")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        elif tag in {"script", "link", "img", "iframe", "object"}:
            self.loaded.append(str(given.get("src") or given.get("href")))
        assert not [name for name in given if name.startswith("on")], attrs


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    asked = ["--type", "sagemaker", "--type", "ecs", "--type", "aws_iam_*", "--type", "aws_ec2_subnet"]
    result = CliRunner().invoke(program, ["docs", "build", str(folder), *asked])
    assert result.exit_code == 0, result.output
    assert "types of 4 services" in result.output
    return folder


def parsed(site: Path) -> Iterator[tuple[Path, _Links]]:
    for file in sorted(site.rglob("*.html")):
        links = _Links()
        links.feed(file.read_text(encoding="utf-8"))
        yield file, links


def test_every_link_of_the_site_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {file.resolve(): links for file, links in parsed(site)}
    assert len(pages) > 100
    for file, page in pages.items():
        for loaded in page.loaded:
            assert loaded == "data:," or (file.parent / loaded).is_file(), (file, loaded)
        for link in page.links:
            if link.startswith(("https://", "http://")):
                continue
            target, _, anchor = link.partition("#")
            place = (file.parent / target).resolve() if target else file
            assert place in pages, (file, link)
            assert not anchor or anchor in pages[place].ids, (file, link)


def test_a_page_has_what_is_known_of_its_type(site: Path) -> None:
    text = (site / "types" / f"{JOB}.html").read_text(encoding="utf-8")
    for part in (
        "role_arn",
        "aws_iam_role.html",
        "sagemaker:ListTags",
        "DescribeTrainingJob",
        "from botocore",
        "same noun",
    ):
        assert part in text, part
    assert 'id="resource_config.instance_type"' in text
    service = (site / "types" / "aws_ecs_service.html").read_text(encoding="utf-8")
    assert "listed once for each" in service
    assert "ecs:ListClusters" in service


def test_the_search_knows_every_type(site: Path) -> None:
    data = (site / "types.js").read_text(encoding="utf-8").removeprefix("const TYPES = ").rstrip(";\n")
    names = {name for name, _ in json.loads(data)}
    assert names == {file.stem for file in (site / "types").glob("*.html")}
    assert "fetch" not in (site / "search.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "documentation",
    [
        "<script>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        '<a href="javascript:alert(1)">x</a>',
        "<a href='https://e/\" onmouseover=\"alert(1)'>x</a>",
        "<code><img src=x onerror=alert(1)></code>",
        "<code>&lt;img src=x onerror=alert(1)&gt;</code>",
        '[x](javascript:alert(1)) `<b>` & "',
        "<dl><dt>&lt;b onclick=x&gt;</dt><dd><ul><li>&lt;i&gt;</li></ul></dd></dl>",
    ],
)
def test_nothing_that_the_provider_writes_becomes_a_page_s_own_code(documentation: str) -> None:
    page = description_html(documentation)
    links = _Links()
    links.feed(page)
    assert set(re.findall(r"<([a-z]+)", page)) <= {"p", "code", "a", "dl", "dt", "dd", "ul", "ol", "li"}
    assert links.loaded == []
    assert all(link.startswith("https://") for link in links.links)
