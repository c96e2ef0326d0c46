"""A training job as the API shows it: its description, its line in a list, its record in a search."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.demo.draws import Draws, token
from stocktake.demo.job_rules import DAY_SECONDS
from stocktake.demo.jobs import keep_alive_at, pool_end
from stocktake.demo.metrics import final_metrics
from stocktake.demo.model import output_members
from stocktake.demo.plan import SECOND

if TYPE_CHECKING:
    from stocktake.demo.book import JobView
    from stocktake.demo.timeline import Moment

Json = dict[str, Any]
_ECHOED = frozenset((
    "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
    "VpcConfig", "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining", "CheckpointConfig", "DebugHookConfig", "ExperimentConfig", "DebugRuleConfigurations",
    "TensorBoardOutputConfig", "ProfilerConfig", "ProfilerRuleConfigurations", "Environment", "RetryStrategy",
    "RemoteDebugConfig", "InfraCheckConfig", "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig",
))  # fmt: skip
_VERDICTS = ("NoIssuesFound",) * 11 + ("IssuesFound",) * 4 + ("Error",)
(_VERDICT, _TOKENS) = (15, 16)


def summary(view: JobView, now: int) -> Json:
    """Return a job's line in ListTrainingJobs."""
    moment = view.at(now)
    shown: Json = {
        "TrainingJobName": view.job.name,
        "TrainingJobArn": view.arn,
        "CreationTime": view.job.created / 1000,
        "LastModifiedTime": moment.modified / 1000,
        "TrainingJobStatus": moment.status,
        "SecondaryStatus": moment.secondary,
    }
    if moment.final:
        shown["TrainingEndTime"] = view.timeline.ended / 1000
    pool = view.warm_pool(now)
    if pool is not None:
        shown["WarmPoolStatus"] = pool.as_json()
    if view.job.training_plan:
        shown["TrainingPlanArn"] = view.job.training_plan
    return shown


def description(view: JobView, now: int) -> Json:
    """Return the answer of DescribeTrainingJob."""
    job, timeline = view.job, view.timeline
    request = job.request
    moment = view.at(now)
    shown: Json = {
        "TrainingJobName": job.name,
        "TrainingJobArn": view.arn,
        **job.parents,
        "ModelArtifacts": {"S3ModelArtifacts": artifacts(request)},
        "TrainingJobStatus": moment.status,
        "SecondaryStatus": moment.secondary,
        "CreationTime": job.created / 1000,
        "LastModifiedTime": moment.modified / 1000,
        "SecondaryStatusTransitions": _transitions(moment),
    }
    for name, value in request.items():
        if name in _ECHOED and value is not None:
            shown[name] = value
    if "StoppingCondition" in shown and "MaxRuntimeInSeconds" not in shown["StoppingCondition"]:
        shown["StoppingCondition"] = {"MaxRuntimeInSeconds": DAY_SECONDS, **shown["StoppingCondition"]}
    if timeline.started and timeline.started <= now:
        shown["TrainingStartTime"] = timeline.started / 1000
    if moment.final:
        _ended(shown, view, request, now)
    pool = view.warm_pool(now)
    if pool is not None:
        shown["WarmPoolStatus"] = pool.as_json()
    if view.events.updates:
        _updated(shown, view, now)
    _rules(shown, view, moment, now)
    if "ServerlessJobConfig" in request:
        _serverless(shown, view, moment)
    if "MlflowConfig" in shown and timeline.started and timeline.started <= now:
        shown["MlflowDetails"] = {"MlflowExperimentId": token(1, view.arn, "experiment", length=12),
                                  "MlflowRunId": token(1, view.arn, "run", length=32)}  # fmt: skip
    return shown


def described(view: JobView, now: int) -> bytes:
    """Return the answer of DescribeTrainingJob as JSON; that of a job which changes no more is kept with the job."""
    known = view.settled_body
    if known is not None:
        return known
    body = orjson.dumps(description(view, now))
    if now >= settled_at(view):
        view.settle(body)
    return body


def settled_at(view: JobView) -> int:
    """Return when nothing about a job changes any more unless somebody does something to it."""
    ended = view.timeline.ended
    return max(ended + max(view.job.plan.settle), pool_end(view.job, view.events, view.timeline))


@cache
def _search_members() -> frozenset[str]:
    return output_members("sagemaker", "TrainingJob")


def record(view: JobView, now: int, tags: list[Json]) -> Json:
    """Return a job's record in Search: the description without the members that the index lacks, with the tags."""
    members = _search_members()
    shown = {name: value for name, value in description(view, now).items() if name in members}
    shown["Tags"] = tags
    return shown


def artifacts(request: Json) -> str:
    """Return where the model of a request goes."""
    output = request["OutputDataConfig"]
    leaf = "model" if output.get("CompressionType") == "NONE" else "model.tar.gz"
    return f"{output['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output/{leaf}"


def _transitions(moment: Moment) -> list[Json]:
    steps = moment.steps
    shown = [{"Status": step.status, "StartTime": step.start / 1000, "StatusMessage": step.message} for step in steps]
    for entry, following in zip(shown, steps[1:], strict=False):
        entry["EndTime"] = following.start / 1000
    if moment.final:
        shown[-1]["EndTime"] = steps[-1].start / 1000
    return shown


def billing(view: JobView) -> tuple[int, int]:
    """Return training and billable seconds: on demand the time from start to end, on spot the time on instances."""
    timeline, plan = view.timeline, view.job.plan
    if not timeline.started:
        return 0, 0
    span = timeline.on_instances if view.job.spot else timeline.ended - timeline.started
    training = round(span / SECOND)
    return training, round(training * plan.price_fraction) if view.job.spot else training


def _ended(shown: Json, view: JobView, request: Json, now: int) -> None:
    """Add what an ended job shows; billing and metrics arrive later, and no other time moves when they do."""
    timeline, (billed_after, metrics_after, _) = view.timeline, view.job.plan.settle
    shown["TrainingEndTime"] = timeline.ended / 1000
    if timeline.failure is not None:
        shown["FailureReason"] = timeline.failure.reason
    if now >= timeline.ended + billed_after:
        training, billable = billing(view)
        if training:
            shown["TrainingTimeInSeconds"] = training
            shown["BillableTimeInSeconds"] = max(billable, 1)
    if now >= timeline.ended + metrics_after:
        metrics = metrics_of(view, request)
        if metrics:
            shown["FinalMetricDataList"] = metrics


def metrics_of(view: JobView, request: Json) -> list[Json]:
    """Return the final metrics of a job that has ended; `request` is the job's own."""
    trained = [step for step in view.timeline.steps if step.status == "Training"]
    if not trained:
        return []
    after = view.timeline.steps.index(trained[-1]) + 1
    emitted = view.timeline.steps[after].start - SECOND // 2
    return final_metrics(request, view.job.fate, view.timeline.trained, max(emitted, trained[-1].start))


def _updated(shown: Json, view: JobView, now: int) -> None:
    """Apply the updates made so far; the request's own parts are shared, so they are replaced, not changed."""
    for when, update in view.events.updates:
        if when > now:
            continue
        if "ProfilerConfig" in update:
            shown["ProfilerConfig"] = {**shown.get("ProfilerConfig", {}), **update["ProfilerConfig"]}
        if "ProfilerRuleConfigurations" in update:
            added = update["ProfilerRuleConfigurations"]
            shown["ProfilerRuleConfigurations"] = [*shown.get("ProfilerRuleConfigurations", []), *added]
        if "RemoteDebugConfig" in update:
            shown["RemoteDebugConfig"] = update["RemoteDebugConfig"]
    if "ResourceConfig" in shown:
        seconds = keep_alive_at(view.job, view.events, now)
        if seconds != view.job.keep_alive:
            shown["ResourceConfig"] = {**shown["ResourceConfig"], "KeepAlivePeriodInSeconds": seconds}


def _rules(shown: Json, view: JobView, moment: Moment, now: int) -> None:
    config = shown.get("ProfilerConfig") or {}
    if config:
        shown["ProfilingStatus"] = "Disabled" if config.get("DisableProfiler") else "Enabled"
    if not view.timeline.started or view.timeline.started > now:
        return
    for kind in ("Debug", "Profiler"):
        rules = shown.get(f"{kind}RuleConfigurations")
        if rules:
            shown[f"{kind}RuleEvaluationStatuses"] = [_verdict(rule, view, moment, now) for rule in rules]


def _verdict(rule: Json, view: JobView, moment: Moment, now: int) -> Json:
    name = rule["RuleConfigurationName"]
    prefix, _, job_name = view.arn.partition(":training-job/")
    word = token(1, view.arn, name)
    evaluation = f"{job_name[:26]}-{name[:26]}-{word}".lower()
    done_at = view.timeline.ended + view.job.plan.settle[2]
    shown: Json = {
        "RuleConfigurationName": name,
        "RuleEvaluationJobArn": f"{prefix}:processing-job/{_name_like(evaluation)}",
        "RuleEvaluationStatus": "InProgress",
        "LastModifiedTime": view.timeline.started / 1000,
    }
    if moment.final and now >= done_at:
        status = _judgement(view.job.fate, int(word, 16)) if moment.status != "Stopped" else "Stopped"
        shown |= {"RuleEvaluationStatus": status, "LastModifiedTime": done_at / 1000}
        if status == "IssuesFound":
            shown["StatusDetails"] = (
                f"RuleEvaluationConditionMet: Evaluation of the rule {name} resulted in the condition being met"
            )
        if status == "Error":
            shown["StatusDetails"] = "InternalServerError: We encountered an internal error."
    return shown


def _name_like(text: str) -> str:
    """Return a text with only what the name of a job may hold."""
    return "".join(letter if letter.isalnum() else "-" for letter in text).strip("-")


def _judgement(fate: Draws, salt: int) -> str:
    return _VERDICTS[(fate.values[_VERDICT] + salt) % len(_VERDICTS)]


def _serverless(shown: Json, view: JobView, moment: Moment) -> None:
    """Add what only serverless jobs show."""
    epochs = 3
    if moment.secondary == "Training":
        shown["ProgressInfo"] = {
            "TotalStepCountPerEpoch": 100,
            "CurrentStep": 40,
            "CurrentEpoch": 1,
            "MaxEpoch": epochs,
        }
    if moment.status == "Completed":
        shown["BillableTokenCount"] = 10_000 * (1 + view.job.fate.below(_TOKENS, 900)) * epochs
        group = (shown.get("ModelPackageConfig") or {}).get("ModelPackageGroupArn")
        if group:
            shown["OutputModelPackageArn"] = group.replace(":model-package-group/", ":model-package/") + "/1"
