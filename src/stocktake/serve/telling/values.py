"""Values of a result as JSON and as text; docs/commands.md states these forms."""

from __future__ import annotations

import base64
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
_INT64 = range(-(2**63), 2**64)
# What would move the cursor or start an escape sequence on a terminal, as visible signs (U+2400 and up).
_VISIBLE = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "␡"} | dict.fromkeys(range(0x80, 0xA0), "�")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_VISIBLE |= {ord("\n"): "⏎", ord("\t"): " ", ord("\r"): ""}


def to_json(value: object, *, indent: bool = False) -> bytes:
    """Return a value as JSON: times ISO 8601 with `Z`, exact decimals, spans as ISO 8601 durations, blobs as base64."""
    options = _OPTIONS | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(value, default=_other, option=options)
    except TypeError:
        # What the fast way refuses: integers beyond 64 bits, keys that are no strings, zoned times of day.
        return orjson.dumps(_plain(value), default=_other, option=options)


def json_row(names: Sequence[str], json_columns: frozenset[int], row: Sequence[Any]) -> bytes:
    """Return a row as one JSON object; values of JSON columns are put in as they are."""
    if json_columns:
        row = [
            orjson.Fragment(value) if number in json_columns and value is not None else value
            for number, value in enumerate(row)
        ]
    return to_json(dict(zip(names, row, strict=True)))


def to_text(value: object) -> str:
    """Return a value as text, as CSV and tables show it; nested values are JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return iso_time(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return iso_duration(value)
        case bytes():
            return base64.b64encode(value).decode()
        case list() | tuple() | dict():
            return to_json(value).decode()
        case _:
            return str(value)


def to_visible(value: object) -> str:
    """Return a value as one line of text that is safe to print on a terminal."""
    text = to_text(value)
    return text.translate(_VISIBLE) if _CONTROL.search(text) else text


def iso_time(moment: datetime) -> str:
    """Return a UTC time in ISO 8601, with `Z`."""
    return moment.replace(tzinfo=None).isoformat() + "Z"


def iso_duration(span: timedelta) -> str:
    """Return a span in ISO 8601: `P1DT2H3M4.5S`."""
    microseconds = abs(span // timedelta(microseconds=1))
    seconds, fraction = divmod(microseconds, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    end = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds)
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{end}S" if end != "0" else "")
    text = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return ("-" if span < timedelta() else "") + "P" + (text or "T0S")


def _other(value: object) -> object:
    match value:
        case Decimal():
            return orjson.Fragment(str(value)) if value.is_finite() else None
        case timedelta():
            return iso_duration(value)
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)


def _plain(value: object) -> object:
    match value:
        case bool():
            return value
        case int() if value not in _INT64:
            return orjson.Fragment(str(value))
        case dict():
            return {to_text(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
