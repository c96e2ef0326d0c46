"""Names that a room above gives to a connection for questions: views, macros and small tables, for its time only.

They live in the connection's memory; the catalog file is not written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.query.problems import translating_sql
from stocktake.store.catalog import run
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    import pyarrow as pa

    from stocktake.store.catalog import Catalog

_GIVEN = "_given_rows"


def define_view(catalog: Catalog, name: str, sql: str) -> None:
    """Let a name stand for a statement that only reads. Raises: SqlError where the statement makes no sense."""
    with translating_sql(sql):
        run(catalog.connection, f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS {sql}")


def define_macro(catalog: Catalog, name: str, parameters: str, sql: str) -> None:
    """Let a name with parameters stand for an expression. Raises: SqlError where it makes no sense."""
    with translating_sql(sql):
        run(catalog.connection, f"CREATE OR REPLACE TEMP MACRO {quote(name)}({parameters}) AS {sql}")


def define_table(catalog: Catalog, name: str, rows: pa.Table) -> None:
    """Let a name stand for these rows."""
    connection = catalog.connection
    connection.register(_GIVEN, rows)
    try:
        run(connection, f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS SELECT * FROM {_GIVEN}")
    finally:
        connection.unregister(_GIVEN)
