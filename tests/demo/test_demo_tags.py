from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

TEAM = {"Key": "team", "Value": "risk"}
ENV = {"Key": "env", "Value": "prod"}


def resources(desk: Any, **request: Any) -> dict[str, list[dict[str, str]]]:
    walker = desk.client("resourcegroupstaggingapi").get_paginator("get_resources")
    found = [entry for page in walker.paginate(**request) for entry in page["ResourceTagMappingList"]]
    mapped = {entry["ResourceARN"]: entry["Tags"] for entry in found}
    assert len(mapped) == len(found)
    return mapped


def test_tags_are_added_overwritten_and_deleted(desk: Any) -> None:
    arn = desk.create(Tags=[TEAM])
    sagemaker = desk.sagemaker
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [TEAM]
    changed = {"Key": "team", "Value": "fraud"}
    assert sagemaker.add_tags(ResourceArn=arn, Tags=[changed, ENV])["Tags"] == [changed, ENV]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [changed, ENV]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "nothing"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [ENV]
    assert "Tags" not in desk.describe()


def test_tag_limits(desk: Any) -> None:
    arn = desk.create()
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    desk.sagemaker.add_tags(ResourceArn=arn, Tags=many)
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        desk.sagemaker.add_tags(ResourceArn=arn, Tags=[TEAM])
    with pytest.raises(ClientError, match=r"ValidationException.*aws:"):
        desk.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": ""}])
    with pytest.raises(ClientError, match="ResourceNotFound"):
        desk.sagemaker.list_tags(ResourceArn=arn + "-not")


def test_never_tagged_resources_are_unknown_and_untagged_ones_are_not(desk: Any) -> None:
    plain, tagged, once = desk.create("plain"), desk.create("tagged", Tags=[TEAM]), desk.create("once")
    assert resources(desk) == {tagged: [TEAM]}
    desk.sagemaker.add_tags(ResourceArn=once, Tags=[ENV])
    desk.sagemaker.delete_tags(ResourceArn=once, TagKeys=["env"])
    assert resources(desk) == {tagged: [TEAM], once: []}
    assert resources(desk, ResourceARNList=[plain, tagged, once, "arn:aws:s3:::nothing"]) == {tagged: [TEAM], once: []}


def test_resources_are_paged_and_filtered(estate_desk: Any) -> None:
    found = resources(estate_desk, ResourcesPerPage=100)
    assert found == resources(estate_desk, ResourcesPerPage=7)
    assert len(found) > 300
    jobs = resources(estate_desk, ResourceTypeFilters=["sagemaker:training-job"])
    tuning = resources(estate_desk, ResourceTypeFilters=["sagemaker:hyper-parameter-tuning-job"])
    assert jobs | tuning == found
    assert all(":training-job/" in arn for arn in jobs)
    assert tuning
    assert all(":hyper-parameter-tuning-job/" in arn for arn in tuning)
    assert resources(estate_desk, ResourceTypeFilters=["s3"]) == {}
    risk = resources(estate_desk, TagFilters=[{"Key": "team", "Values": ["risk", "ads"]}])
    assert risk == {arn: tags for arn, tags in found.items() if any(t in tags for t in (TEAM, TEAM | {"Value": "ads"}))}
    both = resources(estate_desk, TagFilters=[{"Key": "team", "Values": ["risk"]}, {"Key": "cost-center"}])
    assert 0 < len(both) < len(risk)


def test_the_tagging_api_agrees_with_list_tags(estate_desk: Any) -> None:
    found = resources(estate_desk)
    walker = estate_desk.sagemaker.get_paginator("list_training_jobs")
    arns = [line["TrainingJobArn"] for page in walker.paginate(MaxResults=100) for line in page["TrainingJobSummaries"]]
    for arn in arns[::10]:
        assert estate_desk.sagemaker.list_tags(ResourceArn=arn)["Tags"] == found.get(arn, [])


@pytest.mark.parametrize(
    "request_",
    [
        {"ResourcesPerPage": 101},
        {"ResourceARNList": ["arn:aws:s3:::x"], "ResourcesPerPage": 5},
        {"ResourceARNList": ["arn:aws:s3:::x"], "TagFilters": [{"Key": "a"}]},
    ],
)
def test_parameters_that_do_not_fit_are_refused(desk: Any, request_: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        desk.client("resourcegroupstaggingapi").get_resources(**request_)


def test_a_foreign_token_has_expired(desk: Any) -> None:
    client = desk.client("resourcegroupstaggingapi")
    with pytest.raises(client.exceptions.PaginationTokenExpiredException):
        client.get_resources(PaginationToken="nonsense")


def test_the_tagging_api_speaks_json_too(estate_desk: Any) -> None:
    """Today's boto3 calls it with CBOR; older ones did with JSON 1.1."""
    target = "ResourceGroupsTaggingAPI_20170126.GetResources"
    page = json.loads(estate_desk.raw("tagging", target, ResourcesPerPage=3))
    assert page["PaginationToken"]
    by_boto3 = estate_desk.client("resourcegroupstaggingapi").get_resources(ResourcesPerPage=3)
    assert page["ResourceTagMappingList"] == by_boto3["ResourceTagMappingList"]
