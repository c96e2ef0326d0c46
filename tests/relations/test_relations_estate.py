"""How many of the edges that seeding an estate creates are found, and how many that are found are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from related_estate import TYPES, Edge, Seeding, last_part
from stocktake.core.progress import Silent
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync
from sync_bench import ACCOUNT, JOB, Bench

VPC, SUBNET, GROUP = "aws_ec2_vpc", "aws_ec2_subnet", "aws_ec2_securitygroup"
IMPLIED = {
    # Of what comes with a VPC, and of what the default VPC has.
    (SUBNET, "vpc_id", VPC),
    (GROUP, "vpc_id", VPC),
    ("aws_ec2_routetable", "vpc_id", VPC),
    # Of interfaces that a mount target and a machine bring along.
    ("aws_ec2_networkinterface", "subnet_id", SUBNET),
    ("aws_ec2_networkinterface", "vpc_id", VPC),
    ("aws_ec2_networkinterface", "group_id", GROUP),
    ("aws_ec2_networkinterface", "instance_id", "aws_ec2_instance"),
    # Of the subnet group that the database shows whole.
    ("aws_rds_dbinstance", "subnet_identifier", SUBNET),
    ("aws_rds_dbinstance", "vpc_id", VPC),
    # Of the group that refers to itself only by its rules, and of roles in a profile.
    ("aws_iam_instanceprofile", "arn", "aws_iam_role"),
    # Of a machine's key pair, and of what roles and keys say of their profiles and aliases.
    ("aws_ec2_instance", "key_name", "aws_ec2_keypair"),
    *(
        ("aws_iam_role", field, "aws_iam_instanceprofile")
        for field in ("arn", "instance_profile_id", "instance_profile_name")
    ),
    *(("aws_kms_key", field, "aws_kms_alias") for field in ("alias_arn", "alias_name")),
}
"""Edges that seeding does not make itself: source type, field, target type; each judged by hand to be right."""


def found_edges(catalog: Path) -> dict[Edge, tuple[Any, ...]]:
    with open_catalog(catalog, read_only=True) as opened:
        rows = run(
            opened.connection,
            "SELECT source_id, split_part(path, '.', -1), target_id, source_type, target_type, value "
            "FROM relations WHERE resolved",
        )
    return {(last_part(row[0]), row[1], last_part(row[2])): row for row in rows}


def test_an_estate_of_many_services(moto_endpoint: str, tmp_path: Path) -> None:
    seeding = Seeding(moto_endpoint)
    seeding.run()
    path = tmp_path / "c.duckdb"
    run_sync(SyncRequest(catalog=path, types=TYPES, endpoint_url=moto_endpoint), Silent())
    found = found_edges(path)
    pairs = {(source, target) for source, _, target in found}
    seeded = {(source, target) for source, _, target in seeding.edges}
    missing = {edge for edge in seeding.edges if (edge[0], edge[2]) not in pairs}
    wrong = [
        (edge, row[3:])
        for edge, row in found.items()
        if (edge[0], edge[2]) not in seeded and (row[3], row[1], row[4]) not in IMPLIED
    ]
    assert len(seeding.edges) >= 65
    assert len(missing) <= 0.05 * len(seeding.edges), missing
    assert len(wrong) < 0.02 * len(found), wrong


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
