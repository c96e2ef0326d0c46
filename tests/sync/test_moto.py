"""The same sync against a server that nobody here wrote: moto's, filled by boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import botocore.session

from model_values import differences, expected
from stocktake.core.progress import Silent
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync

JOB = "aws_sagemaker_trainingjob"


def create(client: Any, name: str, **more: Any) -> None:
    client.create_training_job(
        TrainingJobName=name,
        RoleArn="arn:aws:iam::123456789012:role/trainer",
        OutputDataConfig={"S3OutputPath": "s3://bucket/out", "KmsKeyId": "alias/key"},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        **more,
    )


def test_a_sync_against_moto_gives_what_boto3_describes_field_by_field(moto_endpoint: str, tmp_path: Path) -> None:
    client = boto3.client("sagemaker", endpoint_url=moto_endpoint)
    image = {"TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1", "TrainingInputMode": "File"}
    one = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    channel = {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train"}},
        "ShuffleConfig": {"Seed": 2**40},
    }
    metrics = {"MetricDefinitions": [{"Name": "loss", "Regex": r'"loss": ([0-9\.]+)'}]}
    create(client, "plain", AlgorithmSpecification=image, ResourceConfig=one)
    create(
        client,
        "full",
        AlgorithmSpecification=image | metrics,
        ResourceConfig=one,
        HyperParameters={"epochs": "3", 'quoted "key"': '{"a": [1, null]}', "empty": ""},
        InputDataConfig=[channel, channel | {"ChannelName": "日本語".encode("idna").decode()}],
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]},
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": "s3://bucket/checkpoints"},
        Tags=[{"Key": "team", "Value": "search:ranking"}, {"Key": "empty", "Value": ""}],
    )
    for number in range(130):
        create(client, f"many-{number}", AlgorithmSpecification=image, ResourceConfig=one)
    path = tmp_path / "c.duckdb"
    report = run_sync(SyncRequest(catalog=path, types=(JOB,), endpoint_url=moto_endpoint), Silent())
    assert report.exit_code == 0, report.scopes
    with open_catalog(path, read_only=True) as catalog:
        fields = [r[0] for r in run(catalog.connection, f"DESCRIBE {JOB}") if not r[0].startswith("_")]
        rows = run(catalog.connection, f"SELECT {', '.join(fields)} FROM {JOB}")
    assert len(rows) == 132
    shape = (
        botocore.session.Session().get_service_model("sagemaker").operation_model("DescribeTrainingJob").output_shape
    )
    for row in rows:
        got = dict(zip(fields, row, strict=True))
        answer = client.describe_training_job(TrainingJobName=got["training_job_name"])
        answer.pop("ResponseMetadata")
        tags = client.list_tags(ResourceArn=answer["TrainingJobArn"])["Tags"]
        wanted = expected(shape, answer)
        wanted |= {"account_id": "123456789012", "tags": sorted(f"{t['Key']}:{t['Value']}" for t in tags)}
        assert not differences(wanted, got)


def test_other_types_cost_no_code(moto_endpoint: str, tmp_path: Path) -> None:
    """A list of bare names, wrapped documents, and an XML protocol go the same way."""
    boto3.client("dynamodb", endpoint_url=moto_endpoint).create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "team", "Value": "shop"}],
    )
    boto3.client("secretsmanager", endpoint_url=moto_endpoint).create_secret(Name="db", SecretString="never stored")
    boto3.client("iam", endpoint_url=moto_endpoint).create_role(
        RoleName="trainer", AssumeRolePolicyDocument="{}", Tags=[{"Key": "a", "Value": "b"}]
    )
    types = ("aws_dynamodb_table", "aws_secretsmanager_secret", "aws_iam_role")
    path = tmp_path / "c.duckdb"
    report = run_sync(SyncRequest(catalog=path, types=types, endpoint_url=moto_endpoint), Silent())
    # What moto cannot answer is not known, and said.
    unknown = {name for scope in report.scopes for name in scope.unknown_facets}
    assert unknown == {"kinesis_streaming_destination"}
    assert {scope.status for scope in report.scopes} == {"complete"}
    with open_catalog(path, read_only=True) as catalog:
        connection = catalog.connection
        assert run(connection, "SELECT table_name, tags, table_status FROM aws_dynamodb_table") == [
            ("orders", ["team:shop"], "ACTIVE")
        ]
        assert run(connection, "SELECT name FROM aws.secretsmanager_secret") == [("db",)]
        # moto's state belongs to the process, and other tests leave roles in it.
        mine = "FROM aws_iam_role WHERE role_name = 'trainer'"
        [(name, tags, created)] = run(connection, f"SELECT role_name, tags, create_date {mine}")
        assert (name, tags) == ("trainer", ["a:b"])
        assert created is not None
    again = run_sync(SyncRequest(catalog=path, types=types, endpoint_url=moto_endpoint), Silent())
    assert [(s.new, s.changed, s.deleted) for s in again.scopes] == [(0, 0, 0)] * 3
