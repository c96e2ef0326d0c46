"""What came, changed and went: read from the log that each sweep writes, so that it costs what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.query.change_terms import condition_sql
from stocktake.store.catalog import run, translating
from stocktake.store.edits import Change, apply_changes, diff_fields, plain_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stocktake.store.catalog import Catalog

__all__ = ["Change", "ChangeRecord", "Changes", "apply_changes", "diff_fields", "plain_path", "read_changes"]

KINDS = ("created", "updated", "deleted")
DEFAULT_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """What one sweep saw changed of one resource: the difference between two looks. Times are UTC without a zone."""

    changed_at: datetime
    """When it was seen."""
    change: str
    """created, updated or deleted."""
    type: str
    id: str
    account_id: str
    region: str
    edits: tuple[Change, ...]
    looked_before: datetime | None
    """The complete look before: what happened in between shows as one change, its end."""
    sweep_id: int


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes, newest first, and what one must know to take them for what they are."""

    records: tuple[ChangeRecord, ...]
    more: bool
    """There are older ones that the limit left out."""
    first_seen: int
    """Resources that the first look at their scope found in that time: where history begins, no changes."""
    untold_sweeps: int
    """Sweeps whose changes are not written down yet: one that runs, or that was cut short."""


def read_changes(
    catalog: Catalog,
    since: datetime,
    until: datetime | None = None,
    *,
    search: str = "",
    types: Sequence[str] = (),
    kinds: Sequence[str] = (),
    limit: int = DEFAULT_LIMIT,
) -> Changes:
    """Return what changed from one moment until before another (None: now); `limit` 0 stands for all.

    Raises: UserError for a search that makes no sense.
    """
    # Its words are the log's own, and what they match is known without looking at the resources.
    parameters: dict[str, object] = {"since": since.replace(tzinfo=None)}
    conditions = ["changed_at >= $since"]
    if until is not None:
        conditions.append("changed_at < $until")
        parameters["until"] = until.replace(tzinfo=None)
    for name, words in (("type", types), ("change", kinds)):
        if words:
            conditions.append(f"list_contains(${name}s, {name})")
            parameters[f"{name}s"] = list(words)
    searched, values = condition_sql(search)
    where = " AND ".join([*conditions, *searched])
    limited = f"LIMIT {limit + 1}" if limit else ""
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            "SELECT changed_at, change, type, id, account_id, region, edits, looked_before, sweep_id FROM change_log "
            f"WHERE {where} ORDER BY changed_at DESC, type, id, change {limited}",
            parameters | values,
        )
        first_seen = _first_seen(catalog, since, until, types)
        [(untold,)] = run(
            catalog.connection,
            "SELECT count(*) FROM sweeps WHERE sweep_id > coalesce((SELECT CAST(value AS BIGINT) FROM catalog_meta "
            "WHERE key = 'changes_known_sweep'), 0)",
        )
    kept = rows[:limit] if limit else rows
    return Changes(tuple(_record(row) for row in kept), len(rows) > len(kept), first_seen, int(untold))


def _first_seen(catalog: Catalog, since: datetime, until: datetime | None, types: Sequence[str]) -> int:
    """Return how many resources were found by the first look at their scope, in that time; the ledger tells."""
    [(count,)] = run(
        catalog.connection,
        "SELECT coalesce(sum(new), 0) FROM coverage AS c WHERE status IN ('complete', 'partial') AND new > 0 "
        "AND finished_at >= $since AND ($until IS NULL OR finished_at < CAST($until AS TIMESTAMP)) "
        "AND (len($types) = 0 OR list_contains($types, type)) AND NOT EXISTS (FROM coverage AS e "
        "WHERE e.account_id = c.account_id AND e.region = c.region AND e.type = c.type AND e.sweep_id < c.sweep_id "
        "AND e.status IN ('complete', 'partial'))",
        {
            "since": since.replace(tzinfo=None),
            "until": until.replace(tzinfo=None) if until else None,
            "types": list(types),
        },
    )
    return int(count)


def _record(row: tuple[Any, ...]) -> ChangeRecord:
    changed_at, change, type_name, resource_id, account_id, region, edits, looked_before, sweep_id = row
    kept = tuple(Change(edit["path"], _value(edit["before"]), _value(edit["after"])) for edit in edits)
    return ChangeRecord(
        changed_at, change, type_name, resource_id, account_id, region, kept, looked_before, int(sweep_id)
    )


def _value(text: str | None) -> Any:  # noqa: ANN401 - a field's value
    return None if text is None else orjson.loads(text)
