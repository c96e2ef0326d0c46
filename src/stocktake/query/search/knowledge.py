"""What planning a search needs to know of the catalog: types, scopes, keys of tags."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.query.search.paths import plain
from stocktake.store.catalog import run
from stocktake.store.resource_index import is_complete
from stocktake.store.resource_rows import HeldType, Schema
from stocktake.store.tag_columns import read_tag_columns

if TYPE_CHECKING:
    import duckdb

# What the search table's scopes say, asked of the ledger itself: before a first sweep has come to its end.
_SCOPES_FROM_LEDGER = """(
    SELECT CAST(row_number() OVER (ORDER BY c.type, c.account_id, c.region) AS INTEGER) AS scope, c.type, t.provider,
        t.service, c.account_id, c.region, c.complete_at, c.stale
    FROM coverage_now AS c JOIN resource_types AS t ON t.type = c.type
)"""


@dataclass(frozen=True, slots=True)
class KnownType:
    """A type that the catalog has tables of; its schema is read only where a search names a field."""

    name: str
    provider: str
    service: str
    name_column: str | None
    schema_json: str

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

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        rows = run(
            connection, "SELECT type, provider, service, name_column, schema_json FROM resource_types ORDER BY type"
        )
        self.types = [KnownType(*row) for row in rows]
        self.is_indexed = is_complete(connection)
        self.scopes = "resource_scopes" if self.is_indexed else _SCOPES_FROM_LEDGER
        self._connection = connection

    @cached_property
    def tag_columns(self) -> dict[str, str | None]:
        """Keys of tags, and the search table's column for each that has one."""
        return read_tag_columns(self._connection)

    def types_with(self, path: str) -> list[KnownType]:
        """Return the types that may have a field of this path: those whose schema names its first step."""
        first = f'"{plain(path.partition(".")[0])}"'
        return [one for one in self.types if first in _plain_schema(one.schema_json)]

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
        return bool(self._run(f"SELECT 1 FROM {self.scopes} WHERE {condition} LIMIT 1", parameters))

    def _run(self, statement: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        return run(self._connection, statement, used)


@lru_cache(maxsize=4_096)
def read_schema(text: str) -> Schema:
    """Return a type's schema; what was read is remembered, and not to be changed."""
    schema: Schema = orjson.loads(text)
    return schema


@lru_cache(maxsize=4_096)
def _plain_schema(text: str) -> str:
    return plain(text)
