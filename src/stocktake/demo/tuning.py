"""Hyperparameter tuning jobs: what they asked for, the training jobs behind them, and how those add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stocktake.demo.api_errors import invalid
from stocktake.demo.draws import draw, token
from stocktake.demo.generated import GeneratedJob, Unit, name_of
from stocktake.demo.job_rules import check_create
from stocktake.demo.jobs import RequestedJob
from stocktake.demo.plan import MINUTE
from stocktake.demo.render import metrics_of

if TYPE_CHECKING:
    from stocktake.demo.book import JobBook, JobView

Json = dict[str, Any]
_SHARED = (
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "ResourceConfig",
    "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining", "CheckpointConfig", "RetryStrategy", "Environment",
)  # fmt: skip


@dataclass
class TuningJob:
    """A tuning job of either origin, with its children, those to come among them."""

    name: str
    arn: str
    created: int
    request: Json
    children: list[tuple[int, str]]
    """When each child is created, and its name."""
    tags: list[tuple[int, dict[str, str], frozenset[str]]] = field(default_factory=list)

    @property
    def objective(self) -> Json:
        """The objective: Type and MetricName."""
        config = self.request["HyperParameterTuningJobConfig"]
        found: Json = config.get("HyperParameterTuningJobObjective") or self.definition.get("TuningObjective") or {}
        return found

    @property
    def definition(self) -> Json:
        """The definition of the training jobs."""
        found: Json = self.request.get("TrainingJobDefinition") or {}
        return found

    @property
    def tuned(self) -> set[str]:
        """The names of the hyperparameters that vary."""
        ranges = self.request["HyperParameterTuningJobConfig"].get("ParameterRanges") or {}
        return {entry["Name"] for group in ranges.values() for entry in group}


def from_unit(unit: Unit, prefix: str) -> TuningJob:
    """Return the tuning job that a generated unit is."""
    kind, first = unit.project.kind, unit.project
    objective, _ = kind.metrics[-1]
    ranges = [
        {"Name": name, "MinValue": min(values, key=float), "MaxValue": max(values, key=float), "ScalingType": "Auto"}
        for name, values in kind.hyper.items()
        if name in kind.tuned
    ]
    static = {
        name: values[unit.draws.below(16 + n, len(values))] for n, (name, values) in enumerate(kind.hyper.items())
    }
    request = {
        "HyperParameterTuningJobName": unit.name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": objective},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": len(unit.created), "MaxParallelTrainingJobs": 3},
            "ParameterRanges": {"ContinuousParameterRanges": ranges},
            "TrainingJobEarlyStoppingType": "Off",
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {name: value for name, value in static.items() if name not in kind.tuned},
            "AlgorithmSpecification": {
                "TrainingImage": first.algorithm(0)["TrainingImage"],
                "TrainingInputMode": kind.mode,
                "MetricDefinitions": first.algorithm(0)["MetricDefinitions"],
            },
            "RoleArn": first.role,
            "OutputDataConfig": first.output,
            "ResourceConfig": first.resources(unit.option, 0),
            "StoppingCondition": first.stopping(spot=unit.spot),
            "EnableManagedSpotTraining": unit.spot,
        },
    }
    born = [(created, name_of(unit, ordinal, created)) for ordinal, created in enumerate(unit.created)]
    owner = GeneratedJob(unit, 0, unit.start, unit.name, unit.start)
    tags = {tag["Key"]: tag["Value"] for tag in owner.tags}
    return TuningJob(unit.name, prefix + unit.name, unit.start, request, born, [(unit.start, tags, frozenset())])


def launch(book: JobBook, request: Json, now: int, seed: int, prefix: str) -> TuningJob:
    """Start a tuning job that a client asked for: its children appear one after the other as the clock runs.

    Raises:
        ApiError: the request has no definition, no limit or nothing to tune.
    """
    config = request["HyperParameterTuningJobConfig"]
    size = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    definition = request.get("TrainingJobDefinition")
    if not size or not definition:
        raise invalid("TrainingJobDefinition and ResourceLimits.MaxNumberOfTrainingJobs are required.")
    name = request["HyperParameterTuningJobName"]
    job = TuningJob(name, prefix + name, now, request, [])
    if not job.tuned and config["Strategy"] != "Grid":
        raise invalid("HyperParameterTuningJobConfig.ParameterRanges must name at least one hyperparameter.")
    parallel = config["ResourceLimits"]["MaxParallelTrainingJobs"]
    free = [now + 1 + n for n in range(parallel)]
    for ordinal in range(size):
        wanted = _child_request(job, ordinal, seed)
        check_create(wanted)
        child = RequestedJob(wanted, free[ordinal % parallel], seed, {"TuningJobArn": job.arn})
        view = book.create(child)
        free[ordinal % parallel] = view.timeline.ended + MINUTE // 6
        job.children.append((child.created, child.name))
    job.tags = [(now, {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}, frozenset())]
    return job


def _child_request(job: TuningJob, ordinal: int, seed: int) -> Json:
    definition = job.definition
    name = f"{job.name}-{ordinal + 1:03d}-{token(seed, job.name, job.created, ordinal)}"
    chance = draw(seed, job.name, ordinal, "tuned")
    values = dict(definition.get("StaticHyperParameters") or {})
    ranges = job.request["HyperParameterTuningJobConfig"].get("ParameterRanges") or {}
    for kind, entries in ranges.items():
        for index, entry in enumerate(entries):
            values[entry["Name"]] = _pick(kind, entry, chance.share(index % 32))
    values["_tuning_objective_metric"] = str(job.objective.get("MetricName", ""))
    shared = {key: definition[key] for key in _SHARED if key in definition}
    return {"TrainingJobName": name, "HyperParameters": values, **shared, "Tags": job.request.get("Tags") or []}


def _pick(kind: str, entry: Json, share: float) -> str:
    if kind == "CategoricalParameterRanges":
        values: list[str] = entry["Values"]
        return values[int(share * len(values))]
    if kind == "AutoParameters":
        return str(entry["ValueHint"])
    low, high = float(entry["MinValue"]), float(entry["MaxValue"])
    value = low + share * (high - low)
    return str(round(value)) if kind == "IntegerParameterRanges" else f"{value:.6g}"


def children(job: TuningJob, book: JobBook, now: int) -> list[JobView]:
    """Return the tuning job's training jobs that exist at an instant."""
    found = (book.find(name, now) for created, name in job.children if created <= now)
    return [view for view in found if view is not None]


def objective_value(job: TuningJob, view: JobView, now: int) -> float | None:
    """Return a child's objective value, once its metrics have arrived."""
    if now < view.timeline.ended + view.job.plan.settle[1]:
        return None
    for metric in metrics_of(view, view.job.request):
        if metric["MetricName"] == job.objective.get("MetricName"):
            return float(metric["Value"])
    return None


def child_summary(job: TuningJob, view: JobView, now: int) -> Json:
    """Return a child's line in ListTrainingJobsForHyperParameterTuningJob."""
    moment, timeline = view.at(now), view.timeline
    values = view.job.request.get("HyperParameters") or {}
    shown: Json = {
        "TrainingJobName": view.job.name,
        "TrainingJobArn": view.arn,
        "CreationTime": view.job.created / 1000,
        "TrainingJobStatus": moment.status,
        "TunedHyperParameters": {key: value for key, value in values.items() if key in job.tuned},
        "ObjectiveStatus": "Pending",
    }
    if timeline.started and timeline.started <= now:
        shown["TrainingStartTime"] = timeline.started / 1000
    if moment.final:
        shown["TrainingEndTime"] = timeline.ended / 1000
        if timeline.failure is not None:
            shown["FailureReason"] = timeline.failure.reason
        value = objective_value(job, view, now)
        if value is not None:
            shown["FinalHyperParameterTuningJobObjectiveMetric"] = {**job.objective, "Value": value}
        shown["ObjectiveStatus"] = "Succeeded" if value is not None else "Failed"
    return shown


def tuning_summary(job: TuningJob, book: JobBook, now: int) -> Json:
    """Return a tuning job's line in ListHyperParameterTuningJobs."""
    views = children(job, book, now)
    moments = [view.at(now) for view in views]
    done = all(created <= now for created, _ in job.children) and all(moment.final for moment in moments)
    counters = {"Completed": 0, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0}
    objectives = {"Succeeded": 0, "Pending": 0, "Failed": 0}
    for view, moment in zip(views, moments, strict=True):
        counters[_COUNTER.get(moment.status, "InProgress")] += 1
        objectives[child_summary(job, view, now)["ObjectiveStatus"]] += 1
    modified = max((moment.modified for moment in moments), default=job.created)
    failed = done and not counters["Completed"] and not counters["Stopped"]
    shown: Json = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": job.arn,
        "HyperParameterTuningJobStatus": ("Failed" if failed else "Completed") if done else "InProgress",
        "Strategy": job.request["HyperParameterTuningJobConfig"]["Strategy"],
        "CreationTime": job.created / 1000,
        "LastModifiedTime": modified / 1000,
        "TrainingJobStatusCounters": counters,
        "ObjectiveStatusCounters": objectives,
        "ResourceLimits": job.request["HyperParameterTuningJobConfig"]["ResourceLimits"],
    }
    if done:
        shown["HyperParameterTuningEndTime"] = modified / 1000
    return shown


_COUNTER = {"Completed": "Completed", "Failed": "NonRetryableError", "Stopped": "Stopped"}


def tuning_description(job: TuningJob, book: JobBook, now: int) -> Json:
    """Return the answer of DescribeHyperParameterTuningJob."""
    shown = tuning_summary(job, book, now)
    del shown["Strategy"], shown["ResourceLimits"]
    shown["HyperParameterTuningJobConfig"] = job.request["HyperParameterTuningJobConfig"]
    if job.definition:
        shown["TrainingJobDefinition"] = job.definition
    scored = []
    for view in children(job, book, now):
        value = objective_value(job, view, now)
        if value is not None:
            scored.append((value, view))
    if scored:
        best = max if job.objective.get("Type") == "Maximize" else min
        shown["BestTrainingJob"] = child_summary(job, best(scored, key=lambda entry: entry[0])[1], now)
    return shown
