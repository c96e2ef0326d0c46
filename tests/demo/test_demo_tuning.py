from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def request(name: str = "tune", jobs: int = 6, parallel: int = 2) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "lr", "MinValue": "0.001", "MaxValue": "0.1"}],
                "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "9"}],
                "CategoricalParameterRanges": [{"Name": "opt", "Values": ["adam", "sgd"]}],
            },
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"epochs": "3"},
            "AlgorithmSpecification": {
                "TrainingImage": "111122223333.dkr.ecr.us-east-1.amazonaws.com/team/trainer:v1",
                "TrainingInputMode": "FastFile",
                "MetricDefinitions": [{"Name": "loss", "Regex": "train_loss=([0-9.]+)"}],
            },
            "RoleArn": "arn:aws:iam::111122223333:role/training",
            "OutputDataConfig": {"S3OutputPath": "s3://models/tuned"},
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
        "Tags": [{"Key": "team", "Value": "risk"}],
    }


def children(desk: Any, name: str = "tune", **more: Any) -> list[dict[str, Any]]:
    walker = desk.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    pages = walker.paginate(HyperParameterTuningJobName=name, **more)
    return [line for page in pages for line in page["TrainingJobSummaries"]]


def test_children_appear_a_few_at_a_time(desk: Any) -> None:
    arn = desk.sagemaker.create_hyper_parameter_tuning_job(**request())["HyperParameterTuningJobArn"]
    desk.cloud.clock.advance(1)
    assert len(children(desk)) == 2
    seen = set()
    for _ in range(200):
        running = [child for child in children(desk) if child["TrainingJobStatus"] == "InProgress"]
        assert len(running) <= 2
        seen.add(len(children(desk)))
        desk.cloud.clock.advance(60)
    assert max(seen) == 6
    tuned = desk.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
    assert tuned["HyperParameterTuningJobStatus"] == "Completed"
    assert tuned["TrainingJobStatusCounters"]["Completed"] == 6
    assert tuned["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    best = min(child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for child in children(desk))
    assert tuned["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == best
    for child in children(desk):
        job = desk.describe(child["TrainingJobName"])
        assert job["TuningJobArn"] == arn
        assert job["HyperParameters"]["epochs"] == "3"
        assert child["TunedHyperParameters"] == {key: job["HyperParameters"][key] for key in ("lr", "depth", "opt")}
        assert 0.001 <= float(child["TunedHyperParameters"]["lr"]) <= 0.1
        assert child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == job["FinalMetricDataList"][0]["Value"]
        assert desk.sagemaker.list_tags(ResourceArn=child["TrainingJobArn"])["Tags"] == request()["Tags"]


def test_children_are_sorted_and_paged(desk: Any) -> None:
    desk.sagemaker.create_hyper_parameter_tuning_job(**request())
    desk.cloud.clock.advance(86_400)
    assert [c["TrainingJobName"] for c in children(desk, MaxResults=4)] == sorted(
        c["TrainingJobName"] for c in children(desk)
    )
    values = [
        child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for child in children(desk, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    ]
    assert values == sorted(values, reverse=True)
    assert children(desk, StatusEquals="Failed") == []


def test_tuning_jobs_are_listed_and_tagged(desk: Any) -> None:
    arns = [
        desk.sagemaker.create_hyper_parameter_tuning_job(**request(name))["HyperParameterTuningJobArn"]
        for name in ("tune-b", "tune-a")
    ]
    listed = desk.sagemaker.list_hyper_parameter_tuning_jobs(SortBy="Name", SortOrder="Ascending")
    assert [line["HyperParameterTuningJobName"] for line in listed["HyperParameterTuningJobSummaries"]] == [
        "tune-a",
        "tune-b",
    ]
    assert desk.sagemaker.list_tags(ResourceArn=arns[0])["Tags"] == request()["Tags"]
    walker = desk.sagemaker.get_paginator("list_hyper_parameter_tuning_jobs")
    assert [len(page["HyperParameterTuningJobSummaries"]) for page in walker.paginate(MaxResults=1)] == [1, 1]


def test_bad_tuning_jobs_are_refused(desk: Any) -> None:
    create = desk.sagemaker.create_hyper_parameter_tuning_job
    create(**request())
    with pytest.raises(ClientError, match=r"ResourceInUse.*already exists"):
        create(**request())
    bad = request("bad")
    bad["TrainingJobDefinition"]["ResourceConfig"] = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}
    with pytest.raises(ClientError, match=r"ValidationException.*VolumeSizeInGB"):
        create(**bad)
    nothing = request("nothing")
    nothing["HyperParameterTuningJobConfig"]["ParameterRanges"] = {}
    with pytest.raises(ClientError, match=r"ValidationException.*ParameterRanges"):
        create(**nothing)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        desk.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="nowhere")


def test_the_estate_has_tuning_jobs_whose_children_point_to_them(estate_desk: Any) -> None:
    walker = estate_desk.sagemaker.get_paginator("list_hyper_parameter_tuning_jobs")
    jobs = [line for page in walker.paginate() for line in page["HyperParameterTuningJobSummaries"]]
    assert len(jobs) > 3
    for job in jobs:
        found = children(estate_desk, job["HyperParameterTuningJobName"])
        assert sum(job["TrainingJobStatusCounters"].values()) == len(found)
        for child in found[:2]:
            assert estate_desk.describe(child["TrainingJobName"])["TuningJobArn"] == job["HyperParameterTuningJobArn"]
            assert child["TunedHyperParameters"]
