from __future__ import annotations

import json
import time
from http.client import HTTPConnection, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError


def control(desk: Any, name: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Return status and answer of a control call."""
    connection = HTTPConnection(urlsplit(desk.cloud.endpoint_url).netloc, timeout=10)
    connection.request("GET" if body is None else "POST", f"/_control/{name}", json.dumps(body or {}))
    answer = connection.getresponse()
    shown = json.load(answer)
    connection.close()
    return answer.status, shown


def call(desk: Any, operation: str, **request: Any) -> bytes:
    """Return the body of an answer as it came."""
    body: bytes = desk.raw("sagemaker", f"SageMaker.{operation}", **request)
    return body


def test_calls_are_throttled_per_account_region_and_operation(desk: Any) -> None:
    desk.cloud.switch(throttle={"ListTrainingJobs": [0.001, 3]})
    for _ in range(3):
        desk.sagemaker.list_training_jobs()
    with pytest.raises(ClientError, match=r"ThrottlingException.*Rate exceeded") as refused:
        desk.sagemaker.list_training_jobs()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    desk.sagemaker.search(Resource="TrainingJob")
    type(desk)(desk.cloud, region="eu-west-1").sagemaker.list_training_jobs()
    type(desk)(desk.cloud, account="444455556666").sagemaker.list_training_jobs()


def test_the_bucket_fills_again(desk: Any) -> None:
    desk.cloud.switch(throttle={"*": [50, 1]})
    desk.sagemaker.list_training_jobs()
    time.sleep(0.05)
    desk.sagemaker.list_training_jobs()


def test_the_tagging_api_throttles_in_its_own_words(desk: Any) -> None:
    desk.cloud.switch(throttle={"*": [0.001, 0]})
    client = desk.client("resourcegroupstaggingapi")
    with pytest.raises(client.exceptions.ThrottledException):
        client.get_resources()
    with pytest.raises(ClientError, match="Throttling"):
        desk.client("sts").get_caller_identity()


def test_boto3_retries_through_errors(desk: Any) -> None:
    desk.create()
    desk.cloud.switch(error_rate=0.4)
    patient = desk.client("sagemaker", retries={"total_max_attempts": 12, "mode": "standard"})
    answers = [patient.describe_training_job(TrainingJobName="job") for _ in range(6)]
    assert sum(answer["ResponseMetadata"]["RetryAttempts"] for answer in answers) > 0
    assert all(answer["TrainingJobStatus"] == "InProgress" for answer in answers)


def test_server_errors_come_as_500_and_503_the_same_each_time(desk: Any) -> None:
    desk.cloud.switch(error_rate=0.5)
    statuses = []
    for _ in range(40):
        try:
            desk.sagemaker.list_training_jobs()
            statuses.append(200)
        except ClientError as error:
            statuses.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    assert set(statuses) == {200, 500, 503}
    assert 10 < statuses.count(200) < 30
    assert sum(desk.cloud.errors().values()) == 40 - statuses.count(200)


def test_answers_end_in_the_middle(desk: Any) -> None:
    """boto3 takes such an answer for an empty one, so it is looked at without boto3."""
    desk.create()
    whole = call(desk, "DescribeTrainingJob", TrainingJobName="job")
    desk.cloud.switch(truncated_rate=1.0)
    with pytest.raises(IncompleteRead) as cut:
        call(desk, "DescribeTrainingJob", TrainingJobName="job")
    assert whole.startswith(cut.value.partial)
    assert len(cut.value.partial) < len(whole)


def test_named_resources_answer_nonsense(desk: Any) -> None:
    arn = desk.create("broken")
    desk.create("sound")
    desk.cloud.switch(malformed_arns=[arn])
    with pytest.raises(json.JSONDecodeError):
        json.loads(call(desk, "DescribeTrainingJob", TrainingJobName="broken"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(call(desk, "ListTags", ResourceArn=arn))
    assert desk.describe("sound")["TrainingJobStatus"] == "InProgress"


def test_actions_are_denied_as_iam_says_it(desk: Any) -> None:
    arn = desk.create()
    desk.cloud.switch(denied_actions=["sagemaker:ListTags", "sagemaker:*@eu-west-1", "tag:GetResources@111122223333"])
    who = "User: arn:aws:sts::111122223333:assumed-role/inventory-reader/stocktake is not authorized to perform: "
    with pytest.raises(ClientError, match=f"AccessDeniedException.*{who}sagemaker:ListTags on resource: {arn}"):
        desk.sagemaker.list_tags(ResourceArn=arn)
    desk.describe()
    with pytest.raises(ClientError, match=r"AccessDeniedException.*sagemaker:ListTrainingJobs"):
        type(desk)(desk.cloud, region="eu-west-1").sagemaker.list_training_jobs()
    with pytest.raises(ClientError, match=r"AccessDeniedException.*tag:GetResources on resource: \*"):
        desk.client("resourcegroupstaggingapi").get_resources()
    type(desk)(desk.cloud, account="444455556666").client("resourcegroupstaggingapi").get_resources()


@pytest.mark.parametrize(
    ("service", "call_", "action", "code"),
    [
        ("ec2", "describe_subnets", "ec2:DescribeSubnets", "UnauthorizedOperation"),
        ("iam", "list_roles", "iam:ListRoles", "AccessDenied"),
        ("kms", "list_keys", "kms:ListKeys", "AccessDeniedException"),
        ("s3", "list_buckets", "s3:*", "AccessDenied"),
        ("lambda", "list_functions", "lambda:*", "AccessDeniedException"),
    ],
)
def test_neighbors_are_denied_in_their_own_protocols(
    desk: Any, service: str, call_: str, action: str, code: str
) -> None:
    desk.cloud.switch(denied_actions=[action])
    with pytest.raises(ClientError, match=r"not authorized") as refused:
        getattr(desk.client(service), call_)()
    assert refused.value.response["Error"]["Code"] == code


def test_credentials_expire_and_regions_are_not_enabled(desk: Any) -> None:
    desk.cloud.switch(expired_accounts=["111122223333"], disabled_regions=["me-south-1"])
    with pytest.raises(ClientError, match=r"ExpiredTokenException.*expired"):
        desk.sagemaker.list_training_jobs()
    with pytest.raises(ClientError, match="ExpiredToken"):
        desk.client("sts").get_caller_identity()
    other = type(desk)(desk.cloud, account="444455556666", region="me-south-1")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        other.sagemaker.list_training_jobs()


def test_a_region_hangs(desk: Any) -> None:
    desk.cloud.switch(hang_regions=["eu-west-1"])
    other = type(desk)(desk.cloud, region="eu-west-1")
    with pytest.raises(ReadTimeoutError):
        other.client("sagemaker", read_timeout=0.3).list_training_jobs()
    desk.sagemaker.list_training_jobs()


def test_answers_take_their_time(desk: Any) -> None:
    desk.cloud.switch(latency_ms=120)
    before = time.monotonic()
    desk.sagemaker.list_training_jobs()
    assert time.monotonic() - before >= 0.12


def test_pages_never_end(desk: Any) -> None:
    desk.cloud.switch(endless_token=["ListTrainingJobs"])
    first = desk.sagemaker.list_training_jobs()
    assert desk.sagemaker.list_training_jobs(NextToken=first["NextToken"])["NextToken"] == first["NextToken"]
    desk.cloud.switch(endless_token=["Search"])
    assert first["NextToken"] == desk.sagemaker.search(Resource="TrainingJob")["NextToken"]


def test_jobs_vanish_between_list_and_describe(desk: Any) -> None:
    for number in range(30):
        desk.create(f"job-{number}", Environment={"SIMULATED_TRAINING_SECONDS": "5"})
    desk.cloud.clock.advance(86_400)
    desk.create("running")
    desk.cloud.switch(vanish_rate=0.4)
    listed = [
        line["TrainingJobName"] for line in desk.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    ]
    gone = set()
    for name in listed:
        try:
            desk.describe(name)
        except desk.sagemaker.exceptions.ResourceNotFound:
            gone.add(name)
    assert 3 < len(gone) < 27
    assert "running" not in gone
    left = desk.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    assert {line["TrainingJobName"] for line in left} == set(listed) - gone


def test_switches_clock_and_counts_are_reached_over_http(desk: Any) -> None:
    assert control(desk, "switches")[1]["denied_actions"] == []
    changed = control(desk, "switches", {"denied_actions": ["sagemaker:Search"], "throttle": {"*": [5, 10]}})[1]
    assert changed["throttle"] == {"*": [5.0, 10.0]}
    assert desk.cloud.switches.denied_actions == frozenset({"sagemaker:Search"})
    assert control(desk, "clock", {"advance_seconds": 60})[1]["now"] == "2026-03-02T09:31:00+00:00"
    assert control(desk, "clock", {"factor": 2})[1]["factor"] == 2
    desk.sagemaker.list_training_jobs()
    with pytest.raises(ClientError):
        desk.sagemaker.search(Resource="TrainingJob")
    assert control(desk, "stats")[1] == {
        "calls": {"sagemaker:ListTrainingJobs": 1, "sagemaker:Search": 1},
        "errors": {"sagemaker:Search": 1},
        "total": 2,
    }
    assert control(desk, "reset_stats", {}) == (200, {})
    assert desk.cloud.stats() == {}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("switches", {"nonsense": 1}, 400),
        ("switches", {"error_rate": "much"}, 400),
        ("switches", {"throttle": {"*": 5}}, 400),
        ("clock", {"advance_seconds": -1}, 400),
        ("clock", {"factor": -1}, 400),
        ("clock", {"advance_seconds": "long"}, 400),
        ("clock", {"back": 1}, 400),
        ("nonsense", {}, 404),
    ],
)
def test_bad_control_calls_are_refused(desk: Any, name: str, body: dict[str, Any], status: int) -> None:
    refused, shown = control(desk, name, body)
    assert refused == status
    assert shown["error"]
