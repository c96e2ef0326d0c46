"""Partitions, profiles that share what they can, roles of any form; and an organization that moto keeps."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from stocktake.collect.accounts import fetch_open_regions
from stocktake.collect.assumed import RolePattern
from stocktake.collect.session import open_session
from stocktake.core.errors import UserError
from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.protocol import access_key_of
from stocktake.demo.server import SimulatedCloud
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync
from stocktake.sync.accounts import OpenedAccounts, open_accounts

GLOBAL, CHINA, GOV = "111122223333", "222233334444", "333344445555"


def opened(request: SyncRequest) -> tuple[OpenedAccounts, int]:
    """Open a request's accounts, and count the sets of endpoints behind them."""

    async def main() -> tuple[OpenedAccounts, int]:
        async with AsyncExitStack() as stack:
            found = await open_accounts(stack, request)
            return found, len({id(account.session.endpoints) for account in found.accounts})

    return asyncio.run(main())


@pytest.fixture
def three_partitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One cloud, and a profile of each partition."""
    estate = Estate(10, (GLOBAL, CHINA, GOV), ("us-east-1",), arrivals_per_day=0.0)
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0.0)) as cloud:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        keys, config = tmp_path / "keys", tmp_path / "config"
        profiles = {"global": (GLOBAL, "us-east-1"), "china": (CHINA, "cn-north-1"), "gov": (GOV, "us-gov-west-1")}
        keys.write_text(
            "".join(
                f"[{name}]\naws_access_key_id={access_key_of(account)}\naws_secret_access_key=s\n"
                for name, (account, _) in profiles.items()
            )
        )
        config.write_text("".join(f"[profile {name}]\nregion={region}\n" for name, (_, region) in profiles.items()))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
        monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint_url)
        yield cloud


@pytest.mark.usefixtures("three_partitions")
def test_each_partition_has_its_own_regions_and_arns(tmp_path: Path) -> None:
    found, sets = opened(
        SyncRequest(
            tmp_path / "c",
            profiles=("global", "china", "gov"),
            regions=("eu-west-1", "cn-northwest-1", "us-gov-east-1", "us-east-1"),
        )
    )
    assert [(a.identity.account_id, a.identity.partition, a.regions) for a in found.accounts] == [
        (GLOBAL, "aws", ("eu-west-1", "us-east-1")),
        (CHINA, "aws-cn", ("cn-northwest-1",)),
        (GOV, "aws-us-gov", ("us-gov-east-1",)),
    ]
    assert sets == 1  # profiles that are configured alike share connections and endpoints


@pytest.mark.usefixtures("three_partitions")
def test_an_account_without_a_region_in_its_partition_is_a_gap(tmp_path: Path) -> None:
    found, _ = opened(SyncRequest(tmp_path / "c", profiles=("global", "china"), regions=("cn-north-1",)))
    assert [account.identity.account_id for account in found.accounts] == [CHINA]
    [gap] = found.gaps
    assert (gap.account_id, gap.error.code) == (GLOBAL, "other_partition")


@pytest.mark.usefixtures("three_partitions")
def test_a_role_is_assumed_in_the_partition_of_the_credentials(tmp_path: Path) -> None:
    found, _ = opened(SyncRequest(tmp_path / "c", profiles=("china",), accounts=(GLOBAL,), assume_role="audit/Reader"))
    [account] = found.accounts
    assert account.identity.arn == f"arn:aws-cn:iam::{GLOBAL}:role/audit/Reader"
    assert account.regions == ("cn-north-1",)
    assert account.session.account_id == GLOBAL


@pytest.mark.usefixtures("three_partitions")
def test_a_whole_arn_is_one_account(tmp_path: Path) -> None:
    arn = f"arn:aws:iam::{GOV}:role/Reader"
    found, _ = opened(SyncRequest(tmp_path / "c", profiles=("global",), assume_role=arn))
    assert [(a.identity.account_id, a.identity.arn) for a in found.accounts] == [(GOV, arn)]


@pytest.mark.usefixtures("three_partitions")
def test_profiles_that_are_configured_otherwise_share_nothing(tmp_path: Path) -> None:
    config = Path(os.environ["AWS_CONFIG_FILE"])
    config.write_text(config.read_text().replace("[profile china]\n", "[profile china]\nuse_dualstack_endpoint=true\n"))
    found, sets = opened(SyncRequest(tmp_path / "c", profiles=("global", "china")))
    assert (len(found.accounts), sets) == (2, 2)


@pytest.mark.usefixtures("three_partitions")
def test_calls_of_one_account_are_counted_together_whoever_makes_them(tmp_path: Path) -> None:
    config, keys = Path(os.environ["AWS_CONFIG_FILE"]), Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"])
    config.write_text(config.read_text() + "[profile second]\nregion=eu-west-1\n")
    keys.write_text(
        keys.read_text() + f"[second]\naws_access_key_id={access_key_of(GLOBAL)}\naws_secret_access_key=s\n"
    )
    found, _ = opened(SyncRequest(tmp_path / "c", profiles=("global", "second", "gov")))
    first, second, gov = (account.session.limiters for account in found.accounts)
    assert first is second
    assert first is not gov


@pytest.mark.parametrize(
    ("pattern", "arn"),
    [
        ("Reader", "arn:aws-cn:iam::111122223333:role/Reader"),
        ("role/audit/Reader", "arn:aws-cn:iam::111122223333:role/audit/Reader"),
        ("arn:{partition}:iam::{account_id}:role/x", "arn:aws-cn:iam::111122223333:role/x"),
        ("arn:aws-cn:iam::111122223333:role/x", "arn:aws-cn:iam::111122223333:role/x"),
    ],
)
def test_roles_as_a_user_names_them(pattern: str, arn: str) -> None:
    assert RolePattern(pattern).arn("aws-cn", GLOBAL) == arn


@pytest.mark.parametrize("pattern", ["arn:aws:iam::{account}:role/x", "arn:aws:iam::999988887777:role/x", "{", "arn:x"])
def test_a_pattern_that_names_no_role(pattern: str) -> None:
    with pytest.raises(UserError) as caught:
        RolePattern(pattern).arn("aws", GLOBAL)
    assert caught.value.code == "bad_role_pattern"


def test_sts_is_called_in_the_region_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    async def main() -> None:
        for region, host in {
            "us-east-1": "sts.us-east-1.amazonaws.com",
            "ap-east-1": "sts.ap-east-1.amazonaws.com",
            "cn-north-1": "sts.cn-north-1.amazonaws.com.cn",
            "us-gov-west-1": "sts.us-gov-west-1.amazonaws.com",
        }.items():
            async with open_session(region=region) as session:
                request = session.service_client("sts")._requests.build("GetCallerIdentity", {})
                assert request.url.partition("://")[2].strip("/") == host
                assert request.style is not None
                assert request.style.region == region

    asyncio.run(main())


# ---- moto's organization ----


def test_an_organization_of_motos_is_read_account_by_account(moto_endpoint: str, tmp_path: Path) -> None:
    organizations = boto3.client("organizations", endpoint_url=moto_endpoint, region_name="us-east-1")
    organizations.create_organization(FeatureSet="ALL")
    own = boto3.client("sts", endpoint_url=moto_endpoint, region_name="us-east-1").get_caller_identity()["Account"]
    made = [
        organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]["AccountId"]
        for name in ("one", "two", "closed")
    ]
    organizations.close_account(AccountId=made[2])
    for account in (own, *made):
        _queue(moto_endpoint, account, "us-east-1")
    _queue(moto_endpoint, made[0], "eu-west-1")
    report = run_sync(
        SyncRequest(
            tmp_path / "catalog.duckdb",
            types=("aws_sqs_queue",),
            organization=True,
            regions=("us-east-1", "eu-west-1"),
            endpoint_url=moto_endpoint,
        ),
        Silent(),
    )
    assert report.exit_code == 0
    assert len(report.scopes) == 6
    with open_catalog(tmp_path / "catalog.duckdb", read_only=True) as catalog:
        rows = run(catalog.connection, "SELECT account_id, _region FROM aws_sqs_queue ORDER BY ALL")
    expected = [(own, "us-east-1"), (made[0], "us-east-1"), (made[1], "us-east-1"), (made[0], "eu-west-1")]
    assert sorted(rows) == sorted(expected)


def test_motos_regions_are_those_that_boto3_sees(moto_endpoint: str) -> None:
    async def main() -> tuple[str, ...]:
        async with open_session(region="eu-west-1", endpoint_url=moto_endpoint) as session:
            return (await fetch_open_regions(session, "aws")).names

    names = asyncio.run(main())
    told = boto3.client("ec2", endpoint_url=moto_endpoint, region_name="us-east-1").describe_regions()["Regions"]
    assert names[0] == "eu-west-1"
    assert set(names) == {one["RegionName"] for one in told if one["OptInStatus"] != "not-opted-in"}


def _queue(endpoint: str, account: str, region: str) -> None:
    sts = boto3.client("sts", endpoint_url=endpoint, region_name="us-east-1")
    role = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/Reader", RoleSessionName="test")["Credentials"]
    sqs = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )
    sqs.create_queue(QueueName=f"queue-{account}")
