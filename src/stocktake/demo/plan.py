"""What chance has in store for a training job: queue, attempts, failure, duration; drawn once from its seed.

The plan says what happens if nobody interferes; limits, stops and warm pools are applied by `timeline`.
Units: milliseconds.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stocktake.demo.draws import Draws

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
STOP_WINDOW = 120 * SECOND
"""How long a job may go on after SIGTERM."""


class Ending(Enum):
    """How an attempt ends."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    RETRIED = "retried"
    FAILED = "failed"


class Attempt(NamedTuple):
    """One run on one set of instances."""

    starting: int
    downloading: int
    training: int
    ending: Ending
    waiting: int = 0
    """After an interruption: how long until there is spot capacity again."""


class Failure(NamedTuple):
    """Why a job fails, and in which phase of its last attempt that shows."""

    kind: str
    phase: str
    reason: str


class Plan(NamedTuple):
    """The whole course of a job."""

    pending: int
    attempts: tuple[Attempt, ...]
    uploading: int
    stopping: int
    """How long the algorithm takes to end after SIGTERM; at most STOP_WINDOW."""
    saves: bool
    """Whether a stopped algorithm saves a model."""
    failure: Failure | None
    price_fraction: float
    """Share of its training time that a spot job is billed for."""
    settle: tuple[int, int, int]
    """How long after the end the billing, the metrics and the rule results arrive."""
    message: int
    """Which of the starting messages the job shows."""

    @property
    def total(self) -> int:
        """Return how long the job takes from creation to end if nobody interferes."""
        phases = sum(a.starting + a.downloading + a.training + a.waiting for a in self.attempts)
        return self.pending + phases + self.uploading


class Traits(NamedTuple):
    """What a job's course depends on."""

    spot: bool
    scarcity: float
    nodes: int
    downloads: bool
    training_median: float
    training_spread: float
    download_median: float
    upload_median: float
    failure_rate: float
    retries: int
    checkpoints: bool
    failures: tuple[Failure, ...]
    """The failures that this job could have, more likely ones more often."""


# Which draw answers which question; adding one at the end leaves all others as they were.
(
    _QUEUES, _QUEUE, _START, _DOWNLOAD, _TRAIN, _UPLOAD, _STOP, _SAVES, _FAILS, _WHICH, _WHEN, _PRICE,
    _BILLING, _METRICS, _RULES, _INTERRUPTS, _CUT_1, _CUT_2, _CUT_3, _WAIT_1, _WAIT_2, _WAIT_3,
    _SERVER, _SERVER_CUT, _MESSAGE, _JITTER,
) = range(26)  # fmt: skip
_CUTS, _WAITS = (_CUT_1, _CUT_2, _CUT_3), (_WAIT_1, _WAIT_2, _WAIT_3)


def draw_plan(traits: Traits, draws: Draws) -> Plan:
    """Return what happens to a job of these traits."""
    training = _ms(draws.around(_TRAIN, traits.training_median, traits.training_spread))
    training += int(draws.share(_JITTER) * 10 * SECOND)
    failure = traits.failures[draws.below(_WHICH, len(traits.failures))] if _fails(traits, draws) else None
    attempts = _attempts(traits, draws, training, failure)
    queued = draws.share(_QUEUES) < traits.scarcity
    return Plan(
        pending=_ms(draws.around(_QUEUE, 14 * MINUTE, 0.9)) if queued else 0,
        attempts=attempts,
        uploading=_ms(draws.around(_UPLOAD, traits.upload_median, 0.4)),
        stopping=SECOND + int(draws.share(_STOP) * (STOP_WINDOW - SECOND)),
        saves=draws.share(_SAVES) < 0.7,
        failure=failure,
        price_fraction=0.22 + 0.3 * draws.share(_PRICE) if traits.spot else 1.0,
        settle=(
            int(draws.share(_BILLING) * 120 * SECOND),
            int(draws.share(_METRICS) * 180 * SECOND),
            int((30 + draws.share(_RULES) * 570) * SECOND),
        ),
        message=draws.below(_MESSAGE, 16),
    )


def _ms(value: float) -> int:
    return max(int(value), SECOND)


def _fails(traits: Traits, draws: Draws) -> bool:
    return bool(traits.failures) and draws.share(_FAILS) < traits.failure_rate


def _attempts(traits: Traits, draws: Draws, training: int, failure: Failure | None) -> tuple[Attempt, ...]:
    start = _ms(draws.around(_START, (70 + 25 * min(traits.nodes, 8)) * SECOND, 0.35))
    download = _ms(draws.around(_DOWNLOAD, traits.download_median, 0.3)) if traits.downloads else 0
    if failure is not None:
        training = _until_failure(failure, draws, training)
        if failure.kind == "CapacityError":
            start *= 8  # the service looks for capacity for a while before it gives up
    attempts: list[Attempt] = []
    left = training
    for number in range(_interruptions(traits, draws, training)):
        ran = max(int(left * (0.15 + 0.7 * draws.share(_CUTS[number]))), SECOND)
        waiting = _ms(draws.around(_WAITS[number], 9 * MINUTE, 0.8))
        attempts.append(Attempt(start, download, ran, Ending.INTERRUPTED, waiting))
        left = max(left - ran, SECOND) if traits.checkpoints else training
    if traits.retries and draws.share(_SERVER) < 0.03:
        attempts.append(Attempt(start, download, max(int(left * draws.share(_SERVER_CUT)), SECOND), Ending.RETRIED))
    attempts.append(Attempt(start, download, left, Ending.FAILED if failure else Ending.DONE))
    return tuple(attempts)


def _until_failure(failure: Failure, draws: Draws, training: int) -> int:
    """Return how long the job trains before it fails: most errors of user code show early."""
    share = draws.share(_WHEN)
    if failure.phase == "Training":
        return max(int(training * share * share), SECOND)
    return training


def _interruptions(traits: Traits, draws: Draws, training: int) -> int:
    if not traits.spot:
        return 0
    rate = min(training / HOUR * 0.12 + 0.1, 0.6)
    share = draws.share(_INTERRUPTS)
    return sum(share < rate**number for number in (1, 2, 3))
