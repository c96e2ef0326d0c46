"""What the estate's jobs refer to is there, in moto; and who calls is told from the access key."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def described(estate_desk: Any) -> list[dict[str, Any]]:
    lines = estate_desk.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return [estate_desk.describe(line["TrainingJobName"]) for line in lines]


def test_roles_exist(estate_desk: Any, described: list[dict[str, Any]]) -> None:
    pages = estate_desk.client("iam").get_paginator("list_roles").paginate()
    roles = {role["Arn"] for page in pages for role in page["Roles"]}
    assert {job["RoleArn"] for job in described} <= roles


def test_subnets_and_security_groups_exist_and_belong_together(
    estate_desk: Any, described: list[dict[str, Any]]
) -> None:
    ec2 = estate_desk.client("ec2")
    subnets = {subnet["SubnetId"]: subnet["VpcId"] for subnet in ec2.describe_subnets()["Subnets"]}
    groups = {group["GroupId"]: group["VpcId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    networks = [job["VpcConfig"] for job in described if "VpcConfig" in job]
    assert networks
    for network in networks:
        homes = {subnets[name] for name in network["Subnets"]} | {groups[name] for name in network["SecurityGroupIds"]}
        assert len(homes) == 1


def test_keys_exist(estate_desk: Any, described: list[dict[str, Any]]) -> None:
    kms = estate_desk.client("kms")
    keys = {key["KeyArn"] for key in kms.list_keys()["Keys"]}
    aliases = {alias["AliasName"]: alias["TargetKeyId"] for alias in kms.list_aliases()["Aliases"]}
    wanted = [job["OutputDataConfig"].get("KmsKeyId") for job in described]
    wanted += [job["ResourceConfig"].get("VolumeKmsKeyId") for job in described]
    found = {key for key in wanted if key}
    assert any(key.startswith("alias/") for key in found)
    assert all(key in keys or key in aliases for key in found)
    assert aliases["alias/ml-artifacts"] in {arn.rpartition("/")[2] for arn in keys}


def test_buckets_exist_in_the_region(estate_desk: Any, described: list[dict[str, Any]]) -> None:
    s3 = estate_desk.client("s3")
    buckets = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    wanted = {job["OutputDataConfig"]["S3OutputPath"].split("/")[2] for job in described}
    for job in described:
        for channel in job["InputDataConfig"]:
            source = channel["DataSource"].get("S3DataSource")
            if source:
                wanted.add(source["S3Uri"].split("/")[2])
    assert wanted <= buckets
    s3.put_object(Bucket=min(wanted), Key="a folder/ä", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=min(wanted), Key="a folder/ä")["Body"].read() == b"x" * 100_000


def test_own_images_have_repositories(estate_desk: Any, described: list[dict[str, Any]]) -> None:
    found = estate_desk.client("ecr").describe_repositories()["repositories"]
    uris = {repository["repositoryUri"] for repository in found}
    images = {job["AlgorithmSpecification"]["TrainingImage"] for job in described}
    own = {image.partition("@")[0] for image in images if image.startswith(estate_desk.account)}
    assert own
    assert {image.rpartition(":")[0] if ":" in image else image for image in own} <= uris


def test_the_access_key_names_the_account(estate_desk: Any) -> None:
    for account in estate_desk.cloud.accounts:
        caller = type(estate_desk)(estate_desk.cloud, account=account).client("sts").get_caller_identity()
        assert caller["Account"] == account
        assert caller["Arn"] == f"arn:aws:sts::{account}:assumed-role/inventory-reader/stocktake"


def test_a_role_of_another_account_can_be_assumed(estate_desk: Any) -> None:
    other = estate_desk.cloud.accounts[1]
    answer = estate_desk.client("sts").assume_role(RoleArn=f"arn:aws:iam::{other}:role/reader", RoleSessionName="test")
    assert answer["Credentials"]["AccessKeyId"].startswith(f"ASIA{other}T")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{other}:assumed-role/reader/test"
    with pytest.raises(ClientError, match="ValidationError"):
        estate_desk.client("sts").assume_role(RoleArn="arn:aws:iam::nonsense", RoleSessionName="test")


def test_what_is_not_simulated_is_motos(estate_desk: Any) -> None:
    assert estate_desk.sagemaker.list_notebook_instances()["NotebookInstances"] == []
    assert ("sagemaker", "ListNotebookInstances") in estate_desk.cloud.stats()
