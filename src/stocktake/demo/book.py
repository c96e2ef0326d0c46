"""The training jobs of one account and region: found by name, walked by creation, kept small.

A generated job is held as four numbers and its name; it becomes an object when somebody looks at it. Times of
creation and deletion decide what is visible, so that the past and the future are one list.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from dataclasses import replace
from typing import TYPE_CHECKING

from stocktake.demo.draws import Draws, draw
from stocktake.demo.generated import GeneratedJob, Unit
from stocktake.demo.jobs import NOTHING_DONE, Events, Job, RequestedJob, WarmPool, pool_end, warm_pool
from stocktake.demo.plan import HOUR, MINUTE
from stocktake.demo.timeline import FINAL, Moment, Timeline, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.demo.projects import Project

_NEVER = 1 << 62
_NO_DRAWS = Draws(())
"""Draws take a kilobyte, and follow from the number: units are kept without them."""
_CACHED = 2048
_SETTLED = 8192
_OUTCOMES = tuple(FINAL)
_REUSED = 25
"""Draw of an arriving job's fate that decides whether it takes a deleted job's name."""


class JobView:
    """A job with its course and what was done to it."""

    __slots__ = ("_book", "_timeline", "arn", "events", "id", "job")

    def __init__(self, number: int, job: Job, events: Events, book: JobBook) -> None:
        self.id = number
        self.job = job
        self.events = events
        self.arn = book.arn_prefix + job.name
        self._book = book
        self._timeline: Timeline | None = None

    @property
    def settled_body(self) -> bytes | None:
        """The description, if the job changes no more and was described before; time does not run backward."""
        return self._book.settled.get(self.id)

    def settle(self, body: bytes) -> None:
        """Keep the description, which changes no more."""
        self._book.keep(self.id, body)

    @property
    def timeline(self) -> Timeline:
        """The job's course, laid out when it is first looked at."""
        if self._timeline is None:
            self._timeline = self._book.lay_out(self.id, self.job, self.events)
        return self._timeline

    def at(self, now: int) -> Moment:
        """Return the job's status at an instant."""
        return at(self.timeline, now)

    def warm_pool(self, now: int) -> WarmPool | None:
        """Return the job's warm pool at an instant."""
        return warm_pool(self.job, self.events, self.timeline, now)


class JobBook:
    """All training jobs of an account in a region, of all times."""

    def __init__(self, account: str, region: str, seed: int, estate_start: int) -> None:
        self.account, self.region = account, region
        self.arn_prefix = f"arn:aws:sagemaker:{region}:{account}:training-job/"
        self._seed = seed
        self._start = estate_start
        self._names: list[str] = []
        self._units = array("q")
        self._ordinals = array("H")
        self._created_by_id = array("q")
        self._projects: list[Project | None] = []
        self._ended = array("q")
        self._outcome = bytearray()
        self._groups: dict[int, Unit] = {}
        self._requested: dict[int, RequestedJob] = {}
        self._by_name: dict[str, int | list[int]] = {}
        self._events: dict[int, Events] = {}
        self._deleted: dict[int, int] = {}
        self._free_names: list[tuple[int, int]] = []
        self._times, self._ids = array("q"), array("q")
        self._arrivals: Iterator[GeneratedJob] = iter(())
        self._pending: GeneratedJob | None = None
        self._cache: dict[int, JobView] = {}
        self.settled: dict[int, bytes] = {}
        """Descriptions that change no more, of the jobs described last."""
        self._warm_ids: list[int] = []

    # ---- making ----

    def add_past(self, job: GeneratedJob) -> None:
        """Take over a job that the estate began with; `open` follows the last one."""
        self._register(job)

    def open(self, arrivals: Iterator[GeneratedJob]) -> None:
        """Put the past in order, and let jobs arrive from now on."""
        created = self._created_by_id
        self._ids.extend(sorted(range(len(created)), key=created.__getitem__))
        self._times.extend(created[number] for number in self._ids)
        self._arrivals = arrivals

    def extend(self, now: int) -> None:
        """Let all jobs arrive that are due by an instant."""
        while True:
            job = self._pending or next(self._arrivals, None)
            self._pending = job
            # a unit's later jobs may be created before the next unit's first, so a unit's start decides
            if job is None or (job.unit.start > now and job.ordinal == 0):
                return
            self._pending = None
            self._insert(job.created, self._register(self._named(job)))

    def create(self, job: RequestedJob) -> JobView:
        """Add a job that a client asked for; it takes a matching warm pool if there is one."""
        predecessor = self._matching_pool(job)
        if predecessor is not None:
            self.events_of(predecessor.id).successor = (job.created, job.name)
            self.forget(predecessor.id)
            job.warm = True
        number = self._new_id(job.name, job.created, -1, 0, None)
        self._requested[number] = job
        if job.keep_alive:
            self._warm_ids.append(number)
        self._insert(job.created, number)
        return self.view(number)

    def _register(self, job: GeneratedJob) -> int:
        unit = job.unit
        if unit.kind != "single":
            self._groups.setdefault(unit.number, replace(unit, draws=_NO_DRAWS))
        number = self._new_id(job.name, job.created, unit.number, job.ordinal, unit.project)
        deleted = job.deleted_at
        if deleted is not None:
            self._deleted[number] = deleted
            insort(self._free_names, (deleted, number))
        if unit.kind == "series":
            self._warm_ids.append(number)
        return number

    def _new_id(self, name: str, created: int, unit: int, ordinal: int, project: Project | None) -> int:
        number = len(self._names)
        self._names.append(name)
        self._units.append(unit)
        self._ordinals.append(ordinal)
        self._created_by_id.append(created)
        self._projects.append(project)
        self._ended.append(0)
        self._outcome.append(0)
        known = self._by_name.get(name)
        if known is None:
            self._by_name[name] = number
        else:
            self._by_name[name] = [*known, number] if isinstance(known, list) else [known, number]
        return number

    def _insert(self, created: int, number: int) -> None:
        where = bisect_right(self._times, created)
        self._times.insert(where, created)
        self._ids.insert(where, number)

    def _named(self, job: GeneratedJob) -> GeneratedJob:
        """Let an arriving job take a deleted job's name now and then."""
        if job.unit.kind != "single" or job.fate.share(_REUSED) >= 0.04:
            return job
        for place, (deleted, number) in enumerate(self._free_names):
            if deleted + MINUTE > job.created:
                break
            if self._projects[number] is job.unit.project and self._units[number] >= 0:
                del self._free_names[place]
                return GeneratedJob(job.unit, 0, job.created, self._names[number], self._start)
        return job

    # ---- finding ----

    def find(self, name: str, now: int) -> JobView | None:
        """Return the job of a name that exists at an instant."""
        known = self._by_name.get(name)
        if known is None:
            return None
        for number in (known,) if isinstance(known, int) else reversed(known):
            if self.exists(number, now):
                return self.view(number)
        return None

    def exists(self, number: int, now: int) -> bool:
        """Say whether a job exists at an instant."""
        if self._created_by_id[number] > now:
            return False
        if self._deleted.get(number, _NEVER) <= now:
            return False
        events = self._events.get(number)
        return events is None or events.deleted_at > now

    def view(self, number: int) -> JobView:
        """Return a job with its course."""
        view = self._cache.get(number)
        if view is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            events = self._events.get(number, NOTHING_DONE)
            view = self._cache[number] = JobView(number, self._job(number), events, self)
        return view

    def keep(self, number: int, body: bytes) -> None:
        """Keep a description that changes no more; the oldest goes when there are too many."""
        if len(self.settled) >= _SETTLED:
            del self.settled[next(iter(self.settled))]
        self.settled[number] = body

    def lay_out(self, number: int, job: Job, events: Events) -> Timeline:
        """Return a job's course, and note how it ends."""
        timeline = job.timeline(events, warm=self._is_warm(job))
        self._ended[number] = timeline.ended
        self._outcome[number] = _OUTCOMES.index(timeline.steps[-1].status)
        return timeline

    def status(self, number: int, now: int) -> tuple[str, str, int]:
        """Return status, secondary status and last modification at an instant; cheap once the end is known."""
        ended = self._ended[number]
        if ended and ended <= now:
            secondary = _OUTCOMES[self._outcome[number]]
            return FINAL[secondary], secondary, ended
        moment = self.view(number).at(now)
        return moment.status, moment.secondary, moment.modified

    def ended_line(self, number: int, now: int) -> dict[str, object] | None:
        """Return the list's line of a generated job that is known to have ended and keeps no pool; None for others."""
        ended, unit = self._ended[number], self._units[number]
        if not 0 < ended <= now or unit < 0 or unit in self._groups or number in self._events:
            return None
        secondary = _OUTCOMES[self._outcome[number]]
        name = self._names[number]
        return {
            "TrainingJobName": name,
            "TrainingJobArn": self.arn_prefix + name,
            "CreationTime": self._created_by_id[number] / 1000,
            "TrainingEndTime": ended / 1000,
            "LastModifiedTime": ended / 1000,
            "TrainingJobStatus": FINAL[secondary],
            "SecondaryStatus": secondary,
        }

    def name(self, number: int) -> str:
        """Return a job's name."""
        return self._names[number]

    def created(self, number: int) -> int:
        """Return when a job was created."""
        return self._created_by_id[number]

    def window(self, after: int, before: int) -> array[int]:
        """Return the numbers of the jobs created in [after, before], in order of creation, deleted ones among them."""
        return self._ids[bisect_left(self._times, after) : bisect_right(self._times, before)]

    def position(self, created: int, number: int) -> int:
        """Return where a job stands in the order of creation."""
        where = bisect_left(self._times, created)
        while where < len(self._ids) and self._times[where] == created and self._ids[where] != number:
            where += 1
        return where

    @property
    def by_creation(self) -> tuple[array[int], array[int]]:
        """Times of creation, and the numbers of the jobs created then, in order."""
        return self._times, self._ids

    def group(self, unit: int) -> Unit | None:
        """Return a tuning job's or a series' unit."""
        known = self._groups.get(unit)
        return replace(known, draws=draw(self._seed, unit, "unit")) if known is not None else None

    def tuning_units(self) -> Iterator[int]:
        """Yield the numbers of the units that are tuning jobs."""
        return (number for number, unit in self._groups.items() if unit.kind == "tuning")

    # ---- doing ----

    def note_pool(self, number: int) -> None:
        """Remember that a job keeps a warm pool, which later jobs may reuse."""
        if number not in self._warm_ids:
            self._warm_ids.append(number)

    def events_of(self, number: int) -> Events:
        """Return the record of what was done to a job, to be added to; `forget` its view afterwards."""
        return self._events.setdefault(number, Events())

    def forget(self, number: int) -> None:
        """Drop the cached view of a job, and of those that the same warm pool passes to after it."""
        self._cache.pop(number, None)
        self.settled.pop(number, None)
        self._ended[number] = 0
        successor = self._job(number).successor
        known = self._by_name.get(successor[1]) if successor else None
        for following in (known,) if isinstance(known, int) else known or ():
            self.forget(following)

    def _job(self, number: int) -> Job:
        requested = self._requested.get(number)
        if requested is not None:
            return requested
        project, unit_number = self._projects[number], self._units[number]
        assert project is not None  # noqa: S101  # only requested jobs have none
        unit = self.group(unit_number)
        created = self._created_by_id[number]
        if unit is None:
            unit = Unit(project, unit_number, "single", created, draw(self._seed, unit_number, "unit"))
        return GeneratedJob(unit, self._ordinals[number], created, self._names[number], self._start)

    def _is_warm(self, job: Job) -> bool:
        """Say whether a job starts in the pool of another."""
        if isinstance(job, RequestedJob):
            return job.warm
        if not isinstance(job, GeneratedJob) or job.unit.kind != "series" or not job.ordinal:
            return False
        before = self._before(job)
        if before is None or before.events.successor is not None:
            return False
        end = pool_end(before.job, before.events, before.timeline, job.created)
        return before.timeline.ended <= job.created < end

    def _before(self, job: GeneratedJob) -> JobView | None:
        created = job.unit.created[job.ordinal - 1]
        for number in self.window(created, created):
            if self._units[number] == job.unit.number and self._ordinals[number] == job.ordinal - 1:
                return self.view(number)
        return None

    def _matching_pool(self, job: RequestedJob) -> JobView | None:
        wanted = _pool_key(job)
        oldest = job.created - 35 * 24 * HOUR
        for number in reversed(self._warm_ids[-2000:]):
            if self._created_by_id[number] < oldest or not self.exists(number, job.created):
                continue
            view = self.view(number)
            pool = view.warm_pool(job.created)
            if pool is not None and pool.status == "Available" and _pool_key(view.job) == wanted:
                return view
        return None


def _pool_key(job: Job) -> tuple[object, ...]:
    """Return what two jobs must share for one to reuse the other's warm pool."""
    request = job.request
    config = request.get("ResourceConfig") or {}
    sizes = tuple(config.get(k) for k in ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId"))
    isolation = bool(request.get("EnableNetworkIsolation")), bool(request.get("EnableInterContainerTrafficEncryption"))
    return (request["RoleArn"], sizes, isolation, repr(request.get("VpcConfig")), bool(job.spot))
