"""Moments as people write them: ISO 8601, `yesterday`, `2h ago`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from stocktake.core.errors import UserError

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_UNITS = r"s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?"
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNITS})\b", re.IGNORECASE)
_SPAN = re.compile(rf"-?\s*((?:\d+(?:\.\d+)?\s*(?:{_UNITS})\s*)+)(?:\s*\bago)?", re.IGNORECASE)
_GLUED = re.compile(r"(?<=[a-z])(?=\d)", re.IGNORECASE)


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that a text names, in UTC.

    Forms: ISO 8601 (UTC where it names no zone; a date alone is its first moment), `now`, `today`, `yesterday`,
    and spans before `now`: `2h ago`, `-2h`, `3 days ago`, `1h30m ago`.
    Raises: UserError where the text is none of these, or names a moment to come.
    """
    word = text.strip()
    moment = _named(word.lower(), now) or _span_before(word, now) or _iso(word)
    if moment is None:
        raise UserError(
            f"{text!r} names no moment",
            code="bad_moment",
            hint="Write 2026-01-31, 2026-01-31T12:00:00Z, yesterday, or a span before now such as `2h ago` or -2h.",
            where=text,
        )
    if moment > now:
        raise UserError(
            f"{text!r} is {moment.isoformat()}, which is still to come",
            code="future_moment",
            hint="The catalog knows the past; leave --as-of out for what is known now.",
            where=text,
        )
    return moment


def parse_span(text: str) -> timedelta:
    """Return the span that a text names: `5m`, `24h`, `1h30m`, `2 days`. Raises: UserError where it names none."""
    zero = datetime(9000, 1, 1, tzinfo=UTC)
    before = _span_before(text.strip(), zero) if "ago" not in text and "-" not in text else None
    if before is None or before == zero:
        raise UserError(
            f"{text!r} names no span of time", code="bad_span", hint="Write 5m, 24h, 1h30m or 2d.", where=text
        )
    return zero - before


def _named(word: str, now: datetime) -> datetime | None:
    midnight = datetime.combine(now.date(), time(), UTC)
    return {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}.get(word)


def _span_before(word: str, now: datetime) -> datetime | None:
    matched = _SPAN.fullmatch(word)
    if matched is None:
        return None
    parts = _PART.findall(_GLUED.sub(" ", matched[1]))
    seconds = sum(float(number) * _SECONDS[unit[0].lower()] for number, unit in parts)
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _iso(word: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
