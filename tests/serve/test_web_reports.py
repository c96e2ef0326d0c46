"""Changes, policies and types as pages: what they say, keep out, and refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from page_text import PageText, read
from sample_catalog import ACCOUNT, TYPE, SampleCatalog, arn, write_sample_catalog
from stocktake.policies.judging import judge
from stocktake.policies.packs import own_packs, pick_rules
from stocktake.query.connection import open_reading
from stocktake.serve.gate.config import Role
from web_server import Served, serving

EXCEPTION = f"""
[[exception]]
rule = "SMTJ-SEC-009"
resource = "{arn("beta")}"
reason = "It is <i>known</i>."
expires = 2031-01-31
approved_by = "security"

[[exception]]
rule = "SMTJ-SEC-003"
reason = "For a while."
expires = 2020-01-31
"""
DRAFT = {
    "id": "house-team",
    "title": "Every <b>job</b> names its team",
    "type": TYPE,
    "form": "tags",
    "required": "team",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("reports")
    sample: SampleCatalog = write_sample_catalog(folder / "catalog.duckdb")
    exceptions = folder / "exceptions.toml"
    exceptions.write_text(EXCEPTION)
    roles = (Role("reader"), Role("editor", can_edit=True), Role("elsewhere", accounts=("999999999999",)))
    with serving(sample.path, exceptions=exceptions, roles=roles) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with closing(served.client()) as client:
        client.headers["accept"] = "text/html"
        yield client


# ---- changes


def test_changes_tell_the_field_with_what_it_was_and_is(client: httpx.Client) -> None:
    page = read(client, "/changes")
    assert "Changes 3 " in page.text
    assert page.row("training_job_status")[1:] == ["InProgress", "Completed"]
    assert page.row("failure_reason")[1:] == ["not set", "none␛[31m"]
    assert "Sweep 2" in page.text
    for kind in ("1 created", "1 updated", "1 deleted"):
        assert kind in page.text


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"change": "created"}, {"delta"}),
        ({"change": "deleted"}, {"gamma"}),
        ({"q": "changed:tags"}, {"alpha"}),
        ({"q": "sweep:2 -delta"}, {"alpha", "gamma"}),
        ({"q": "after:Completed", "type": TYPE}, {"alpha"}),
        ({"until": "2h"}, set()),
        ({"page": "2"}, set()),
    ],
)
def test_changes_are_narrowed(client: httpx.Client, given: dict[str, str], names: set[str]) -> None:
    page = read(client, "/changes", **given)
    shown = {link.rsplit("/", 1)[-1] for link in page.links if link.startswith("/resource")}
    assert shown == names


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"q": '"open'}, "quote is not closed"),
        ({"since": "some day"}, "names no moment"),
        ({"until": "2099-01-01"}, "come"),
    ],
)
def test_what_makes_no_sense_is_said_above_the_form(client: httpx.Client, given: dict[str, str], said: str) -> None:
    page = read(client, "/changes", 400, **given)
    assert said in page.text


# ---- policies


def test_findings_are_what_judging_finds(client: httpx.Client, served: Served) -> None:
    packs = own_packs()
    with open_reading(served.house.catalog) as catalog:
        report = judge(catalog, packs, pick_rules(packs), datetime.now(UTC), served.house.exceptions())
    count = sum(1 for _ in report.open_findings())
    assert f"{count} findings" in read(client, "/policies/findings").text
    high = sum(one.rule.severity == "high" for one in report.open_findings())
    assert f"{high} finding" in read(client, "/policies/findings", severity="high").text
    scores = read(client, "/policies")
    assert scores.row("vision")
    assert scores.row(ACCOUNT)
    assert f"{report.resources} resources" in scores.text


def test_exceptions_are_told_with_what_they_cover(client: httpx.Client) -> None:
    page = read(client, "/policies/exceptions")
    assert page.row("SMTJ-SEC-009")[-1] == "1"
    assert "It is <i>known</i>." in page.text
    assert "over" in page.row("SMTJ-SEC-003")[6]
    excepted = read(client, "/policies/findings", status="excepted")
    assert "1 finding" in excepted.text
    assert "It is <i>known</i>." in excepted.text


def test_a_rule_has_its_findings_and_its_past(client: httpx.Client) -> None:
    page = read(client, "/policies/SMTJ-SEC-009")
    assert "The job runs in your VPC" in page.text
    assert "Excepted 1 " in page.text
    assert any(row[0] == "open" for row in page.rows if row)
    assert any(row[0] == "deleted" for row in page.rows if row), "gamma's ended with it"
    assert 'class="drawn curves"' in client.get("/policies/SMTJ-SEC-009").text
    assert read(client, "/policies/no-such-rule", 404)
    assert read(client, "/policies/rules", q="SMTJ-SEC-009").text.count("SMTJ-SEC-009") >= 1


def test_a_policy_is_tried_kept_judged_and_removed(client: httpx.Client) -> None:
    tried = read(client, "/policies/new", **DRAFT, **{"try": "1"})
    assert "1 fail" in tried.text
    assert "2 pass" in tried.text
    assert any(arn("delta") in link.replace("%3A", ":").replace("%2F", "/") for link in tried.links)
    assert read(client, "/policies/house-team", 404), "a trial keeps nothing"
    kept = client.post("/policies/new", data=DRAFT)
    assert kept.status_code == 303
    page = read(client, kept.headers["location"])
    assert "Every <b>job</b> names its team" in page.text
    assert "Failed 1 " in page.text
    assert "house-team" in read(client, "/policies/findings", policy="house-team").text
    again = client.post("/policies/new", data=DRAFT | {"id": "other", "form": "violates", "violates": "no_field > 1"})
    assert again.status_code == 400
    assert client.post("/policies/house-team/remove").status_code == 303
    assert read(client, "/policies/house-team", 404)
    assert client.post("/policies/SMTJ-SEC-009/remove").status_code == 404, "ours stay"


def test_a_draft_that_is_no_rule_says_what_is_missing(client: httpx.Client) -> None:
    page = read(client, "/policies/new", 400, **(DRAFT | {"title": ""}), **{"try": "1"})
    assert "has no title" in page.text
    broken = DRAFT | {"form": "require", "attribute1": "no_such", "operator1": "equals", "value1": "1"}
    assert "no field no_such" in read(client, "/policies/new", **broken, **{"try": "1"}).text


def test_only_who_may_keeps_and_tries_policies(served: Served, client: httpx.Client) -> None:
    sql = DRAFT | {"form": "violates", "violates": "true", "try": "1"}
    with closing(served.client("reader", "carla")) as reader, closing(served.client("editor", "anna")) as editor:
        assert reader.get("/policies/new", params=DRAFT | {"try": "1"}).status_code == 403
        assert editor.get("/policies/new", params=DRAFT | {"try": "1"}).status_code == 200
        assert editor.get("/policies/new", params=sql).status_code == 403
        assert editor.get("/policies/new", params=DRAFT | {"when": "true", "try": "1"}).status_code == 403
        for visitor in (reader, editor):
            assert visitor.post("/policies/new", data=DRAFT).status_code == 403
            assert visitor.post("/policies/SMTJ-SEC-009/remove").status_code == 403
    foreign = client.post("/policies/new", data=DRAFT, headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert read(client, "/policies/house-team", 404)


# ---- types


def test_types_are_found_by_name_cloudformation_and_field(client: httpx.Client) -> None:
    assert TYPE in read(client, "/types").text
    assert read(client, "/types", q="AWS::S3::Bucket").row("aws_s3_bucket")[3] == "AWS::S3::Bucket"
    found = read(client, "/types", q="volume_kms_key_id")
    assert f"/types/{TYPE}#resource_config.volume_kms_key_id" in found.links
    assert "No type is called so" in read(client, "/types", q="zzz_none").text
    of_service = read(client, "/types", service="sqs")
    assert {row[2] for row in of_service.rows[1:]} == {"sqs"}


def test_a_type_has_every_field_of_the_reference_page(client: httpx.Client) -> None:
    page = client.get(f"/types/{TYPE}").text
    anchors = set(re.findall(r'<section id="([\w.]+)">', page))
    assert {"algorithm_specification.metric_definitions.regex", "vpc_config.subnets", "tags", "account_id"} <= anchors
    assert len(anchors) >= 190
    told = PageText(page)
    assert "sagemaker:ListTrainingJobs" in told.text
    assert "DescribeTrainingJob" in told.text
    assert "3 held" in told.text
    assert "67 %" in told.text, "two of three have an environment"


def test_fields_of_a_type_are_searched(client: httpx.Client) -> None:
    page = client.get(f"/types/{TYPE}", params={"q": "regular expression"}).text
    assert 'id="algorithm_specification.metric_definitions.regex"' in page
    assert 'id="vpc_config"' not in page
    assert "No field has that word" in client.get(f"/types/{TYPE}", params={"q": "zzz"}).text


def test_types_that_are_not_held_have_pages_too(client: httpx.Client) -> None:
    page = read(client, "/types/aws_ecs_service")
    assert "aws_ecs_cluster" in page.text
    assert "held" not in page.text.split("Fields")[0]
    assert client.get("/types/AWS-S3-Bucket").status_code == 307
    assert read(client, "/types/aws_no_such_type", 404)


# ---- reach


def test_out_of_reach_nothing_is_counted(served: Served) -> None:
    with closing(served.client("elsewhere", "otto")) as visitor:
        visitor.headers["accept"] = "text/html"
        assert "Changes 0 " in read(visitor, "/changes").text
        assert "0 findings" in read(visitor, "/policies/findings").text
        for path in ("/policies", "/policies/SMTJ-SEC-009", "/types", f"/types/{TYPE}", "/policies/exceptions"):
            page = read(visitor, path)
            assert not [link for link in page.links if ":training-job" in link], path
        assert "3 held" not in read(visitor, f"/types/{TYPE}").text
