"""Searches in plain Python, a resource at a time: written after docs/search.md, not after the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from search_estate import Row
from stocktake.query.search.syntax import (
    And,
    Between,
    Compares,
    Everything,
    IsSet,
    Matches,
    Node,
    Not,
    Or,
    Term,
    Test,
    Wild,
)

ALIASES = {"account": "account_id", "arn": "key", "id": "key", "created": "created_at", "changed": "changed_at"}
ALIASES |= {"first_seen": "first_seen_at", "last_seen": "last_seen_at", "tag": "tags"}
TIMES = {"created_at", "changed_at", "first_seen_at", "last_seen_at"}


def finds(node: Node, row: Row, now: datetime) -> bool:
    """Return whether a search finds a resource."""
    match node:
        case Everything():
            return True
        case Not(part):
            return not finds(part, row, now)
        case And(parts):
            return all(finds(part, row, now) for part in parts)
        case Or(parts):
            return any(finds(part, row, now) for part in parts)
        case Term(None, Matches() as test):
            return word(test, row)
        case Term(str() as key, test):
            return any(holds(test, value, now) for value in values(key, row, test))
    raise AssertionError(node)


def word(test: Matches, row: Row) -> bool:
    """A word is found anywhere in the row's texts; wildcards do not cross from one text to another."""
    signs = {Wild.ANY: "[^\n]*", Wild.ONE: "[^\n]"}
    parts = list(test.parts)
    while parts and parts[0] in {Wild.ANY, ""}:
        parts.pop(0)
    while parts and parts[-1] in {Wild.ANY, ""}:
        parts.pop()
    pattern = "".join(signs[part] if isinstance(part, Wild) else re.escape(part.lower()) for part in parts)
    texts = [row.words]
    if any(isinstance(part, str) and ":" in part for part in parts):
        texts += [row.id]
        if not (isinstance(parts[0], str) and parts[0].lower().startswith("arn:")):
            texts += row.tags
    return any(re.search(pattern, text.lower()) for text in texts)


def values(key: str, row: Row, test: Test) -> Iterator[Any]:
    """Yield the values that a key has for a resource."""
    name = ALIASES.get(key.lower(), key.lower())
    if name in TIMES:
        yield row.times[name]
    elif name == "type":
        short = row.type.removeprefix("aws_")
        yield from (row.type, short, short.partition("_")[2])
    elif name == "provider":
        yield "aws"
    elif name in {"service", "account_id", "region", "name", "state", "stale"}:
        yield getattr(row, name)
    elif name == "key":
        yield row.id
    elif name == "tags":
        yield from row.tags
        # A text without a colon is the key of a tag.
        literal = test.literal if isinstance(test, Matches) else None
        if literal and ":" not in literal and any(tag.lower().startswith(f"{literal.lower()}:") for tag in row.tags):
            yield literal
    elif key.startswith("@"):
        yield from at_path(row.document, row.kinds, key[1:])
    else:
        own = key.partition(".")[2] if name.startswith(("tag.", "tags.")) else key
        yield from (tag[len(own) + 1 :] for tag in row.tags if tag.lower().startswith(f"{own.lower()}:"))
        if own == key:
            yield from at_path(row.document, row.kinds, key)
            if name == "status":
                yield row.state


def plain(name: str) -> str:
    return name.replace("_", "").lower()


def at_path(document: dict[str, Any], kinds: dict[str, Any], path: str) -> Iterator[Any]:
    """Yield the values at a path; maps are dictionaries, too, and their keys are written as they are."""
    first, _, rest = path.partition(".")
    for name, value in document.items():
        if plain(name) == plain(first):
            yield from _below(value, rest, is_map=kinds[name].startswith("MAP"))


def _below(value: Any, path: str, *, is_map: bool) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _below(one, path, is_map=is_map)
    elif isinstance(value, dict) and is_map:
        for key, inner in value.items():
            if path in {"", key}:
                yield from _below(inner, "", is_map=False)
    elif isinstance(value, dict) and path:
        first, _, rest = path.partition(".")
        for name, inner in value.items():
            if plain(name) == plain(first):
                yield from _below(inner, rest, is_map=False)
    elif not path:
        yield value


def holds(test: Test, value: Any, now: datetime) -> bool:
    """Return whether a test holds of one value."""
    if value is None:
        return False
    match test:
        case IsSet():
            return True
        case Matches(parts) if test.literal is None:
            signs = {Wild.ANY: ".*", Wild.ONE: "."}
            pattern = "".join(signs[part] if isinstance(part, Wild) else re.escape(part.lower()) for part in parts)
            return re.fullmatch(pattern, as_text(value).lower(), re.DOTALL) is not None
        case Matches():
            return equals(str(test.literal), value, now)
        case Compares(operator, bound):
            sides: dict[str, tuple[str | None, str | None, bool, bool]] = {
                ">": (bound, None, False, True),
                ">=": (bound, None, True, True),
            }
            sides |= {"<": (None, bound, True, False), "<=": (None, bound, True, True)}
            return between(value, *sides[operator], now)
        case Between(low, high, with_low, with_high):
            return between(value, low, high, with_low, with_high, now)
    raise AssertionError(test)


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def equals(text: str, value: Any, now: datetime) -> bool:
    if isinstance(value, bool):
        return text.lower() in ({"true", "yes"} if value else {"false", "no"})
    if isinstance(value, int | float):
        return number(text) == value
    if isinstance(value, datetime):
        span = moment(text, now)
        return span is not None and span[0] <= value < span[1]
    return isinstance(value, str) and text.lower() == value.lower()


def between(value: Any, low: str | None, high: str | None, with_low: bool, with_high: bool, now: datetime) -> bool:
    bounds = [one for one in (low, high) if one is not None]
    if not bounds:
        return True
    if isinstance(value, str):
        if bounds and all(number(one) is not None for one in bounds):
            try:
                value = float(value)
            except ValueError:
                return False
        elif bounds and all(moment(one, now) is not None for one in bounds):
            return False  # no text of the estate is a time
        else:
            texts = (value.lower(), low and low.lower(), high and high.lower())
            return ordered(*texts, with_low, with_high)
    if isinstance(value, bool | dict | list):
        return False
    if isinstance(value, datetime):
        spans = [None if one is None else moment(one, now) for one in (low, high)]
        if any(one is not None and span is None for one, span in zip((low, high), spans, strict=True)):
            return False
        first, last = spans
        above = first is None or value >= first[0 if with_low else 1]
        return above and (last is None or value < last[1 if with_high else 0])
    lowest, highest = numbers = [None if one is None else number(one) for one in (low, high)]
    if any(one is not None and read is None for one, read in zip((low, high), numbers, strict=True)):
        return False
    return ordered(value, lowest, highest, with_low, with_high)


def ordered(value: Any, low: Any, high: Any, with_low: bool, with_high: bool) -> bool:
    above = low is None or value > low or (with_low and value == low)
    return above and (high is None or value < high or (with_high and value == high))


def number(text: str) -> float | None:
    try:
        return float(text) if re.fullmatch(r"[-+0-9.eE]+", text) else None
    except ValueError:
        return None


def moment(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Return what a text names, for the forms that the tests use: from, and until just before."""
    plain_now = now.replace(tzinfo=None)
    if text.startswith("now"):
        days = float(text[3:-1]) if text != "now" else 0.0
        at = plain_now + timedelta(days=days)
        return at, at + timedelta(microseconds=1)
    if text in {"today", "yesterday"}:
        midnight = datetime(now.year, now.month, now.day) - timedelta(days=text == "yesterday")  # noqa: DTZ001 - naive UTC
        return midnight, midnight + timedelta(days=1)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    return at, at + (timedelta(days=1) if len(text) == 10 else timedelta(seconds=1))
