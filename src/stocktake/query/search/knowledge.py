"""What planning a search needs to know of the catalog: types, scopes, keys of tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.query.search.paths import plain
from stocktake.store.catalog import run
from stocktake.store.resource_index import is_complete
from stocktake.store.resource_rows import HeldType, Schema
from stocktake.store.tag_columns import read_tag_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from stocktake.query.search.sources import Moment

# The scopes of the ledger with a number each, as the search table has them: before a first sweep has come to its end.
_NUMBERED = """(
    SELECT CAST(row_number() OVER (ORDER BY type, account_id, region) AS INTEGER) AS scope, *
    FROM (SELECT DISTINCT type, provider, service, account_id, region FROM coverage JOIN resource_types USING (type))
)"""


@dataclass(frozen=True, slots=True)
class KnownType:
    """A type that the catalog has tables of; its schema is read only where a search names a field."""

    name: str
    provider: str
    service: str
    name_column: str | None
    load_schema: Callable[[str], str] = field(repr=False, compare=False)

    @property
    def schema_json(self) -> str:
        """Return the schema as the catalog has it."""
        return self.load_schema(self.name)

    @property
    def held(self) -> HeldType:
        """Return the type with its schema."""
        return HeldType(self.name, self.provider, self.service, self.name_column, read_schema(self.schema_json))

    @property
    def forms(self) -> tuple[str, ...]:
        """Return the names that it goes by: `aws_sagemaker_trainingjob`, `sagemaker_trainingjob`, `trainingjob`."""
        short = self.name.removeprefix(f"{self.provider}_")
        return self.name, short, short.partition("_")[2]


class Knowledge:
    """The catalog as far as a search needs it, read once for each search."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, moment: Moment) -> None:
        rows = run(connection, "SELECT type, provider, service, name_column FROM resource_types ORDER BY type")
        self.types = [KnownType(str(row[0]), str(row[1]), str(row[2]), row[3], self._load_schema) for row in rows]
        self._schemas: dict[str, str] = {}
        self._with_path: dict[str, list[KnownType]] = {}
        self.is_indexed = is_complete(connection)
        self.scopes = "resource_scopes"
        """The table of scopes."""
        self.scopes_table = ""
        """What a statement has to define first, so that there is such a table."""
        if not (self.is_indexed and moment.is_now):
            self.scopes = "_scopes"
            self.scopes_table = f"_scopes AS MATERIALIZED ({self._scopes_then(moment)})"
        self._connection = connection

    @cached_property
    def tag_columns(self) -> dict[str, str | None]:
        """Keys of tags, and the search table's column for each that has one."""
        return read_tag_columns(self._connection)

    def types_with(self, path: str) -> list[KnownType]:
        """Return the types that may have a field of this path: those whose schema names its first step."""
        first = plain(path.partition(".")[0])
        if first not in self._with_path:
            rows = run(
                self._connection,
                "SELECT type, schema_json FROM resource_types "
                "WHERE contains(replace(lower(schema_json), '_', ''), $first)",
                {"first": f'"{first}"'},
            )
            self._schemas |= dict(rows)
            names = {name for name, _ in rows}
            self._with_path[first] = [one for one in self.types if one.name in names]
        return self._with_path[first]

    def _load_schema(self, name: str) -> str:
        if name not in self._schemas:
            self._schemas |= dict(run(self._connection, "SELECT type, schema_json FROM resource_types"))
        return self._schemas[name]

    def tag_values(self, condition: str, parameters: dict[str, object]) -> dict[str, list[str]]:
        """Return the values of tags with columns of which a condition on `value` holds, by column."""
        found: dict[str, list[str]] = {}
        for column, value in self._run(
            "SELECT column_name, value FROM resource_tag_values JOIN resource_tag_keys USING (key) "
            f"WHERE column_name IS NOT NULL AND {condition} ORDER BY ALL",
            parameters,
        ):
            found.setdefault(column, []).append(value)
        return found

    def has_scopes(self, condition: str, parameters: dict[str, object]) -> bool:
        """Return whether a condition holds of any scope."""
        return bool(self._run(self.with_scopes(f"SELECT 1 FROM {self.scopes} WHERE {condition} LIMIT 1"), parameters))

    def with_scopes(self, statement: str, *tables: str) -> str:
        """Return a statement with the common tables that it needs, that of the scopes first."""
        needed = [one for one in (self.scopes_table, *tables) if one]
        return f"WITH {', '.join(needed)} {statement}" if needed else statement

    def _scopes_then(self, moment: Moment) -> str:
        """Return the scopes as SQL, with what was known of them at a moment."""
        then = "" if moment.at is None else f"WHERE finished_at <= {moment.literal()}"
        numbered = "resource_scopes" if self.is_indexed else _NUMBERED
        return (
            "SELECT _n.scope, type, provider, service, account_id, region, _c.complete_at, "
            "coalesce(_c.stale, true) AS stale "
            f"FROM {numbered} AS _n LEFT JOIN (SELECT type, account_id, region, "
            "max(finished_at) FILTER (WHERE status = 'complete') AS complete_at, "
            "arg_max(status, sweep_id) <> 'complete' AS stale "
            f"FROM coverage {then} GROUP BY ALL) AS _c USING (type, account_id, region)"
        )

    def _run(self, statement: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        return run(self._connection, statement, used)


@lru_cache(maxsize=4_096)
def read_schema(text: str) -> Schema:
    """Return a type's schema; what was read is remembered, and not to be changed."""
    schema: Schema = orjson.loads(text)
    return schema
