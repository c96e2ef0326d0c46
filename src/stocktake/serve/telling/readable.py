"""Quantities as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_SPANS = ((86_400 * 365, "y"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was: `3 h ago`. Both in UTC, with or without saying so."""
    seconds = (now.replace(tzinfo=None) - moment.replace(tzinfo=None)).total_seconds()
    for size, unit in _SPANS:
        if seconds >= 2 * size or (size == 1 and seconds >= 1):
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def size(count_bytes: int) -> str:
    """Return a size in bytes: `1.5 MiB`."""
    amount = float(count_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
