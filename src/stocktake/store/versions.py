"""Versions of resources: what is held, what is new, what ended, and when."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa

from stocktake.resource_types.spec import Kind
from stocktake.store.catalog import run, translating
from stocktake.store.facet_columns import HASHES, KEPT, facet_columns_of, with_held_sql
from stocktake.store.key_index import key_sql
from stocktake.store.open_rows import held_rows, moving_sql, unlisted_rows, unsettled_rows
from stocktake.store.type_tables import OWN_COLUMNS, column_of, history_name, quote, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.catalog import Catalog
    from stocktake.store.open_rows import HeldItem

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
    facets: dict[str, int] | None = None
    """Facet -> hash of its answer, of those that are known."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How many rows a batch opened: of resources not held before, and of held ones that changed."""

    new: int
    changed: int


def held_places(catalog: Catalog, type_name: str) -> set[tuple[str, str]]:
    """Return the accounts and regions that resources of a type are held in."""
    history = quote(history_name(type_name))
    rows = run(catalog.connection, f"SELECT DISTINCT account_id, _region FROM {history} WHERE _to IS NULL")
    return {(str(account_id), str(region)) for account_id, region in rows}


class ScopeVersions:
    """The versions of one type in one account and region, for the time of one sweep."""

    def __init__(
        self, catalog: Catalog, resource_type: ResourceType, account_id: str, region: str, sweep_id: int
    ) -> None:
        self._catalog = catalog
        self._type = resource_type
        self._account_id = account_id
        self._region = region
        self.sweep_id = sweep_id
        self._history = quote(history_name(resource_type.name))
        number = next(_numbers)
        self._seen, self._tagged = f"seen_{number}", f"tagged_{number}"
        self._scope = "account_id = $account AND _region = $region AND _to IS NULL"
        with translating(catalog.path):
            run(catalog.connection, f"CREATE TEMP TABLE {self._seen} (id VARCHAR, skipped_item VARCHAR)")
            run(catalog.connection, f"CREATE TEMP TABLE {self._tagged} (id VARCHAR)")

    def close(self) -> None:
        """Forget what was seen."""
        with translating(self._catalog.path):
            run(self._catalog.connection, f"DROP TABLE IF EXISTS {self._seen}")
            run(self._catalog.connection, f"DROP TABLE IF EXISTS {self._tagged}")

    def saw(self, ids: Sequence[str], skipped_items: Sequence[str | None]) -> None:
        """Note that the provider listed these, and of those that are not read again what it takes to read them."""
        listed = pa.table({"id": pa.array(ids, pa.string()), "item": pa.array(skipped_items, pa.string())})
        with self._registered(listed=listed):
            run(self._catalog.connection, f"INSERT INTO {self._seen} SELECT id, item FROM listed")

    def saw_gone(self, ids: Sequence[str]) -> None:
        """Note that the provider listed these, and then said that they do not exist."""
        with self._registered(gone=_ids(ids)):
            run(self._catalog.connection, f"DELETE FROM {self._seen} WHERE id IN (SELECT _asked_id FROM gone)")

    def differing_tags(self, tags: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
        """Compare a page of tags with what is held of the resources that were not read again.

        Return id and list item of those that differ, and remember whose tags were told.
        """
        asked = pa.table(
            {
                "_asked_id": pa.array(tags, pa.string()),
                "_told": pa.array(map(list, tags.values()), pa.list_(pa.string())),
            }
        )
        with self._registered(asked=asked):
            run(self._catalog.connection, f"INSERT INTO {self._tagged} SELECT _asked_id FROM asked")
            return run(
                self._catalog.connection,
                f"SELECT s.id, s.skipped_item FROM {self._history} JOIN {self._seen} AS s ON _id = s.id "
                f"JOIN asked ON _asked_id = s.id WHERE {self._scope} AND s.skipped_item IS NOT NULL "
                "AND tags IS DISTINCT FROM _told",
                self._where(),
            )

    def vanished_tags(self) -> list[tuple[str, str]]:
        """Return id and list item of resources that are held with tags, and that no page of tags told of."""
        return run(
            self._catalog.connection,
            f"SELECT s.id, s.skipped_item FROM {self._history} JOIN {self._seen} AS s ON _id = s.id "
            f"WHERE {self._scope} AND s.skipped_item IS NOT NULL AND coalesce(len(tags), 1) > 0 "
            f"AND s.id NOT IN (SELECT id FROM {self._tagged})",
            self._where(),
        )

    def skipped(self) -> tuple[int, str | None]:
        """Return how many listed resources were not read again, and the id of one of them."""
        [row] = run(
            self._catalog.connection, f"SELECT count(*), any_value(id) FROM {self._seen} WHERE skipped_item IS NOT NULL"
        )
        return int(row[0]), row[1]

    def held(self, ids: Iterable[str]) -> dict[str, Held]:
        """Return what is held of these resources."""
        facets = HASHES if self._type.facets else "NULL"
        asked = _ids(ids)
        with self._catalog.transaction() as connection:
            near = self._rows_near(asked, "_asked_id")
            if near is None:
                return {}
            with self._registered(asked=asked, near=near):
                rows = run(
                    connection,
                    f"SELECT _id, _hash, _summary, coalesce(_settled, false), tags, {facets} FROM {self._history} "
                    f"SEMI JOIN near ON rowid = _row SEMI JOIN asked ON _id = _asked_id WHERE {self._scope}",
                    self._where(),
                )
        return {
            i: Held(hash_, summary, settled, None if tags is None else tuple(tags), facets)
            for i, hash_, summary, settled, tags, facets in rows
        }

    def apply(self, fresh: pa.Table, observed_at: datetime) -> Applied:
        """Close the held versions of these resources and open the fresh ones, in one transaction.

        Shape: the type's columns (any may be missing), and `_id`, `_hash`, `_summary`, `_unknown`, `_server_time`; of a
        type with facets those of `facet_columns`, too.
        """
        if KEPT in fresh.column_names:
            fresh = self._with_held_facets(fresh)
        columns = [f.name for f in self._type.fields if f.name in fresh.column_names]
        created = column_of(self._type.fields, self._type.identity.created_path)
        own = {
            "_key": key_sql("_id"),
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
        picked += [name for name, _ in facet_columns_of(self._type) if name in fresh.column_names]
        picked += [quote(name) for name in columns]
        values = {"at": _naive(observed_at), "sweep": self.sweep_id}
        with self._registered(fresh=fresh), self._catalog.transaction() as connection:
            closed = 0
            near = self._rows_near(fresh.select(["_id"]), "_id")
            if near is not None:
                with self._registered(near=near):
                    [(closed,)] = run(
                        connection,
                        f"UPDATE {self._history} SET _to = $at, _end_sweep = $sweep, _gone = false "
                        f"WHERE rowid IN (SELECT _row FROM near) AND {self._scope} AND _id IN (SELECT _id FROM fresh)",
                        values | self._where(),
                    )
            run(
                connection,
                f"INSERT INTO {self._history} BY NAME SELECT {', '.join(picked)} FROM fresh",
                values | {"region": self._region},
            )
        changed = int(closed)
        return Applied(new=fresh.num_rows - changed, changed=changed)

    def _rows_near(self, ids: pa.Table, column: str) -> pa.Table | None:
        """Return the rows of versions whose key is that of one of these ids; None where there are none.

        Mostly those of the ids themselves, and mostly none in a first load, where comparing texts with all that is
        there already would cost more with every batch. For the same transaction only: rows move.
        """
        with self._registered(near_ids=ids):
            rows = run(
                self._catalog.connection,
                f"SELECT rowid FROM {self._history} SEMI JOIN (SELECT {key_sql(column)} AS key FROM near_ids) "
                "ON _key = key",
            )
        return pa.table({"_row": pa.array([row for (row,) in rows], pa.int64())}) if rows else None

    def _with_held_facets(self, fresh: pa.Table) -> pa.Table:
        """Return the rows with those facets that could not be read as the held versions have them."""
        kept = {str(name) for names in fresh[KEPT].to_pylist() for name in names or ()}
        if not kept:
            return fresh.drop_columns([KEPT])
        statement = with_held_sql(sorted(kept), self._history, self._scope)
        with self._registered(fresh=fresh), warnings.catch_warnings():
            # It says that this copies the rows once more, which costs less than a second plan.
            warnings.simplefilter("ignore", UserWarning)
            reader = self._catalog.connection.execute(statement, self._where()).to_arrow_reader()
            assert reader is not None  # noqa: S101 - a SELECT always has one
            return reader.read_all()

    def confirm(self, ids: Sequence[str], summaries: Sequence[int], server_time: datetime) -> None:
        """Note that these were read again and are unchanged: writes only where that says something new."""
        asked = pa.table({"_asked_id": pa.array(ids, pa.string()), "_asked_summary": pa.array(summaries, pa.uint64())})
        with self._registered(confirmed=asked), self._catalog.transaction() as connection:
            settled = self._settled_sql("$server")
            run(
                connection,
                f"UPDATE {self._history} SET _settled = true WHERE {self._scope} AND NOT coalesce(_settled, false) "
                f"AND _id IN (SELECT _asked_id FROM confirmed) AND {settled}",
                self._where() | ({"server": _naive(server_time)} if "$server" in settled else {}),
            )
            run(
                connection,
                f"UPDATE {self._history} SET _summary = _asked_summary FROM confirmed "
                f"WHERE {self._scope} AND _id = _asked_id AND _summary != _asked_summary",
                self._where(),
            )

    def close_unseen(self, observed_at: datetime) -> int:
        """End the versions of everything held that the provider no longer lists; only after a complete list."""
        with self._catalog.transaction() as connection:
            [(closed,)] = run(
                connection,
                f"UPDATE {self._history} SET _to = $at, _end_sweep = $sweep, _gone = true "
                f"WHERE {self._scope} AND _id NOT IN (SELECT id FROM {self._seen})",
                self._where() | {"at": _naive(observed_at), "sweep": self.sweep_id},
            )
        return int(closed)

    def unsettled(self, item: dict[str, str]) -> list[HeldItem]:
        """Return what is held, was not listed, and may still change; `item` as in `open_rows`."""
        where = self._where()
        return unsettled_rows(self._catalog.connection, self._history, self._seen, self._scope, where, item)

    def unlisted(self, item: dict[str, str], most: int) -> list[HeldItem]:
        """Return at most so many of what is held and was not listed, the newest first; from now on it counts as seen.

        Whoever asks for it and finds it gone says so (`saw_gone`).
        """
        where = self._where()
        found = unlisted_rows(self._catalog.connection, self._history, self._seen, self._scope, where, item, most)
        self.saw([row[0] for row in found], [None] * len(found))
        return found

    def close_gone(self, ids: Sequence[str], observed_at: datetime) -> int:
        """End the versions of resources that the provider, asked for them, said do not exist."""
        with self._registered(gone=_ids(ids)), self._catalog.transaction() as connection:
            [(closed,)] = run(
                connection,
                f"UPDATE {self._history} SET _to = $at, _end_sweep = $sweep, _gone = true "
                f"WHERE {self._scope} AND _id IN (SELECT _asked_id FROM gone)",
                self._where() | {"at": _naive(observed_at), "sweep": self.sweep_id},
            )
        return int(closed)

    def held_items(self, item: dict[str, str], ids: Sequence[str]) -> list[HeldItem]:
        """Return those of these resources that are held; `item` as in `open_rows`."""
        with self._registered(asked=_ids(ids)):
            return held_rows(self._catalog.connection, self._history, self._scope, self._where(), item)

    def held_named(self, name: str) -> list[str]:
        """Return the ids of what is held under a name: by the member that identifies it, or the end of its id."""
        keys = self._type.identity.key_paths
        column = column_of(self._type.fields, keys[0]) if len(keys) == 1 else None
        called = f"CAST({column} AS VARCHAR) = $name OR " if column else ""
        rows = run(
            self._catalog.connection,
            f"SELECT _id FROM {self._history} WHERE {self._scope} AND "
            f"({called}_id = $name OR ends_with(_id, '/' || $name) OR ends_with(_id, ':' || $name))",
            self._where() | {"name": name},
        )
        return [str(row[0]) for row in rows]

    def held_by(self, field_name: str, value: str) -> list[str]:
        """Return the ids of what is held with a value in a field."""
        rows = run(
            self._catalog.connection,
            f"SELECT _id FROM {self._history} WHERE {self._scope} AND CAST({quote(field_name)} AS VARCHAR) = $value",
            self._where() | {"value": value},
        )
        return [str(row[0]) for row in rows]

    def moved_since(self, ids: Sequence[str], moment: datetime) -> bool:
        """Say whether a version of any of these resources began or ended after a moment."""
        with self._registered(asked=_ids(ids)):
            [(moved,)] = run(
                self._catalog.connection,
                f"SELECT count(*) FROM {self._history} SEMI JOIN asked ON _id = _asked_id "
                "WHERE account_id = $account AND _region = $region AND greatest(_from, _to) > $moment",
                self._where() | {"moment": _naive(moment)},
            )
        return bool(moved)

    def newest_creation(self) -> datetime | None:
        """Return the newest creation time that is or was held of the scope, by the provider's clock."""
        [row] = run(
            self._catalog.connection,
            f"SELECT max(_created) FROM {self._history} WHERE account_id = $account AND _region = $region",
            self._where(),
        )
        return row[0].replace(tzinfo=UTC) if row[0] else None

    def since_for_open(self, most: int) -> datetime | None:
        """Return the creation from which on a list would have what is held open, or so many of the newest, if fewer.

        Naming the oldest that is open, as far as not more than `most` are held that are newer. None: nothing is open.
        """
        [(oldest, newest)] = run(
            self._catalog.connection,
            f"SELECT (SELECT min(_created) FROM {self._history} "
            f"WHERE {self._scope} AND NOT coalesce(_settled, false)), "
            f"(SELECT min(_created) FROM (SELECT _created FROM {self._history} WHERE {self._scope} "
            f"AND _created IS NOT NULL ORDER BY _created DESC LIMIT {most:d}))",
            self._where(),
        )
        return max(oldest, newest).replace(tzinfo=UTC) if oldest and newest else None

    def held_count(self) -> int:
        """Return how many resources the scope holds now."""
        [row] = run(
            self._catalog.connection,
            f"SELECT count(*) FROM {self._history} WHERE {self._scope}",
            self._where(),
        )
        return int(row[0])

    def _where(self) -> dict[str, object]:
        return {"account": self._account_id, "region": self._region}

    @contextmanager
    def _registered(self, **tables: pa.Table) -> Iterator[None]:
        """Let statements see these Arrow tables by name."""
        connection = self._catalog.connection
        with translating(self._catalog.path):
            for name, table in tables.items():
                connection.register(name, table)
            try:
                yield
            finally:
                for name in tables:
                    connection.unregister(name)

    def _is_time(self, path: tuple[str, ...] | None) -> bool:
        value = type_of(self._type.fields, path) if path else None
        return value is not None and value.kind is Kind.TIMESTAMP

    def _settled_sql(self, server_time: str) -> str:
        """Return the condition under which a resource can no longer change without its list item changing."""
        life = self._type.life_cycle
        state = column_of(self._type.fields, life.state_path)
        if not life.final_states or state is None:
            # A facet moves without the list item.
            return "true" if life.item_modified_path and not self._type.facets else "false"
        words = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(life.final_states))
        times = [
            column
            for path in (life.ended_path, life.item_modified_path)
            if path and self._is_time(path) and (column := column_of(self._type.fields, path))
        ]
        still = "".join(f" AND NOT coalesce({moving}, false)" for moving in moving_sql(self._type))
        if not times:
            return f"({state} IN ({words}){still})"
        last = f"greatest({', '.join(times)})"
        settled_at = f"{last} + INTERVAL {SETTLE_SECONDS} SECOND"
        return f"({state} IN ({words}){still} AND coalesce(CAST({server_time} AS TIMESTAMP) >= {settled_at}, true))"


def _ids(ids: Iterable[str]) -> pa.Table:
    # Not called `id`: a type may have a field of that name, beside which it would be ambiguous.
    return pa.table({"_asked_id": pa.array(list(ids), pa.string())})


def _naive(moment: datetime) -> datetime:
    """Return UTC without a zone, as the catalog keeps times."""
    return moment.replace(tzinfo=None)
