"""A job of the demo estate: a few numbers, from which its request, plan and name follow on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stocktake.demo.clock import from_ms
from stocktake.demo.draws import Draws, draw, token
from stocktake.demo.jobs import Job
from stocktake.demo.plan import HOUR, MINUTE, SECOND, Plan, draw_plan
from stocktake.demo.projects import FAKE_SECRETS

if TYPE_CHECKING:
    from stocktake.demo.projects import Project
    from stocktake.demo.timeline import Limits

Json = dict[str, Any]
DAY = 24 * HOUR
CHURN = 30 * DAY
"""Deletions and tag edits of the estate are spread over so long a time after its start."""

# Which draw answers which question, once for a unit of work (below 16) and once for each of its jobs.
(_OPTION, _SPOT, _VPC, _SECRET, _DEBUG, _BOARD, _REMOTE, _EXPERIMENT, _MLFLOW, _OWNER, _STAGE) = range(11)
(_HYPER_0, *_, _STOP, _STOP_WHEN, _DELETED, _DELETED_WHEN, _EDITED, _EDITED_WHEN) = range(32)


@dataclass(slots=True)
class Unit:
    """What is started together: one job, a tuning job's children, or a series that reuses one warm pool."""

    project: Project
    number: int
    kind: str
    """single, tuning or series."""
    start: int
    draws: Draws
    created: tuple[int, ...] = ()
    """When each job of a tuning job or a series is created."""
    name: str = ""
    """The tuning job's name."""
    option: int = field(init=False, default=0)
    """Which instance choice of the project the unit runs on."""
    spot: bool = field(init=False, default=False)
    """Whether the unit runs on spot capacity; a warm pool cannot."""

    def __post_init__(self) -> None:
        """Draw what all jobs of the unit share; a unit that is put away has no draws."""
        if self.draws.values:
            self.option = self.draws.below(_OPTION, len(self.project.options))
            self.spot = self.kind != "series" and self.draws.share(_SPOT) < self.project.kind.spot_share

    @property
    def keep_alive(self) -> int:
        """How many seconds its jobs keep their pool."""
        return self.project.kind.keep_alive if self.kind == "series" else 0


class GeneratedJob(Job):
    """One job of a unit."""

    __slots__ = ("_fate", "_plan", "_successor_name", "estate_start", "ordinal", "unit")

    def __init__(self, unit: Unit, ordinal: int, created: int, name: str, estate_start: int) -> None:
        super().__init__(name, created)
        self.unit = unit
        self.ordinal = ordinal
        self.estate_start = estate_start
        self._fate: Draws | None = None
        self._plan: Plan | None = None
        self._successor_name = ""

    @property
    def fate(self) -> Draws:
        """Draws of the job itself; what it shares with its unit is drawn from the unit's."""
        if self._fate is None:
            self._fate = draw(self.unit.project.seed, self.unit.number, self.ordinal, "fate")
        return self._fate

    @property
    def plan(self) -> Plan:
        """Drawn from the numbers of the unit and the job."""
        if self._plan is None:
            self._plan = plan_of(self.unit, self.ordinal)
        return self._plan

    @property
    def spot(self) -> bool:
        """As the unit is."""
        return self.unit.spot

    @property
    def keep_alive(self) -> int:
        """As the unit does."""
        return self.unit.keep_alive

    @property
    def limits(self) -> Limits:
        """The project's limits, and for a few jobs the time at which somebody stops them."""
        limits = self.unit.project.limits(spot=self.unit.spot)
        fate = self.fate
        if fate.share(_STOP) < self.unit.project.kind.stop_share:
            after = int(self.plan.total * (0.1 + 0.9 * fate.share(_STOP_WHEN)))
            limits = limits._replace(stopped_at=self.created + after)
        return limits

    @property
    def deleted_at(self) -> int | None:
        """When the estate's people delete the job; None for one that they keep."""
        if self.fate.share(_DELETED) >= 0.075:
            return None
        earliest = max(self.created + self.plan.total + self.limits.runtime // 24 + 6 * HOUR, self.estate_start)
        return earliest + int(self.fate.share(_DELETED_WHEN) * CHURN) + MINUTE

    @property
    def tag_edit(self) -> tuple[int, dict[str, str]] | None:
        """Some jobs are marked as reviewed within a month."""
        if self.fate.share(_EDITED) >= 0.15:
            return None
        when = max(self.created, self.estate_start) + int(self.fate.share(_EDITED_WHEN) * CHURN) + MINUTE
        return when, {"reviewed": from_ms(when).strftime("%Y-%m-%d")}

    @property
    def successor(self) -> tuple[int, str] | None:
        """The next job of a series."""
        created = self.unit.created
        following = self.ordinal + 1
        if self.unit.kind != "series" or following >= len(created):
            return None
        return created[following], name_of(self.unit, following, created[following])

    @property
    def parents(self) -> Json:
        """The tuning job of a tuning unit, the AutoML job of AutoML work."""
        place = self.unit.project.place
        prefix = f"arn:aws:sagemaker:{place.region}:{place.account}:"
        if self.unit.kind == "tuning":
            return {"TuningJobArn": f"{prefix}hyper-parameter-tuning-job/{self.unit.name}"}
        if self.unit.project.kind.automl:
            return {"AutoMLJobArn": f"{prefix}automl-job/auto-{self.unit.number % 997}"}
        return {}

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags as the team writes them."""
        draws = self.unit.draws
        return self.unit.project.tags(draws.below(_OWNER, 10), draws.below(_STAGE, 16))

    @property
    def request(self) -> Json:
        """The request, put together anew from the project's shared parts."""
        unit, project = self.unit, self.unit.project
        kind, draws, spot = project.kind, unit.draws, unit.spot
        age_days = (self.created - 1_735_689_600_000) // DAY  # images are released every other week
        day = _day_name(self.created // DAY - 1)
        request: Json = {
            "TrainingJobName": self.name,
            "HyperParameters": self.hyper_parameters(),
            "AlgorithmSpecification": project.algorithm(max(age_days // 14, 0)),
            "RoleArn": project.role,
            "InputDataConfig": project.channels(day, project.options[unit.option][1]),
            "OutputDataConfig": project.output,
            "ResourceConfig": project.resources(unit.option, unit.keep_alive),
            "StoppingCondition": project.stopping(spot=spot),
            "Tags": self.tags,
            "EnableNetworkIsolation": kind.isolation,
            "EnableInterContainerTrafficEncryption": kind.encryption,
            "EnableManagedSpotTraining": spot,
            "Environment": self._environment(),
            **project.profiling,
        }
        if draws.share(_VPC) < kind.vpc_share:
            request["VpcConfig"] = project.vpc
        if project.checkpoints(spot=spot):
            request["CheckpointConfig"] = {"S3Uri": f"{project.models}/checkpoints/{self.name}/"}
        if kind.retries:
            request["RetryStrategy"] = {"MaximumRetryAttempts": kind.retries}
        if draws.share(_DEBUG) < kind.debug_share:
            request.update(project.debugging)
        if draws.share(_BOARD) < kind.tensorboard_share:
            request["TensorBoardOutputConfig"] = {"S3OutputPath": f"{project.models}/tensorboard/{self.name}"}
        if kind.infra_check:
            request["InfraCheckConfig"] = {"EnableInfraCheck": True}
        if draws.share(_REMOTE) < kind.remote_debug_share:
            request["RemoteDebugConfig"] = {"EnableRemoteDebug": True}
        self._tracking(request)
        return request

    def hyper_parameters(self) -> dict[str, str]:
        """Return the job's hyperparameters; in a tuning job, only the tuned ones vary."""
        unit, kind = self.unit, self.unit.project.kind
        tuning = unit.kind == "tuning"
        chosen = {}
        for number, (name, values) in enumerate(kind.hyper.items()):
            source = self.fate if not tuning or name in kind.tuned else unit.draws
            index = _HYPER_0 + number if source is self.fate else 16 + number
            chosen[name] = values[source.below(index, len(values))]
        if self._leak and unit.draws.values[_SECRET] % 3 == 0:
            chosen["api_key"] = "fake-api-key-0000-not-real"
        if tuning:
            chosen["_tuning_objective_metric"] = kind.metrics[-1][0]
        return chosen

    def _environment(self) -> dict[str, str]:
        return self.unit.project.environment(self._leak)

    @property
    def _leak(self) -> int:
        """Which fake secret the unit's people gave away, from 1; 0 for none."""
        draws = self.unit.draws
        if draws.share(_SECRET) >= self.unit.project.kind.secret_share:
            return 0
        return 1 + draws.values[_SECRET] % len(FAKE_SECRETS)

    def _tracking(self, request: Json) -> None:
        project, draws = self.unit.project, self.unit.draws
        if draws.share(_EXPERIMENT) < project.kind.experiment_share:
            request["ExperimentConfig"] = {
                "ExperimentName": f"{project.kind.id}-{from_ms(self.unit.start):%Y-%m}",
                "TrialComponentDisplayName": f"run-{self.unit.number % 9973}-{self.ordinal}",
            }
        if draws.share(_MLFLOW) < project.kind.mlflow_share:
            place = project.place
            arn = f"arn:aws:sagemaker:{place.region}:{place.account}:mlflow-tracking-server/research"
            request["MlflowConfig"] = {"MlflowResourceArn": arn, "MlflowExperimentName": project.kind.id}


@lru_cache(maxsize=1024)
def _day_name(day: int) -> str:
    return from_ms(day * DAY).strftime("%Y-%m-%d")


def plan_of(unit: Unit, ordinal: int) -> Plan:
    """Return the plan of a unit's job, which does not depend on when it is created."""
    traits = unit.project.traits(unit.option, spot=unit.spot)
    return draw_plan(traits, draw(unit.project.seed, unit.number, ordinal, "plan"))


def name_of(unit: Unit, ordinal: int, created: int) -> str:
    """Return the name of a unit's job, in the style of its kind of work."""
    kind = unit.project.kind
    word = token(unit.project.seed, unit.number, ordinal, length=20)
    moment = from_ms(created)
    if unit.kind == "tuning":
        return f"{unit.name}-{ordinal + 1:03d}-{word[:8]}"
    if kind.names == "nightly":
        return f"{kind.id}-{moment:%Y%m%d}-{word[:8]}"
    if kind.names == "hash":
        return f"{kind.id}-{word[:12]}"
    if kind.names == "pipeline":
        return f"pipelines-{word[:12]}-Train-{word[10:20]}"
    return f"{kind.id}-{moment:%Y-%m-%d-%H-%M-%S}-{created % 1000:03d}"


def gap(unit: Unit, ordinal: int) -> int:
    """Return how long after the end of one job of a series the next one is created."""
    share = draw(unit.project.seed, unit.number, ordinal, "gap").share(0)
    return int((20 * SECOND) + share * share * unit.project.kind.keep_alive * 1.3 * SECOND)
