"""Every edge of the simulated training jobs, and no other. Those of many services: tests/sync/test_moto_estate.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import boto3

from sync_bench import ACCOUNT, JOB, Bench

SUBNET, GROUP = "aws_ec2_subnet", "aws_ec2_securitygroup"


def expected_of_jobs(bench: Bench) -> set[tuple[str, str, str]]:
    """Return job, what the provider's answer says, and which resource that is, from boto3's own answers."""
    signed = {"endpoint_url": bench.cloud.endpoint_url, "region_name": "us-east-1", **bench.cloud.credentials(ACCOUNT)}
    other: dict[str, Any] = {service: boto3.client(service, **signed) for service in ("iam", "ec2", "kms", "ecr")}
    roles = {one["Arn"] for one in other["iam"].list_roles()["Roles"]}
    subnets = {one["SubnetId"]: one["SubnetArn"] for one in other["ec2"].describe_subnets()["Subnets"]}
    groups = {
        one["GroupId"]: one["SecurityGroupArn"] for one in other["ec2"].describe_security_groups()["SecurityGroups"]
    }
    aliases = {one["AliasName"]: one["AliasArn"] for one in other["kms"].list_aliases()["Aliases"]}
    keys = {one["KeyId"]: one["KeyArn"] for one in other["kms"].list_keys()["Keys"]}
    images = {
        one["repositoryUri"]: one["repositoryArn"] for one in other["ecr"].describe_repositories()["repositories"]
    }
    edges: set[tuple[str, str, str]] = set()
    names = bench.provider_names()
    for name in names:
        job = bench.boto3.describe_training_job(TrainingJobName=name)
        arn = job["TrainingJobArn"]
        network, output, resource = job.get("VpcConfig", {}), job["OutputDataConfig"], job.get("ResourceConfig", {})
        wanted = [(job["RoleArn"], roles and job["RoleArn"] in roles and job["RoleArn"])]
        wanted += [(one, subnets[one]) for one in network.get("Subnets", ())]
        wanted += [(one, groups[one]) for one in network.get("SecurityGroupIds", ())]
        for key in (output.get("KmsKeyId"), resource.get("VolumeKmsKeyId")):
            if key:
                wanted.append((key, aliases.get(key) or keys.get(key) or key))
        uris = [output["S3OutputPath"], job.get("ModelArtifacts", {}).get("S3ModelArtifacts")]
        uris += [job.get(part, {}).get("S3Uri") for part in ("CheckpointConfig",)]
        uris += [
            job.get(part, {}).get("S3OutputPath")
            for part in ("DebugHookConfig", "ProfilerConfig", "TensorBoardOutputConfig")
        ]
        for channel in job.get("InputDataConfig", ()):
            uris.append(channel["DataSource"].get("S3DataSource", {}).get("S3Uri"))
        wanted += [(uri, uri.split("/")[2]) for uri in uris if uri]
        image = job["AlgorithmSpecification"].get("TrainingImage", "")
        repository = re.split("[:@]", image)[0]
        if repository in images:
            wanted.append((image, images[repository]))
        if "TuningJobArn" in job:
            wanted.append((job["TuningJobArn"], job["TuningJobArn"]))
        reused = job.get("WarmPoolStatus", {}).get("ReusedByJob")
        if reused in names:
            wanted.append((reused, arn.rsplit("/", 1)[0] + "/" + reused))
        edges |= {(arn, said, target) for said, target in wanted if target}
    return edges


def test_every_edge_of_the_simulated_jobs_and_no_other(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(200)
    keys = ("aws_kms_key", "aws_kms_alias")
    others = (
        "aws_iam_role",
        SUBNET,
        GROUP,
        "aws_s3_bucket",
        "aws_ecr_repository",
        "aws_sagemaker_hyperparametertuningjob",
    )
    bench.sync(types=(JOB, *keys, *others))
    rows = bench.rows(
        "SELECT source_id, value, CASE target_type WHEN 'aws_s3_bucket' THEN regexp_extract(target_id, '[^:/]+$') "
        f"ELSE target_id END FROM relations WHERE resolved AND source_type = '{JOB}'"
    )
    expected, found = expected_of_jobs(bench), set(rows)
    assert len(expected) > 1_000
    assert expected - found == set()
    assert found - expected == set()
