"""Who resources are where a provider's answers say it oddly: in moto's server, made by boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3

from stocktake.core.progress import Silent
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncReport, SyncRequest, run_sync


def rows(catalog: Path, statement: str) -> list[tuple[Any, ...]]:
    with open_catalog(catalog, read_only=True) as opened:
        return run(opened.connection, statement)


def sync(url: str, catalog: Path, *types: str, regions: tuple[str, ...] = ()) -> SyncReport:
    return run_sync(SyncRequest(catalog=catalog, endpoint_url=url, types=types, regions=regions), Silent())


def test_an_id_that_says_its_kind_is_asked_for_and_named_without_it(moto_endpoint: str, tmp_path: Path) -> None:
    client = boto3.client("route53", endpoint_url=moto_endpoint)
    zone = client.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    assert zone.startswith("/hostedzone/")
    bare = zone.removeprefix("/hostedzone/")
    client.change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=bare, AddTags=[{"Key": "team", "Value": "net"}]
    )
    sync(moto_endpoint, tmp_path / "c.duckdb", "aws_route53_hostedzone")
    found = rows(tmp_path / "c.duckdb", "SELECT _id, id, tags FROM aws_route53_hostedzone")
    assert found == [(f"arn:aws:route53:::hostedzone/{bare}", zone, ["team:net"])]


def test_buckets_of_all_regions_are_one_scope_with_their_own_tags(moto_endpoint: str, tmp_path: Path) -> None:
    for number in range(6):
        boto3.client("s3", endpoint_url=moto_endpoint).create_bucket(Bucket=f"east-{number}")
        west = boto3.client("s3", endpoint_url=moto_endpoint, region_name="eu-west-1")
        west.create_bucket(Bucket=f"west-{number}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        west.put_bucket_tagging(Bucket=f"west-{number}", Tagging={"TagSet": [{"Key": "n", "Value": str(number)}]})
    regions = ("us-east-1", "eu-west-1")
    sync(moto_endpoint, tmp_path / "c.duckdb", "aws_s3_bucket", regions=regions)
    found = rows(tmp_path / "c.duckdb", "SELECT name, location, tags, _region FROM aws_s3_bucket ORDER BY name")
    assert [one[0] for one in found] == [f"{side}-{number}" for side in ("east", "west") for number in range(6)]
    assert {(one[1], one[3]) for one in found[6:]} == {("eu-west-1", "global")}
    assert [one[2] for one in found[6:]] == [[f"n:{number}"] for number in range(6)]


def test_a_maintenance_window_has_the_tags_of_its_id(moto_endpoint: str, tmp_path: Path) -> None:
    client = boto3.client("ssm", endpoint_url=moto_endpoint)
    client.create_maintenance_window(
        Name="nightly",
        Schedule="cron(0 2 * * ? *)",
        Duration=2,
        Cutoff=1,
        AllowUnassociatedTargets=False,
        Tags=[{"Key": "team", "Value": "ops"}],
    )
    sync(moto_endpoint, tmp_path / "c.duckdb", "aws_ssm_maintenancewindow")
    assert rows(tmp_path / "c.duckdb", "SELECT name, tags FROM aws_ssm_maintenancewindow") == [
        ("nightly", ["team:ops"])
    ]


def test_a_policy_of_logs_and_a_key_pair_are_called_by_their_own_names(moto_endpoint: str, tmp_path: Path) -> None:
    logs = boto3.client("logs", endpoint_url=moto_endpoint)
    logs.put_resource_policy(policyName="dns", policyDocument='{"Version":"2012-10-17","Statement":[]}')
    boto3.client("ec2", endpoint_url=moto_endpoint).create_key_pair(KeyName="ops")
    boto3.client("apigateway", endpoint_url=moto_endpoint).create_domain_name(domainName="api.example.com")
    types = ("aws_logs_resourcepolicy", "aws_ec2_keypair", "aws_apigateway_domainname")
    sync(moto_endpoint, tmp_path / "c.duckdb", *types)
    ids = [rows(tmp_path / "c.duckdb", f"SELECT _id FROM {name}")[0][0] for name in types]
    account = "123456789012"
    assert ids == [
        f"aws_logs_resourcepolicy:{account}:us-east-1:dns",
        f"arn:aws:ec2:us-east-1:{account}:key-pair/ops",
        f"aws_apigateway_domainname:{account}:us-east-1:api.example.com",
    ]
