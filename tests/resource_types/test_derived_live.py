"""Derived calls made for real, by boto3 against moto's server over HTTP."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import pytest
import requests
from moto.server import ThreadedMotoServer

from moto_state import forget_all
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stocktake.resource_types.spec import DescribeCall, Path, ResourceType, TagsCall

MODELS = open_models()
KEYS: dict[str, Any] = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
SCOPE = {"account_id": "123456789012", "region": "us-east-1", "partition": "aws"}
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
    forget_all(server)
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)  # one state for all tests of this process
    server.stop()


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        **KEYS,
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


def listings(one: ResourceType, service: Any) -> Iterator[dict[str, Any]]:
    """Yield what each list call of a type is given, by its parents and loops."""
    link = one.list_call.parent
    held: list[dict[str, Any]] = [{}]
    if link is not None:
        above = load_type(link.type, MODELS)
        held = []
        for item, document, listing in read_documents(above, service):
            given = {name: pick(item, path) or pick(document, path) for name, path in link.bindings.items()}
            held.append(given | {name: listing[key] for name, key in link.inherited.items()})
    for given in held:
        for values in itertools.product(*one.list_call.loops.values()):
            yield given | dict(zip(one.list_call.loops, values, strict=True))


def read_documents(one: ResourceType, service: Any) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Read a type as its plan says: every list item with its document, and what it was listed with."""
    for listing in listings(one, service):
        token: dict[str, Any] = {}
        while True:
            given = one.list_call.arguments | listing | token
            given |= {name: SCOPE[what] for name, what in one.list_call.context.items()}
            if one.list_call.pagination and one.list_call.pagination.limit_key and one.list_call.pagination.page_size:
                given[one.list_call.pagination.limit_key] = one.list_call.pagination.page_size
            answer = call(service, one.list_call.operation, given)
            for item in pick(answer, one.list_call.result_path) or []:
                yield item, describe(one, service, item, listing), listing
            pages = one.list_call.pagination
            following = pick(answer, pages.output_token) if pages else None
            if not pages or not following:
                break
            token = {pages.input_token: following}


def describe(one: ResourceType, service: Any, item: Any, listing: dict[str, Any]) -> Any:
    plan = one.describe_call
    if plan is None:
        return item
    given = bound(plan, item, item, listing)
    answer = pick(call(service, plan.operation, given), plan.result_path)
    return answer[0] if plan.batch is not None else answer


def bound(plan: DescribeCall | TagsCall, item: Any, document: Any, listing: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = dict(plan.arguments)
    for name, path in plan.bindings.items():
        value = (pick(item, path) if isinstance(item, dict) or not path else None) or pick(document, path)
        given[name] = [value] if plan.batch is not None and name == plan.batch.member else value
    given |= {name: listing[key] for name, key in plan.inherited.items()}
    return given | {name: SCOPE[what] for name, what in plan.context.items()}


def read(one: ResourceType, service: Any) -> list[tuple[Any, dict[str, str]]]:
    """Read a type as its plan says: every document with its tags."""
    return [
        (document, read_tags(one, service, item, document, listing))
        for item, document, listing in read_documents(one, service)
    ]


def read_tags(one: ResourceType, service: Any, item: Any, document: Any, listing: dict[str, Any]) -> dict[str, str]:
    if one.inline_tags is not None:
        place = one.inline_tags
        return as_dict(pick(document, place.path) or [], place.key_member, place.value_member)
    plan = one.tags_call
    if plan is None:
        return {}
    given = bound(plan, item, document, listing)
    if plan.binds_arn:
        given[plan.binds_arn] = made_arn(one, item, document, listing)
    found = pick(call(service, plan.operation, given), plan.result_path) or []
    if plan.batch is not None:
        found = pick(found[0], plan.batch.value_path) or []
    return as_dict(found, plan.key_member, plan.value_member)


def made_arn(one: ResourceType, item: Any, document: Any, listing: dict[str, Any]) -> str:
    template = one.identity.arn_template
    assert template is not None
    values = {name: pick(document, path) or pick(item, path) for name, path in template.bindings.items()}
    return template.text.format(**SCOPE, **values, **{name: listing[key] for name, key in template.inherited.items()})


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


def make_service(service: Any) -> Any:
    service.create_cluster(clusterName="fleet")
    service.register_task_definition(family="f", containerDefinitions=[{"name": "c", "image": "i", "memory": 8}])
    made = service.create_service(
        cluster="fleet", serviceName="s", taskDefinition="f", desiredCount=1, tags=[{"key": "team", "value": "ml"}]
    )
    return made["service"]["serviceArn"]


def make_nodegroup(service: Any) -> Any:
    service.create_cluster(name="pool", roleArn=ROLE, resourcesVpcConfig={"subnetIds": ["subnet-1"]})
    made = service.create_nodegroup(
        clusterName="pool", nodegroupName="n", nodeRole=ROLE, subnets=["subnet-1"], tags={"team": "ml"}
    )
    return made["nodegroup"]["nodegroupArn"]


def make_stage(service: Any) -> Any:
    api = service.create_rest_api(name="staged")["id"]
    root = service.get_resources(restApiId=api)["items"][0]["id"]
    service.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    service.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    deployment = service.create_deployment(restApiId=api)["id"]
    service.create_stage(restApiId=api, stageName="prod", deploymentId=deployment, tags={"team": "ml"})
    return "prod"


def make_load_balancer(service: Any) -> Any:
    ec2 = boto3.client("ec2", endpoint_url=service.meta.endpoint_url, region_name="us-east-1", **KEYS)
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    made = service.create_load_balancer(Name="lb", Subnets=subnets, Tags=PAIR)
    return made["LoadBalancers"][0]["LoadBalancerArn"]


def make_user_pool_client(service: Any) -> Any:
    pool = service.create_user_pool(PoolName="p")["UserPool"]["Id"]
    return service.create_user_pool_client(UserPoolId=pool, ClientName="c")["UserPoolClient"]["ClientId"]


def make_table(service: Any) -> Any:
    service.create_database(DatabaseInput={"Name": "d"})
    service.create_table(DatabaseName="d", TableInput={"Name": "t"})
    return "t"


def make_access_key(service: Any) -> Any:
    service.create_user(UserName="u")
    return service.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]


def make_projects(service: Any) -> Any:
    made = service.create_project(
        name="build",
        source={"type": "GITHUB", "location": "https://example.com/x.git"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=ROLE,
        tags=SMALL,
    )
    return made["project"]["arn"]


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
    "aws_ecs_cluster": (
        "ecs",
        lambda service: service.create_cluster(clusterName="batched", tags=SMALL)["cluster"]["clusterArn"],
    ),
    "aws_ecs_service": ("ecs", make_service),
    "aws_eks_nodegroup": ("eks", make_nodegroup),
    "aws_apigateway_stage": ("apigateway", make_stage),
    "aws_elbv2_loadbalancer": ("elbv2", make_load_balancer),
    "aws_codebuild_project": ("codebuild", make_projects),
    "aws_athena_workgroup": (
        "athena",
        lambda service: service.create_work_group(Name="wg", Tags=PAIR) and "wg",
    ),
    "aws_sqs_queue": (
        "sqs",
        lambda service: service.create_queue(QueueName="q", tags={"team": "ml"}) and "q",
    ),
    "aws_cloudformation_stack": (
        "cloudformation",
        lambda service: service.create_stack(StackName="s", TemplateBody=TEMPLATE, Tags=PAIR)["StackId"],
    ),
}


UNTAGGED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "aws_cognitoidp_userpoolclient": ("cognito-idp", make_user_pool_client),
    "aws_glue_table": ("glue", make_table),
    "aws_iam_accesskey": ("iam", make_access_key),
}


def read_by_name(name: str, stated: tuple[str, Callable[[Any], Any]], endpoint: str) -> tuple[Any, dict[Any, Any]]:
    """Return what was made, and the tags of all that is found, by all that identifies it."""
    service_name, make = stated
    service = client(service_name, endpoint)
    one = load_type(name, MODELS)
    assert one.service == service_name
    made = make(service)
    found: dict[str, dict[str, str]] = {}
    for document, tags in read(one, service):
        who = [pick(document, path) for path in (one.identity.arn_path, *one.identity.key_paths) if path is not None]
        if isinstance(document, dict) and "Attributes" in document:
            who.append(document["Attributes"].get("QueueArn", "").rsplit(":", 1)[-1])
        found |= dict.fromkeys([key for key in who if key], tags)
    return made, found


@pytest.mark.parametrize("name", MAKE)
def test_what_was_made_is_read_with_its_tags(name: str, endpoint: str) -> None:
    made, found = read_by_name(name, MAKE[name], endpoint)
    assert found[made] == {"team": "ml"}


@pytest.mark.parametrize("name", UNTAGGED)
def test_what_was_made_is_read(name: str, endpoint: str) -> None:
    made, found = read_by_name(name, UNTAGGED[name], endpoint)
    assert made in found
