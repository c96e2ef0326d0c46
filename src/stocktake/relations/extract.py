"""What the fields of new versions say, as intervals of time: a value that stays is one interval over many versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.relations.forms import any_form_sql, text
from stocktake.relations.known_types import known_types
from stocktake.store.catalog import run
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from stocktake.relations.fields import Column

VALUES = "relation_values"
"""Temporary: source_type, source_id, account_id, region, seen_from, seen_to, path, value."""
SEVERAL = "relation_several"
"""Temporary: type, _id, account_id, _region of sources with several versions that are new or ended."""
_LONGEST = 2048
_LONGEST_NAME = 256
_COLUMNS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Part:
    """Which new versions of a type are meant."""

    rows: tuple[int, int] | None = None
    """Those in this range of rows; None: in all."""
    several: bool | None = None
    """Only those of sources with several of them, or only the others; None: all."""


def begin_values(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin with no values."""
    run(
        connection,
        f"CREATE OR REPLACE TEMP TABLE {VALUES} (source_type VARCHAR, source_id VARCHAR, account_id VARCHAR, "
        "region VARCHAR, seen_from TIMESTAMP, seen_to TIMESTAMP, path VARCHAR, value VARCHAR)",
    )


def extract_values(
    connection: duckdb.DuckDBPyConnection, type_name: str, columns: Sequence[Column], done: int, part: Part
) -> None:
    """Collect what versions of a type say that are later than sweep `done`, as far as they are in a part of them."""
    for start in range(0, len(columns), _COLUMNS_AT_ONCE):
        statement = _said_sql(type_name, columns[start : start + _COLUMNS_AT_ONCE], part)
        run(connection, f"INSERT INTO {VALUES} {statement}", {"done": done})


def _said_sql(type_name: str, columns: Sequence[Column], part: Part) -> str:
    """Return the values of all fields in one reading of the table, one row each."""
    fields = [field for column in columns for field in column.fields]
    lists = (column.said_sql for column in columns)
    paths = ", ".join(text(field.path) for field in fields)
    first = fields[0].number
    named = ", ".join(str(field.number) for field in fields if field.types) or "0"
    own = ", ".join(str(field.number) for field in fields if field.own) or "0"
    services = ", ".join(text(one) for one in sorted(known_types().arn_services.get(type_name, ()))) or "NULL"
    foreign = f"starts_with(said.v, 'arn:') AND split_part(said.v, ':', 3) NOT IN ({services})"
    source = quote(history_name(type_name))
    where = "_sweep > $done"
    if part.rows is not None:
        where += f" AND rowid BETWEEN {part.rows[0]} AND {part.rows[1]}"
    if part.several is not None:
        some = f"(SELECT _id, account_id, _region FROM {SEVERAL} WHERE type = {text(type_name)})"
        source += f" {'SEMI' if part.several else 'ANTI'} JOIN {some} USING (_id, account_id, _region)"
    # One value may stand in several places of one field.
    return f"""
        SELECT DISTINCT {text(type_name)}, source_id, account_id, region, seen_from, seen_to,
            [{paths}][said.n - {first - 1}] AS path, said.v AS value
        FROM (
            SELECT _id AS source_id, account_id, _region AS region, _from AS seen_from, _to AS seen_to,
                unnest(flatten([{", ".join(lists)}])) AS said
            FROM {source} WHERE {where}
        )
        WHERE said.v <> '' AND ((said.n NOT IN ({own}) AND said.v IS DISTINCT FROM source_id) OR ({foreign})) AND (
            (said.n IN ({named}) AND length(said.v) <= {_LONGEST_NAME})
            OR (length(said.v) <= {_LONGEST} AND {any_form_sql("said.v")})
        )
    """


def take_ended(connection: duckdb.DuckDBPyConnection, type_name: str, done: int) -> None:
    """Move edges whose version has ended since from the kept ones to the values, with that end."""
    history = quote(history_name(type_name))
    parameters = {"done": done, "type": type_name}
    ended = (
        f"(SELECT _id, account_id, _region, max(_to) AS ended FROM {history} "
        "WHERE _sweep <= $done AND _end_sweep > $done GROUP BY ALL) AS e"
    )
    same = (
        "r.source_type = $type AND r._to IS NULL AND r.source_id = e._id AND r.account_id = e.account_id "
        "AND r.region = e._region"
    )
    run(
        connection,
        f"INSERT INTO {VALUES} SELECT r.source_type, r.source_id, r.account_id, r.region, r._from, e.ended, r.path, "
        f"r.value FROM relation_versions AS r JOIN {ended} ON {same}",
        parameters,
    )
    run(connection, f"DELETE FROM relation_versions AS r USING {ended} WHERE {same}", parameters)


def intervals_sql(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the values with adjoining intervals made one."""
    [(several,)] = run(
        connection,
        "SELECT count(*) FROM (SELECT 1 FROM (SELECT DISTINCT source_type, source_id, account_id, region, seen_from "
        f"FROM {VALUES}) GROUP BY source_type, source_id, account_id, region HAVING count(*) > 1)",
    )
    if not several:
        return f"SELECT * FROM {VALUES}"
    key = "source_type, source_id, account_id, region, path, value"
    return f"""
        SELECT {key}, min(seen_from) AS seen_from,
            CASE WHEN bool_or(seen_to IS NULL) THEN NULL ELSE max(seen_to) END AS seen_to
        FROM (
            SELECT *, sum(CAST(begins AS INTEGER)) OVER (PARTITION BY {key} ORDER BY seen_from) AS number
            FROM (
                SELECT *, lag(seen_to) OVER (PARTITION BY {key} ORDER BY seen_from) IS DISTINCT FROM seen_from AS begins
                FROM {VALUES}
            )
        ) GROUP BY {key}, number
    """
