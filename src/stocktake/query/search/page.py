"""What a search comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.query.search.facets import FacetCounts
    from stocktake.query.search.syntax import Node, Span


@dataclass(frozen=True, slots=True)
class FoundResource:
    """One resource, as the view `resources` has it. Times are UTC without a zone."""

    key: str
    type: str
    provider: str
    service: str
    account_id: str
    region: str
    id: str
    name: str | None
    state: str | None
    tags: dict[str, str] | None
    """None: they could not be read, or the type has none."""
    created_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime
    changed_at: datetime
    stale: bool
    """The newest sweep did not read its scope whole."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a search that is no error, and where in its text."""

    message: str
    hint: str
    span: Span


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of what was found, and what all of it is counted by."""

    total: int
    rows: tuple[FoundResource, ...]
    facets: tuple[FacetCounts, ...]
    groups: FacetCounts | None
    after: str | None
    """What to give for the next page; None on the last."""
    notes: tuple[Note, ...]
    query: Node
