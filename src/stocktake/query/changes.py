"""What came, changed and went: read from the log that each sweep writes, so that it costs what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.query.change_terms import read_search
from stocktake.query.errors import SqlError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.search.paging import MOST_ROWS
from stocktake.query.search.run import search as search_resources
from stocktake.query.within import within
from stocktake.store.catalog import run, translating
from stocktake.store.change_log import known_sweep
from stocktake.store.edits import Change, apply_changes, diff_fields, plain_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stocktake.store.catalog import Catalog

__all__ = ["Change", "ChangeRecord", "Changes", "apply_changes", "diff_fields", "plain_path", "read_changes"]

KINDS = ("created", "updated", "deleted")
DEFAULT_LIMIT = 1_000
_MOST_RESOURCES = 100_000
# As the view `resources` has it.
_KEY = "CASE WHEN starts_with(id, 'arn:') THEN id ELSE concat_ws('/', type, account_id, region, id) END"


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
class ChangeCount:
    """How many changes of one kind a sweep saw in resources of a type."""

    sweep_id: int
    changed_at: datetime
    """When the last of them was seen."""
    change: str
    type: str
    count: int


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
    notes: tuple[str, ...] = ()
    """What is odd about the search."""


def read_changes(  # noqa: PLR0913 - all that narrows changes, each named
    catalog: Catalog,
    since: datetime,
    until: datetime | None = None,
    *,
    search: str = "",
    types: Sequence[str] = (),
    kinds: Sequence[str] = (),
    limit: int = DEFAULT_LIMIT,
    offset: int = 0,
    reach: Reach = EVERYTHING,
) -> Changes:
    """Return what changed from one moment until before another (None: now); `limit` 0 stands for all.

    `offset`: leave out so many of the newest first.

    Words that the log knows nothing of (`team:vision`) are about the resources, as they are now or were last seen.
    Raises: UserError for a search that makes no sense.
    """
    catalog = within(catalog, reach)
    where, parameters, notes = _where(catalog, since, until, search, types, kinds)
    limited = f"{f'LIMIT {limit + 1}' if limit else ''} OFFSET {int(offset)}"
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            "SELECT changed_at, change, type, id, account_id, region, edits, looked_before, sweep_id FROM change_log "
            f"WHERE {where} ORDER BY changed_at DESC, type, id, change {limited}",
            parameters,
        )
        first_seen = _first_seen(catalog, since, until, types)
        [(untold,)] = run(
            catalog.connection,
            "SELECT count(*) FROM sweeps WHERE sweep_id > ?",
            [known_sweep(catalog.connection)],
        )
    kept = rows[:limit] if limit else rows
    return Changes(tuple(_record(row) for row in kept), len(rows) > len(kept), first_seen, int(untold), notes)


def count_changes(
    catalog: Catalog,
    since: datetime,
    until: datetime | None = None,
    *,
    search: str = "",
    types: Sequence[str] = (),
    kinds: Sequence[str] = (),
    reach: Reach = EVERYTHING,
) -> list[ChangeCount]:
    """Return how many changes there are of each sweep, kind and type, the newest sweep first. Raises: as above."""
    catalog = within(catalog, reach)
    where, parameters, _ = _where(catalog, since, until, search, types, kinds)
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            "SELECT sweep_id, max(changed_at), change, type, count(*) FROM change_log "
            f"WHERE {where} GROUP BY sweep_id, change, type ORDER BY sweep_id DESC, change, type",
            parameters,
        )
    return [ChangeCount(int(sweep), last, change, name, int(count)) for sweep, last, change, name, count in rows]


def _where(
    catalog: Catalog,
    since: datetime,
    until: datetime | None,
    search: str,
    types: Sequence[str],
    kinds: Sequence[str],
) -> tuple[str, dict[str, object], tuple[str, ...]]:
    """Return a condition over `change_log`, the values of its parameters, and what is odd about the search."""
    parameters: dict[str, object] = {"since": since.replace(tzinfo=None)}
    conditions = ["changed_at >= $since"]
    if until is not None:
        conditions.append("changed_at < $until")
        parameters["until"] = until.replace(tzinfo=None)
    for name, words in (("type", types), ("change", kinds)):
        if words:
            conditions.append(f"list_contains(${name}s, {name})")
            parameters[f"{name}s"] = list(words)
    searched = read_search(search)
    notes: tuple[str, ...] = ()
    if searched.of_resources:
        parameters["keys"], notes = _keys_of(catalog, searched.of_resources)
        conditions.append(f"list_contains($keys, {_KEY})")
    return " AND ".join([*conditions, *searched.conditions]), parameters | searched.values, notes


def _keys_of(catalog: Catalog, words: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the keys of the resources that a search finds, those that are gone as well."""
    keys: list[str] = []
    notes: dict[str, None] = {}
    for deleted in (False, True):
        after: str | None = None
        while True:
            page = search_resources(catalog, words, limit=MOST_ROWS, after=after, sort="created_at", deleted=deleted)
            if page.total > _MOST_RESOURCES:
                raise SqlError(
                    f"{words!r} finds {page.total:,} resources, too many to look for their changes",
                    code="bad_search",
                    hint="Narrow it; or use words of the changes themselves: changed:, before:, after:, type:, id:.",
                )
            keys += [row.key for row in page.rows]
            notes |= dict.fromkeys(f"{note.message}. {note.hint}" for note in page.notes)
            after = page.after
            if after is None:
                break
    return keys, tuple(notes)


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
