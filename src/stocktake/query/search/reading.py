"""The resources of a page, read where they were found: only now, since a page is short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.query.search.compiler import split_tag
from stocktake.query.search.page import FoundResource
from stocktake.query.search.sources import Source, TypeSource
from stocktake.store.catalog import run
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from stocktake.query.search.knowledge import Knowledge

_COLUMNS = ("key", "name", "state", "tags", "created_at", "changed_at")
Found = tuple[int, int, int]
"""Source, row, scope."""


def read_resources(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[Source], found: Sequence[Found], knowledge: Knowledge
) -> list[FoundResource]:
    """Return the found resources, in their order."""
    by_source: dict[int, list[Found]] = {}
    for one in found:
        by_source.setdefault(one[0], []).append(one)
    facts = _read_scopes(connection, sorted({scope for _, _, scope in found}), knowledge)
    resources: dict[Found, FoundResource] = {}
    for number, ones in by_source.items():
        source = sources[number]
        own = ("_i.first_seen_at", "NULL")
        if isinstance(source, TypeSource):
            own = ("NULL", "_h._to" if source.of_deleted else "NULL")
        columns = [source.rowid, *(source.column(name) for name in _COLUMNS), *own]
        rows = {
            row[0]: row[1:]
            for row in run(
                connection,
                f"SELECT {', '.join(columns)} FROM {_bare_table(source)} "
                f"WHERE {source.rowid} IN ({', '.join(str(row) for _, row, _ in ones)})",
            )
        }
        firsts = _first_seen(connection, source, [rows[row][0] for _, row, _ in ones])
        for one in ones:
            resources[one] = _resource(rows[one[1]], facts[one[2]], firsts)
    return [resources[one] for one in found]


def _bare_table(source: Source) -> str:
    if isinstance(source, TypeSource):
        return f"{quote(history_name(source.held.name))} AS _h"
    return "resource_index AS _i"


def _read_scopes(
    connection: duckdb.DuckDBPyConnection, numbers: list[int], knowledge: Knowledge
) -> dict[int, tuple[Any, ...]]:
    rows = run(
        connection,
        knowledge.with_scopes(
            "SELECT scope, type, provider, service, account_id, region, complete_at, stale "
            f"FROM {knowledge.scopes} WHERE list_contains($numbers, scope)"
        ),
        {"numbers": numbers},
    )
    return {row[0]: row[1:] for row in rows}


def _first_seen(
    connection: duckdb.DuckDBPyConnection, source: Source, ids: list[str]
) -> dict[tuple[str, str, str, Any], Any]:
    """Return when resources of a type's table were first seen, by id, account, region and creation."""
    if not isinstance(source, TypeSource):
        return {}
    rows = run(
        connection,
        "SELECT _id, account_id, _region, _created, min(_from) "
        f"FROM {quote(history_name(source.held.name))} WHERE _id IN (SELECT unnest($ids)) GROUP BY ALL",
        {"ids": ids},
    )
    return {row[:4]: row[4] for row in rows}


def _resource(
    row: tuple[Any, ...], scope: tuple[Any, ...], firsts: dict[tuple[str, str, str, Any], Any]
) -> FoundResource:
    key, name, state, tags, created, changed, first_seen, deleted = row
    type_name, provider, service, account, region, complete_at, stale = scope
    return FoundResource(
        key=key,
        type=type_name,
        provider=provider,
        service=service,
        account_id=account,
        region=region,
        name=name,
        state=state,
        tags=None if tags is None else _tags_map(tags),
        created_at=created,
        first_seen_at=first_seen or firsts.get((key, account, region, created), changed),
        last_seen_at=max(changed, complete_at or changed) if deleted is None else changed,
        changed_at=changed,
        stale=stale,
        deleted_at=deleted,
    )


def _tags_map(tags: list[str]) -> dict[str, str]:
    """Return tags as a map, as the macro `tags_map` does."""
    found: dict[str, str] = {}
    for tag in tags:
        key, _, value = split_tag(tag)
        found.setdefault(key, value)
    return found
