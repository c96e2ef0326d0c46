"""One resource at two moments, and what differs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.store.edits import Change, diff_fields

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.query.resources import Resource, Version


@dataclass(frozen=True, slots=True)
class Side:
    """What was known of a resource at a moment. Times are UTC without a zone."""

    moment: datetime
    version: Version | None
    """None: it was not there, or not known yet."""
    why_absent: str
    """`not seen yet` or `deleted`; '' where it was there."""

    @property
    def fields(self) -> dict[str, Any]:
        """Return its fields; none where it was not there."""
        return self.version.fields if self.version is not None else {}


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sides, and the edits that lead from the older to the newer."""

    older: Side
    newer: Side
    edits: tuple[Change, ...]
    between: int
    """How many versions began after the older moment, up to the newer one: one change each, at least."""
    is_other: bool
    """The newer one is another resource that took the name."""


def diff_moments(resource: Resource, older: datetime, newer: datetime) -> Difference:
    """Return what differs between a resource at one moment and at another."""
    first, second = _side(resource, older), _side(resource, newer)
    start, end = older.replace(tzinfo=None), newer.replace(tzinfo=None)
    between = sum(start < version.seen_from <= end for version in resource.versions)
    both = first.version is not None and second.version is not None
    is_other = both and _created(first) != _created(second)
    return Difference(first, second, diff_fields(first.fields, second.fields), between, is_other)


def _created(side: Side) -> datetime | None:
    return side.version.created if side.version is not None else None


def _side(resource: Resource, moment: datetime) -> Side:
    at = moment.replace(tzinfo=None)
    known = [version for version in resource.versions if version.seen_from <= at]
    if not known:
        return Side(at, None, "not seen yet")
    last = known[-1]
    return Side(at, None, "deleted") if last.seen_to is not None and last.seen_to <= at else Side(at, last, "")


def choose_moments(
    resource: Resource, older: datetime | None, newer: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """Return both moments: by default now, and just before the newest version that was seen by then.

    Raises: UserError where the older one is not before the newer one.
    """
    end = newer or now
    if older is None:
        at = end.replace(tzinfo=None)
        begun = [moment for version in resource.versions for moment in (version.seen_from, version.seen_to) if moment]
        older = max((moment for moment in begun if moment <= at), default=at) - timedelta(microseconds=1)
    if older.replace(tzinfo=None) >= end.replace(tzinfo=None):
        raise UserError(
            f"{older.replace(tzinfo=None).isoformat()}Z is not before {end.replace(tzinfo=None).isoformat()}Z",
            code="bad_moments",
            hint="--from is the older moment, --to the newer one.",
            where=resource.id,
        )
    return older, end
