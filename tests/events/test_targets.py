"""Which resources events name: examples in the forms that EventBridge, CloudTrail and AWS Config document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from event_estate import ACCOUNT, REGION, api_call, state_change
from stocktake.core.errors import DataError
from stocktake.events.envelope import parse_event
from stocktake.events.targets import find_targets, type_of_arn

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/j"


def named(body: str) -> set[tuple[str, str]]:
    return {(one.type, one.arn or one.name) for one in find_targets(parse_event(body))}


def service_event(source: str, kind: str, resources: list[str], detail: dict[str, Any]) -> str:
    return json.dumps(
        {
            "id": "1",
            "source": source,
            "detail-type": kind,
            "account": ACCOUNT,
            "region": REGION,
            "time": "2026-01-01T00:00:00Z",
            "resources": resources,
            "detail": detail,
        }
    )


def test_a_state_change_names_the_job_and_not_its_role() -> None:
    assert named(state_change(ARN)) == {("aws_sagemaker_trainingjob", ARN)}


def test_an_event_that_sns_wrapped_is_the_same() -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": state_change(ARN)})
    assert named(wrapped) == named(state_change(ARN))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            service_event(
                "aws.ec2",
                "EC2 Instance State-change Notification",
                [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1"],
                {"instance-id": "i-1", "state": "running"},
            ),
            {("aws_ec2_instance", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1")},
        ),
        (
            service_event("aws.ec2", "EC2 Instance State-change Notification", [], {"instance-id": "i-1"}),
            {("aws_ec2_instance", "i-1")},
        ),
        (
            api_call(
                "ec2", "TerminateInstances", {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}}
            ),
            {("aws_ec2_instance", "i-1"), ("aws_ec2_instance", "i-2")},
        ),
        (
            api_call(
                "sagemaker",
                "CreateTrainingJob",
                {"trainingJobName": "j", "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "modelName": "other"},
                {"trainingJobArn": ARN},
            ),
            {("aws_sagemaker_trainingjob", ARN)},
        ),
        (
            api_call("sagemaker", "DeleteTrainingJob", {"trainingJobName": "j"}),
            {("aws_sagemaker_trainingjob", "j")},
        ),
        (
            api_call("sagemaker", "AddTags", {"resourceArn": ARN, "tags": [{"key": "a", "value": "b"}]}),
            {("aws_sagemaker_trainingjob", ARN)},
        ),
        (
            api_call("iam", "AttachRolePolicy", {"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/X"}),
            {("aws_iam_role", "r"), ("aws_iam_policy", "arn:aws:iam::aws:policy/X")},
        ),
        (
            api_call("rds", "ModifyDBInstance", {"dBInstanceIdentifier": "main", "applyImmediately": True}),
            {("aws_rds_dbinstance", "main")},
        ),
        (
            api_call("dynamodb", "UpdateTable", {"tableName": "orders"}),
            {("aws_dynamodb_table", "orders")},
        ),
        (
            api_call("s3", "PutBucketPolicy", {"bucketName": "b", "bucketPolicy": {}}),
            {("aws_s3_bucket", "b")},
        ),
        (
            api_call("lambda", "UpdateFunctionCode20150331v2", {"functionName": "f"}),
            {("aws_lambda_function", "f")},
        ),
        (
            api_call("kms", "DisableKey", {"keyId": "k"}, resources=[{"ARN": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"}]),
            {("aws_kms_key", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k")},
        ),
        (
            service_event(
                "aws.config",
                "Config Configuration Item Change",
                [],
                {
                    "configurationItem": {
                        "resourceType": "AWS::EC2::Volume",
                        "resourceId": "vol-1",
                        "awsAccountId": ACCOUNT,
                        "awsRegion": REGION,
                        "configuration": {"attachments": [{"instanceId": "i-9"}]},
                    }
                },
            ),
            {("aws_ec2_volume", "vol-1")},
        ),
    ],
)
def test_what_is_named(body: str, wanted: set[tuple[str, str]]) -> None:
    assert named(body) == wanted


def test_calls_that_read_or_failed_name_nothing() -> None:
    call = {"trainingJobName": "j"}
    assert named(api_call("sagemaker", "DescribeTrainingJob", call, readOnly=True)) == set()
    assert named(api_call("sagemaker", "StopTrainingJob", call, errorCode="AccessDenied")) == set()
    assert named(service_event("shop", "order", [ARN], call)) == set()


def test_the_account_and_region_are_those_of_the_resource() -> None:
    event = service_event("aws.sagemaker", "x", [ARN.replace(REGION, "eu-west-1").replace(ACCOUNT, "9" * 12)], {})
    [target] = find_targets(parse_event(event))
    assert (target.account_id, target.region) == ("9" * 12, "eu-west-1")


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"Message": "x"}', '{"source": 1, "detail-type": "x", "detail": {}}']
)
def test_what_is_no_event_is_told(body: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_event(body)
    assert caught.value.code == "no_event"


def test_an_arn_of_an_unknown_kind_leads_nowhere() -> None:
    assert type_of_arn("arn:aws:nothing:us-east-1:1:thing/x") is None
    assert type_of_arn("arn:aws:s3") is None
    assert type_of_arn("arn:aws:rds:us-east-1:1:db:main") == "aws_rds_dbinstance"
