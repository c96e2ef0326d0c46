from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from stocktake.demo.clock import DEFAULT_START

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 9000},
}


def steered(**changes: str) -> dict[str, str]:
    return {"SIMULATED_TRAINING_SECONDS": "600", "SIMULATED_PENDING_SECONDS": "60"} | changes


def span(answer: dict[str, Any], *statuses: str) -> float:
    """Return the seconds that a job spent in some phases."""
    steps = [step for step in answer["SecondaryStatusTransitions"] if step["Status"] in statuses]
    return float(sum((step["EndTime"] - step["StartTime"]).total_seconds() for step in steps))


def assert_contiguous(answer: dict[str, Any]) -> None:
    steps = answer["SecondaryStatusTransitions"]
    assert steps[0]["StartTime"] == answer["CreationTime"]
    assert steps[-1]["Status"] == answer["SecondaryStatus"]
    for step, following in pairwise(steps):
        assert step["EndTime"] == following["StartTime"]
        assert step["StatusMessage"]
    assert steps[-1]["StartTime"] == answer["LastModifiedTime"]


def test_a_job_goes_through_all_phases(desk: Any) -> None:
    desk.create()
    assert desk.describe()["TrainingJobStatus"] == "InProgress"
    assert desk.steps() == ["Pending"]
    for phase in ("Starting", "Downloading", "Training", "Uploading"):
        seen = desk.until(phase)
        assert seen["TrainingJobStatus"] == "InProgress"
        assert "EndTime" not in seen["SecondaryStatusTransitions"][-1]
        assert "TrainingEndTime" not in seen
        assert ("TrainingStartTime" in seen) == (phase != "Starting")
    done = desk.finish()
    assert desk.steps() == ["Pending", "Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert (done["TrainingJobStatus"], done["SecondaryStatus"]) == ("Completed", "Completed")
    assert_contiguous(done)
    assert span(done, "Training") == 600
    assert done["ModelArtifacts"]["S3ModelArtifacts"] == "s3://models/out/job/output/model.tar.gz"


def test_on_demand_jobs_are_billed_from_start_to_end(desk: Any) -> None:
    desk.create()
    done = desk.finish()
    lasted = (done["TrainingEndTime"] - done["TrainingStartTime"]).total_seconds()
    assert done["TrainingTimeInSeconds"] == done["BillableTimeInSeconds"] == round(lasted)
    assert lasted == pytest.approx(span(done, "Downloading", "Training", "Uploading"))


def test_only_file_channels_are_downloaded(desk: Any) -> None:
    algorithm = desk.request()["AlgorithmSpecification"] | {"TrainingInputMode": "FastFile"}
    desk.create(AlgorithmSpecification=algorithm)
    desk.finish()
    assert "Downloading" not in desk.steps()


def test_billing_and_metrics_arrive_after_the_end_and_move_no_time(desk: Any) -> None:
    algorithm = desk.request()["AlgorithmSpecification"] | {
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss: ([0-9.]+)"}, {"Name": "none", "Regex": "absent=(.*)"}]
    }
    rules = [{"RuleConfigurationName": "Overfit", "RuleEvaluatorImage": "1.dkr.ecr.us-east-1.amazonaws.com/rules"}]
    desk.create(AlgorithmSpecification=algorithm, DebugRuleConfigurations=rules)
    early = desk.until("Completed")
    assert "FinalMetricDataList" not in early or "BillableTimeInSeconds" not in early
    assert early["DebugRuleEvaluationStatuses"][0]["RuleEvaluationStatus"] == "InProgress"
    desk.cloud.clock.advance(15 * 60)
    late = desk.describe()
    assert late["LastModifiedTime"] == early["LastModifiedTime"]
    assert [metric["MetricName"] for metric in late["FinalMetricDataList"]] == ["loss"]
    metric = late["FinalMetricDataList"][0]
    assert 0 < metric["Value"] < 1
    assert late["TrainingStartTime"] <= metric["Timestamp"] <= late["TrainingEndTime"]
    status = late["DebugRuleEvaluationStatuses"][0]
    assert status["RuleEvaluationStatus"] in {"NoIssuesFound", "IssuesFound", "Error"}
    assert ":processing-job/" in status["RuleEvaluationJobArn"]
    assert status["LastModifiedTime"] > late["LastModifiedTime"]


def test_interrupted_spot_jobs_start_again_and_are_billed_less(desk: Any) -> None:
    checkpoints = {"S3Uri": "s3://models/checkpoints/"}
    desk.create(Environment=steered(SIMULATED_INTERRUPTIONS="2"), CheckpointConfig=checkpoints, **SPOT)
    done = desk.finish()
    assert desk.steps() == [
        "Pending", "Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training",
        "Interrupted", "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert_contiguous(done)
    assert done["TrainingTimeInSeconds"] == pytest.approx(span(done, "Downloading", "Training", "Uploading"), abs=1)
    assert 0.2 < done["BillableTimeInSeconds"] / done["TrainingTimeInSeconds"] < 0.6


@pytest.mark.parametrize(
    ("outcome", "phases"),
    [
        ("AlgorithmError", {"Training"}),
        ("ClientError:Downloading", {"Downloading"}),
        ("ClientError:Starting", {"Starting"}),
        ("ClientError:Uploading", {"Uploading"}),
        ("CapacityError", {"Starting"}),
        ("InternalServerError", {"Training"}),
    ],
)
def test_failures_have_a_class_and_end_in_their_phase(desk: Any, outcome: str, phases: set[str]) -> None:
    desk.create(Environment={"SIMULATED_FAILURE": outcome})
    done = desk.finish()
    assert (done["TrainingJobStatus"], done["SecondaryStatus"]) == ("Failed", "Failed")
    assert done["FailureReason"].startswith(outcome.partition(":")[0] + ":")
    assert desk.steps()[-2] in phases
    assert_contiguous(done)
    assert ("TrainingStartTime" in done) == (phases != {"Starting"})


def test_server_errors_are_retried(desk: Any) -> None:
    desk.create(Environment=steered(SIMULATED_SERVER_ERRORS="2"), RetryStrategy={"MaximumRetryAttempts": 3})
    done = desk.finish()
    assert done["TrainingJobStatus"] == "Completed"
    assert desk.steps().count("Starting") == 3
    assert "Interrupted" not in desk.steps()
    assert_contiguous(done)


def test_more_server_errors_than_retries_fail_the_job(desk: Any) -> None:
    desk.create(Environment=steered(SIMULATED_SERVER_ERRORS="3"), RetryStrategy={"MaximumRetryAttempts": 2})
    done = desk.finish()
    assert done["FailureReason"].startswith("InternalServerError:")
    assert desk.steps().count("Starting") == 3


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SIMULATED_TRAINING_SECONDS": "long"}, "SIMULATED_TRAINING_SECONDS"),
        ({"SIMULATED_PENDING_SECONDS": "-1"}, "SIMULATED_PENDING_SECONDS"),
        ({"SIMULATED_INTERRUPTIONS": "1"}, "spot"),
        ({"SIMULATED_FAILURE": "Nonsense"}, "Nonsense can not happen"),
        ({"SIMULATED_FAILURE": "ClientError:Pending"}, "ClientError:Pending can not happen"),
    ],
)
def test_a_fate_that_cannot_be_is_refused(desk: Any, environment: dict[str, str], named: str) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{named}"):
        desk.create(Environment=environment)


def test_a_stop_leaves_the_algorithm_at_most_120_seconds(desk: Any) -> None:
    desk.create()
    desk.until("Training")
    desk.cloud.clock.advance(10)
    desk.sagemaker.stop_training_job(TrainingJobName="job")
    seen = desk.describe()
    assert (seen["TrainingJobStatus"], seen["SecondaryStatus"]) == ("Stopping", "Stopping")
    desk.sagemaker.stop_training_job(TrainingJobName="job")  # once more changes nothing
    done = desk.finish()
    assert (done["TrainingJobStatus"], done["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert 0 < span(done, "Stopping") <= 120
    assert span(done, "Training") < 600
    assert_contiguous(done)
    with pytest.raises(ClientError, match=r"ValidationException.*status Stopped"):
        desk.sagemaker.stop_training_job(TrainingJobName="job")


@pytest.mark.parametrize("phase", ["Pending", "Starting", "Downloading", "Uploading"])
def test_a_job_can_be_stopped_in_any_phase(desk: Any, phase: str) -> None:
    desk.create()
    desk.until(phase)
    desk.sagemaker.stop_training_job(TrainingJobName="job")
    done = desk.finish()
    assert done["SecondaryStatus"] == "Stopped"
    assert_contiguous(done)


def test_the_runtime_limit_ends_a_job(desk: Any) -> None:
    desk.create(StoppingCondition={"MaxRuntimeInSeconds": 300})
    done = desk.finish()
    assert (done["TrainingJobStatus"], done["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert 300 <= done["TrainingTimeInSeconds"] < 300 + 120 + 3600
    assert "Stopping" in desk.steps()
    assert_contiguous(done)


def test_the_runtime_limit_counts_all_attempts_together(desk: Any) -> None:
    desk.create(
        Environment=steered(SIMULATED_SERVER_ERRORS="2"),
        RetryStrategy={"MaximumRetryAttempts": 2},
        StoppingCondition={"MaxRuntimeInSeconds": 500},
    )
    done = desk.finish()
    assert done["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert span(done, "Training") < 600


def test_the_wait_limit_ends_a_spot_job(desk: Any) -> None:
    desk.create(
        Environment=steered(SIMULATED_INTERRUPTIONS="2"),
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 700, "MaxWaitTimeInSeconds": 750},
    )
    done = desk.finish()
    assert (done["TrainingJobStatus"], done["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    lasted = (done["TrainingEndTime"] - done["CreationTime"]).total_seconds()
    assert 750 <= lasted < 750 + 120 + 600
    assert_contiguous(done)


def test_the_pending_limit_binds_accelerated_instances_only(desk: Any) -> None:
    condition = {"MaxRuntimeInSeconds": 3600, "MaxPendingTimeInSeconds": 1800}
    environment = steered(SIMULATED_PENDING_SECONDS="7200")
    resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}
    desk.create("gpu", StoppingCondition=condition, Environment=environment, ResourceConfig=resources)
    desk.create("cpu", StoppingCondition=condition, Environment=environment)
    stopped = desk.finish("gpu")
    assert (stopped["SecondaryStatus"], desk.steps("gpu")) == ("Stopped", ["Pending", "Stopped"])
    assert "TrainingStartTime" not in stopped
    assert desk.finish("cpu")["TrainingJobStatus"] == "Completed"


def test_a_default_runtime_limit_is_shown(desk: Any) -> None:
    desk.create(StoppingCondition={})
    assert desk.describe()["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}


def test_the_request_comes_back_as_it_was_sent(desk: Any) -> None:
    changes = {
        "HyperParameters": {"lr": "0.1"},
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "ProfilerConfig": {"S3OutputPath": "s3://models/p", "ProfilingIntervalInMilliseconds": 200},
        "ExperimentConfig": {"ExperimentName": "e", "RunName": "r"},
        "TensorBoardOutputConfig": {"S3OutputPath": "s3://models/tb"},
        "RemoteDebugConfig": {"EnableRemoteDebug": True},
        "InfraCheckConfig": {"EnableInfraCheck": True},
    }
    request = desk.request(**changes)
    desk.sagemaker.create_training_job(**request)
    answer = desk.describe()
    assert {key: answer[key] for key in request} == request


def test_serverless_jobs_show_tokens_and_a_model(desk: Any) -> None:
    hub = "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/base/1.0.0"
    group = "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/chat"
    desk.create(
        AlgorithmSpecification=None, ResourceConfig=None, StoppingCondition=None,
        ServerlessJobConfig={"BaseModelArn": hub, "JobType": "FineTuning", "AcceptEula": True},
        ModelPackageConfig={"ModelPackageGroupArn": group},
    )  # fmt: skip
    assert "ProgressInfo" in desk.until("Training")
    done = desk.finish()
    assert done["BillableTokenCount"] > 0
    assert ":model-package/chat/" in done["OutputModelPackageArn"]


def test_boto3_waits_for_a_job_on_a_fast_clock(desk: Any) -> None:
    desk.create()
    desk.cloud.clock.factor = 3000
    waiter = desk.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="job", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    assert desk.describe()["TrainingJobStatus"] == "Completed"
    desk.create("bad", Environment={"SIMULATED_FAILURE": "AlgorithmError"})
    with pytest.raises(WaiterError, match="terminal failure"):
        waiter.wait(TrainingJobName="bad", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})


def test_every_time_is_virtual(desk: Any) -> None:
    desk.cloud.clock.advance(86_400)
    desk.create()
    answer = desk.sagemaker.describe_training_job(TrainingJobName="job")
    assert answer["CreationTime"] == DEFAULT_START + timedelta(days=1)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["date"] == "Tue, 03 Mar 2026 09:30:00 GMT"
