"""The sync page: coverage, what was lacking, sweeps; a sync that is started in the browser and told of live."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from simulated_estate import ACCOUNT, JOB, REGION
from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.serve.gate.config import Role, SyncConfig
from stocktake.sync import SyncRequest, run_sync
from web_server import Served, serving

TUNING = "aws_sagemaker_hyperparametertuningjob"
OTHER_REGION = "eu-west-1"
PATIENCE = 240.0
"""The machine may be busy."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    estate = Estate(40, (ACCOUNT,), (REGION, OTHER_REGION), arrivals_per_day=0.0, seed=5)
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0)) as one:
        yield one


@pytest.fixture(scope="module")
def served(cloud: SimulatedCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server beside a cloud where one region is denied."""
    catalog: Path = tmp_path_factory.mktemp("sync") / "catalog.duckdb"
    request = SyncRequest(
        catalog, (JOB, TUNING), (REGION, OTHER_REGION), endpoint_url=cloud.endpoint_url, concurrency=8
    )
    cloud.switch(denied_actions=[f"sagemaker:ListTrainingJobs@{OTHER_REGION}"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.environment(ACCOUNT).items():
            patch.setenv(name, value)
        run_sync(request, Silent())
        sync = SyncConfig((JOB, TUNING), (REGION, OTHER_REGION), (), cloud.endpoint_url)
        far = Role("far", accounts=("999988887777",))
        with serving(catalog, sync=sync, roles=(far,)) as one:
            yield one


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with closing(served.client()) as one:
        yield one


def rows(page: str, label: str) -> list[list[str]]:
    found = re.search(rf'aria-label="{label}">(.*?)</table>', page, re.DOTALL)
    assert found is not None, page
    body = found[1].partition("<tbody>")[2]
    cells = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def test_what_was_denied_comes_first_with_its_action_and_a_policy(client: httpx.Client) -> None:
    page = client.get("/sync").text
    scopes = rows(page, "Scopes")
    assert scopes[0][1:4] == [ACCOUNT, OTHER_REGION, "denied"]
    assert len(scopes) == 4
    assert "sagemaker:ListTrainingJobs" in scopes[0][0]
    assert scopes[0][4] == "never"
    [missing] = rows(page, "Denied actions")
    assert missing[:2] == ["sagemaker:ListTrainingJobs", "1"]
    policy = re.search(r'<pre id="policy"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert policy is not None
    document = json.loads(policy[1].replace("&#34;", '"'))
    assert document["Statement"][0]["Action"] == ["sagemaker:ListTrainingJobs"]


def test_filters_stand_in_the_address(client: httpx.Client) -> None:
    only = rows(client.get("/sync", params={"status": "complete", "type": "tuning"}).text, "Scopes")
    assert {row[0] for row in only} == {TUNING}
    assert len(rows(client.get("/sync", params={"region": REGION}).text, "Scopes")) == 2
    assert "Nothing fits" in client.get("/sync", params={"type": "bucket"}).text
    assert 'aria-current="true"' in client.get("/sync", params={"status": "denied"}).text
    assert [row[2] for row in rows(client.get("/sync?stale=1").text, "Scopes")] == [OTHER_REGION]


def test_sweeps_are_told(client: httpx.Client) -> None:
    sweep = rows(client.get("/sync").text, "History of sweeps")[-1]
    assert (sweep[0], sweep[3], sweep[4], sweep[5]) == ("1", "gaps", "4", "1")
    assert "No sweeps yet" in client.get("/sync", params={"before": 1}).text


def test_out_of_reach_there_is_nothing(served: Served) -> None:
    with closing(served.client("far", "doris")) as doris:
        page = doris.get("/sync").text
        assert ACCOUNT not in page
        assert "Nothing was synced yet" in page
        assert "No sweeps yet" in page
        assert "Missing permissions" not in page
        assert doris.post("/sync/start").status_code == 403


def test_a_sync_is_started_told_of_live_and_ends(served: Served, cloud: SimulatedCloud) -> None:
    cloud.switch(denied_actions=[])
    with closing(served.client()) as client:
        assert "No sync was started here" in client.get("/sync").text
        foreign = client.post("/sync/start", headers={"origin": "https://elsewhere.example"})
        assert foreign.status_code == 403
        assert client.post("/sync/start", data={"types": "aws_iam_role"}).status_code == 400, "it cannot be widened"
        started = client.post("/sync/start", data={"types": JOB, "how": "reconcile"})
        assert (started.status_code, started.headers["location"]) == (303, "/sync")
        assert client.post("/sync/start").status_code == 409, "one at a time"
        events = set()
        with client.stream("GET", "/api/v1/live", timeout=PATIENCE) as live:
            for line in live.iter_lines():
                if line.startswith("data: ") and '"status"' in line:
                    events.add(json.loads(line.removeprefix("data: "))["status"])
                    if events - {"running"}:
                        break
        assert events >= {"running", "complete"}
        page = client.get("/sync", params={"part": "live"}).text
        assert "2 of 2 scopes done" in page
        assert "<html" not in page
        page = client.get("/sync").text
        assert "Missing permissions" not in page, "what was lacking is there now"
        assert [row[3] for row in rows(page, "Scopes")] == ["complete"] * 4


def test_a_sync_is_stopped(served: Served, cloud: SimulatedCloud) -> None:
    cloud.switch(latency_ms=500)
    with closing(served.client()) as client:
        client.post("/sync/start", data={"how": "full"})
        found = re.search(r'name="id" value="(\w+)"', client.get("/sync").text)
        assert found is not None
        end = time.monotonic() + PATIENCE
        # A signal that comes before the child listens to it ends it too.
        assert client.post("/sync/stop", data={"id": found[1]}).status_code == 303
        while 'action="/sync/stop"' in client.get("/sync", params={"part": "live"}).text:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert client.post("/sync/stop", data={"id": "nothing"}).status_code == 404
    cloud.switch(latency_ms=0)
