"""A small estate of many types in moto, synced twice, for searches; and its resources as plain Python."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from moto.server import ThreadedMotoServer

from moto_state import forget_all
from stocktake.core.progress import Silent
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync

TYPES = (
    "aws_sagemaker_trainingjob",
    "aws_sqs_queue",
    "aws_ecs_cluster",
    "aws_ec2_vpc",
    "aws_ec2_volume",
    "aws_ssm_parameter",
    "aws_iam_role",
    "aws_kms_key",
)
REGIONS = ("us-east-1", "eu-west-1")
TOLD = re.compile(
    r"(.*_)?(description|comment|title|display_name|dns_name|domain_name|hostname|endpoint|ip|ip_address|cidr_block|url)"
)


@dataclass
class Row:
    """A resource as the catalog has it: what all have, and its own document."""

    type: str
    service: str
    account_id: str
    region: str
    id: str
    name: str | None
    state: str | None
    tags: list[str]
    times: dict[str, datetime]
    stale: bool
    document: dict[str, Any]
    kinds: dict[str, Any]
    """The types of the document's columns, in the database's words."""
    words: str = field(init=False)

    def __post_init__(self) -> None:
        noun = self.type.split("_", 2)[2]
        told = [
            value[:200].replace("\n", " ")
            for name, value in self.document.items()
            if isinstance(value, str) and self.kinds[name] == "VARCHAR"
            if TOLD.fullmatch(name) or name.replace("_", "") in {f"{noun}{end}" for end in ("id", "identifier", "name")}
        ]
        parts = [
            re.sub(f"^(arn:[^:]*:[^:]*|{self.type}):[^:]*:[^:]*:", "", self.id),
            self.name or "",
            self.state or "",
            *told,
        ]
        parts += [tag[len(tag_key(tag)) + 1 :] for tag in self.tags]
        parts += [self.type, self.service, "aws", self.account_id, self.region]
        self.words = "\n".join(parts).lower()


def tag_key(tag: str) -> str:
    found = re.match("aws:[^:]*:[^:]*", tag)
    return found[0] if found else tag.partition(":")[0]


def build(path: Path) -> tuple[datetime, datetime]:
    """Make the catalog; return a moment after the first sweep, and one after the second."""
    server = ThreadedMotoServer(port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        server.start()
        try:
            forget_all(server)
            host, port = server.get_host_and_port()
            endpoint = f"http://{host}:{port}"
            request = SyncRequest(catalog=path, types=TYPES, regions=REGIONS, endpoint_url=endpoint)
            _seed(endpoint)
            first = _sync(request)
            _change(endpoint)
            return first, _sync(request)
        finally:
            server.stop()


def _sync(request: SyncRequest) -> datetime:
    report = run_sync(request, Silent())
    assert report.exit_code == 0, report.scopes
    with open_catalog(request.catalog) as catalog:
        [(at,)] = run(catalog.connection, "SELECT max(finished_at) FROM sweeps")
        assert isinstance(at, datetime)
        return at


def _seed(endpoint: str) -> None:
    def client(service: str, region: str = "us-east-1") -> Any:
        return boto3.client(service, endpoint_url=endpoint, region_name=region)

    sqs = client("sqs")
    sqs.create_queue(QueueName="orders", tags={"team": "shop", "env": "prod"}, Attributes={"DelaySeconds": "5"})
    sqs.create_queue(QueueName="orders-dlq", tags={"team": "shop", "note": "50%_off \\ now"})
    sqs.create_queue(QueueName="audit")
    client("sqs", "eu-west-1").create_queue(QueueName="orders", tags={"team": "Search", "ttl": "30"})
    for name, tags in {"orders": {"Team": "shop"}, "sessions": {"map:migrated": "d-1", "empty": ""}}.items():
        client("ecs").create_cluster(clusterName=name, tags=[{"key": k, "value": v} for k, v in tags.items()])
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "main net"}, {"Key": "env", "Value": "dev"}])
    for size in (10, 100):
        ec2.create_volume(AvailabilityZone="us-east-1a", Size=size, VolumeType="gp3" if size > 50 else "gp2")
    client("ssm").put_parameter(
        Name="/app/db/url",
        Value="x",
        Type="String",
        Description="Where the data is",
        Tags=[{"Key": "team", "Value": "platform"}, {"Key": "owner", "Value": "ann@example.com"}],
    )
    client("iam").create_role(
        RoleName="reader", AssumeRolePolicyDocument="{}", Description="Reads: everything (almost)"
    )
    client("kms").create_key(Description='A "quoted" key', Tags=[{"TagKey": "team", "TagValue": "vision"}])
    _jobs(client("sagemaker"))


def _jobs(sagemaker: Any) -> None:
    for name, instance, count, more in (
        ("alpha", "ml.m5.large", 1, {"EnableManagedSpotTraining": True}),
        ("beta", "ml.p4d.24xlarge", 4, {"HyperParameters": {"epochs": "3", "lr.0": "0.5"}}),
        ("gamma-2", "ml.p3.2xlarge", 2, {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1", "s-2"]}}),
    ):
        channel = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}"}}}
        sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": f"1.dkr.ecr.us-east-1.amazonaws.com/{name}:1"}
            | {"TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::123456789012:role/reader",
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            ResourceConfig={"InstanceType": instance, "InstanceCount": count, "VolumeSizeInGB": 10 * count},
            StoppingCondition={"MaxRuntimeInSeconds": 3600 * count},
            InputDataConfig=[channel | {"ChannelName": one} for one in ("train", "test")[:count]],
            Tags=[{"Key": "team", "Value": "vision"}, {"Key": "cost-center", "Value": f"cc-{count}"}],
            **more,
        )


def _change(endpoint: str) -> None:
    sqs = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="audit")["QueueUrl"])
    sqs.create_queue(QueueName="later", tags={"team": "shop"})
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"env": "dev"})


def read_rows(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Read every resource that exists, its document from its own type's table."""
    found = []
    common = {
        (row[0], row[4]): row
        for row in run(
            connection,
            "SELECT type, service, account_id, region, key, name, state, created_at, first_seen_at, last_seen_at, "
            "changed_at, stale FROM resources",
        )
    }
    for (name,) in run(connection, "SELECT type FROM resource_types"):
        kinds = {str(row[0]): str(row[1]) for row in run(connection, f"DESCRIBE {name}")}
        for values in run(connection, f"SELECT * FROM {name}"):
            document = dict(zip(kinds, values, strict=True))
            row = common[name, document["_id"]]
            times = dict(zip(("created_at", "first_seen_at", "last_seen_at", "changed_at"), row[7:11], strict=True))
            found.append(
                Row(
                    type=name,
                    service=row[1],
                    account_id=row[2],
                    region=row[3],
                    id=row[4],
                    name=row[5],
                    state=row[6],
                    tags=document.get("tags") or [],
                    times=times,
                    stale=row[11],
                    document={key: value for key, value in document.items() if not key.startswith("_")},
                    kinds=kinds,
                )
            )
    return found
