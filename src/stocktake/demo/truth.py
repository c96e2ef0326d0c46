"""What really happened to the jobs, from the plans and courses that the simulation itself follows.

It says how often chance interrupted a job, what the request's instances cost and when, in words of its own: whoever
derives such facts from the API's answers can be held to it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stocktake.demo.clock import from_ms
from stocktake.demo.instances import prices
from stocktake.demo.plan import SECOND, Ending
from stocktake.demo.render import billing
from stocktake.demo.timeline import FINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.demo.book import JobView
    from stocktake.demo.jobs import Job
    from stocktake.demo.state import CloudState

Json = dict[str, Any]


def truth(state: CloudState, now: int) -> Iterator[Json]:
    """Yield what is true of every job that exists at an instant. Times are ISO 8601 in UTC, spans seconds."""
    for account, region in state.places():
        book = state.book(account, region, now)
        _, numbers = book.by_creation
        for number in list(numbers):
            if book.exists(number, now):
                yield {"account_id": account, "region": region} | truth_of(book.view(number), now)


def truth_of(view: JobView, now: int) -> Json:
    """Return what is true of one job."""
    job, course = view.job, view.timeline
    moment = view.at(now)
    begun = [step for step in course.steps if step.start <= now]
    # An attempt that was begun means that the one before it came to its end.
    attempts = sum(step.status == "Starting" for step in begun)
    past = job.plan.attempts[: max(attempts - 1, 0)]
    known: Json = {
        "arn": view.arn,
        "name": job.name,
        "created": _iso(job.created),
        "status": moment.status,
        "seconds": _seconds(view, now),
        "interruptions": sum(step.status == "Interrupted" for step in begun),
        "retries": sum(attempt.ending is Ending.RETRIED for attempt in past),
        "instances": _instances(job),
        "waited": (course.started - job.created) / SECOND if 0 < course.started <= now else None,
        "launcher": _launcher(job),
        "chain": _successor(view, now),
    }
    known |= _bill(view, now)
    if moment.final and course.failure is not None:
        known |= {"failed_in": course.failure.phase.lower(), "failure": course.failure.kind}
    return known


def _seconds(view: JobView, now: int) -> dict[str, float]:
    """Return how long the job was in each phase that it has left."""
    steps = view.timeline.steps
    spent: dict[str, int] = {}
    for step, following in pairwise(steps):
        if following.start <= now and step.status not in FINAL:
            spent[step.status.lower()] = spent.get(step.status.lower(), 0) + following.start - step.start
    return {phase: duration / SECOND for phase, duration in spent.items()}


def _instances(job: Job) -> list[tuple[str, int]]:
    config = job.request.get("ResourceConfig") or {}
    groups = config.get("InstanceGroups") or [config]
    return [(group["InstanceType"], group["InstanceCount"]) for group in groups if "InstanceType" in group]


def _bill(view: JobView, now: int) -> Json:
    """Return what is billed, as far as the bill is there: a second of an instance costs what its type costs."""
    instances = _instances(view.job)
    count = sum(number for _, number in instances)
    cluster = sum(prices().get(kind, 0.0) * number for kind, number in instances)
    billed = kept = None
    saved = None
    if view.timeline.ended + view.job.plan.settle[0] <= now:
        trained, billable = billing(view)
        if trained:
            billable = max(billable, 1)
            billed = sum(billable * number for _, number in instances)
            saved = (trained - billable) * 100 / trained
    pool = view.warm_pool(now)
    if pool is not None and pool.retained is not None:
        kept = sum(pool.retained * number for _, number in instances)
    seconds = ((billed or 0) + (kept or 0)) / count if count else 0.0
    return {"billed": billed, "kept": kept, "saved_percent": saved, "invented_usd": seconds / 3600 * cluster}


def _launcher(job: Job) -> str:
    parents = job.parents
    if "TuningJobArn" in parents:
        return "tuning"
    if "AutoMLJobArn" in parents:
        return "automl"
    by_pipeline = any(tag["Key"] == "sagemaker:pipeline-execution-arn" for tag in job.tags)
    return "pipeline" if by_pipeline else "direct"


def _successor(view: JobView, now: int) -> str | None:
    pool = view.warm_pool(now)
    return pool.reused_by if pool is not None else None


def _iso(time: int) -> str:
    return from_ms(time).isoformat()
