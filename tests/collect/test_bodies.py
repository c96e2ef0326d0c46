from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
import orjson
import pytest
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocktake.collect.bodies import BodyReader, MalformedBodyError
from stocktake.collect.http import HttpResponse
from stocktake.collect.session import open_session

LOADER = botocore.session.Session().get_component("data_loader")


def model(service: str) -> Any:
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)


def as_botocore_parses(service_model: Any, operation: str, body: bytes, headers: dict[str, str]) -> Any:
    factory = ResponseParserFactory()
    factory.set_parser_defaults(timestamp_parser=lambda value: value, blob_parser=lambda value: value)
    parser = factory.create_parser(service_model.resolved_protocol)
    response = {"status_code": 200, "headers": headers, "body": body, "context": {}}
    parsed = parser.parse(response, service_model.operation_model(operation).output_shape)
    parsed.pop("ResponseMetadata")
    return parsed


# -- JSON whose members have other names on the wire -------------------------------------------------------------------

scalars: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5),
    "blob": st.just("YWJj"),
    "boolean": st.booleans(),
    "integer": st.integers(0, 100),
    "long": st.integers(0, 100),
    "float": st.floats(0, 1, width=16),
    "double": st.floats(0, 1, width=16),
    "timestamp": st.integers(0, 2_000_000_000),
}


def wire_values(shape: Any, depth: int = 4) -> st.SearchStrategy[Any]:
    if shape.type_name == "structure":
        members = {} if depth == 0 else shape.members
        optional = {m.serialization.get("name", name): wire_values(m, depth - 1) for name, m in members.items()}
        if getattr(shape, "is_tagged_union", False):
            return st.one_of([st.fixed_dictionaries({name: value}) for name, value in optional.items()])
        return st.fixed_dictionaries({}, optional=optional)
    if shape.type_name == "list":
        return st.lists(wire_values(shape.member, depth - 1), max_size=2 if depth else 0)
    if shape.type_name == "map":
        return st.dictionaries(st.text(max_size=3), wire_values(shape.value, depth - 1), max_size=2 if depth else 0)
    return scalars[shape.type_name]


RENAMED = [
    ("kafka", "DescribeCluster"),
    ("apigateway", "GetRestApis"),
    ("guardduty", "GetFindings"),
    ("mq", "DescribeBroker"),
    ("iotwireless", "GetWirelessDevice"),
]


@pytest.mark.parametrize(("service", "operation"), RENAMED)
def test_renamed_members_come_out_as_botocore_names_them(service: str, operation: str) -> None:
    service_model = model(service)
    reader = BodyReader(service_model)
    shape = service_model.operation_model(operation).output_shape

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(wire_values(shape))
    def check(content: dict[str, Any]) -> None:
        body = orjson.dumps(content)
        got = orjson.loads(reader.json_bytes(operation, HttpResponse(200, [], body)))
        assert got == as_botocore_parses(service_model, operation, body, {})

    check()


def test_a_member_the_model_does_not_know_stays() -> None:
    reader = BodyReader(model("kafka"))
    body = b'{"clusterInfo": {"clusterArn": "a", "brandNew": {"x": 1}}, "other": 2}'
    found = orjson.loads(reader.json_bytes("DescribeCluster", HttpResponse(200, [], body)))
    assert found == {"ClusterInfo": {"ClusterArn": "a", "brandNew": {"x": 1}}, "other": 2}


def test_members_in_headers_and_payload() -> None:
    service_model = model("appconfig")
    headers = {"Application-Id": "a", "Version-Number": "7", "Content-Type": "text/plain"}
    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    got = BodyReader(service_model).json_bytes("GetHostedConfigurationVersion", HttpResponse(200, lines, b"plain"))
    assert orjson.loads(got) == {
        "ApplicationId": "a",
        "VersionNumber": 7,
        "ContentType": "text/plain",
        "Content": "plain",
    }
    payload = HttpResponse(200, [], b'{"name": "x", "unknown": 1}')
    found = BodyReader(model("bedrock-agentcore-control")).json_bytes("ListGateways", payload)
    assert orjson.loads(found) == {"name": "x", "unknown": 1}


UNTOUCHED = [("sagemaker", "DescribeTrainingJob"), ("dynamodb", "DescribeTable"), ("lambda", "ListFunctions")]


@pytest.mark.parametrize(("service", "operation"), UNTOUCHED)
def test_other_json_is_not_touched(service: str, operation: str) -> None:
    body = b'{"not" : "parsed",\n"at": [all]}\n'
    assert BodyReader(model(service)).json_bytes(operation, HttpResponse(200, [], body)) is body


BROKEN = [
    ("sagemaker", "DescribeTrainingJob", b'{"TrainingJobName": "a'),
    ("sagemaker", "DescribeTrainingJob", b"<html></html>"),
    ("kafka", "DescribeCluster", b'{"clusterInfo": '),
    ("kafka", "DescribeCluster", b"[1]"),
    ("iam", "ListRoles", b"<ListRolesResponse><ListRolesResult><Roles>"),
    ("iam", "ListRoles", b"<Other/>"),
    ("iam", "ListRoles", b'{"json": true}'),
    ("ec2", "DescribeVpcs", b""),
    ("s3", "ListBuckets", b"<ListAllMyBucketsResult><Owner>"),
]


@pytest.mark.parametrize(("service", "operation", "body"), BROKEN)
def test_a_body_that_cannot_be_read_is_malformed(service: str, operation: str, body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        BodyReader(model(service)).json_bytes(operation, HttpResponse(200, [], body))


# -- XML, against moto and boto3 ---------------------------------------------------------------------------------------


def as_boto3_would(parsed: Any, ours: Any) -> Any:
    """Turn our JSON's times into boto3's where boto3 has one in the same place."""
    if isinstance(parsed, dict) and isinstance(ours, dict):
        return {key: as_boto3_would(parsed.get(key), value) for key, value in ours.items()}
    if isinstance(parsed, list) and isinstance(ours, list) and len(parsed) == len(ours):
        return [as_boto3_would(a, b) for a, b in zip(parsed, ours, strict=True)]
    if isinstance(parsed, dict) and isinstance(ours, str):
        return orjson.loads(ours)  # boto3 decodes a policy; the model, and so the catalog, has text
    if isinstance(parsed, datetime):
        when = datetime.fromisoformat(ours) if isinstance(ours, str) else datetime.fromtimestamp(ours, UTC)
        return when.astimezone(parsed.tzinfo)
    return ours


XML_CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("ec2", "DescribeVpcs", {}),
    ("ec2", "DescribeSubnets", {}),
    ("ec2", "DescribeSecurityGroups", {}),
    ("ec2", "DescribeVolumes", {}),
    ("iam", "ListUsers", {}),
    ("iam", "GetUser", {"UserName": "ada"}),
    ("iam", "ListUserTags", {"UserName": "ada"}),
    ("iam", "GetRole", {"RoleName": "keeper"}),
    ("s3", "GetBucketLocation", {"Bucket": "far"}),
    ("s3", "ListBuckets", {}),
    ("s3", "GetBucketTagging", {"Bucket": "books"}),
    ("s3", "GetBucketVersioning", {"Bucket": "books"}),
    ("s3", "ListObjectsV2", {"Bucket": "books"}),
    ("sqs", "ListQueues", {}),
    ("sns", "ListTopics", {}),
    ("rds", "DescribeDBParameterGroups", {}),
    ("cloudformation", "DescribeStacks", {}),
    ("route53", "ListHostedZones", {}),
    ("autoscaling", "DescribeAutoScalingGroups", {}),
    ("cloudwatch", "DescribeAlarms", {}),
]


@pytest.fixture(scope="session")
def filled_moto_url(moto_url: str) -> str:
    def client(service: str) -> Any:
        return boto3.client(
            service, "us-east-1", endpoint_url=moto_url, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="x"
        )

    client("ec2").create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[])
    client("iam").create_user(UserName="ada", Tags=[{"Key": "a", "Value": "ü <&>"}])
    client("iam").create_role(RoleName="keeper", AssumeRolePolicyDocument='{"Statement": [{"Effect": "Allow"}]}')
    s3 = client("s3")
    s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.create_bucket(Bucket="books")
    s3.put_bucket_tagging(Bucket="books", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_bucket_versioning(Bucket="books", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="books", Key="x/y", Body=b"1")
    client("sqs").create_queue(QueueName="q")
    client("sns").create_topic(Name="t")
    client("rds").create_db_parameter_group(
        DBParameterGroupName="d", DBParameterGroupFamily="postgres16", Description="&"
    )
    client("cloudformation").create_stack(StackName="s", TemplateBody='{"Resources": {}}')
    client("route53").create_hosted_zone(Name="example.org", CallerReference="1")
    client("cloudwatch").put_metric_alarm(
        AlarmName="a",
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.5,
        Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold",
    )
    return moto_url


@pytest.mark.parametrize(("service", "operation", "params"), XML_CALLS, ids=[f"{c[0]}-{c[1]}" for c in XML_CALLS])
def test_every_protocol_gives_what_boto3_parses(
    filled_moto_url: str, service: str, operation: str, params: dict[str, Any]
) -> None:
    client = boto3.client(service, endpoint_url=filled_moto_url)
    expected = getattr(client, botocore.xform_name(operation))(**params)
    expected.pop("ResponseMetadata")

    async def main() -> Any:
        async with open_session(endpoint_url=filled_moto_url) as session:
            return await session.service_client(service).call(operation, params)

    answer = asyncio.run(main())
    ours = orjson.loads(answer.body)
    assert as_boto3_would(expected, ours) == expected
    assert abs((answer.server_time - datetime.now(UTC)).total_seconds()) < 60
