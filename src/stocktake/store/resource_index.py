"""The resources of all types in one table, for searching: derived from the types' tables, so never the only copy.

A sweep's end brings it up to date, which costs what changed. Type, account and region stand in `resource_scopes`, so
that a row has one number for all three. Tags whose keys have few values get columns of their own: such a column costs
two bytes a row and a few milliseconds to count, where lists of tags take thirty times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.catalog import run
from stocktake.store.meta import read_number, write_number
from stocktake.store.resource_past import define_past
from stocktake.store.resource_rows import (
    HeldType,
    has_tags,
    literal,
    name_expression,
    read_held_types,
    state_expression,
    tags_expression,
    text_expression,
)
from stocktake.store.tag_columns import give_columns, note_tags, read_tag_columns
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from stocktake.store.catalog import Catalog

RULES = 1
"""Goes up when the rules change what a row holds: then all rows are made anew."""
_KNOWN_SWEEP = "resources_known_sweep"
_RULES = "resources_rules"
_COUNTED = "resources_tags_counted"
_PAST = "resources_past_types"
_SCOPE_FACTS = ("name", "provider", "service")
_TYPES_AT_ONCE = 32
_VERSIONS_AT_ONCE = 50_000
"""Of types taken together: each has joins of its own, and all of them hold their tables at once."""


def refresh_resources(catalog: Catalog, type_names: Sequence[str] | None = None) -> int:
    """Bring the search table up to date with the types' tables; return how many rows were written.

    Without `type_names`, with everything that sweeps wrote since the last such call, and with the ledger, which tells
    when each scope was last known whole: for the end of a sweep. With names, only those types: for readers who cannot
    wait until then. What a sweep that was cut short left undone is made up for.
    """
    connection = catalog.connection
    if read_number(connection, _RULES) != RULES:
        _empty(catalog)
    known = read_number(connection, _KNOWN_SWEEP) or 0
    [(newest,)] = run(connection, "SELECT coalesce(max(sweep_id), 0) FROM sweeps")
    names = _changed_types(connection, known) if type_names is None else list(type_names)
    written = 0
    types = read_held_types(connection, names)
    for some in _together(connection, types, known):
        with catalog.transaction():
            written += _write_types(connection, some, known)
    with catalog.transaction():
        if type_names is None:
            _write_coverage(connection, known)
            write_number(connection, _KNOWN_SWEEP, newest)
            _keep_past(connection)
        if written:
            _recount_tags(connection)
    return written


def is_complete(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the search table holds all resources: it does not before the first sweep's end."""
    return read_number(connection, _RULES) == RULES and read_number(connection, _KNOWN_SWEEP) is not None


def _empty(catalog: Catalog) -> None:
    """Forget all rows, so that they are made anew."""
    with catalog.transaction() as connection:
        for table in ("resource_index", "resource_scopes", "resource_tag_keys", "resource_tag_values"):
            run(connection, f"DELETE FROM {table}")
        run(connection, "DELETE FROM catalog_meta WHERE key IN (?, ?)", [_KNOWN_SWEEP, _COUNTED])
        write_number(connection, _RULES, RULES)


def _changed_types(connection: duckdb.DuckDBPyConnection, known: int) -> list[str] | None:
    """Return the types whose tables have changed since a sweep; None: any of them may have."""
    # The ledger tells, except of scopes that a sweep never got to the end of.
    [(untold,)] = run(
        connection,
        "SELECT count(*) FROM sweeps WHERE sweep_id > $known AND status NOT IN ('complete', 'gaps') "
        "AND sweep_id <> (SELECT max(sweep_id) FROM sweeps)",
        {"known": known},
    )
    if known == 0 or untold:
        return None
    rows = run(
        connection,
        "SELECT DISTINCT type FROM coverage WHERE sweep_id > $known AND new + changed + deleted > 0 "
        "UNION SELECT type FROM event_reads WHERE sweep_id > $known",
        {"known": known},
    )
    return [str(row[0]) for row in rows]


def _together(connection: duckdb.DuckDBPyConnection, types: Sequence[HeldType], known: int) -> Iterator[list[HeldType]]:
    """Yield the types that are written in one statement: many that have little, or one that has much."""
    some: list[HeldType] = []
    size = 0
    for one in types:
        [(versions,)] = run(
            connection,
            f"SELECT count(*) FROM {quote(history_name(one.name))} WHERE _sweep > {known} OR _end_sweep > {known}",
        )
        if some and (len(some) == _TYPES_AT_ONCE or size + versions > _VERSIONS_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(one)
        size += int(versions)
    if some:
        yield some


def _write_types(connection: duckdb.DuckDBPyConnection, types: Sequence[HeldType], known: int) -> int:
    """Take out what ended or changed since a sweep, put in what began and still holds: of some types at once."""
    touched = _note_touched(connection, types, known)
    if touched == 0:
        return 0
    fresh = f"_h._to IS NULL AND _h._sweep > {known}"
    tagged = [f"SELECT unnest(_h.tags) AS tag FROM {_versions(one)} WHERE {fresh}" for one in types if has_tags(one)]
    if tagged:
        each = f"(SELECT tag_key(tag) AS key, tag AS value FROM ({' UNION ALL '.join(tagged)}))"
        give_columns(connection, each, touched)
    run(
        connection,
        "CREATE OR REPLACE TEMP TABLE _before AS "
        "SELECT resource_index.rowid AS _row, scope AS _bs, id AS _bi, created_at AS _bc, first_seen_at AS _first "
        "FROM resource_index SEMI JOIN _touched ON scope = _scope AND id = _key",
    )
    run(connection, "DELETE FROM resource_index WHERE rowid IN (SELECT _row FROM _before)")
    [(last,)] = run(connection, "SELECT coalesce(max(rowid), -1) FROM resource_index")
    columns = {key: column for key, column in read_tag_columns(connection).items() if column}
    names = ", ".join([*_row(types[0], {}), *columns.values()])
    written = 0
    for part in _parts(connection, types, known):
        rows = " UNION ALL ".join(_rows(one, columns, f"{fresh}{part}") for one in types)
        [(count,)] = run(connection, f"INSERT INTO resource_index ({names}) {rows}")
        written += int(count)
    note_tags(connection, f"resource_index WHERE rowid > {last}")
    return written


def _parts(connection: duckdb.DuckDBPyConnection, types: Sequence[HeldType], known: int) -> Iterator[str]:
    """Yield conditions for what one statement inserts: each thread of it keeps rows until there are very many."""
    if len(types) > 1:
        yield ""
        return
    [(first, last)] = run(
        connection,
        f"SELECT min(rowid), max(rowid) FROM {quote(history_name(types[0].name))} "
        f"WHERE _to IS NULL AND _sweep > {known}",
    )
    if first is not None:
        for at in range(first, last + 1, _VERSIONS_AT_ONCE):
            yield f" AND _h.rowid BETWEEN {at} AND {min(last, at + _VERSIONS_AT_ONCE - 1)}"


def _versions(held: HeldType) -> str:
    """Return the versions of a type, each with the number of its scope, as SQL."""
    # Underscored, since a type may have a field of any other name.
    scopes = f"(SELECT scope, account_id, region FROM resource_scopes WHERE type = {literal(held.name)})"
    history = quote(history_name(held.name))
    return f"{history} AS _h JOIN {scopes} AS _s(_scope, _a, _r) ON _h.account_id = _a AND _h._region = _r"


def _note_touched(connection: duckdb.DuckDBPyConnection, types: Sequence[HeldType], known: int) -> int:
    """Note scopes that are new, and in `_touched` which resources began, changed or ended since a sweep.

    Return how many those are.
    """
    changed = f"(_h._sweep > {known} OR _h._end_sweep > {known})"
    places = " UNION ALL ".join(
        f"SELECT DISTINCT {', '.join(literal(getattr(one, fact)) for fact in _SCOPE_FACTS)}, account_id, _region "
        f"FROM {quote(history_name(one.name))} AS _h WHERE {changed}"
        for one in types
    )
    run(
        connection,
        "INSERT INTO resource_scopes (type, provider, service, account_id, region, scope) "
        "SELECT * EXCLUDE (_last), _last + row_number() OVER (ORDER BY t, a, r) FROM "
        f"(({places}) EXCEPT SELECT type, provider, service, account_id, region FROM resource_scopes) "
        "AS _new(t, p, s, a, r), (SELECT coalesce(max(scope), 0) AS _last FROM resource_scopes)",
    )
    touched = " UNION ALL ".join(
        f"SELECT DISTINCT _scope, _h._id AS _key FROM {_versions(one)} WHERE {changed}" for one in types
    )
    [(count,)] = run(connection, f"CREATE OR REPLACE TEMP TABLE _touched AS {touched}")
    return int(count)


def _rows(held: HeldType, columns: dict[str, str], fresh: str) -> str:
    """Return the rows of a type that the search table lacks, as SQL."""
    picked = ", ".join(_row(held, columns).values())
    closed = (
        "SELECT account_id AS _ca, _region AS _cr, _id AS _ci, _created AS _cc, min(_from) AS _closed_first "
        f"FROM {quote(history_name(held.name))} WHERE _to IS NOT NULL AND _id IN (SELECT _key FROM _touched) "
        "GROUP BY ALL"
    )
    return (
        f"SELECT {picked} FROM {_versions(held)} "
        f"LEFT JOIN ({closed}) ON _ci = _h._id AND _ca = _a AND _cr = _r AND _cc IS NOT DISTINCT FROM _h._created "
        "LEFT JOIN _before ON _bi = _h._id AND _bs = _scope AND _bc IS NOT DISTINCT FROM _h._created "
        f"WHERE {fresh}"
    )


def _row(held: HeldType, columns: dict[str, str]) -> dict[str, str]:
    """Return the columns of the search table, each as SQL over a type's versions."""
    tags = tags_expression(held, "_h")
    row = {
        "scope": "_scope",
        "id": "_h._id",
        "name": name_expression(held, "_h"),
        "state": state_expression(held, "_h"),
        "tags": f"tags_map({tags})",
        "created_at": "_h._created",
        "first_seen_at": "least(_h._from, _first, _closed_first)",
        "changed_at": "_h._from",
        "text": text_expression(held, "_h", columns),
    }
    values = {column: f"tag({tags}, {literal(key)})" if has_tags(held) else "NULL" for key, column in columns.items()}
    return row | values


def _keep_past(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `resources_as_of` anew where types came or grew."""
    [(types,)] = run(
        connection, "SELECT coalesce(hash(string_agg(type || schema_json, ',' ORDER BY type)), 0) FROM resource_types"
    )
    if types != read_number(connection, _PAST):
        define_past(connection)
        write_number(connection, _PAST, types)


def _write_coverage(connection: duckdb.DuckDBPyConnection, known: int) -> None:
    """Take over from the ledger when each scope was last known whole, and whether the newest sweep got that far."""
    run(
        connection,
        """
        UPDATE resource_scopes AS _s
        SET complete_at = coalesce(_c.whole, _s.complete_at), stale = _c.newest <> 'complete'
        FROM (
            SELECT type, account_id, region, arg_max(status, sweep_id) AS newest,
                max(finished_at) FILTER (WHERE status = 'complete') AS whole
            FROM coverage WHERE sweep_id > $known GROUP BY ALL
        ) AS _c
        WHERE _s.type = _c.type AND _s.account_id = _c.account_id AND _s.region = _c.region
        """,
        {"known": known},
    )


def _recount_tags(connection: duckdb.DuckDBPyConnection) -> None:
    """Look again which tags deserve columns, each time the table has doubled."""
    [(rows,)] = run(connection, "SELECT count(*) FROM resource_index")
    if rows >= 2 * (read_number(connection, _COUNTED) or 0):
        each = "(SELECT e.key, e.value FROM (SELECT unnest(map_entries(tags)) AS e FROM resource_index))"
        give_columns(connection, each, rows)
        write_number(connection, _COUNTED, rows)
