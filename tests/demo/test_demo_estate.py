"""The generated estate: every job fits the model and could exist; all of it follows from the seed."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import Any

import orjson
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.demo.api_errors import ApiError
from stocktake.demo.archetypes import archetypes
from stocktake.demo.clock import DEFAULT_START, VirtualClock, to_ms
from stocktake.demo.estate import Estate
from stocktake.demo.instances import has_local_storage, prices
from stocktake.demo.job_rules import check_create
from stocktake.demo.model import check_request
from stocktake.demo.render import description
from stocktake.demo.sagemaker_api import create_training_job, describe_training_job, stop_training_job
from stocktake.demo.state import Call, CloudState
from stocktake.demo.switches import Switches
from stocktake.demo.tags import tags_at
from stocktake.demo.timeline import FINAL

START = to_ms(DEFAULT_START)
DAY = 86_400_000
Job = dict[str, Any]


def cloud(jobs: int = 3000, seed: int = 5, **more: Any) -> CloudState:
    return CloudState(Estate(jobs, seed=seed, **more), VirtualClock(DEFAULT_START, 0), Switches(), seed)


def jobs_at(state: CloudState, now: int) -> Iterator[Job]:
    assert state.estate is not None
    for account, region in state.estate.places:
        book = state.book(account, region, now)
        for number in book.window(0, now):
            if book.exists(number, now):
                yield description(book.view(number), now)


@cache
def some_jobs() -> tuple[Job, ...]:
    """Return the jobs at the start, and those of ten busy days later."""
    state = cloud(arrivals_per_day=120)
    return (*jobs_at(state, START), *jobs_at(state, START + 10 * DAY))


@cache
def output_shape() -> Any:
    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
    return model.operation_model("DescribeTrainingJob").output_shape


def misfits(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield what a value has that the model's shape does not allow."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "structure": dict, "map": dict, "list": list, "string": str, "boolean": bool, "integer": int, "long": int,
        "float": float, "timestamp": float,
    }  # fmt: skip
    fits = isinstance(value, kinds[shape.type_name])
    if not fits:
        yield f"{path}: {value!r} is no {shape.type_name}"
    elif shape.type_name == "structure":
        yield from (f"{path}.{name}: unknown" for name in value if name not in shape.members)
        yield from (f"{path}.{name}: missing" for name in shape.required_members if name not in value)
        for name, item in value.items():
            if name in shape.members:
                yield from misfits(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from misfits(shape.member, item, path + "[]")
    elif shape.type_name == "map":
        for item in (*value.keys(), *value.values()):
            yield from misfits(shape.key, item, path + "{}")
    elif shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        yield f"{path}: {value!r} is not in the enumeration"
    elif isinstance(value, int) and value < shape.metadata.get("min", 0):
        yield f"{path}: {value} is too small"


def test_every_description_fits_the_model() -> None:
    assert len(some_jobs()) > 6000
    for job in some_jobs():
        assert list(misfits(output_shape(), job)) == []


def test_every_generated_request_would_be_accepted() -> None:
    state = cloud()
    assert state.estate is not None
    for job in state.estate.past():
        check_create(check_request("sagemaker", "CreateTrainingJob", job.request))
        assert len(job.name) <= 63


def test_exactly_as_many_jobs_as_asked_for_exist_at_the_start() -> None:
    for number in (0, 1, 17, 400):
        found = [job["TrainingJobArn"] for job in jobs_at(cloud(number), START)]
        assert len(found) == len(set(found)) == number


def test_the_estate_is_varied() -> None:
    jobs = some_jobs()
    assert {job["SecondaryStatus"] for job in jobs} >= {
        "Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded", "Training", "Downloading",
    }  # fmt: skip
    classes = {job["FailureReason"].partition(":")[0] for job in jobs if "FailureReason" in job}
    assert classes == {"AlgorithmError", "ClientError", "CapacityError", "InternalServerError"}
    pools = {job["WarmPoolStatus"]["Status"] for job in jobs if "WarmPoolStatus" in job}
    assert pools >= {"Reused", "Terminated", "InUse"}
    shown = Counter(name for job in jobs for name in job)
    for name in ("TuningJobArn", "AutoMLJobArn", "CheckpointConfig", "VpcConfig", "RetryStrategy", "ExperimentConfig",
                 "DebugRuleEvaluationStatuses", "ProfilerRuleEvaluationStatuses", "TensorBoardOutputConfig",
                 "RemoteDebugConfig", "InfraCheckConfig", "FinalMetricDataList", "MlflowDetails"):  # fmt: skip
        assert shown[name] > 10, name
    phases = Counter(step["Status"] for job in jobs for step in job["SecondaryStatusTransitions"])
    assert all(phases[name] for name in ("Pending", "Starting", "Downloading", "Interrupted", "Uploading", "Stopping"))
    running = sum(job["TrainingJobStatus"] == "InProgress" for job in jobs_at(cloud(), START))
    assert 0.01 < running / 3000 < 0.06


def test_instance_types_exist_and_have_an_invented_price() -> None:
    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
    types = {name for kind in archetypes() for name, _, _ in kind.instances}
    assert types == set(prices())
    assert types <= set(model.shape_for("TrainingInstanceType").enum)
    assert all(price > 0 for price in prices().values())


# ---- what cannot be: each check yields what is impossible about a job ----


def transitions(job: Job) -> list[Job]:
    return sorted(job["SecondaryStatusTransitions"], key=lambda step: step["StartTime"])


def phase_seconds(job: Job, status: str) -> float:
    return float(
        sum(s["EndTime"] - s["StartTime"] for s in transitions(job) if s["Status"] == status and "EndTime" in s)
    )


FOLLOWS = {
    "Pending": "Starting Failed Stopping Stopped MaxWaitTimeExceeded",
    "Starting": "Downloading Training Failed Stopping MaxWaitTimeExceeded",
    "Downloading": "Training Failed Stopping MaxWaitTimeExceeded",
    "Training": "Uploading Failed Stopping Interrupted Starting",
    "Interrupted": "Starting Stopping MaxWaitTimeExceeded",
    "Uploading": "Completed Failed Stopping Stopped MaxRuntimeExceeded MaxWaitTimeExceeded",
    "Stopping": "Uploading Stopped MaxRuntimeExceeded MaxWaitTimeExceeded",
}


def impossible_times(job: Job) -> Iterator[str]:
    created, ended = job["CreationTime"], job.get("TrainingEndTime")
    started = job.get("TrainingStartTime")
    if started is not None and started < created:
        yield "started before it was created"
    if ended is not None and ended < (started or created):
        yield "ended before it started"
    if job["LastModifiedTime"] < created:
        yield "modified before it was created"
    if (ended is not None) != (job["TrainingJobStatus"] in FINAL.values()):
        yield "an end time without an end, or an end without its time"
    if ended and started and ended - started > 30 * 86_400:
        yield "ran for more than 30 days"


def impossible_transitions(job: Job) -> Iterator[str]:
    steps = transitions(job)
    names = [step["Status"] for step in steps]
    if names[-1] != job["SecondaryStatus"] or steps[-1]["StartTime"] != job["LastModifiedTime"]:
        yield "the last transition is not the present status"
    if names[0] not in {"Starting", "Pending"}:
        yield f"begins with {names[0]}"
    for step, following in pairwise(steps):
        if step["EndTime"] != following["StartTime"]:
            yield f"a gap after {step['Status']}"
        if following["Status"] not in FOLLOWS[step["Status"]].split():
            yield f"{following['Status']} after {step['Status']}"
    modes = {
        channel.get("InputMode", job["AlgorithmSpecification"]["TrainingInputMode"])
        for channel in job["InputDataConfig"]
    }
    if "Downloading" in names and "File" not in modes:
        yield "downloads without a File channel"
    if "Interrupted" in names and not job["EnableManagedSpotTraining"]:
        yield "interrupted without spot"
    retries = names.count("Starting") - 1 - names.count("Interrupted")
    if retries > job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0):
        yield "more retries than allowed"
    if phase_seconds(job, "Stopping") > 120:
        yield "stopping for more than 120 s"


def impossible_status(job: Job) -> Iterator[str]:
    status, secondary = job["TrainingJobStatus"], job["SecondaryStatus"]
    if secondary in FINAL:
        if FINAL[secondary] != status:
            yield f"{secondary} but {status}"
    elif status != ("Stopping" if any(s["Status"] == "Stopping" for s in transitions(job)) else "InProgress"):
        yield f"{secondary} but {status}"
    if (status == "Failed") != ("FailureReason" in job):
        yield "a failure without reason, or a reason without failure"
    if secondary == "MaxWaitTimeExceeded" and not job["EnableManagedSpotTraining"]:
        yield "a wait limit without spot"
    if status == "Completed" and not job["ModelArtifacts"]["S3ModelArtifacts"].startswith(
        job["OutputDataConfig"]["S3OutputPath"]
    ):
        yield "artifacts outside the output path"


def impossible_bills(job: Job) -> Iterator[str]:
    training, billable = job.get("TrainingTimeInSeconds"), job.get("BillableTimeInSeconds")
    if training is None:
        return
    if billable > training:
        yield "billed for more than it ran"
    spot = job["EnableManagedSpotTraining"]
    if not spot and billable != training:
        yield "savings without spot"
    window = job["TrainingEndTime"] - job["TrainingStartTime"]
    if not spot and abs(training - window) > 1:
        yield "training time is not the time from start to end"
    if spot:
        on_instances = sum(phase_seconds(job, name) for name in ("Downloading", "Training", "Uploading", "Stopping"))
        if abs(training - on_instances) > 1:
            yield "training time is not the time on instances"
    limit = job["StoppingCondition"]["MaxRuntimeInSeconds"]
    if training > limit + 120 + 3600:
        yield "ran past its limit"
    if job["SecondaryStatus"] == "MaxRuntimeExceeded" and training < limit:
        yield "stopped before its limit"
    wait = job["StoppingCondition"].get("MaxWaitTimeInSeconds")
    if wait is not None and job["TrainingEndTime"] - job["CreationTime"] > wait + 120 + 3600:
        yield "waited past its limit"


def impossible_pools(job: Job) -> Iterator[str]:
    pool = job.get("WarmPoolStatus")
    keep = job["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
    if pool is None:
        if keep:
            yield "keeps a pool that has no status"
        return
    if not keep:
        yield "a pool without a keep-alive period"
    if (pool["Status"] == "Reused") != ("ReusedByJob" in pool):
        yield "reused by nobody"
    if (pool["Status"] == "InUse") != (job["TrainingJobStatus"] in {"InProgress", "Stopping"}):
        yield "in use after the end"
    if pool.get("ResourceRetainedBillableTimeInSeconds", 0) > keep:
        yield "retained for longer than it was kept"


def impossible_parts(job: Job) -> Iterator[str]:
    defined = {metric["Name"] for metric in job["AlgorithmSpecification"].get("MetricDefinitions", ())}
    for metric in job.get("FinalMetricDataList", ()):
        if metric["MetricName"] not in defined:
            yield "a metric that is not defined"
        if not job["CreationTime"] <= metric["Timestamp"] <= job["TrainingEndTime"]:
            yield "a metric from another time"
    for kind in ("Debug", "Profiler"):
        rules = {rule["RuleConfigurationName"] for rule in job.get(f"{kind}RuleConfigurations", ())}
        for status in job.get(f"{kind}RuleEvaluationStatuses", ()):
            if status["RuleConfigurationName"] not in rules or ":processing-job/" not in status["RuleEvaluationJobArn"]:
                yield "the verdict of a rule that is not configured"
    if job.get("ProfilerConfig", {}).get("DisableProfiler") and job["ProfilingStatus"] == "Enabled":
        yield "a disabled profiler that is enabled"
    account, name = job["TrainingJobArn"].split(":")[4], job["TrainingJobArn"].partition("/")[2]
    if name != job["TrainingJobName"] or account not in job["RoleArn"]:
        yield "an ARN of another job or account"
    config = job["ResourceConfig"]
    local = [has_local_storage(t) for t in (config.get("InstanceType"),) if t]
    if any(local) and "VolumeKmsKeyId" in config:
        yield "a volume key on local storage"


IMPOSSIBLE = (
    impossible_times,
    impossible_transitions,
    impossible_status,
    impossible_bills,
    impossible_pools,
    impossible_parts,
)


@pytest.mark.parametrize("check", IMPOSSIBLE)
def test_no_job_is_impossible(check: Any) -> None:
    for job in some_jobs():
        assert list(check(job)) == [], job["TrainingJobArn"]


@st.composite
def odd_requests(draw: st.DrawFn) -> Job:
    """Requests with limits, failures and interruptions in all combinations."""
    spot = draw(st.booleans())
    runtime = draw(st.sampled_from([1, 30, 200, 900, 86_400]))
    retries = draw(st.integers(0, 3))
    wishes = {
        "SIMULATED_TRAINING_SECONDS": draw(st.none() | st.integers(1, 2000)),
        "SIMULATED_PENDING_SECONDS": draw(st.none() | st.sampled_from([0, 10, 4000])),
        "SIMULATED_INTERRUPTIONS": draw(st.none() | st.integers(0, 3)) if spot else None,
        "SIMULATED_SERVER_ERRORS": draw(st.none() | st.integers(0, 4)) if retries else None,
        "SIMULATED_FAILURE": draw(
            st.sampled_from([None, None, "AlgorithmError", "ClientError", "CapacityError", "ClientError:Uploading"])
        ),
    }
    condition = {"MaxRuntimeInSeconds": runtime}
    if spot:
        condition["MaxWaitTimeInSeconds"] = runtime + draw(st.integers(0, 3000))
    if draw(st.booleans()):
        condition["MaxPendingTimeInSeconds"] = 1800
    resources: Job = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}
    if not spot:
        resources["KeepAlivePeriodInSeconds"] = draw(st.sampled_from([0, 60, 3600]))
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/x/"}}
    return {
        "TrainingJobName": "odd",
        "AlgorithmSpecification": {
            "TrainingImage": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:v1",
            "TrainingInputMode": draw(st.sampled_from(["File", "Pipe"])),
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss: ([0-9.]+)"}],
        },
        "RoleArn": "arn:aws:iam::111122223333:role/training",
        "InputDataConfig": [{"ChannelName": "x", "DataSource": source}],
        "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
        "ResourceConfig": resources,
        "StoppingCondition": condition,
        "EnableManagedSpotTraining": spot,
        "Environment": {key: str(value) for key, value in wishes.items() if value is not None},
    } | ({"RetryStrategy": {"MaximumRetryAttempts": retries}} if retries else {})


@settings(max_examples=300, deadline=None)
@given(odd_requests(), st.none() | st.integers(0, 7200), st.lists(st.integers(0, 20_000), max_size=4))
def test_no_request_and_no_stop_makes_a_job_impossible(request_: Job, stopped: int | None, looks: list[int]) -> None:
    state = CloudState(None, VirtualClock(DEFAULT_START, 0), Switches(), 5)

    def call(request: Job, second: int) -> Call:
        return Call("111122223333", "us-east-1", request, START + second * 1000)

    create_training_job(state, call(check_request("sagemaker", "CreateTrainingJob", request_), 0))
    name = {"TrainingJobName": "odd"}
    if stopped is not None:
        with suppress(ApiError):  # it had ended by then
            stop_training_job(state, call(name, stopped))
    for second in [*sorted(looks), 10_000_000]:
        job = orjson.loads(describe_training_job(state, call(name, second)))
        assert list(misfits(output_shape(), job)) == []
        assert [fault for check in IMPOSSIBLE for fault in check(job)] == []
    assert job["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"}


def test_reused_pools_go_to_a_job_that_matches_and_begins_in_time() -> None:
    jobs = {job["TrainingJobArn"]: job for job in jobs_at(cloud(), START)}
    reused = [job for job in jobs.values() if job.get("WarmPoolStatus", {}).get("Status") == "Reused"]
    assert len(reused) > 50
    for job in reused:
        pool = job["WarmPoolStatus"]
        following = jobs[job["TrainingJobArn"].partition("/")[0] + "/" + pool["ReusedByJob"]]
        wait = following["CreationTime"] - job["TrainingEndTime"]
        assert 0 <= wait <= job["ResourceConfig"]["KeepAlivePeriodInSeconds"]
        assert pool["ResourceRetainedBillableTimeInSeconds"] == pytest.approx(wait, abs=1)
        assert following["ResourceConfig"] == job["ResourceConfig"]
        assert following["RoleArn"] == job["RoleArn"]
        first = transitions(following)[0]
        assert first["Status"] == "Starting"
        assert "EndTime" not in first or first["EndTime"] - first["StartTime"] < 10


# ---- a function of seed and time ----


def test_the_same_seed_gives_the_same_estate_and_another_one_another() -> None:
    first, second, other = (list(jobs_at(cloud(300, seed), START + DAY)) for seed in (5, 5, 6))
    assert first == second
    assert first != other


def test_the_way_to_an_instant_does_not_matter() -> None:
    """Looking on the way, or not, changes nothing: nothing ticks."""
    slow, fast = cloud(300, arrivals_per_day=400), cloud(300, arrivals_per_day=400)
    for hour in range(48):
        list(jobs_at(slow, START + hour * 3_600_000))
    assert list(jobs_at(slow, START + 2 * DAY)) == list(jobs_at(fast, START + 2 * DAY))


def test_a_second_look_finds_new_changed_deleted_and_renamed_jobs() -> None:
    state = cloud(2000, arrivals_per_day=300)
    before = {(job["TrainingJobArn"], job["CreationTime"]): job for job in jobs_at(state, START)}
    after = {(job["TrainingJobArn"], job["CreationTime"]): job for job in jobs_at(state, START + 5 * DAY)}
    new, gone = after.keys() - before.keys(), before.keys() - after.keys()
    assert 900 < len(new) < 2200
    assert 5 < len(gone) < 100
    assert sum(after[key] != before[key] for key in after.keys() & before.keys()) > 30
    later = {(job["TrainingJobArn"], job["CreationTime"]) for job in jobs_at(state, START + 25 * DAY)}
    assert {arn for arn, _ in later - before.keys()} & {arn for arn, _ in before}  # a deleted job's name is used again
    assert len(later) == len({arn for arn, _ in later})


def test_tags_are_edited_as_time_goes_by() -> None:
    state = cloud(2000)
    changed = 0
    assert state.estate is not None
    for account, region in state.estate.places:
        book = state.book(account, region, START)
        for number in book.window(0, START):
            view = book.view(number)
            changed += tags_at(view.job, view.events, START) != tags_at(view.job, view.events, START + 10 * DAY)
    assert 40 < changed < 200


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 10 * DAY), min_size=2, max_size=6).map(sorted))
def test_history_is_never_rewritten(pick: int, times: list[int]) -> None:
    """What a job has gone through stays; an ended job never changes its status again."""
    state = history_cloud()
    book = state.book("111122223333", "us-east-1", START + 10 * DAY)
    running = [n for n in book.window(START - DAY, START + 9 * DAY) if book.view(n).timeline.ended > START]
    view = book.view(running[pick % len(running)])
    moments = [view.at(max(START + time, view.job.created)) for time in times]
    for earlier, later in pairwise(moments):
        assert later.steps[: len(earlier.steps)] == earlier.steps
        assert earlier.modified <= later.modified
        if earlier.final:
            assert later == earlier


@cache
def history_cloud() -> CloudState:
    return cloud(300, arrivals_per_day=60)


def test_a_job_takes_less_than_two_kilobytes() -> None:
    cloud(10)  # what is loaded once is not counted
    tracemalloc.start()
    state = cloud(5000, accounts=1, regions=["us-east-1"])
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 5000 < 600
    list(jobs_at(state, START))
    assert len(state.book("111122223333", "us-east-1", START)._cache) <= 2048  # jobs looked at are not all kept
