"""What changed, written down when a sweep ends: so that asking for it costs what changed, not what exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from stocktake.store.catalog import run
from stocktake.store.edits import diff_fields
from stocktake.store.evolution import judge_moves
from stocktake.store.meta import read_number, write_number
from stocktake.store.type_tables import held_types, history_name, make_views, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from stocktake.store.catalog import Catalog

_KNOWN = "changes_known_sweep"
_PAIRS_AT_ONCE = 5_000
_LONGEST_VALUE = 2_000
_UNKNOWN = "_unknown"
_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_EDIT = pa.struct([("path", pa.string()), ("before", pa.string()), ("after", pa.string())])


def update_changes(catalog: Catalog) -> int:
    """Write down what sweeps changed since the last one that was written down, in one transaction.

    Sweeps that were cut short are made up for. What the first look at a scope found is no change. Returns how many
    changes were written.
    """
    connection = catalog.connection
    known = known_sweep(connection)
    [(newest,)] = run(connection, "SELECT coalesce(max(sweep_id), 0) FROM sweeps")
    if newest <= known:
        return 0
    types = _changed_types(catalog, known)
    with catalog.transaction():
        written = sum(_write_type(connection, name, known) for name in types)
        write_number(connection, _KNOWN, newest)
    return written


def known_sweep(connection: duckdb.DuckDBPyConnection) -> int:
    """Return up to which sweep changes are written down; 0: none."""
    return read_number(connection, _KNOWN) or 0


def _changed_types(catalog: Catalog, known: int) -> list[str]:
    """Return the types that may have changed: those the ledger names, or all, where a sweep did not tell all."""
    connection = catalog.connection
    held = set(held_types(catalog))
    # The sweep that is running has told of every scope by now; one that was cut short has not.
    [(untold,)] = run(
        connection,
        "SELECT count(*) FROM sweeps WHERE sweep_id > $known AND status NOT IN ('complete', 'gaps') "
        "AND sweep_id < (SELECT max(sweep_id) FROM sweeps)",
        {"known": known},
    )
    if untold:
        return sorted(held)
    rows = run(
        connection,
        "SELECT type, max(new + changed + deleted) FILTER (sweep_id > $known) AS moved, count(*) AS looks "
        "FROM coverage GROUP BY type, account_id, region HAVING moved > 0",
        {"known": known},
    )
    # A scope that was looked at once has nothing to differ from, unless a sweep was cut short before it told.
    looked_again = {name for name, _, looks in rows if looks > 1}
    by_events = run(connection, "SELECT DISTINCT type FROM event_reads WHERE sweep_id > $known", {"known": known})
    looked_again |= {name for (name,) in by_events}
    return sorted(
        str(name)
        for name in {name for name, _, _ in rows} | looked_again
        if name in held and (name in looked_again or _has_ended(connection, name))
    )


def _has_ended(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    [(ended,)] = run(connection, f"SELECT max(_end_sweep) FROM {quote(history_name(name))}")
    return ended is not None


def _write_type(connection: duckdb.DuckDBPyConnection, name: str, known: int) -> int:
    history = quote(history_name(name))
    run(connection, f"CREATE OR REPLACE TEMP TABLE changed_pairs AS {_pairs_sql(history)}", {"known": known})
    run(connection, f"INSERT INTO change_log {_SCOPES_SQL} {_whole_sql()}", {"known": known, "type": name})
    if judge_moves(connection, name, history, "changed_pairs"):
        [(provider,)] = run(connection, "SELECT provider FROM resource_types WHERE type = ?", [name])
        make_views(connection, name, provider)
    columns = [str(column) for column, *_ in _describe(connection, history)]
    compared = [column for column in columns if not column.startswith("_")] + [_UNKNOWN]
    for edits in _edits(connection, history, compared):
        connection.register("changed_edits", edits)
        try:
            run(connection, f"INSERT INTO change_log {_SCOPES_SQL} {_UPDATED_SQL}", {"known": known, "type": name})
        finally:
            connection.unregister("changed_edits")
    [(count,)] = run(connection, "SELECT count(*) FROM change_log WHERE type = ? AND sweep_id > ?", [name, known])
    return int(count)


def _describe(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    return run(connection, f"DESCRIBE {table}")


def _pairs_sql(history: str) -> str:
    """Return which versions began and ended, those of one moment side by side."""
    key = "_id, account_id, _region"
    return f"""
        SELECT coalesce(n._id, o._id) AS id, coalesce(n.account_id, o.account_id) AS account_id,
            coalesce(n._region, o._region) AS region, coalesce(n._from, o._to) AS changed_at,
            coalesce(n._sweep, o._end_sweep) AS sweep_id, o.row AS old, n.row AS new,
            n._created IS DISTINCT FROM o._created AND n._created IS NOT NULL AND o._created IS NOT NULL AS replaced
        FROM (SELECT {key}, _created, _from, _sweep, rowid AS row FROM {history} WHERE _sweep > $known) AS n
        FULL JOIN (SELECT {key}, _created, _to, _end_sweep, rowid AS row FROM {history} WHERE _end_sweep > $known) AS o
            ON n._id = o._id AND n.account_id = o.account_id AND n._region = o._region AND n._from = o._to
    """


# When each scope was looked at: in which sweep first, and before a given one.
_SCOPES_SQL = """
    BY NAME WITH scopes AS (
        SELECT account_id, region, sweep_id,
            min(sweep_id) FILTER (status IN ('complete', 'partial')) OVER scope AS first_sweep,
            max(finished_at) FILTER (status = 'complete') OVER (scope ORDER BY sweep_id ROWS BETWEEN
                UNBOUNDED PRECEDING AND 1 PRECEDING) AS looked_before
        FROM coverage WHERE type = $type WINDOW scope AS (PARTITION BY account_id, region)
    )
"""
_UPDATED_SQL = """
    SELECT $type AS type, p.id, p.account_id, p.region, 'updated' AS change, p.changed_at, s.looked_before,
        p.sweep_id, e.edits
    FROM changed_edits AS e JOIN changed_pairs AS p ON p.new = e.row
    LEFT JOIN scopes AS s USING (account_id, region, sweep_id)
    WHERE $known < p.sweep_id ORDER BY p.changed_at
"""


def _whole_sql() -> str:
    """Return what came and went as a whole; a resource that took another's name did both."""
    whole = """
        SELECT $type AS type, p.id, p.account_id, p.region, '{change}' AS change, p.changed_at, s.looked_before,
            p.sweep_id, [] AS edits
        FROM changed_pairs AS p LEFT JOIN scopes AS s USING (account_id, region, sweep_id)
        WHERE $known < p.sweep_id AND {condition}
    """
    # Where the ledger has no word on the scope in that sweep, it was cut short; an earlier look may still be known.
    first = "coalesce(s.first_sweep, (SELECT min(f.first_sweep) FROM scopes AS f WHERE f.account_id = p.account_id "
    first += "AND f.region = p.region), p.sweep_id)"
    parts = (
        whole.format(change="deleted", condition="(new IS NULL OR (old IS NOT NULL AND replaced))"),
        whole.format(
            change="created", condition=f"(old IS NULL OR (new IS NOT NULL AND replaced)) AND {first} < p.sweep_id"
        ),
    )
    return f"FROM ({' UNION ALL '.join(parts)}) ORDER BY changed_at"


def _edits(connection: duckdb.DuckDBPyConnection, history: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield what differs in the updated ones: the new version's row, and its edits."""
    old = ", ".join(f"CASE WHEN o.{name} IS DISTINCT FROM n.{name} THEN o.{name} END" for name in map(quote, columns))
    new = old.replace("THEN o.", "THEN n.")
    first = -1
    while True:
        # In the order of the table, so that each portion reads a part of it.
        pairs = (
            "(SELECT old, new FROM changed_pairs WHERE old > $first AND new IS NOT NULL AND NOT replaced "
            f"ORDER BY old LIMIT {_PAIRS_AT_ONCE}) AS p"
        )
        [(count, last)] = run(connection, f"SELECT count(*), max(old) FROM {pairs}", {"first": first})
        if not count:
            return
        rows = run(
            connection,
            f"SELECT p.new, {old}, {new} FROM {pairs} JOIN {history} AS o ON o.rowid = p.old "
            f"JOIN {history} AS n ON n.rowid = p.new",
            {"first": first},
        )
        yield _edit_table(rows, columns)
        first = int(last)


def _edit_table(rows: list[tuple[Any, ...]], columns: Sequence[str]) -> pa.Table:
    width = len(columns)
    edits = []
    for row in rows:
        before = _document(columns, row[1 : width + 1])
        after = _document(columns, row[width + 1 :])
        edits.append(
            [
                {"path": change.path, "before": _text(change.before), "after": _text(change.after)}
                for change in diff_fields(before, after)
            ]
        )
    return pa.table({"row": pa.array([row[0] for row in rows], pa.int64()), "edits": pa.array(edits, pa.list_(_EDIT))})


def _document(columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    found = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
    if _UNKNOWN in found:
        found[_UNKNOWN] = orjson.loads(found[_UNKNOWN])
    return found


def _text(value: object) -> str | None:
    """Return a value as JSON; of what is very long the beginning, as a text: the versions have it whole."""
    if value is None:
        return None
    text = orjson.dumps(value, default=str, option=_OPTIONS).decode()
    return text if len(text) <= _LONGEST_VALUE else orjson.dumps(text[:_LONGEST_VALUE] + "…").decode()
