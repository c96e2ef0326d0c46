"""Derived calls made for real, by boto3 against moto's server over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import pytest
import requests
from moto.server import ThreadedMotoServer

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stocktake.resource_types.spec import Path, ResourceType

MODELS = open_models()
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ROLE = "arn:aws:iam::123456789012:role/r"
PAIR = [{"Key": "team", "Value": "ml"}]
SMALL = [{"key": "team", "value": "ml"}]
TEMPLATE = json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}})
STATES = json.dumps({"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)  # one state for all tests of this process
    server.stop()


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def pick(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, list):
            value = [item for one in value for item in one.get(part, [])]
        else:
            value = value.get(part)
            if value is None:
                return None
    return value


def call(service: Any, operation: str, arguments: dict[str, Any]) -> Any:
    return getattr(service, botocore.xform_name(operation))(**arguments)


def read(one: ResourceType, service: Any) -> list[tuple[Any, dict[str, str]]]:
    """Read a type as its plan says: every document with its tags."""
    items: list[Any] = []
    token: dict[str, Any] = {}
    while True:
        answer = call(service, one.list_call.operation, dict(one.list_call.arguments) | token)
        items += pick(answer, one.list_call.result_path) or []
        pages = one.list_call.pagination
        following = pick(answer, pages.output_token) if pages else None
        if not pages or not following:
            break
        token = {pages.input_token: following}
    return [read_one(one, service, item) for item in items]


def read_one(one: ResourceType, service: Any, item: Any) -> tuple[Any, dict[str, str]]:
    document = item
    if one.describe_call is not None:
        given = {name: pick(item, path) for name, path in one.describe_call.bindings.items()}
        document = pick(call(service, one.describe_call.operation, given), one.describe_call.result_path)
    if one.inline_tags is not None:
        place = one.inline_tags
        return document, as_dict(pick(document, place.path) or [], place.key_member, place.value_member)
    assert one.tags_call is not None
    given = {
        name: pick(document, path) or (pick(item, path) if isinstance(item, dict) else item)
        for name, path in one.tags_call.bindings.items()
    }
    answer = call(service, one.tags_call.operation, given | one.tags_call.arguments)
    found = pick(answer, one.tags_call.result_path) or []
    return document, as_dict(found, one.tags_call.key_member, one.tags_call.value_member)


def as_dict(tags: Any, key: str, value: str) -> dict[str, str]:
    return dict(tags) if not key else {tag[key]: tag[value] for tag in tags}


def make_instance(service: Any) -> Any:
    image = service.describe_images()["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": PAIR}]
    made = service.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    return made["Instances"][0]["InstanceId"]


def make_bucket(service: Any) -> Any:
    service.create_bucket(Bucket="bucket")
    service.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": PAIR})
    return "bucket"


def make_image_repository(service: Any) -> Any:
    return service.create_repository(repositoryName="repo", tags=PAIR)["repository"]["repositoryArn"]


MAKE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "aws_dynamodb_table": (
        "dynamodb",
        lambda service: service.create_table(
            TableName="t",
            KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=PAIR,
        )["TableDescription"]["TableArn"],
    ),
    "aws_kms_key": (
        "kms",
        lambda service: service.create_key(Tags=[{"TagKey": "team", "TagValue": "ml"}])["KeyMetadata"]["Arn"],
    ),
    "aws_logs_loggroup": (
        "logs",
        lambda service: service.create_log_group(logGroupName="g", tags={"team": "ml"}) and "g",
    ),
    "aws_secretsmanager_secret": (
        "secretsmanager",
        lambda service: service.create_secret(Name="s", SecretString="x", Tags=PAIR)["ARN"],
    ),
    "aws_stepfunctions_statemachine": (
        "stepfunctions",
        lambda service: service.create_state_machine(name="m", definition=STATES, roleArn=ROLE, tags=SMALL)[
            "stateMachineArn"
        ],
    ),
    "aws_ecr_repository": ("ecr", make_image_repository),
    "aws_ssm_parameter": (
        "ssm",
        lambda service: service.put_parameter(Name="/p", Value="v", Type="String", Tags=PAIR) and "/p",
    ),
    "aws_eks_cluster": (
        "eks",
        lambda service: service.create_cluster(
            name="c", roleArn=ROLE, resourcesVpcConfig={"subnetIds": ["subnet-1"]}, tags={"team": "ml"}
        )["cluster"]["arn"],
    ),
    "aws_sns_topic": ("sns", lambda service: service.create_topic(Name="t", Tags=PAIR)["TopicArn"]),
    "aws_iam_role": (
        "iam",
        lambda service: service.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Tags=PAIR)["Role"]["Arn"],
    ),
    "aws_s3_bucket": ("s3", make_bucket),
    "aws_ec2_instance": ("ec2", make_instance),
    "aws_ec2_vpc": (
        "ec2",
        lambda service: service.create_vpc(
            CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": PAIR}]
        )["Vpc"]["VpcId"],
    ),
    "aws_efs_filesystem": (
        "efs",
        lambda service: service.create_file_system(CreationToken="t", Tags=PAIR)["FileSystemArn"],
    ),
    "aws_sagemaker_model": (
        "sagemaker",
        lambda service: service.create_model(
            ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"}, Tags=PAIR
        )["ModelArn"],
    ),
    "aws_sagemaker_trainingjob": (
        "sagemaker",
        lambda service: service.create_training_job(
            TrainingJobName="j",
            AlgorithmSpecification={"TrainingInputMode": "File", "TrainingImage": "i"},
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": "s3://b/o"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            Tags=PAIR,
        )["TrainingJobArn"],
    ),
    "aws_apigateway_restapi": (
        "apigateway",
        lambda service: service.create_rest_api(name="a", tags={"team": "ml"})["id"],
    ),
    "aws_events_rule": (
        "events",
        lambda service: service.put_rule(Name="r", ScheduleExpression="rate(1 day)", Tags=PAIR)["RuleArn"],
    ),
    "aws_cloudformation_stack": (
        "cloudformation",
        lambda service: service.create_stack(StackName="s", TemplateBody=TEMPLATE, Tags=PAIR)["StackId"],
    ),
}


@pytest.mark.parametrize("name", MAKE)
def test_what_was_made_is_read_with_its_tags(name: str, endpoint: str) -> None:
    service_name, make = MAKE[name]
    service = client(service_name, endpoint)
    one = load_type(name, MODELS)
    assert one.service == service_name
    made = make(service)
    found: dict[str, dict[str, str]] = {}
    for document, tags in read(one, service):
        who = [pick(document, path) for path in (one.identity.arn_path, *one.identity.key_paths) if path is not None]
        found |= dict.fromkeys([key for key in who if key], tags)
    assert found[made] == {"team": "ml"}
