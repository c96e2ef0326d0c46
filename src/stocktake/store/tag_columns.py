"""Which tags have columns of their own in the search table: those that many resources have, with few values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.catalog import run
from stocktake.store.resource_rows import literal

if TYPE_CHECKING:
    import duckdb

TAG_COLUMNS = tuple(f"tag_{number}" for number in range(1, 17))
_MOST_VALUES = 1_000
_LEAST_SHARE = 0.01
_LEAST_ROWS = 1_000


def read_tag_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """Return every key that tags had, with the column that holds its values; None where it has none of its own."""
    return dict(run(connection, "SELECT key, column_name FROM resource_tag_keys"))


def give_columns(connection: duckdb.DuckDBPyConnection, tags: str, rows: int) -> None:
    """Give columns to the keys that deserve one by so many rows.

    `tags` is a table, as SQL, with the rows' tags one by one: `key`, `value`. Rows that are in the search table
    already get their values; their text keeps those, too, which finds nothing wrong.
    """
    taken = [column for column in read_tag_columns(connection).values() if column]
    free = [column for column in TAG_COLUMNS if column not in taken]
    if rows < _LEAST_ROWS or not free:
        return
    found = run(
        connection,
        "SELECT key FROM (SELECT key, count(*) AS uses, count(DISTINCT value) AS choices "
        f"FROM {tags} GROUP BY key) WHERE uses >= $least AND choices <= $most "
        "AND key NOT IN (SELECT key FROM resource_tag_keys WHERE column_name IS NOT NULL) ORDER BY uses DESC, key",
        {"least": rows * _LEAST_SHARE, "most": _MOST_VALUES},
    )
    given = dict(zip((str(row[0]) for row in found), free, strict=False))
    if not given:
        return
    values = ", ".join(f"{column} = tag(tags, {literal(key)})" for key, column in given.items())
    run(connection, f"UPDATE resource_index SET {values}")
    for key, column in given.items():
        run(connection, "DELETE FROM resource_tag_keys WHERE key = ?", [key])
        run(connection, "INSERT INTO resource_tag_keys VALUES (?, ?)", [key, column])
        run(
            connection,
            f"INSERT INTO resource_tag_values SELECT DISTINCT ?, {column} FROM resource_index "
            f"WHERE {column} IS NOT NULL",
            [key],
        )


def note_tags(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    """Note keys of tags, and values of those with columns, that were not known before; `rows` as SQL, of the table."""
    run(
        connection,
        "INSERT INTO resource_tag_keys BY NAME "
        f"SELECT DISTINCT key FROM (SELECT unnest(map_keys(tags)) AS key FROM {rows}) "
        "WHERE key NOT IN (SELECT key FROM resource_tag_keys)",
    )
    columns = {key: column for key, column in read_tag_columns(connection).items() if column}
    for key, column in columns.items():
        run(
            connection,
            f"INSERT INTO resource_tag_values SELECT $key, value FROM (SELECT DISTINCT {column} AS value FROM {rows}) "
            "WHERE value IS NOT NULL AND value NOT IN (SELECT value FROM resource_tag_values WHERE key = $key)",
            {"key": key},
        )
