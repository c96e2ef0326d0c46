"""What is written after a key, read as the kind of value that the key has, and as a condition in SQL."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from stocktake.query.search.syntax import Between, Compares, IsSet, Matches, Test, Wild

if TYPE_CHECKING:
    from collections.abc import Callable

Sql: TypeAlias = str | bool
"""A condition as SQL, or one that is known beforehand. In SQL, null stands for false."""
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_NOW = re.compile(r"now((?:[+-](?:\d+[smhdw])+)*)", re.IGNORECASE)
_SHIFT = re.compile(r"([+-])((?:\d+[smhdw])+)", re.IGNORECASE)
_PART = re.compile(r"(\d+)([smhdw])", re.IGNORECASE)
_MONTH = re.compile(r"\d{4}-\d{2}")
_MICROSECOND = timedelta(microseconds=1)
_TRUE, _FALSE = frozenset({"true", "yes"}), frozenset({"false", "no"})
_INVERSE = {">": "<=", ">=": "<"}


class UnfitError(Exception):
    """What is written is no value of the kind; the message says what is expected."""


class Parameters:
    """The values of a statement, beside its text: so that no text of a user's is ever SQL."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def add(self, value: object) -> str:
        """Return what stands for a value in the statement; the same for the same."""
        for name, known in self.values.items():
            if type(known) is type(value) and known == value:
                return f"${name}"
        name = f"p{len(self.values)}_"
        self.values[name] = value
        return f"${name}"


def condition(kind: str, value: str, test: Test, parameters: Parameters, now: datetime) -> Sql:
    """Return a test of a value, which is given as SQL, as a condition; `kind` is a page type.

    Raises: UnfitError where the test is none for the kind.
    """
    if isinstance(test, IsSet) or (isinstance(test, Between) and test.low is None and test.high is None):
        return is_set(kind, value)
    if kind == "STRUCT":
        raise UnfitError("has fields of its own, and no value")
    if kind == "BOOLEAN":
        return _boolean(value, test, parameters)
    if kind == "TIMESTAMP":
        return _time(value, test, parameters, now)
    if kind in {"INT32", "INT64", "FLOAT", "DOUBLE"}:
        return _number(value, test, parameters)
    return _text(value, test, parameters, now)


def is_set(kind: str, value: str) -> Sql:
    """Return whether there is a value: an empty list or map is none."""
    if kind.startswith("UNORDERED_LIST_"):
        return f"len({value}) > 0"
    if kind.startswith("MAP_"):
        return f"cardinality({value}) > 0"
    return f"{value} IS NOT NULL"


def like(test: Matches) -> str:
    """Return a pattern with wildcards as LIKE wants it, with a backslash for an escape."""
    signs = {Wild.ANY: "%", Wild.ONE: "_"}
    return "".join(signs[part] if isinstance(part, Wild) else re.sub(r"([\\%_])", r"\\\1", part) for part in test.parts)


def matches(value: str, test: Matches, parameters: Parameters) -> Sql:
    """Return whether a text is what is written, but for case and wildcards."""
    literal = test.literal
    if literal is not None:
        return f"lower({value}) = lower({parameters.add(literal)})"
    pattern = like(test)
    if "\\" in pattern:
        return f"lower({value}) LIKE lower({parameters.add(pattern)}) ESCAPE '\\'"
    # Without an escape the database knows faster ways for patterns such as %text%.
    return f"lower({value}) LIKE lower({parameters.add(pattern)})"


def _text(value: str, test: Test, parameters: Parameters, now: datetime) -> Sql:
    if isinstance(test, Matches):
        return matches(value, test, parameters)
    # Numbers and times that a provider, or a tag, keeps as text.
    bounds = [one for one in bounds_of(test) if one is not None]
    if all(read_number(one) is not None for one in bounds):
        return _number(f"try_cast({value} AS DOUBLE)", test, parameters)
    if all(read_time(one, now) is not None for one in bounds):
        return _time(f"try_cast({value} AS TIMESTAMP)", test, parameters, now)
    return _compare(f"lower({value})", test, lambda one: f"lower({parameters.add(one)})")


def _number(value: str, test: Test, parameters: Parameters) -> Sql:
    def bound(text: str) -> str:
        number = read_number(text)
        if number is None:
            raise UnfitError(f"is a number, and {text!r} is none")
        return parameters.add(number)

    if isinstance(test, Matches):
        literal = test.literal
        if literal is None:
            return matches(f"CAST({value} AS VARCHAR)", test, parameters)
        return f"{value} = {bound(literal)}"
    return _compare(value, test, bound)


def _boolean(value: str, test: Test, parameters: Parameters) -> Sql:
    if isinstance(test, Matches):
        literal = test.literal
        if literal is None:
            return matches(f"CAST({value} AS VARCHAR)", test, parameters)
        if literal.lower() in _TRUE | _FALSE:
            return f"{value} = {'true' if literal.lower() in _TRUE else 'false'}"
    raise UnfitError("is true or false")


def _time(value: str, test: Test, parameters: Parameters, now: datetime) -> Sql:
    def span(text: str) -> tuple[str, str]:
        read = read_time(text, now)
        if read is None:
            raise UnfitError(f"is a time, and {text!r} is none: 2026-01-31, 2026-01-31T12:00:00Z, yesterday, now-7d")
        return parameters.add(read[0]), parameters.add(read[1])

    match test:
        case Matches():
            literal = test.literal
            if literal is None:
                return matches(f"CAST({value} AS VARCHAR)", test, parameters)
            first, after = span(literal)
            return f"({value} >= {first} AND {value} < {after})"
        case Compares(operator, text):
            # A day is the whole of it: what is later than a day is later than its end.
            first, after = span(text)
            wanted = {">": f">= {after}", ">=": f">= {first}", "<": f"< {first}", "<=": f"< {after}"}
            return f"{value} {wanted[operator]}"
        case Between(low, high, with_low, with_high):
            sides = []
            if low is not None:
                sides.append(f"{value} >= {span(low)[0 if with_low else 1]}")
            if high is not None:
                sides.append(f"{value} < {span(high)[1 if with_high else 0]}")
            return f"({' AND '.join(sides)})" if sides else f"{value} IS NOT NULL"
    return f"{value} IS NOT NULL"


def _compare(value: str, test: Test, bound: Callable[[str], str]) -> Sql:
    match test:
        case Compares(operator, text):
            return f"{value} {operator} {bound(text)}"
        case Between(low, high, with_low, with_high):
            sides = []
            if low is not None:
                sides.append(f"{value} {'>=' if with_low else '>'} {bound(low)}")
            if high is not None:
                sides.append(f"{value} {'<=' if with_high else '<'} {bound(high)}")
            return f"({' AND '.join(sides)})" if sides else f"{value} IS NOT NULL"
    return f"{value} IS NOT NULL"


def bounds_of(test: Test) -> tuple[str | None, ...]:
    """Return what a value is compared to; None where a range is open."""
    match test:
        case Compares(_, value):
            return (value,)
        case Between(low, high):
            return (low, high)
    return ()


def read_number(text: str) -> int | float | None:
    """Return the number that a text states, if any; whole ones exactly."""
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?", text, re.IGNORECASE | re.ASCII):
        return None
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def read_time(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first moment that a text names and the first one after it, in UTC without a zone; None: it names none.

    A day, a month, a minute is named whole; `now`, with or without a shift (`now-7d`, `now-1h30m`), is an instant.
    """
    word = text.strip().lower()
    try:
        shifted = _NOW.fullmatch(word)
        if shifted:
            moment = (now + _shift(shifted[1])).replace(tzinfo=None)
            return moment, moment + _MICROSECOND
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        if word in {"today", "yesterday"}:
            first = midnight - timedelta(days=word == "yesterday")
            return first, first + timedelta(days=1)
        if _MONTH.fullmatch(word):
            first = datetime.fromisoformat(f"{word}-01")
            return first, (first + timedelta(days=31)).replace(day=1)
        moment = datetime.fromisoformat(text.strip())
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        return moment, moment + _precision(word)
    except (ValueError, OverflowError):
        return None


def _shift(text: str) -> timedelta:
    seconds = 0
    for sign, parts in _SHIFT.findall(text):
        span = sum(int(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(parts))
        seconds += span if sign == "+" else -span
    return timedelta(seconds=seconds)


def _precision(word: str) -> timedelta:
    """Return how long that is what an ISO time names: without a time of day, a day."""
    _, separator, clock = word.replace("t", " ").partition(" ")
    if not separator:
        return timedelta(days=1)
    if re.search(r"[.,]\d", clock):
        return _MICROSECOND
    digits = re.sub(r"([+-].*|z)$", "", clock).replace(":", "")
    return (
        timedelta(hours=1) if len(digits) <= 2 else timedelta(minutes=1) if len(digits) <= 4 else timedelta(seconds=1)
    )
