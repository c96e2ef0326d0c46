"""Versions of resources: what is held, what is new, what ended, and when."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa

from stocktake.resource_types.spec import Kind
from stocktake.store.catalog import translating
from stocktake.store.type_tables import OWN_COLUMNS, column_of, history_name, quote, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.catalog import Catalog

SETTLE_SECONDS = 900
"""What arrives after the end of a resource's life (metrics, billing, evaluations) has arrived by then."""
SERVER_TIME = "_server_time"
_GIVEN = ("_id", "_hash", "_summary", "_unknown")
_numbers = count()


@dataclass(frozen=True, slots=True)
class Held:
    """What the catalog holds of a resource, as far as a sweep needs it."""

    hash: int
    summary: int
    settled: bool
    tags: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Applied:
    """How many rows a batch opened: of resources not held before, and of held ones that changed."""

    new: int
    changed: int


class ScopeVersions:
    """The versions of one type in one account and region, for the time of one sweep."""

    def __init__(
        self, catalog: Catalog, resource_type: ResourceType, account_id: str, region: str, sweep_id: int
    ) -> None:
        self._catalog = catalog
        self._type = resource_type
        self._account_id = account_id
        self._region = region
        self._sweep_id = sweep_id
        self._history = quote(history_name(resource_type.name))
        self._seen = f"seen_{next(_numbers)}"
        self._scope = "account_id = $account AND _region = $region AND _to IS NULL"
        with translating(catalog.path):
            catalog.connection.execute(f"CREATE TEMP TABLE {self._seen} (id VARCHAR)")

    def close(self) -> None:
        """Forget which ids were seen."""
        with translating(self._catalog.path):
            self._catalog.connection.execute(f"DROP TABLE IF EXISTS {self._seen}")

    def saw(self, ids: Iterable[str]) -> None:
        """Note that the provider listed these."""
        self._register_ids("seen_now", ids)
        self._catalog.connection.execute(f"INSERT INTO {self._seen} SELECT id FROM seen_now")

    def saw_gone(self, ids: Sequence[str]) -> None:
        """Note that the provider listed these, and then said that they do not exist."""
        self._register_ids("seen_now", ids)
        self._catalog.connection.execute(f"DELETE FROM {self._seen} WHERE id IN (SELECT id FROM seen_now)")

    def held(self, ids: Iterable[str]) -> dict[str, Held]:
        """Return what is held of these resources."""
        self._register_ids("asked", ids)
        rows = self._catalog.connection.execute(
            f"SELECT _id, _hash, _summary, coalesce(_settled, false), tags FROM {self._history} "
            f"SEMI JOIN asked ON _id = id WHERE {self._scope}",
            self._where(),
        ).fetchall()
        return {
            i: Held(hash_, summary, settled, None if tags is None else tuple(tags))
            for i, hash_, summary, settled, tags in rows
        }

    def held_tags(self) -> Iterable[tuple[str, tuple[str, ...] | None]]:
        """Yield id and tags of every resource held and seen in this sweep, a chunk at a time."""
        rows = self._catalog.connection.execute(
            f"SELECT _id, tags FROM {self._history} SEMI JOIN {self._seen} ON _id = id WHERE {self._scope}",
            self._where(),
        )
        while chunk := rows.fetchmany(10_000):
            yield from ((i, None if tags is None else tuple(tags)) for i, tags in chunk)

    def apply(self, fresh: pa.Table, observed_at: datetime) -> Applied:
        """Close the held versions of these resources and open the fresh ones, in one transaction.

        Shape: the type's columns (any may be missing), and `_id`, `_hash`, `_summary`, `_unknown`, `_server_time`.
        """
        columns = [f.name for f in self._type.fields if f.name in fresh.column_names]
        created = column_of(self._type.fields, self._type.identity.created_path)
        own = {
            "_region": "$region",
            "_created": created if created and self._is_time(self._type.identity.created_path) else "NULL",
            "_from": "$at",
            "_to": "NULL",
            "_gone": "NULL",
            "_sweep": "$sweep",
            "_end_sweep": "NULL",
            "_settled": self._settled_sql(SERVER_TIME),
        }
        own |= {name: name for name in _GIVEN}
        picked = [f"CAST({own[name]} AS {kind}) AS {name}" for name, kind in OWN_COLUMNS]
        picked += [quote(name) for name in columns]
        values = {"at": _naive(observed_at), "sweep": self._sweep_id}
        with self._catalog.transaction() as connection:
            connection.register("fresh", fresh)
            closed = connection.execute(
                f"UPDATE {self._history} SET _to = $at, _end_sweep = $sweep, _gone = false "
                f"WHERE {self._scope} AND _id IN (SELECT _id FROM fresh)",
                values | self._where(),
            ).fetchone()
            connection.execute(
                f"INSERT INTO {self._history} BY NAME SELECT {', '.join(picked)} FROM fresh",
                values | {"region": self._region},
            )
            connection.unregister("fresh")
        changed = int(closed[0]) if closed else 0
        return Applied(new=fresh.num_rows - changed, changed=changed)

    def confirm(self, ids: Sequence[str], summaries: Sequence[int], server_time: datetime) -> None:
        """Note that these were read again and are unchanged: writes only where that says something new."""
        asked = pa.table({"id": pa.array(ids, pa.string()), "summary": pa.array(summaries, pa.uint64())})
        with self._catalog.transaction() as connection:
            connection.register("confirmed", asked)
            connection.execute(
                f"UPDATE {self._history} SET _settled = true WHERE {self._scope} AND NOT coalesce(_settled, false) "
                f"AND _id IN (SELECT id FROM confirmed) AND {self._settled_sql('$server')}",
                self._where() | {"server": _naive(server_time)},
            )
            connection.execute(
                f"UPDATE {self._history} SET _summary = summary FROM confirmed "
                f"WHERE {self._scope} AND _id = id AND _summary != summary",
                self._where(),
            )
            connection.unregister("confirmed")

    def close_unseen(self, observed_at: datetime) -> int:
        """End the versions of everything held that the provider no longer lists; only after a complete list."""
        with self._catalog.transaction() as connection:
            closed = connection.execute(
                f"UPDATE {self._history} SET _to = $at, _end_sweep = $sweep, _gone = true "
                f"WHERE {self._scope} AND _id NOT IN (SELECT id FROM {self._seen})",
                self._where() | {"at": _naive(observed_at), "sweep": self._sweep_id},
            ).fetchone()
        return int(closed[0]) if closed else 0

    def held_count(self) -> int:
        """Return how many resources the scope holds now."""
        row = self._catalog.connection.execute(
            f"SELECT count(*) FROM {self._history} WHERE {self._scope}",
            self._where(),
        ).fetchone()
        return int(row[0]) if row else 0

    def _where(self) -> dict[str, object]:
        return {"account": self._account_id, "region": self._region}

    def _register_ids(self, name: str, ids: Iterable[str]) -> None:
        self._catalog.connection.register(name, pa.table({"id": pa.array(list(ids), pa.string())}))

    def _is_time(self, path: tuple[str, ...] | None) -> bool:
        value = type_of(self._type.fields, path) if path else None
        return value is not None and value.kind is Kind.TIMESTAMP

    def _settled_sql(self, server_time: str) -> str:
        """Return the condition under which a resource can no longer change without its list item changing."""
        life = self._type.life_cycle
        state = column_of(self._type.fields, life.state_path)
        if not life.final_states or state is None:
            return "true" if life.item_modified_path else "false"
        words = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(life.final_states))
        times = [
            column
            for path in (life.ended_path, life.item_modified_path)
            if path and self._is_time(path) and (column := column_of(self._type.fields, path))
        ]
        if not times:
            return f"({state} IN ({words}))"
        last = f"greatest({', '.join(times)})"
        settled_at = f"{last} + INTERVAL {SETTLE_SECONDS} SECOND"
        return f"({state} IN ({words}) AND coalesce(CAST({server_time} AS TIMESTAMP) >= {settled_at}, true))"


def _naive(moment: datetime) -> datetime:
    """Return UTC without a zone, as the catalog keeps times."""
    return moment.replace(tzinfo=None)
