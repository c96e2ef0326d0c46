"""The jobs board, the list, one job, and two side by side: what they say is what happened in the simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from page_text import PageText, read
from simulated_estate import ACCOUNT, SimulatedEstate
from stocktake.serve.gate.config import Role
from web_server import Served, serving

LONG_AGO = {"days": "3650"}


@pytest.fixture(scope="module")
def client(estate: SimulatedEstate) -> Iterator[httpx.Client]:
    roles = (Role("elsewhere", accounts=("999999999999",)), Role("buckets", types=("aws_s3_bucket",)))
    with (
        serving(estate.catalog, prices=estate.prices, roles=roles) as served,
        closing(served.client()) as client,
    ):
        client.headers["accept"] = "text/html"
        client.served = served  # type: ignore[attr-defined] # for other visitors of the same server
        yield client


def other(client: httpx.Client, role: str) -> httpx.Client:
    served: Served = client.served  # type: ignore[attr-defined] # put there by the fixture
    found = served.client(role, role)
    found.headers["accept"] = "text/html"
    return found


def job_with(estate: SimulatedEstate, **wanted: Any) -> dict[str, Any]:
    return next(job for job in estate.truth if all(job[name] == value for name, value in wanted.items()))


def test_the_board_counts_what_happened(client: httpx.Client, estate: SimulatedEstate) -> None:
    page = read(client, "/jobs", **LONG_AGO)
    true = Counter(job["status"] for job in estate.truth)
    live = [job for job in estate.truth if job["status"] in {"InProgress", "Stopping"}]
    assert f"Succeeded {true['Completed']} " in page.text
    spent = sum(job["invented_usd"] or 0 for job in estate.truth)
    assert f"{spent:,.2f} USD" in page.text
    for job in live:
        assert any(job["arn"] in link.replace("%3A", ":").replace("%2F", "/") for link in page.links)
    assert "told as of" in page.text


def test_the_board_says_when_a_job_must_end(client: httpx.Client) -> None:
    page = read(client, "/jobs")
    row = next(one for one in page.rows if len(one) == 8 and one[0] != "Job")
    assert "in " in row[6] or "over since" in row[6]


def test_filters_of_the_board_stay_in_its_form(client: httpx.Client) -> None:
    page = client.get("/jobs", params={"team": 'vision"><b>', "account": ACCOUNT, "days": "90"}).text
    assert 'value="vision&#34;&gt;&lt;b&gt;"' in page
    assert '<option value="90" selected>' in page
    assert "No job" in PageText(page).text


def test_the_list_pages_filters_and_orders(client: httpx.Client, estate: SimulatedEstate) -> None:
    first = read(client, "/jobs/list", sort="cost")
    second = read(client, "/jobs/list", sort="cost", page="2")
    names = [row[3].split()[0] for page in (first, second) for row in page.rows[1:]]
    assert len(names) == len(set(names)) == 100
    dearest = max(estate.truth, key=lambda job: job["invented_usd"] or 0)
    assert names[0] == dearest["name"]
    failed = read(client, "/jobs/list", state="failed")
    assert {row[2] for row in failed.rows[1:]} == {"failed"}
    assert read(client, "/jobs/list", name="no such job").rows == []


def test_a_job_shows_its_phases_cost_and_savings(client: httpx.Client, estate: SimulatedEstate) -> None:
    job = max(estate.truth, key=lambda one: one["saved_percent"] or 0)
    page = read(client, "/job", key=job["arn"])
    assert f"{job['saved_percent']:.1f} %" in page.text
    assert f"{job['invented_usd']:,.2f} USD" in page.text
    for phase in job["seconds"]:
        assert page.row(phase)
    # Without scripts, what takes long is a link away.
    assert any("show=lineage" in link for link in page.links)
    assert any("show=policies" in link for link in page.links)


def test_a_failed_job_says_why(client: httpx.Client, estate: SimulatedEstate) -> None:
    page = read(client, "/job", key=job_with(estate, status="Failed")["name"])
    assert "Error" in page.text
    assert "Failure class" in page.text


def test_a_job_that_runs_shows_now_and_its_end(client: httpx.Client) -> None:
    running = next(link for link in read(client, "/jobs").links if link.startswith("/job?"))
    page = client.get(running).text
    assert "mark-now" in page
    assert "mark-limit" in page
    assert "goes on" in page


def test_lineage_leads_to_what_is_held(client: httpx.Client, estate: SimulatedEstate) -> None:
    job = job_with(estate, status="Completed", launcher="direct")
    page = read(client, "/job", key=job["arn"], show="lineage")
    assert "What it ran in" in page.text
    assert "<svg" in client.get("/job", params={"key": job["arn"], "show": "lineage"}).text
    held = next(link for link in page.links if link.startswith("/resource?key="))
    assert client.get(held).status_code == 200
    part = client.get("/job", params={"key": job["arn"], "show": "lineage"}, headers={"hx-request": "true"}).text
    assert "<html" not in part
    assert "What it ran in" in part


def test_policies_of_a_job_are_those_of_all(client: httpx.Client, estate: SimulatedEstate) -> None:
    job = job_with(estate, name="hard-0")
    page = read(client, "/job", key=job["arn"], show="policies")
    of_it = read(client, "/policies/findings", q=job["arn"])
    broken = next(word for word in page.text.split(" broken")[0].split()[::-1] if word.isdigit())
    assert f"{broken} finding" in of_it.text


def test_two_jobs_differ_where_they_do(client: httpx.Client, estate: SimulatedEstate) -> None:
    one, two = job_with(estate, name="hard-0"), job_with(estate, name="hard-6")
    page = read(client, "/jobs/compare", a=one["arn"], b=two["name"])
    assert page.row("interruptions")[1:3] == [str(one["interruptions"]), str(two["interruptions"])]
    assert page.row("retries")[1:3] == [str(one["retries"]), str(two["retries"])]
    assert "Hyperparameters" not in page.text
    assert "SIMULATED_TRAINING_SECONDS" not in page.text
    assert (
        "SIMULATED_TRAINING_SECONDS" in read(client, "/jobs/compare", a=one["arn"], b=two["name"], everything="1").text
    )
    assert "Name two jobs" in read(client, "/jobs/compare").text


@pytest.mark.parametrize("path", ["/job", "/jobs/compare"])
def test_what_is_no_job_is_an_error_page(client: httpx.Client, path: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/hard"
    page = read(client, path, 404, key="no-such-job", a="no-such-job", b=role)
    assert "no-such-job" in page.text


@pytest.mark.parametrize("role", ["elsewhere", "buckets"])
def test_jobs_out_of_reach_do_not_exist(client: httpx.Client, estate: SimulatedEstate, role: str) -> None:
    job = job_with(estate, status="Completed")
    with closing(other(client, role)) as visitor:
        board = read(visitor, "/jobs", **LONG_AGO)
        assert "Succeeded 0 " in board.text
        assert "No job runs" in board.text
        assert not [link for link in board.links if link.startswith("/job?")]
        assert read(visitor, "/jobs/list").rows == []
        for parameters in ({}, {"show": "lineage"}, {"show": "policies"}):
            assert visitor.get("/job", params={"key": job["arn"], **parameters}).status_code == 404
        assert visitor.get("/jobs/compare", params={"a": job["arn"], "b": job["arn"]}).status_code == 404
