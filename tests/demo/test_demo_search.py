from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

LACKS = {
    "InfraCheckConfig", "RemoteDebugConfig", "ProfilingStatus", "ProfilerRuleConfigurations",
    "ProfilerRuleEvaluationStatuses", "ServerlessJobConfig", "MlflowConfig", "MlflowDetails", "ProgressInfo",
}  # fmt: skip


def search(desk: Any, *filters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    expression = {"SearchExpression": {"Filters": list(filters)}} if filters else {}
    walker = desk.sagemaker.get_paginator("search")
    found = walker.paginate(Resource="TrainingJob", MaxResults=100, **(expression | more))
    return [entry["TrainingJob"] for page in found for entry in page["Results"]]


def where(name: str, operator: str, value: str | None = None) -> dict[str, Any]:
    return {"Name": name, "Operator": operator} | ({"Value": value} if value is not None else {})


def names(found: list[dict[str, Any]]) -> set[str]:
    return {job["TrainingJobName"] for job in found}


@pytest.fixture(scope="module")
def jobs(estate_desk: Any) -> list[dict[str, Any]]:
    """All jobs, as they are described, with the tags."""
    walker = estate_desk.sagemaker.get_paginator("list_training_jobs")
    listed = [line for page in walker.paginate(MaxResults=100) for line in page["TrainingJobSummaries"]]
    return [
        estate_desk.describe(line["TrainingJobName"])
        | {"Tags": estate_desk.sagemaker.list_tags(ResourceArn=line["TrainingJobArn"])["Tags"]}
        for line in listed[::4]
    ]


def test_records_are_descriptions_with_tags_and_without_what_the_index_lacks(estate_desk: Any, jobs: Any) -> None:
    found = {job["TrainingJobName"]: job for job in search(estate_desk)}
    for job in jobs:
        assert found[job["TrainingJobName"]] == {key: value for key, value in job.items() if key not in LACKS}


def test_the_newest_changes_come_first(estate_desk: Any) -> None:
    times = [job["LastModifiedTime"] for job in search(estate_desk)]
    assert times == sorted(times, reverse=True)
    assert len(times) > 500


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (where("TrainingJobStatus", "Equals", "Failed"), lambda j: j["TrainingJobStatus"] == "Failed"),
        (where("TrainingJobStatus", "NotEquals", "Completed"), lambda j: j["TrainingJobStatus"] != "Completed"),
        (where("TrainingJobStatus", "In", "Failed,Stopped"), lambda j: j["TrainingJobStatus"] in {"Failed", "Stopped"}),
        (where("TrainingJobName", "Contains", "churn"), lambda j: "churn" in j["TrainingJobName"]),
        (where("FailureReason", "Exists"), lambda j: "FailureReason" in j),
        (where("WarmPoolStatus.Status", "NotExists"), lambda j: "WarmPoolStatus" not in j),
        (where("EnableManagedSpotTraining", "Equals", "true"), lambda j: j["EnableManagedSpotTraining"]),
        (where("TrainingTimeInSeconds", "GreaterThan", "3600"), lambda j: j.get("TrainingTimeInSeconds", 0) > 3600),
        (where("BillableTimeInSeconds", "LessThanOrEqualTo", "900"),
         lambda j: j.get("BillableTimeInSeconds", 901) < 901),
        (where("ResourceConfig.InstanceCount", "GreaterThanOrEqualTo", "2"),
         lambda j: (j["ResourceConfig"].get("InstanceCount") or 0) >= 2),
        (where("HyperParameters.bf16", "Equals", "true"), lambda j: j["HyperParameters"].get("bf16") == "true"),
        (where("Tags.team", "Equals", "risk"), lambda j: {"Key": "team", "Value": "risk"} in j["Tags"]),
        (where("Tags.cost-center", "NotExists"), lambda j: all(t["Key"] != "cost-center" for t in j["Tags"])),
        (where("InputDataConfig.ChannelName", "Equals", "vocab"),
         lambda j: any(c["ChannelName"] == "vocab" for c in j["InputDataConfig"])),
        (where("LastModifiedTime", "GreaterThan", "2026-03-01T00:00:00"),
         lambda j: j["LastModifiedTime"].isoformat() > "2026-03-01T00:00:00"),
        (where("CreationTime", "LessThan", "2026-01-15T12:00:00Z"),
         lambda j: j["CreationTime"].isoformat() < "2026-01-15T12"),
    ],
)  # fmt: skip
def test_filters_select_what_they_say(estate_desk: Any, jobs: Any, test: dict[str, Any], expected: Any) -> None:
    found = names(search(estate_desk, test))
    for job in jobs:
        assert (job["TrainingJobName"] in found) == bool(expected(job)), job["TrainingJobName"]


def test_expressions_nest(estate_desk: Any, jobs: Any) -> None:
    channel = {"NestedPropertyName": "InputDataConfig", "Filters": [
        where("InputDataConfig.ChannelName", "Equals", "train"),
        where("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "acme-risk"),
    ]}  # fmt: skip
    failed = {"Filters": [where("TrainingJobStatus", "Equals", "Failed")]}
    spot = {"Filters": [where("EnableManagedSpotTraining", "Equals", "true")]}
    expression = {"NestedFilters": [channel], "SubExpressions": [failed, spot], "Operator": "Or"}
    found = names(search(estate_desk, SearchExpression=expression))
    for job in jobs:
        risk = any(
            c["ChannelName"] == "train" and "acme-risk" in c["DataSource"].get("S3DataSource", {}).get("S3Uri", "")
            for c in job["InputDataConfig"]
        )
        expected = risk or job["TrainingJobStatus"] == "Failed" or job["EnableManagedSpotTraining"]
        assert (job["TrainingJobName"] in found) == expected


def test_any_property_can_be_sorted_by(estate_desk: Any) -> None:
    times = [job.get("TrainingTimeInSeconds", 0) for job in search(estate_desk, SortBy="TrainingTimeInSeconds")]
    assert times == sorted(times, reverse=True)
    listed = [job["TrainingJobName"] for job in search(estate_desk, SortBy="TrainingJobName", SortOrder="Ascending")]
    assert listed == sorted(listed)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ({"Resource": "Endpoint"}, "Endpoint"),
        ({"Resource": "Nonsense"}, "'resource'.*enum"),
        ({"SortBy": "Nonsense"}, "Unknown property name: Nonsense"),
        ({"SearchExpression": {"Filters": [where("Nonsense.x", "Equals", "1")]}}, "Unknown property name: Nonsense.x"),
        ({"SearchExpression": {"Filters": [where("TrainingJobName", "GreaterThan", "a")]}}, "not supported for text"),
        ({"SearchExpression": {"Filters": [where("CreationTime", "Contains", "a")]}}, "only supported for text"),
        ({"SearchExpression": {"Filters": [where("CreationTime", "Equals", "noon")]}}, "can not be compared"),
        ({"SearchExpression": {"Filters": [where("CreationTime", "Equals")]}}, "needs a value"),
        ({"SearchExpression": {}}, "at least one"),
        ({"SearchExpression": {"SubExpressions": [{"Filters": [where("RoleArn", "Exists")] * 20}] * 3}}, "at most 50"),
        ({"NextToken": "nonsense"}, "NextToken"),
    ],
)  # fmt: skip
def test_bad_searches_are_refused(estate_desk: Any, call: dict[str, Any], named: str) -> None:
    with pytest.raises(ClientError, match=f"(?s)ValidationException.*{named}"):
        estate_desk.sagemaker.search(**({"Resource": "TrainingJob"} | call))


def test_the_index_is_late_by_as_much_as_told(desk: Any) -> None:
    desk.cloud.switch(search_lag_seconds=90)
    arn = desk.create()
    assert search(desk) == []
    desk.cloud.clock.advance(89)
    assert search(desk) == []
    desk.cloud.clock.advance(1)
    assert [job["SecondaryStatus"] for job in search(desk)] == ["Pending"]
    assert desk.describe()["SecondaryStatus"] != "Pending"
    desk.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert search(desk)[0]["Tags"] == []
    desk.finish()
    desk.cloud.clock.advance(90)
    assert search(desk)[0]["Tags"] == [{"Key": "a", "Value": "b"}]
    desk.sagemaker.delete_training_job(TrainingJobName="job")
    assert len(search(desk)) == 1
    desk.cloud.clock.advance(90)
    assert search(desk) == []


def test_later_pages_belong_to_the_first(desk: Any) -> None:
    for number in range(5):
        desk.create(f"job-{number}")
        desk.cloud.clock.advance(1)
    first = desk.sagemaker.search(Resource="TrainingJob", MaxResults=2, SortBy="CreationTime")
    desk.cloud.clock.advance(timedelta(hours=3).total_seconds())
    desk.create("newer")
    rest = desk.sagemaker.search(
        Resource="TrainingJob", MaxResults=9, SortBy="CreationTime", NextToken=first["NextToken"]
    )
    shown = [entry["TrainingJob"]["TrainingJobName"] for entry in first["Results"] + rest["Results"]]
    assert shown == ["job-4", "job-3", "job-2", "job-1", "job-0"]
    with pytest.raises(ClientError, match="another search"):
        desk.sagemaker.search(Resource="TrainingJob", NextToken=first["NextToken"])
