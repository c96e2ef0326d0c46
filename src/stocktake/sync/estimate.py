"""How much a first load will cost, before it starts: from about a dozen pages of a list that goes by creation.

A page that begins at some moment tells how densely resources were created then; between such moments the density is
taken to change evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from stocktake.sync.candidates import created_at
from stocktake.sync.strategies import reversed_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.collect.answers import ListPage
    from stocktake.collect.type_reader import TypeReader

_SAMPLES = 10
_TAGS_A_CALL = 100
_WORTH_TELLING = 1_000
"""Resources from which on a user wants to know beforehand."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many resources a list names, and what reading all of them takes."""

    resources: int
    calls: int

    @property
    def is_long(self) -> bool:
        """Whether it takes so long that one should know beforehand."""
        return self.resources >= _WORTH_TELLING


async def estimate_first_load(reader: TypeReader) -> Estimate | None:
    """Estimate a list that can be limited by creation and goes by it; None for one that cannot, or has one page.

    Raises what reading a list does.
    """
    kind = reader.type
    after = kind.list_call.time_filter
    if after is None or after.of != "created" or reversed_order(kind) is None:
        return None
    first = await _first_page(reader, {})
    if first is None or first.last or not (times := _times(reader, first)):
        return None
    oldest, now = min(times), first.server_time
    if now - oldest <= timedelta():
        return None
    step = (now - oldest) / _SAMPLES
    if await _is_short(reader, _density(len(times), max(times) - oldest), (now - step, now, now - oldest)):
        return None
    densities = [_density(len(times), max(times) - oldest)]
    tail = 0
    for number in range(1, _SAMPLES):
        since = oldest + step * number
        page = await _first_page(reader, {after.member: since})
        found = _times(reader, page) if page is not None else []
        if page is None or page.last:
            # From here to the end it is known.
            tail = len(found)
            densities.append(_density(len(found), now - since))
            break
        densities.append(_density(len(found), max(found) - since) if found else 0.0)
    covered = step.total_seconds()
    resources = sum((one + other) / 2 * covered for one, other in pairwise(densities))
    resources += tail or densities[-1] * covered
    count = max(round(resources), len(first.items))
    return Estimate(count, _calls(reader, count))


async def _is_short(reader: TypeReader, oldest_density: float, newest: tuple[datetime, datetime, timedelta]) -> bool:
    """Say whether a list is so short that estimating it would cost more than it tells: by both of its ends."""
    since, now, span = newest
    after = reader.type.list_call.time_filter
    page = None if after is None else await _first_page(reader, {after.member: since})
    found = _times(reader, page) if page is not None else []
    until = now if page is None or page.last or not found else max(found)
    return max(oldest_density, _density(len(found), until - since)) * span.total_seconds() < _WORTH_TELLING


def _calls(reader: TypeReader, count: int) -> int:
    kind = reader.type
    pages = count // ((kind.list_call.pagination.page_size if kind.list_call.pagination else None) or 100) + 1
    single = count if kind.describe_call is not None else 0
    return pages + single + (count // _TAGS_A_CALL + 1 if kind.tags_call is not None else 0)


def _density(count: int, span: timedelta) -> float:
    return count / max(span.total_seconds(), 1.0)


async def _first_page(reader: TypeReader, arguments: Mapping[str, object]) -> ListPage | None:
    async for page in reader.iter_pages(arguments):
        return page
    return None


def _times(reader: TypeReader, page: ListPage) -> list[datetime]:
    found = (created_at(reader.type, item) for item in page.items)
    return [one for one in found if one is not None]
