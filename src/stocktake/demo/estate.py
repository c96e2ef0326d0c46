"""The demo estate: N believable jobs at its start, and the arrivals, deletions and edits that follow.

Everything is a function of the seed. The past is made at once; what comes later is made when the clock gets there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, count
from math import log
from typing import TYPE_CHECKING

from stocktake.demo.archetypes import archetypes
from stocktake.demo.clock import DEFAULT_START, from_ms, to_ms
from stocktake.demo.draws import Draws, draw, token
from stocktake.demo.generated import DAY, GeneratedJob, Unit, gap, name_of, plan_of
from stocktake.demo.jobs import NOTHING_DONE
from stocktake.demo.landscape import account_ids, landscape
from stocktake.demo.plan import HOUR, MINUTE
from stocktake.demo.projects import Project

if TYPE_CHECKING:
    from datetime import datetime

(_PROJECT, _KIND, _AGE, _HOUR, _SECOND, _MOVE, _SIZE, _RUNS, _RUN_WHEN, _FINE) = range(11, 21)
_DAYTIME = tuple(accumulate((2, 2, 1, 1, 1, 2, 4, 8, 13, 15, 15, 13, 11, 13, 15, 15, 13, 10, 7, 5, 5, 4, 3, 3)))
_ARRIVALS = 1 << 40
"""Units that arrive after the start are numbered from here."""
_Start = Callable[[Unit], int]


class Estate:
    """The plan of a whole demo: which jobs exist, in which accounts and regions.

    Units: `jobs` is the number that exist when the clock starts; `arrivals_per_day` are jobs per virtual day.
    """

    def __init__(
        self,
        jobs: int = 1000,
        accounts: int | Sequence[str] = 2,
        regions: Sequence[str] = ("us-east-1", "eu-west-1"),
        seed: int = 7,
        now: datetime = DEFAULT_START,
        *,
        history_days: int = 90,
        arrivals_per_day: float | None = None,
        running_share: float = 0.03,
    ) -> None:
        self.jobs = jobs
        self.accounts = account_ids(accounts) if isinstance(accounts, int) else tuple(accounts)
        self.regions = tuple(regions)
        self.seed = seed
        self.start = to_ms(now)
        self.history = history_days * DAY
        self.arrivals_per_day = jobs / history_days if arrivals_per_day is None else arrivals_per_day
        self.running_share = running_share
        self.places = [(account, region) for account in self.accounts for region in self.regions]
        self.projects = [Project(kind, landscape(seed, *place), seed) for place in self.places for kind in archetypes()]
        self._weights = list(accumulate(self._weight(project) for project in self.projects))

    def _weight(self, project: Project) -> float:
        """Return how busy a project is: the first account and the first region do most of the work."""
        account = self.accounts.index(project.place.account)
        region = self.regions.index(project.place.region)
        return project.kind.weight / (1 + account) / (1 + 1.5 * region)

    def past(self) -> Iterator[GeneratedJob]:
        """Yield the jobs that exist at the start, and those that tuning jobs then under way will create."""
        made = 0
        for number in count():
            if made >= self.jobs:
                return
            for job in self._unit_jobs(self._unit(number, self._past_start)):
                if job.created <= self.start:
                    made += 1
                    if made > self.jobs:
                        return
                yield job

    def arrivals(self, place: int) -> Iterator[GeneratedJob]:
        """Yield the jobs that arrive in one account and region after the start, unit by unit, for ever."""
        share = sum(self._weight(p) for p in self.projects if (p.place.account, p.place.region) == self.places[place])
        rate = self.arrivals_per_day * share / self._weights[-1] / DAY / self._mean_size
        if rate <= 0:
            return
        time = float(self.start)
        first = _ARRIVALS + (place << 24)
        for number in count(first):
            chance = draw(self.seed, number, "arrival")
            time += -log(1 - chance.share(0)) / rate
            yield from self._unit_jobs(self._unit(number, _starting_at(int(time)), place))

    @property
    def _mean_size(self) -> float:
        """Jobs per unit on average, so that units arrive as often as their jobs should."""
        total = sum(kind.weight for kind in archetypes())
        return sum(k.weight * (1 + 13 * k.tuning_share + 2.5 * k.warm_share) for k in archetypes()) / total

    def _unit(self, number: int, start: _Start, place: int | None = None) -> Unit:
        draws = draw(self.seed, number, "unit")
        project = self._project(draws, place)
        kind = "single"
        chance = draws.share(_KIND)
        if chance < project.kind.tuning_share:
            kind = "tuning"
        elif chance < project.kind.tuning_share + project.kind.warm_share:
            kind = "series"
        unit = Unit(project, number, kind, 0, draws)
        unit.start = start(unit)
        if kind == "tuning":
            unit.name = f"{project.kind.id[:14]}-{from_ms(unit.start):%y%m%d-%H%M}-{token(self.seed, number, length=4)}"
            unit.created = self._tuning_times(unit)
        elif kind == "series":
            unit.created = self._series_times(unit)
        return unit

    def _project(self, draws: Draws, place: int | None) -> Project:
        if place is None:
            return self.projects[bisect_right(self._weights, draws.share(_PROJECT) * self._weights[-1])]
        kinds = len(archetypes())
        low = self._weights[place * kinds - 1] if place else 0.0
        high = self._weights[(place + 1) * kinds - 1]
        return self.projects[bisect_right(self._weights, low + draws.share(_PROJECT) * (high - low))]

    def _past_start(self, unit: Unit) -> int:
        """Return when a unit of the past began: some so late that they still run, the others in working rhythm."""
        draws = unit.draws
        if draws.share(_RUNS) < self.running_share:
            length = plan_of(unit, 0).total
            return self.start - int(length * (0.02 + 0.96 * draws.share(_RUN_WHEN)))
        age = (1 - (1 - draws.share(_AGE)) ** 0.8) * self.history
        fine = (draws.values[_SECOND] << 16 | draws.values[_FINE]) % HOUR
        day = (self.start - int(age)) // DAY
        weekday = (day + 3) % 7
        if weekday >= 5 and draws.share(_MOVE) < 0.6:
            day -= 2
        start = day * DAY + bisect_right(_DAYTIME, draws.below(_HOUR, _DAYTIME[-1])) * HOUR + fine
        return start if start < self.start - 10 * MINUTE else start - DAY

    def _tuning_times(self, unit: Unit) -> tuple[int, ...]:
        """Return when a tuning job creates its children: a few at a time."""
        size, parallel = 6 + unit.draws.below(_SIZE, 18), 3
        free = [unit.start + MINUTE + n * 900 for n in range(parallel)]
        times = []
        for ordinal in range(size):
            slot = ordinal % parallel
            times.append(free[slot])
            free[slot] += plan_of(unit, ordinal).total + 20_000 + ordinal * 7
        return tuple(sorted(times))

    def _series_times(self, unit: Unit) -> tuple[int, ...]:
        """Return when each job of a series is created: soon after the one before it ended."""
        times = [unit.start]
        for ordinal in range(1 + unit.draws.below(_SIZE, 5)):
            job = GeneratedJob(unit, ordinal, times[-1], "", self.start)
            ended = job.timeline(NOTHING_DONE, warm=ordinal > 0).ended
            times.append(ended + gap(unit, ordinal))
        return tuple(times)

    def _unit_jobs(self, unit: Unit) -> Iterator[GeneratedJob]:
        for ordinal, created in enumerate(unit.created or (unit.start,)):
            yield GeneratedJob(unit, ordinal, created, name_of(unit, ordinal, created), self.start)


def _starting_at(time: int) -> _Start:
    return lambda _unit: time
