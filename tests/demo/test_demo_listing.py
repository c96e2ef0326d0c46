from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stocktake.demo.clock import DEFAULT_START


def names(page: dict[str, Any]) -> list[str]:
    return [line["TrainingJobName"] for line in page["TrainingJobSummaries"]]


def pages(desk: Any, **filters: Any) -> list[list[str]]:
    walker = desk.sagemaker.get_paginator("list_training_jobs")
    return [names(page) for page in walker.paginate(**filters)]


def everything(desk: Any, **filters: Any) -> list[str]:
    return [name for page in pages(desk, MaxResults=100, **filters) for name in page]


@pytest.fixture
def five(desk: Any) -> Any:
    for number, name in enumerate(("echo", "delta", "charlie", "bravo", "alpha")):
        failing = {"Environment": {"SIMULATED_FAILURE": "AlgorithmError"}} if number % 2 else {}
        desk.create(name, **failing)
        desk.cloud.clock.advance(60)
    return desk


def test_a_summary_agrees_with_the_description(estate_desk: Any) -> None:
    first = estate_desk.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    assert estate_desk.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"] == first
    for line in first:
        full = estate_desk.describe(line["TrainingJobName"])
        assert line == {key: full[key] for key in line}
        assert ("TrainingEndTime" in line) == (line["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"})


def test_ten_jobs_are_a_page_unless_asked_otherwise(estate_desk: Any) -> None:
    answer = estate_desk.sagemaker.list_training_jobs()
    assert len(answer["TrainingJobSummaries"]) == 10
    assert answer["NextToken"]
    with pytest.raises(ClientError, match=r"ValidationException.*maxResults.*less than or equal to 100"):
        estate_desk.sagemaker.list_training_jobs(MaxResults=101)


def test_pages_are_complete_and_in_order(estate_desk: Any) -> None:
    rising = everything(estate_desk, SortBy="CreationTime", SortOrder="Ascending")
    falling = everything(estate_desk, SortBy="CreationTime", SortOrder="Descending")
    assert len(rising) == len(set(rising)) > 500
    assert rising == falling[::-1]
    assert everything(estate_desk) == rising  # ascending creation is the default
    assert everything(estate_desk, SortBy="Name") == sorted(rising)
    assert everything(estate_desk, SortBy="Name", SortOrder="Descending") == sorted(rising, reverse=True)
    assert sorted(everything(estate_desk, SortBy="Status")) == sorted(rising)


def test_accounts_and_regions_are_apart(estate_desk: Any) -> None:
    cloud = estate_desk.cloud
    places = [(account, region) for account in cloud.accounts for region in ("us-east-1", "eu-west-1")]
    found = {place: everything(type(estate_desk)(cloud, region=place[1], account=place[0])) for place in places}
    assert sum(map(len, found.values())) == 1200
    assert all(found.values())
    assert everything(type(estate_desk)(cloud, region="ap-south-1")) == []


def test_filters_act_after_the_page_is_cut(five: Any) -> None:
    """The second and the fourth job fail, so that pages of one are empty or not by turns."""
    five.cloud.clock.advance(7200)
    assert pages(five, MaxResults=1, StatusEquals="Failed") == [[], ["delta"], [], ["bravo"], []]
    assert pages(five, MaxResults=2, NameContains="alph") == [[], [], ["alpha"]]
    assert pages(five, MaxResults=3, StatusEquals="InProgress") == [[], []]


def test_creation_filters_act_before_the_page_is_cut(five: Any) -> None:
    minute = timedelta(minutes=1)
    assert pages(five, MaxResults=2, CreationTimeAfter=DEFAULT_START + 2 * minute) == [["charlie", "bravo"], ["alpha"]]
    assert pages(five, CreationTimeBefore=DEFAULT_START + minute) == [["echo", "delta"]]
    between = {"CreationTimeAfter": DEFAULT_START + minute, "CreationTimeBefore": DEFAULT_START + 3 * minute}
    assert pages(five, **between) == [["delta", "charlie", "bravo"]]


def test_modification_filters_act_after_the_page_is_cut(five: Any) -> None:
    five.finish("echo")
    modified = five.describe("echo")["LastModifiedTime"]
    found = pages(five, MaxResults=1, LastModifiedTimeBefore=modified)
    assert len(found) == 5
    assert ["echo"] in found
    assert all(
        page != ["echo"] for page in pages(five, MaxResults=1, LastModifiedTimeAfter=modified + timedelta(seconds=1))
    )


def test_a_token_survives_jobs_created_and_deleted_meanwhile(five: Any) -> None:
    five.cloud.clock.advance(7200)
    call = five.sagemaker.list_training_jobs
    first = call(MaxResults=2)
    assert names(first) == ["echo", "delta"]
    five.sagemaker.delete_training_job(TrainingJobName="delta")
    five.create("foxtrot")
    second = call(MaxResults=2, NextToken=first["NextToken"])
    assert names(second) == ["charlie", "bravo"]
    assert names(call(MaxResults=9, NextToken=second["NextToken"])) == ["alpha", "foxtrot"]


def test_descending_pages_do_not_shift_when_jobs_are_created(five: Any) -> None:
    call = five.sagemaker.list_training_jobs
    first = call(MaxResults=2, SortOrder="Descending")
    five.create("foxtrot")
    assert names(call(MaxResults=9, SortOrder="Descending", NextToken=first["NextToken"])) == [
        "charlie",
        "delta",
        "echo",
    ]


def test_a_foreign_token_is_refused(five: Any) -> None:
    for token in ("nonsense", "AQ==", "W10="):
        with pytest.raises(ClientError, match=r"ValidationException.*NextToken"):
            five.sagemaker.list_training_jobs(NextToken=token)


def test_warm_pools_can_be_filtered(five: Any) -> None:
    resources = {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
        "KeepAlivePeriodInSeconds": 600,
    }
    five.create("golf", ResourceConfig=resources)
    assert everything(five, WarmPoolStatusEquals="InUse") == ["golf"]
    assert everything(five, WarmPoolStatusEquals="Available") == []
