"""Where the marks of an axis stand, and what is written there: round numbers, whole hours, days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (
    1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR,
    3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 182 * _DAY, 364 * _DAY,
)  # fmt: skip
"""Seconds between two marks of time."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, as the catalog keeps times


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    """The value that it marks; of a time, seconds since 1970."""
    label: str


def seconds_of(moment: datetime) -> float:
    """Return a moment (UTC, with or without its zone) as seconds since 1970."""
    plain = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return (plain - _EPOCH).total_seconds()


def number_ticks(low: float, high: float, most: int = 4) -> list[Tick]:
    """Return round numbers between two values, at most `most` and one; a single one where they are the same."""
    if not high > low:
        return [Tick(low, short_number(low))]
    rough = (high - low) / most
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first
    places = ((first + number) * step for number in range(count + 1))
    # Of large numbers close together a multiple may be beside the end that it stands at.
    return [Tick(min(max(at, low), high), short_number(at)) for at in places]


def time_ticks(start: float, end: float, most: int = 4, *, from_zero: bool = False) -> list[Tick]:
    """Return round moments between two, which are seconds since 1970; a day is written at its midnight.

    `from_zero`: they are seconds since a beginning, and written as how long after it: `1 h 30`.
    """
    if not end > start:
        return [Tick(start, _span_label(start) if from_zero else _moment_label(start, 0))]
    step = next((one for one in _STEPS if (end - start) / one <= most), _STEPS[-1])
    first = math.ceil(start / step)
    last = math.floor(end / step)
    places = [number * step for number in range(first, last + 1)]
    return [Tick(float(at), _span_label(at) if from_zero else _moment_label(at, step)) for at in places]


def short_number(value: float) -> str:
    """Return a number as a mark shows it: 1.2M, 40k, 0.25."""
    for least, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= least:
            return f"{value / (1e3 if sign == 'k' else least):.4g}{sign}"
    return f"{value:.4g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"


def _span_label(seconds: float) -> str:
    hours, minutes, rest = int(seconds // _HOUR), int(seconds % _HOUR // _MINUTE), int(seconds % _MINUTE)
    if seconds >= 2 * _DAY:
        return f"{seconds / _DAY:g} d"
    if hours:
        return f"{hours} h {minutes:02}" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes or not rest else f"{rest} s"


def _moment_label(seconds: float, step: int) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    if step >= _DAY or (step and not seconds % _DAY):
        return f"{moment.day} {moment:%b}" if step < 182 * _DAY else f"{moment:%b %Y}"
    return f"{moment:%H:%M}" if step >= _MINUTE else f"{moment:%H:%M:%S}"
