"""Templates and checks with boto3, written as prowler and Custodian do, come to the same verdicts in moto."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError

from stocktake.core.progress import Silent
from stocktake.policies.judging import judge
from stocktake.policies.packs import own_packs, pick_rules
from stocktake.query.connection import open_reading
from stocktake.query.runner import run_query
from stocktake.sync import SyncRequest, run_sync

REGION = "us-east-1"
OPEN, OPEN6, INNER = "0.0.0.0/0", "::/0", "10.0.0.0/8"
ALL_FOUR = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


def make_buckets(client: Any) -> None:
    for name in ("none", "all-four", "three"):
        client.create_bucket(Bucket=name)
    client.put_public_access_block(Bucket="all-four", PublicAccessBlockConfiguration=ALL_FOUR)
    three = ALL_FOUR | {"BlockPublicPolicy": False}
    client.put_public_access_block(Bucket="three", PublicAccessBlockConfiguration=three)


def make_groups(client: Any) -> None:
    cases: list[dict[str, Any]] = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": OPEN}]},
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": INNER}]},
        {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "Ipv6Ranges": [{"CidrIpv6": OPEN6}]},
        {"IpProtocol": "tcp", "FromPort": 3000, "ToPort": 4000, "IpRanges": [{"CidrIp": INNER}, {"CidrIp": OPEN}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": OPEN}]},
        {"IpProtocol": "udp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": OPEN}]},
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": OPEN}]},
    ]
    for number, case in enumerate(cases):
        made = client.create_security_group(GroupName=f"case-{number}", Description=f"case {number}")
        client.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[case])


def make_volumes(client: Any) -> None:
    for encrypted in (True, False, False):
        client.create_volume(AvailabilityZone=f"{REGION}a", Size=1, Encrypted=encrypted)


def unblocked_buckets(client: Any) -> dict[str, bool]:
    """As prowler's s3_bucket_level_public_access_block."""
    verdicts = {}
    for bucket in client.list_buckets()["Buckets"]:
        try:
            block = client.get_public_access_block(Bucket=bucket["Name"])["PublicAccessBlockConfiguration"]
        except ClientError:
            block = {}
        verdicts[bucket["Name"]] = not all(block.get(name) for name in ALL_FOUR)
    return verdicts


def open_groups(client: Any) -> dict[str, bool]:
    """As prowler's ec2_securitygroup_allow_ingress_from_internet_to_tcp_port_22, and 3389."""

    def lets_in(permission: dict[str, Any]) -> bool:
        sources = {one["CidrIp"] for one in permission["IpRanges"]}
        sources |= {one["CidrIpv6"] for one in permission.get("Ipv6Ranges", [])}
        if not sources & {OPEN, OPEN6}:
            return False
        if permission["IpProtocol"] == "-1":
            return True
        ports = range(permission["FromPort"], permission["ToPort"] + 1) if permission["IpProtocol"] == "tcp" else ()
        return 22 in ports or 3389 in ports

    groups = client.describe_security_groups()["SecurityGroups"]
    return {one["GroupId"]: any(map(lets_in, one["IpPermissions"])) for one in groups}


def plain_volumes(client: Any) -> dict[str, bool]:
    """As Custodian's ebs policy with the filter `Encrypted: false`."""
    return {one["VolumeId"]: not one["Encrypted"] for one in client.describe_volumes()["Volumes"]}


CASES: list[tuple[str, str, str, str, Callable[[Any], None], Callable[[Any], dict[str, bool]]]] = [
    ("s3-public-access-block", "aws_s3_bucket", "name", "s3", make_buckets, unblocked_buckets),
    ("sg-open-ssh", "aws_ec2_securitygroup", "group_id", "ec2", make_groups, open_groups),
    ("ebs-volume-encrypted", "aws_ec2_volume", "volume_id", "ec2", make_volumes, plain_volumes),
]


@pytest.fixture
def catalog_path(moto_endpoint: str, tmp_path: Path) -> tuple[Path, str]:
    for _, _, _, service, make, _ in CASES:
        make(boto3.client(service, endpoint_url=moto_endpoint, region_name=REGION))
    path = tmp_path / "catalog.duckdb"
    types = tuple(one[1] for one in CASES)
    run_sync(SyncRequest(catalog=path, types=types, regions=(REGION,), endpoint_url=moto_endpoint), Silent())
    return path, moto_endpoint


def test_templates_and_checks_with_boto3_agree_on_every_resource(catalog_path: tuple[Path, str]) -> None:
    path, endpoint = catalog_path
    packs = own_packs()
    for rule_id, type_name, key, service, _, check in CASES:
        want = check(boto3.client(service, endpoint_url=endpoint, region_name=REGION))
        assert set(want.values()) == {True, False}
        with open_reading(path) as catalog:
            report = judge(catalog, packs, pick_rules(packs, ids=(rule_id,)), datetime.now(UTC), with_not_judged=True)
            rows = run_query(catalog, f"SELECT _id, {key} FROM {type_name}").rows()
            names = {str(one): str(name) for one, name in rows}
        broken = {names[one.resource] for one in report.open_findings()}
        unjudged = [one.resource for one in report.findings if not one.is_judged]
        assert unjudged == [], orjson.dumps(unjudged)
        assert {name: name in broken for name in names.values()} == want, rule_id
