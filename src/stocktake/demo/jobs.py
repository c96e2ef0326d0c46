"""A training job: what was asked for, what chance decides, and what was done to it since.

`Job` is what the estate's generated jobs and the jobs that clients create have in common.
Units: milliseconds since 1970, unless a name says otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stocktake.demo.draws import Draws, draw
from stocktake.demo.failures import possible_failures
from stocktake.demo.instances import is_accelerated, scarcity
from stocktake.demo.job_rules import DAY_SECONDS, instance_types
from stocktake.demo.plan import MINUTE, SECOND, Plan, Traits, draw_plan
from stocktake.demo.steering import read_steering
from stocktake.demo.timeline import FINAL, Limits, Timeline, lay_out

Json = dict[str, Any]
_FOREVER = 1 << 62


@dataclass(slots=True)
class Events:
    """What was done to a job after its creation, each with its time."""

    stopped_at: int = _FOREVER
    deleted_at: int = _FOREVER
    updates: list[tuple[int, Json]] = field(default_factory=list)
    """The UpdateTrainingJob requests."""
    tags: list[tuple[int, dict[str, str], frozenset[str]]] = field(default_factory=list)
    """Tags added and tag keys removed."""
    successor: tuple[int, str] | None = None
    """When the warm pool went to another job, and that job's name."""


NOTHING_DONE = Events()


class Job(ABC):
    """A training job of either origin."""

    __slots__ = ("created", "name")

    def __init__(self, name: str, created: int) -> None:
        self.name = name
        self.created = created

    @property
    @abstractmethod
    def request(self) -> Json:
        """The CreateTrainingJob request; shared, not to be changed."""

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """What chance has in store."""

    @property
    @abstractmethod
    def spot(self) -> bool:
        """Whether the job runs on spot capacity."""

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The limits that the request sets, and the stop that the generator planned."""

    @property
    @abstractmethod
    def keep_alive(self) -> int:
        """How many seconds the request keeps the warm pool."""

    @property
    def parents(self) -> Json:
        """The members of the description that name a tuning or AutoML job."""
        return {}

    @property
    def training_plan(self) -> str:
        """The ARN of the training plan whose capacity the job uses, if any."""
        return ""

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags given at creation."""
        tags: list[dict[str, str]] = self.request.get("Tags") or []
        return tags

    @property
    def tag_edit(self) -> tuple[int, dict[str, str]] | None:
        """Tags that the estate's people add later, and when."""
        return None

    @property
    def successor(self) -> tuple[int, str] | None:
        """The job that the generator made to reuse this one's warm pool."""
        return None

    @property
    @abstractmethod
    def fate(self) -> Draws:
        """Draws for everything that is not the plan: metrics, rule results."""

    def timeline(self, events: Events, *, warm: bool) -> Timeline:
        """Return the job's whole course, given what was done to it."""
        limits = self.limits
        if events.stopped_at < limits.stopped_at:
            limits = limits._replace(stopped_at=events.stopped_at)
        return lay_out(self.created, self.plan, limits, spot=self.spot, warm=warm)


def keep_alive_at(job: Job, events: Events, now: int) -> int:
    """Return the keep-alive period in force at an instant, in seconds."""
    seconds = job.keep_alive
    for when, update in events.updates:
        config = update.get("ResourceConfig")
        if config and when <= now:
            seconds = config["KeepAlivePeriodInSeconds"]
    return seconds


class WarmPool(NamedTuple):
    """A job's warm pool as it is at an instant."""

    status: str
    retained: int | None = None
    """Billed seconds, once the pool is gone."""
    reused_by: str | None = None

    def as_json(self) -> Json:
        """Return the pool as the API shows it."""
        shown: Json = {"Status": self.status}
        if self.retained is not None:
            shown["ResourceRetainedBillableTimeInSeconds"] = self.retained
        if self.reused_by is not None:
            shown["ReusedByJob"] = self.reused_by
        return shown


def pool_end(job: Job, events: Events, timeline: Timeline, now: int = _FOREVER) -> int:
    """Return when a pool that nobody reuses is given back, as far as it is known at an instant."""
    if FINAL[timeline.steps[-1].status] == "Failed" or not timeline.started:
        return timeline.ended
    end = timeline.ended + keep_alive_at(job, events, min(timeline.ended, now)) * SECOND
    for when, update in events.updates:
        config = update.get("ResourceConfig")
        if config and timeline.ended < when <= min(now, end):
            end = max(when, timeline.ended + config["KeepAlivePeriodInSeconds"] * SECOND)
    return end


def warm_pool(job: Job, events: Events, timeline: Timeline, now: int) -> WarmPool | None:
    """Return the state of a job's warm pool at an instant; None for a job that keeps none."""
    if not job.keep_alive and not keep_alive_at(job, events, now):
        return None
    ended = timeline.ended
    if now < ended:
        return WarmPool("InUse")
    end = pool_end(job, events, timeline, now)
    successor = events.successor or job.successor
    if successor is not None and successor[0] <= now and ended <= successor[0] < end:
        return WarmPool("Reused", (successor[0] - ended) // SECOND, successor[1])
    if now < end:
        return WarmPool("Available")
    return WarmPool("Terminated", (end - ended) // SECOND)


class RequestedJob(Job):
    """A job that a client created. Environment variables `SIMULATED_*` of the request steer what happens to it."""

    __slots__ = ("_parents", "_plan", "_request", "fate_key", "warm")

    def __init__(self, request: Json, created: int, seed: int, parents: Json | None = None) -> None:
        super().__init__(request["TrainingJobName"], created)
        self._request = request
        self._parents = parents or {}
        self.fate_key = (seed, self.name, created)
        self._plan = _requested_plan(request, draw(*self.fate_key))
        self.warm = False

    @property
    def request(self) -> Json:
        """The request as the client sent it."""
        return self._request

    @property
    def plan(self) -> Plan:
        """Drawn from name and time, steered by the request's environment."""
        return self._plan

    @property
    def fate(self) -> Draws:
        """Drawn from name and time."""
        return draw(*self.fate_key, "fate")

    @property
    def parents(self) -> Json:
        """The tuning job that created this job, if one did."""
        return self._parents

    @property
    def spot(self) -> bool:
        """As the request says."""
        return bool(self._request.get("EnableManagedSpotTraining"))

    @property
    def keep_alive(self) -> int:
        """As the request says."""
        return int((self._request.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds") or 0)

    @property
    def training_plan(self) -> str:
        """As the request says."""
        return (self._request.get("ResourceConfig") or {}).get("TrainingPlanArn") or ""

    @property
    def limits(self) -> Limits:
        """As the request says; a pending limit binds accelerated instance types only."""
        condition = self._request.get("StoppingCondition") or {}
        accelerated = any(is_accelerated(name) for name in instance_types(self._request))
        pending = condition.get("MaxPendingTimeInSeconds") if accelerated else None
        wait = condition.get("MaxWaitTimeInSeconds")
        return Limits(
            runtime=condition.get("MaxRuntimeInSeconds", DAY_SECONDS) * SECOND,
            wait=wait * SECOND if wait else _FOREVER,
            pending=pending * SECOND if pending else _FOREVER,
        )


def downloads(request: Json) -> bool:
    """Say whether some channel of a request is copied to the instances before training."""
    mode = (request.get("AlgorithmSpecification") or {}).get("TrainingInputMode")
    return any((channel.get("InputMode") or mode) == "File" for channel in request.get("InputDataConfig") or ())


def _requested_plan(request: Json, draws: Draws) -> Plan:
    types = instance_types(request)
    config = request.get("ResourceConfig") or {}
    copies = downloads(request)
    uris = [
        channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in request.get("InputDataConfig") or ()
        if channel["DataSource"].get("S3DataSource")
    ]
    places = {
        "input": uris[0] if uris else "the input",
        "output": request["OutputDataConfig"]["S3OutputPath"],
        "role": request["RoleArn"],
    }
    steering = read_steering(request)
    accelerated = any(is_accelerated(name) for name in types)
    traits = Traits(
        spot=bool(request.get("EnableManagedSpotTraining")),
        scarcity=max(map(scarcity, types), default=0.0),
        nodes=config.get("InstanceCount") or 1,
        downloads=copies,
        training_median=12 * MINUTE,
        training_spread=0.3,
        download_median=1.5 * MINUTE,
        upload_median=30 * SECOND,
        failure_rate=1.0 if steering.failure else 0.0,
        retries=steering.retries,
        checkpoints=bool(request.get("CheckpointConfig")),
        failures=steering.possible(
            possible_failures(downloads=copies, accelerated=accelerated, scarce=False, places=places)
        ),
    )
    return steering.applied(draw_plan(traits, draws))
