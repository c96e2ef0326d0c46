"""All that the simulated cloud knows: the clock, the switches, and the books of every account and region."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from stocktake.demo.book import JobBook
from stocktake.demo.clock import VirtualClock, to_ms
from stocktake.demo.search import SearchIndex
from stocktake.demo.tuning import TuningJob, from_unit

if TYPE_CHECKING:
    from stocktake.demo.estate import Estate
    from stocktake.demo.switches import Switches

Json = dict[str, Any]


class Call(NamedTuple):
    """One call, as a service sees it."""

    account: str
    region: str
    request: Json
    now: int


class CloudState:
    """The simulated cloud behind the protocols."""

    def __init__(self, estate: Estate | None, clock: VirtualClock, switches: Switches, seed: int) -> None:
        self.estate = estate
        self.clock = clock
        self.switches = switches
        self.seed = seed
        self.search_index = SearchIndex()
        self._books: dict[tuple[str, str], JobBook] = {}
        self._tuning: dict[tuple[str, str], dict[str, TuningJob]] = defaultdict(dict)
        self._tuning_seen: set[tuple[str, str, int]] = set()
        if estate is not None:
            self._settle(estate)

    @property
    def default_account(self) -> str:
        """The account of callers whose key names none."""
        return self.estate.accounts[0] if self.estate is not None else "111122223333"

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of the estate."""
        return self.estate.accounts if self.estate is not None else (self.default_account,)

    def _settle(self, estate: Estate) -> None:
        for account, region in estate.places:
            self._books[account, region] = JobBook(account, region, estate.seed, estate.start)
        for job in estate.past():
            place = job.unit.project.place
            self._books[place.account, place.region].add_past(job)
        for number, place_key in enumerate(estate.places):
            self._books[place_key].open(estate.arrivals(number))

    def places(self) -> tuple[tuple[str, str], ...]:
        """Return the accounts and regions that have, or may have, jobs."""
        return tuple(self._books)

    def book(self, account: str, region: str, now: int) -> JobBook:
        """Return the training jobs of an account and region, with all that have arrived by now."""
        book = self._books.get((account, region))
        if book is None:
            start = self.estate.start if self.estate is not None else to_ms(self.clock.now())
            book = self._books[account, region] = JobBook(account, region, self.seed, start)
        book.extend(now)
        return book

    def tuning_jobs(self, account: str, region: str, now: int) -> dict[str, TuningJob]:
        """Return the tuning jobs that exist in an account and region, by name."""
        book = self.book(account, region, now)
        known = self._tuning[account, region]
        prefix = self.tuning_prefix(account, region)
        for number in book.tuning_units():
            if (account, region, number) not in self._tuning_seen:
                unit = book.group(number)
                if unit is not None and unit.start <= now:
                    self._tuning_seen.add((account, region, number))
                    known[unit.name] = from_unit(unit, prefix)
        return known

    def tuning_prefix(self, account: str, region: str) -> str:
        """Return what the ARNs of tuning jobs begin with."""
        return f"arn:aws:sagemaker:{region}:{account}:hyper-parameter-tuning-job/"
