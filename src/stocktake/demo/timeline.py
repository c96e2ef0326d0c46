"""The course of a training job in absolute time: its plan, cut by limits and stops.

A timeline does not depend on the time now; `at` looks at it from an instant. So a job's state is a pure function of
its request, its seed, what was done to it, and the virtual time.
Units: milliseconds since 1970.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from stocktake.demo.plan import SECOND, Attempt, Ending, Failure, Plan

_STARTING = (
    "Preparing the instances for training",
    "Launching requested ML instances",
    "Insufficient capacity error from EC2 while launching instances, retrying!",
    "Launched instance was unhealthy, replacing it!",
)
MESSAGES = {
    "Pending": "Waiting for capacity",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job was interrupted by reclaimed spot capacity",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job exceeded MaxWaitTimeInSeconds provided",
}
FINAL = {
    "Completed": "Completed", "Failed": "Failed", "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped", "MaxWaitTimeExceeded": "Stopped",
}  # fmt: skip
_ON_INSTANCES = frozenset(("Downloading", "Training", "Uploading", "Stopping"))
_NO_LIMIT = 1 << 62


class Limits(NamedTuple):
    """What the request and its owner set: durations, and the time of a stop."""

    runtime: int
    wait: int = _NO_LIMIT
    pending: int = _NO_LIMIT
    stopped_at: int = _NO_LIMIT


class Step(NamedTuple):
    """A secondary status and when it began."""

    status: str
    start: int
    message: str


class Timeline(NamedTuple):
    """All steps of a job, the last one final and without duration."""

    steps: tuple[Step, ...]
    started: int
    """When the job was first on its instances; 0 for a job that never was."""
    on_instances: int
    """How long the job was on instances, the waits between spot interruptions left out."""
    trained: int
    """How long it trained."""
    failure: Failure | None

    @property
    def ended(self) -> int:
        """Return when the job ended, or will."""
        return self.steps[-1].start


class Moment(NamedTuple):
    """A job as seen at an instant."""

    status: str
    secondary: str
    steps: tuple[Step, ...]
    modified: int
    final: bool


def at(timeline: Timeline, now: int) -> Moment:
    """Return what a job's status and its steps so far are at an instant not before its creation."""
    steps = timeline.steps
    last = steps[-1]
    if last.start <= now:
        return Moment(FINAL[last.status], last.status, steps, last.start, final=True)
    count = 1
    while count < len(steps) and steps[count].start <= now:
        count += 1
    seen = steps[:count]
    stopping = any(step.status == "Stopping" for step in seen)
    return Moment("Stopping" if stopping else "InProgress", seen[-1].status, seen, seen[-1].start, final=False)


def lay_out(created: int, plan: Plan, limits: Limits, *, spot: bool, warm: bool) -> Timeline:
    """Return a job's timeline; a warm job reuses a pool and starts at once."""
    return _Course(created, plan, limits, spot=spot, warm=warm).run()


class _Cut(Exception):  # noqa: N818  # no error: it ends the course early, from whatever depth
    pass


class _Course:
    """Walks through a plan, phase by phase, until its end or until a limit or a stop cuts it."""

    def __init__(self, created: int, plan: Plan, limits: Limits, *, spot: bool, warm: bool) -> None:
        self.plan, self.limits, self.spot, self.warm = plan, limits, spot, warm
        self.created = self.time = created
        self.undisturbed = min(limits.stopped_at, created + min(limits.runtime, limits.wait, limits.pending))
        self.steps: list[Step] = []
        self.started = self.on_instances = self.trained = 0
        self.failure: Failure | None = None

    def run(self) -> Timeline:
        with contextlib.suppress(_Cut):
            self._walk()
        return Timeline(tuple(self.steps), self.started, self.on_instances, self.trained, self.failure)

    def _walk(self) -> None:
        plan = self.plan
        if plan.pending and not self.warm:
            self._phase("Pending", plan.pending)
            self._fail_in("Pending")
        for number, attempt in enumerate(plan.attempts):
            self._attempt(attempt, first=number == 0)
        self._phase("Uploading", plan.uploading)
        self._fail_in("Uploading")
        self._end("Completed")

    def _attempt(self, attempt: Attempt, *, first: bool) -> None:
        last = attempt.ending is Ending.FAILED
        self._phase("Starting", 4 * SECOND if self.warm and first else attempt.starting)
        self._fail_in("Starting", last=last)
        self.started = self.started or self.time
        if attempt.downloading:
            self._phase("Downloading", attempt.downloading)
            self._fail_in("Downloading", last=last)
        self._phase("Training", attempt.training)
        self._fail_in("Training", last=last)
        if attempt.ending is Ending.INTERRUPTED:
            self._phase("Interrupted", attempt.waiting)

    def _fail_in(self, phase: str, *, last: bool = True) -> None:
        failure = self.plan.failure
        if last and failure is not None and failure.phase == phase:
            self.failure = failure
            self._end("Failed")

    def _phase(self, status: str, duration: int) -> None:
        end = self.time + duration
        if end <= self.undisturbed:
            self._add(status, duration)
            return
        cut, cause = min(self._cuts(status))
        self._add(status, min(end, cut) - self.time)
        if cut < end:
            self._stop(status, cause)

    def _cuts(self, status: str) -> list[tuple[int, str]]:
        """Return when, and why, a phase that begins now would be cut."""
        limits = self.limits
        cuts = [(max(limits.stopped_at, self.time + 1), "Stopped")]
        if self.spot and status != "Uploading":
            cuts.append((max(self.created + limits.wait, self.time + 1), "MaxWaitTimeExceeded"))
        if status == "Pending":
            cuts.append((self.created + limits.pending, "Stopped"))
        elif self.started and (status in {"Downloading", "Training"} or (status == "Starting" and not self.spot)):
            used = self.on_instances if self.spot else self.time - self.started
            cuts.append((max(self.time + limits.runtime - used, self.time + 1), "MaxRuntimeExceeded"))
        return cuts

    def _stop(self, status: str, cause: str) -> None:
        """End the job as SIGTERM does: up to 120 s, and the model saved if the algorithm uses them to do so."""
        by_owner = self.limits.stopped_at <= self.time
        running = status in {"Downloading", "Training"}
        if running or by_owner or cause == "MaxRuntimeExceeded":
            self._add("Stopping", self.plan.stopping if running else min(self.plan.stopping, 8 * SECOND))
        if running and self.plan.saves:
            self._add("Uploading", self.plan.uploading)
        self._end(cause)

    def _add(self, status: str, duration: int) -> None:
        message = MESSAGES.get(status) or _STARTING[min(self.plan.message // 4, 3) if self.plan.message % 4 == 0 else 0]
        self.steps.append(Step(status, self.time, message))
        self.time += duration
        if self.started and status in _ON_INSTANCES:
            self.on_instances += duration
        if status == "Training":
            self.trained += duration

    def _end(self, status: str) -> None:
        self.steps.append(Step(status, self.time, MESSAGES[status]))
        raise _Cut
