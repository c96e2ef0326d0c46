"""Many accounts from one process: a role in each, an organization's list, open regions, credentials that end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stocktake.core.errors import UserError
from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncReport, SyncRequest, run_sync

JOB = "aws_sagemaker_trainingjob"
ACCOUNTS = ("111122223333", "222233334444", "333344445555", "444455556666")
REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")


class Organization:
    def __init__(self, cloud: SimulatedCloud, catalog: Path) -> None:
        self.cloud = cloud
        self.catalog = catalog

    def sync(self, **options: Any) -> SyncReport:
        given: dict[str, Any] = {
            "types": (JOB,),
            "endpoint_url": self.cloud.endpoint_url,
            "organization": True,
        } | options
        return run_sync(SyncRequest(catalog=self.catalog, **given), Silent())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with open_catalog(self.catalog, read_only=True) as catalog:
            return run(catalog.connection, sql)

    def counts(self) -> dict[tuple[str, str], int]:
        return {
            (account, region): count
            for account, region, count in self.rows(f"SELECT account_id, _region, count(*) FROM {JOB} GROUP BY ALL")
        }


@pytest.fixture
def make_organization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Organization]]:
    running: list[SimulatedCloud] = []

    def make(jobs: int = 240, speed: float = 0.0, **switches: Any) -> Organization:
        estate = Estate(jobs, ACCOUNTS, REGIONS, arrivals_per_day=0.0)
        cloud = SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, speed)).start()
        cloud.switch(**switches)
        running.append(cloud)
        for name, value in cloud.environment(ACCOUNTS[0]).items():
            monkeypatch.setenv(name, value)
        return Organization(cloud, tmp_path / "catalog.duckdb")

    yield make
    for cloud in running:
        cloud.stop()


def scopes(report: SyncReport) -> dict[tuple[str, str], str]:
    return {(scope.account_id, scope.region): scope.status for scope in report.scopes}


def test_an_organization_is_found_entered_and_read_in_every_open_region(
    make_organization: Callable[..., Organization],
) -> None:
    organization = make_organization(disabled_regions=["ap-south-1"])
    report = organization.sync()
    assert report.exit_code == 0
    assert scopes(report) == {(a, r): "complete" for a in ACCOUNTS for r in ("us-east-1", "eu-west-1")}
    stats = organization.cloud.stats()
    assert stats["organizations", "ListAccounts"] == 1
    assert stats["sts", "AssumeRole"] == len(ACCOUNTS) - 1  # its own account needs no role
    assert stats["sts", "GetCallerIdentity"] == 1
    assert sum(organization.counts().values()) == sum(scope.listed for scope in report.scopes) > 150


def test_accounts_come_a_page_at_a_time_and_suspended_ones_are_left_out(
    make_organization: Callable[..., Organization], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktake.demo.accounts_api._ACCOUNTS_PAGE", 1)
    organization = make_organization(suspended_accounts=[ACCOUNTS[2]])
    report = organization.sync(regions=("us-east-1",))
    assert organization.cloud.stats()["organizations", "ListAccounts"] == len(ACCOUNTS)
    assert set(scopes(report)) == {(a, "us-east-1") for a in ACCOUNTS if a != ACCOUNTS[2]}


def test_an_account_that_cannot_be_entered_is_a_gap_and_keeps_its_rows(
    make_organization: Callable[..., Organization],
) -> None:
    organization = make_organization()
    organization.sync()
    before = organization.counts()
    denied = ACCOUNTS[1]
    organization.cloud.switch(denied_actions=[f"sts:AssumeRole@{denied}"])
    report = organization.sync()
    assert report.exit_code == 3
    [gap] = [scope for scope in report.scopes if scope.status != "complete"]
    assert (gap.account_id, gap.region, gap.type, gap.status) == (denied, "*", "*", "denied")
    assert gap.missing_permission == "sts:AssumeRole"
    assert "role/StocktakeReader" in gap.reason
    assert "trust policy" in gap.hint
    assert organization.counts() == before
    stale = organization.rows("SELECT account_id, region, missing_permission FROM coverage_now WHERE stale ORDER BY 2")
    assert stale == [(denied, r, "sts:AssumeRole") for r in ("*", *sorted(REGIONS))]
    organization.cloud.switch(denied_actions=[])
    assert organization.sync().exit_code == 0
    assert organization.rows("SELECT * FROM coverage_now WHERE stale") == []


def test_a_trust_policy_that_wants_an_external_id(make_organization: Callable[..., Organization]) -> None:
    organization = make_organization(role_external_id="secret-handshake")
    account = ACCOUNTS[1]
    options = {"organization": False, "accounts": (account,), "regions": ("us-east-1",)}
    refused = organization.sync(**options)
    assert [scope.status for scope in refused.scopes] == ["denied"]
    pattern = "arn:{partition}:iam::{account_id}:role/inventory/Reader"
    report = organization.sync(**options, assume_role=pattern, external_id="secret-handshake")
    assert scopes(report) == {(account, "us-east-1"): "complete"}


def test_roles_that_run_out_in_the_middle_are_assumed_anew(make_organization: Callable[..., Organization]) -> None:
    organization = make_organization(jobs=800, speed=1.0, role_seconds=1.0, latency_ms=25)
    account = ACCOUNTS[1]
    report = organization.sync(organization=False, accounts=(account,), regions=("us-east-1",), concurrency=1)
    assert scopes(report) == {(account, "us-east-1"): "complete"}
    assert organization.cloud.stats()["sts", "AssumeRole"] >= 3
    # Renewed ahead of time: hardly a call meets the end of its keys.
    errors = sum(organization.cloud.errors().values())
    assert errors <= 2


def test_keys_that_the_provider_refuses_early_are_renewed(make_organization: Callable[..., Organization]) -> None:
    organization = make_organization(jobs=300, latency_ms=5)
    account, cloud = ACCOUNTS[1], organization.cloud

    class Jump(Silent):
        jumped = False

        def update(self, progress: Any) -> None:
            if progress.listed and not self.jumped:
                self.jumped = True
                cloud.clock.advance(7200)  # the provider's clock runs on, and nothing here can know

    jump = Jump()
    request = SyncRequest(
        catalog=organization.catalog,
        types=(JOB,),
        endpoint_url=cloud.endpoint_url,
        accounts=(account,),
        regions=("us-east-1",),
        concurrency=2,
    )
    report = run_sync(request, jump)
    assert jump.jumped
    assert scopes(report) == {(account, "us-east-1"): "complete"}
    assert cloud.stats()["sts", "AssumeRole"] == 2


def test_a_denied_account_and_a_region_that_hangs_delay_nothing_else(
    make_organization: Callable[..., Organization],
) -> None:
    organization = make_organization(
        denied_actions=[f"sagemaker:*@{ACCOUNTS[2]}"], hang_regions=["eu-west-1"], latency_ms=1
    )
    finished: dict[tuple[str, str], float] = {}
    started = time.monotonic()

    class Watch(Silent):
        def update(self, progress: Any) -> None:
            if progress.done:
                finished[progress.account_id, progress.region] = time.monotonic() - started

    request = SyncRequest(
        catalog=organization.catalog,
        types=(JOB,),
        endpoint_url=organization.cloud.endpoint_url,
        organization=True,
        connect_timeout_seconds=0.5,
        read_timeout_seconds=3.0,
    )
    report = run_sync(request, Watch())
    found = scopes(report)
    assert {found[a, "eu-west-1"] for a in ACCOUNTS} == {"failed"}
    assert found[ACCOUNTS[2], "us-east-1"] == "denied"
    whole = {(a, r) for a in ACCOUNTS if a != ACCOUNTS[2] for r in ("us-east-1", "ap-south-1")}
    assert {key for key, status in found.items() if status == "complete"} == whole
    assert max(finished[key] for key in whole) < min(finished[a, "eu-west-1"] for a in ACCOUNTS)


def test_regions_are_asked_of_the_account_where_ec2_does_not_tell(
    make_organization: Callable[..., Organization],
) -> None:
    organization = make_organization(denied_actions=["ec2:DescribeRegions"], disabled_regions=["ap-south-1"])
    report = organization.sync(organization=False, regions=("all",))
    assert set(scopes(report)) == {(ACCOUNTS[0], "us-east-1"), (ACCOUNTS[0], "eu-west-1")}


def test_where_nobody_tells_the_regions_all_that_are_known_are_asked(
    make_organization: Callable[..., Organization],
) -> None:
    organization = make_organization(denied_actions=["ec2:DescribeRegions", "account:*"])
    organization.cloud.switch(disabled_regions=["eu-south-1", "ap-east-1"])
    report = organization.sync(organization=False, regions=("all",))
    found = scopes(report)
    assert len(found) > 25
    assert found[ACCOUNTS[0], "us-east-1"] == "complete"
    assert found[ACCOUNTS[0], "eu-south-1"] == "unsupported"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"accounts": ("12",)}, "bad_account"),
        ({"organization": False, "assume_role": "Reader"}, "no_accounts"),
        ({"assume_role": "arn:aws:iam::{account}:role/x"}, "bad_role_pattern"),
        ({"regions": ("all", "us-east-1")}, "bad_regions"),
        ({"accounts": ("999988887777",)}, "unknown_account"),
    ],
)
def test_what_cannot_be_meant_is_said_first(
    make_organization: Callable[..., Organization], options: dict[str, Any], code: str
) -> None:
    organization = make_organization(jobs=10)
    with pytest.raises(UserError) as caught:
        organization.sync(**options)
    assert caught.value.code == code
    assert not organization.catalog.exists()


def test_who_may_not_list_the_organization_is_told_who_may(make_organization: Callable[..., Organization]) -> None:
    organization = make_organization(jobs=10, denied_actions=["organizations:ListAccounts"])
    with pytest.raises(UserError) as caught:
        organization.sync()
    assert caught.value.code == "organization_not_listed"
    assert "delegated administrator" in caught.value.hint
