"""Bring the edges up to date with what a sweep has written, in SQL over the tables of the types that it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa

from stocktake.relations.edges import insert_edges
from stocktake.relations.extract import SEVERAL, Part, begin_values, extract_values, take_ended
from stocktake.relations.fields import text_columns
from stocktake.relations.resolve import resolve_edges
from stocktake.store.catalog import run
from stocktake.store.meta import read_number, write_number
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from stocktake.relations.fields import TextField
    from stocktake.store.catalog import Catalog

RULES = 2
"""Goes up when the rules change what an edge is: then all edges are made anew."""
_VERSIONS_AT_ONCE = 10_000
_RESOLVED = "relations_resolved_sweep"
"""Up to which sweep it is known where edges lead: kept apart from `relation_state`, which says which are written."""


@dataclass(frozen=True, slots=True)
class _Type:
    """A type that is held, and how far its edges are written."""

    type: str
    schema_json: str
    done: int
    """The last sweep that they know; 0: none."""
    begun: int
    ended: int
    """The last sweeps in which versions of it began, and ended."""

    @property
    def is_stale(self) -> bool:
        """Return whether there are versions that the edges do not know yet."""
        return max(self.begun, self.ended) > self.done

    @property
    def has_ended(self) -> bool:
        """Return whether versions that they know have ended since."""
        return 0 < self.done < self.ended


@dataclass(frozen=True, slots=True)
class _Portion:
    """New versions of a type that are taken together."""

    of: _Type
    part: Part
    versions: int
    is_last: bool
    """Only this one may touch edges that were there before: whoever is cut short ahead of it has only added some."""


def update_relations(catalog: Catalog, sweep_id: int) -> int:
    """Write the edges of all versions that began or ended since the edges of their types were last written.

    Edges of sweeps that were cut short are made up for. Returns how many types had something new.
    """
    connection = catalog.connection
    types = _read_types(connection)
    written = max((one.done for one in types), default=0)
    resolved = read_number(connection, _RESOLVED)
    if resolved is None:
        # Before this was kept, both were done in one go.
        resolved = written
        write_number(connection, _RESOLVED, resolved)
    stale = [one for one in types if one.is_stale]
    if not stale and written <= resolved:
        return 0
    with catalog.transaction():
        _forget(connection, stale)
        run(
            connection,
            f"CREATE OR REPLACE TEMP TABLE {SEVERAL} (type VARCHAR, _id VARCHAR, account_id VARCHAR, _region VARCHAR)",
        )
    for batch in _batches(connection, stale):
        _write_batch(catalog, batch, sweep_id)
    with catalog.transaction():
        resolve_edges(connection, resolved, [one.type for one in types if one.begun > resolved])
        write_number(connection, _RESOLVED, sweep_id)
    return len(stale)


def _batches(connection: duckdb.DuckDBPyConnection, stale: list[_Type]) -> Iterator[list[_Portion]]:
    """Yield what is written in one transaction: that bounds the memory of a first sweep."""
    batch: list[_Portion] = []
    for one in stale:
        for portion in _portions(connection, one):
            batch.append(portion)
            if sum(part.versions for part in batch) >= _VERSIONS_AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


def _write_batch(catalog: Catalog, batch: list[_Portion], sweep_id: int) -> None:
    with catalog.transaction() as connection:
        begin_values(connection)
        fields: dict[str, list[TextField]] = {}
        for portion in batch:
            one = portion.of
            columns = list(text_columns(one.type, orjson.loads(one.schema_json)))
            fields[one.type] = [field for column in columns for field in column.fields]
            if one.has_ended and portion.is_last:
                take_ended(connection, one.type, one.done)
            if portion.versions:
                extract_values(connection, one.type, columns, one.done, portion.part)
        _write_edges(connection, fields, sweep_id)
        _remember_state(connection, [portion.of.type for portion in batch if portion.is_last], sweep_id)


def _read_types(connection: duckdb.DuckDBPyConnection) -> list[_Type]:
    rows = run(
        connection,
        "SELECT t.type, t.schema_json, coalesce(s.sweep_id, 0) FROM resource_types AS t "
        f"LEFT JOIN relation_state AS s ON s.type = t.type AND s.rules = {RULES} ORDER BY t.type",
    )
    types = []
    for name, schema, done in rows:
        [(begun, ended)] = run(connection, f"SELECT max(_sweep), max(_end_sweep) FROM {quote(history_name(name))}")
        types.append(_Type(str(name), str(schema), int(done), begun or 0, ended or 0))
    return types


def _portions(connection: duckdb.DuckDBPyConnection, one: _Type) -> list[_Portion]:
    """Return a type's new versions as ranges of rows, and apart from them those whose edges go on from one to another.

    A source has all its versions in one portion, since a value that stays is one edge over many versions.
    """
    history = quote(history_name(one.type))
    [(count, first, last)] = run(
        connection,
        f"SELECT count(*), min(rowid), max(rowid) FROM {history} WHERE _sweep > $done",
        {"done": one.done},
    )
    if count <= _VERSIONS_AT_ONCE:
        return [_Portion(one, Part(), count, is_last=True)]
    run(
        connection,
        f"INSERT INTO {SEVERAL} SELECT $type, _id, account_id, _region FROM {history} "
        "WHERE _sweep > $done OR _end_sweep > $done GROUP BY _id, account_id, _region "
        "HAVING count(*) > 1 OR max(_end_sweep) > $done",
        {"done": one.done, "type": one.type},
    )
    [(several,)] = run(connection, f"SELECT count(*) FROM {SEVERAL} WHERE type = ?", [one.type])
    size = _VERSIONS_AT_ONCE
    ranges = [
        _Portion(one, Part((at, min(at + size - 1, last)), several=False), size, is_last=False)
        for at in range(first, last + 1, size)
    ]
    return [*ranges, _Portion(one, Part(several=True), several, is_last=True)]


def _forget(connection: duckdb.DuckDBPyConnection, stale: list[_Type]) -> None:
    """Drop what older rules made, and what was cut short: its sweep is later than the last that is known."""
    for one in stale:
        run(
            connection,
            "DELETE FROM relation_versions WHERE source_type = $type AND _sweep > $done",
            {"type": one.type, "done": one.done},
        )


def _write_edges(connection: duckdb.DuckDBPyConnection, fields: dict[str, list[TextField]], sweep_id: int) -> None:
    """Write the edges, and what each field that says something may refer to."""
    used = set(run(connection, "SELECT DISTINCT source_type, path FROM relation_values"))
    said = [(name, field) for name, of_it in fields.items() for field in of_it if (name, field.path) in used]
    table = pa.table(
        {
            "source_type": pa.array([name for name, _ in said], pa.string()),
            "path": pa.array([field.path for _, field in said], pa.string()),
            "edge": pa.array([field.edge for _, field in said], pa.string()),
            "types": pa.array([list(field.types) for _, field in said], pa.list_(pa.string())),
            "claimed": pa.array([field.claimed for _, field in said], pa.string()),
        }
    )
    connection.register("said_fields", table)
    try:
        same = "f.source_type = s.source_type AND f.path = s.path"
        run(connection, f"DELETE FROM relation_fields AS f USING said_fields AS s WHERE {same}")
        run(connection, "INSERT INTO relation_fields BY NAME SELECT * EXCLUDE (claimed) FROM said_fields")
        insert_edges(connection, sweep_id)
    finally:
        connection.unregister("said_fields")


def _remember_state(connection: duckdb.DuckDBPyConnection, types: list[str], sweep_id: int) -> None:
    parameters: dict[str, object] = {"types": types}
    run(connection, "DELETE FROM relation_state WHERE type IN (SELECT unnest($types))", parameters)
    run(
        connection,
        f"INSERT INTO relation_state SELECT unnest($types), $sweep, {RULES}",
        parameters | {"sweep": sweep_id},
    )
