from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

WARM = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30, "KeepAlivePeriodInSeconds": 1800}


def keep_alive(seconds: int) -> dict[str, Any]:
    return {"ResourceConfig": {"KeepAlivePeriodInSeconds": seconds}}


def pool(desk: Any, name: str = "first") -> dict[str, Any]:
    state: dict[str, Any] = desk.describe(name)["WarmPoolStatus"]
    return state


def test_a_pool_is_in_use_then_available_then_terminated(desk: Any) -> None:
    desk.create("first", ResourceConfig=WARM)
    assert pool(desk) == {"Status": "InUse"}
    desk.until("Completed", "first")
    modified = desk.describe("first")["LastModifiedTime"]
    assert pool(desk) == {"Status": "Available"}
    desk.cloud.clock.advance(1800)
    assert pool(desk) == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 1800}
    assert desk.describe("first")["LastModifiedTime"] == modified


def test_a_matching_job_reuses_the_pool_and_starts_at_once(desk: Any) -> None:
    desk.create("first", ResourceConfig=WARM)
    ended = desk.until("Completed", "first")["TrainingEndTime"]
    desk.cloud.clock.advance(600)
    desk.create("second", ResourceConfig=WARM)
    created = desk.describe("second")["CreationTime"]
    reused = pool(desk)
    assert (reused["Status"], reused["ReusedByJob"]) == ("Reused", "second")
    assert reused["ResourceRetainedBillableTimeInSeconds"] == int((created - ended).total_seconds())
    done = desk.finish("second")
    first = done["SecondaryStatusTransitions"][0]
    assert first["Status"] == "Starting"
    assert (first["EndTime"] - first["StartTime"]).total_seconds() < 10


@pytest.mark.parametrize(
    "changes",
    [
        {"ResourceConfig": WARM | {"InstanceCount": 2}},
        {"ResourceConfig": WARM | {"InstanceType": "ml.m5.2xlarge"}},
        {"RoleArn": "arn:aws:iam::111122223333:role/another"},
        {"EnableNetworkIsolation": True},
        {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
    ],
)
def test_a_job_that_does_not_match_leaves_the_pool(desk: Any, changes: dict[str, Any]) -> None:
    desk.create("first", ResourceConfig=WARM)
    desk.until("Completed", "first")
    desk.create("second", **({"ResourceConfig": WARM} | changes))
    assert pool(desk)["Status"] == "Available"
    assert desk.steps("second") == ["Pending"]


def test_a_pool_is_reused_once(desk: Any) -> None:
    desk.create("first", ResourceConfig=WARM)
    desk.until("Completed", "first")
    desk.create("second", ResourceConfig=WARM)
    desk.create("third", ResourceConfig=WARM)
    assert pool(desk)["ReusedByJob"] == "second"
    assert desk.steps("third") == ["Pending"]


def test_a_failed_job_gives_its_instances_back(desk: Any) -> None:
    desk.create("first", ResourceConfig=WARM, Environment={"SIMULATED_FAILURE": "AlgorithmError"})
    desk.until("Failed", "first")
    assert pool(desk) == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}


def test_keep_alive_is_updated_while_the_pool_lives(desk: Any) -> None:
    arn = desk.create("first", ResourceConfig=WARM)
    update = desk.sagemaker.update_training_job
    assert update(TrainingJobName="first", **keep_alive(600))["TrainingJobArn"] == arn
    desk.until("Completed", "first")
    update(TrainingJobName="first", **keep_alive(3600))
    assert desk.describe("first")["ResourceConfig"] == WARM | {"KeepAlivePeriodInSeconds": 3600}
    desk.cloud.clock.advance(3000)
    assert pool(desk)["Status"] == "Available"
    update(TrainingJobName="first", **keep_alive(0))
    assert pool(desk)["Status"] == "Terminated"
    assert 3000 <= pool(desk)["ResourceRetainedBillableTimeInSeconds"] < 3010
    with pytest.raises(ClientError, match=r"ValidationException.*KeepAlivePeriodInSeconds"):
        update(TrainingJobName="first", **keep_alive(600))


def test_a_running_job_can_be_given_a_pool_and_an_ended_one_cannot(desk: Any) -> None:
    plain = WARM | {"KeepAlivePeriodInSeconds": 0}
    desk.create("first", ResourceConfig=plain)
    desk.create("plain", ResourceConfig=plain)
    assert "WarmPoolStatus" not in desk.describe("first")
    desk.sagemaker.update_training_job(TrainingJobName="first", **keep_alive(1800))
    assert pool(desk) == {"Status": "InUse"}
    desk.finish("plain")
    with pytest.raises(ClientError, match=r"ValidationException.*warm pool"):
        desk.sagemaker.update_training_job(TrainingJobName="plain", **keep_alive(600))
    desk.until("Completed", "first")
    desk.create("second", ResourceConfig=WARM | {"KeepAlivePeriodInSeconds": 0})
    assert pool(desk)["ReusedByJob"] == "second"


def test_a_spot_job_cannot_be_given_a_pool(desk: Any) -> None:
    condition = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600}
    desk.create("spot", EnableManagedSpotTraining=True, StoppingCondition=condition)
    with pytest.raises(ClientError, match=r"ValidationException.*not supported"):
        desk.sagemaker.update_training_job(TrainingJobName="spot", **keep_alive(600))


def test_the_profiler_is_updated_only_while_the_job_is_in_progress(desk: Any) -> None:
    desk.create(ProfilerConfig={"S3OutputPath": "s3://models/p", "ProfilingIntervalInMilliseconds": 500})
    assert desk.describe()["ProfilingStatus"] == "Enabled"
    update = desk.sagemaker.update_training_job
    rule = {"RuleConfigurationName": "Report", "RuleEvaluatorImage": "1.dkr.ecr.us-east-1.amazonaws.com/rules"}
    update(TrainingJobName="job", ProfilerConfig={"DisableProfiler": True}, ProfilerRuleConfigurations=[rule])
    changed = desk.describe()
    assert changed["ProfilingStatus"] == "Disabled"
    assert changed["ProfilerConfig"]["S3OutputPath"] == "s3://models/p"
    assert changed["ProfilerRuleConfigurations"] == [rule]
    with pytest.raises(ClientError, match=r"ValidationException.*RuleConfigurationName Report must be unique"):
        update(TrainingJobName="job", ProfilerRuleConfigurations=[rule])
    with pytest.raises(ClientError, match=r"ValidationException.*ProfilingIntervalInMilliseconds 7"):
        update(TrainingJobName="job", ProfilerConfig={"ProfilingIntervalInMilliseconds": 7})
    desk.finish()
    with pytest.raises(ClientError, match=r"ValidationException.*status Completed"):
        update(TrainingJobName="job", ProfilerConfig={"DisableProfiler": False})


def test_remote_debugging_is_updated_only_while_downloading_or_training(desk: Any) -> None:
    desk.create(RemoteDebugConfig={"EnableRemoteDebug": True})
    off = {"TrainingJobName": "job", "RemoteDebugConfig": {"EnableRemoteDebug": False}}
    with pytest.raises(ClientError, match=r"ValidationException.*Downloading or Training"):
        desk.sagemaker.update_training_job(**off)
    desk.until("Training")
    desk.sagemaker.update_training_job(**off)
    assert desk.describe()["RemoteDebugConfig"] == {"EnableRemoteDebug": False}


def test_only_ended_jobs_without_a_pool_are_deleted_and_names_are_used_again(desk: Any) -> None:
    arn = desk.create("first", ResourceConfig=WARM)
    delete = desk.sagemaker.delete_training_job
    with pytest.raises(ClientError, match=r"ResourceInUse.*InProgress"):
        delete(TrainingJobName="first")
    created = desk.until("Completed", "first")["CreationTime"]
    with pytest.raises(ClientError, match=r"ResourceInUse.*Available warm pool"):
        delete(TrainingJobName="first")
    desk.cloud.clock.advance(1801)
    delete(TrainingJobName="first")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        desk.describe("first")
    assert desk.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    desk.cloud.clock.advance(1)
    assert desk.create("first") == arn
    assert desk.describe("first")["CreationTime"] > created
    assert len(desk.sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1
