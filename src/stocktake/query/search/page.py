"""What a search comes to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.query.search.facets import FacetCounts
    from stocktake.query.search.syntax import Node, Span


@dataclass(frozen=True, slots=True)
class FoundResource:
    """One resource, as the view `resources` has it. Times are UTC without a zone."""

    key: str
    """The ARN; without one, `type:account_id:region:id`."""
    type: str
    provider: str
    service: str
    account_id: str
    region: str
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
    deleted_at: datetime | None = None
    """When a sweep found it gone; None while it exists, as far as is known."""


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


def to_arrow(page: SearchPage) -> pa.RecordBatchReader:
    """Return the found resources as Arrow, or the groups where it was grouped. Shape: the columns of `resources`."""
    kinds: dict[str, pa.DataType]
    if page.groups is not None:
        kinds = {page.groups.key: pa.string(), "resources": pa.int64()}
        rows = [{page.groups.key: one.value, "resources": one.count} for one in page.groups.values]
    else:
        kinds = dict.fromkeys(FoundResource.__dataclass_fields__, pa.string())
        kinds |= {name: pa.timestamp("us") for name in kinds if name.endswith("_at")}
        kinds |= {"tags": pa.map_(pa.string(), pa.string()), "stale": pa.bool_()}
        rows = [asdict(row) for row in page.rows]
    schema = pa.schema(kinds)
    return pa.RecordBatchReader.from_batches(schema, pa.Table.from_pylist(rows, schema).to_batches())
