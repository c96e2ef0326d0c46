"""Finding one version among a million by what identifies its resource: a short key, and an index of it on large tables.

The key is four bytes of a hash, so that the index takes 37 bytes a row and not 80. The database uses the index only
where nothing but the key is asked for; whoever asks compares the id itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.catalog import run

if TYPE_CHECKING:
    import duckdb

    from stocktake.store.catalog import Catalog

FROM_ROWS = 100_000
"""A smaller table is scanned in a few milliseconds; there is no sense in an index."""
_PREFIX = "key_of_"


def key_sql(expression: str) -> str:
    """Return the key of an id. Not the database's own hash, which may be another one in its next version."""
    return f"CAST(md5_number_lower({expression}) % 4294967296 AS UINTEGER)"


def indexed_types(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the types whose tables have the index."""
    rows = run(connection, f"SELECT index_name FROM duckdb_indexes() WHERE starts_with(index_name, '{_PREFIX}')")
    return {str(name).removeprefix(_PREFIX) for (name,) in rows}


def index_keys(catalog: Catalog) -> int:
    """Give every large table that has none its index. Returns how many were made."""
    connection = catalog.connection
    rows = run(
        connection,
        "SELECT t.type FROM resource_types AS t JOIN duckdb_tables() AS d ON d.table_name = t.type || '_history' "
        f"WHERE d.schema_name = 'main' AND d.estimated_size >= {FROM_ROWS} ORDER BY t.type",
    )
    missing = [str(name) for (name,) in rows if str(name) not in indexed_types(connection)]
    for name in missing:
        with catalog.transaction():
            run(connection, f'CREATE INDEX "{_PREFIX}{name}" ON "{name}_history" (_key)')
    return len(missing)


def drop_index(connection: duckdb.DuckDBPyConnection, type_name: str) -> None:
    """Remove a table's index: the database alters no table that has one. The next sweep's end makes it again."""
    run(connection, f'DROP INDEX IF EXISTS "{_PREFIX}{type_name}"')


def find_keys(connection: duckdb.DuckDBPyConnection, type_name: str, wanted: str) -> int | None:
    """Return the key under which an id is to be found in a type's index; None where the type has none."""
    if type_name not in indexed_types(connection):
        return None
    [(key,)] = run(connection, f"SELECT {key_sql('$wanted')}", {"wanted": wanted})
    return int(key)
