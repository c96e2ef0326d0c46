"""What a search is counted by: which values there are, how often each, and how often none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stocktake.query.search.compiler import is_whole_key
from stocktake.query.search.meaning import Meaning, meaning_of
from stocktake.query.search.paths import has_path, values_at, whole
from stocktake.query.search.sources import IndexSource, Source, TypeSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.query.search.knowledge import Knowledge
    from stocktake.query.search.values import Parameters

NONE = "(none)"
"""What is chosen to find what has no value."""
ANY = "(any)"
"""What is chosen to find what has one."""
MOST_VALUES = 50


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value, and how many of the found resources have it."""

    value: str | None
    """None: they have none."""
    count: int
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """The values of a facet among what is found when its own choice is left out, most frequent first."""

    key: str
    values: tuple[FacetValue, ...]
    distinct: int
    """How many values there are; `values` has at most so many of them as were asked for."""


@dataclass(slots=True)
class Facet:
    """A key to count by, and what is chosen of it."""

    key: str
    number: int
    chosen: tuple[str, ...] = ()
    is_grouping: bool = False
    """Counted with its own choice, too."""
    meaning: Meaning = field(init=False)
    is_list: bool = field(init=False, default=False)
    """A row may have several values."""

    def __post_init__(self) -> None:
        self.meaning = meaning_of(self.key)

    def settle(self, knowledge: Knowledge) -> None:
        """Take from the types of this catalog what the key means in it."""
        path = self.meaning.path
        schemas = [one.held.schema for one in knowledge.types_with(path)] if path else []
        found = [schema for schema in schemas if has_path(schema, path)]
        if not found:
            self.meaning = replace(self.meaning, path="")
        leaves = [whole(schema, "_h", path, lambda _: "''") for schema in found]
        self.is_list = self.meaning.common == "tags" or any(
            leaf is None or leaf[0].startswith(("UNORDERED_LIST_", "MAP_")) for leaf in leaves
        )

    @property
    def of_scope(self) -> bool:
        """Return whether its values are those of scopes, so that rows need not have them."""
        return self.meaning.level in {"scope", "type"}

    @property
    def column(self) -> str:
        """Return its column: of the found rows, or of scopes."""
        return self.meaning.common if self.of_scope else f"f{self.number}"

    def condition(self, parameters: Parameters, scopes: str) -> str | None:
        """Return what is chosen as a condition on the found rows."""
        if not self.chosen:
            return None
        if not self.of_scope:
            return self._of_values(self.column, parameters)
        return f"scope IN (SELECT scope FROM {scopes} WHERE {self.of_scopes(parameters)})"

    def of_scopes(self, parameters: Parameters) -> str:
        """Return what is chosen as a condition on scopes."""
        column = f"CAST({self.column} AS VARCHAR)" if self.meaning.kind == "BOOLEAN" else self.column
        return self._of_values(column, parameters)

    def _of_values(self, column: str, parameters: Parameters) -> str:
        values = ", ".join(parameters.add(value) for value in self.chosen if value not in {NONE, ANY})
        has_any = f"len({column}) > 0" if self.is_list else f"{column} IS NOT NULL"
        conditions = [f"NOT coalesce({has_any}, false)"] if NONE in self.chosen else []
        conditions += [has_any] if ANY in self.chosen else []
        if values:
            conditions.append(f"list_has_any({column}, [{values}])" if self.is_list else f"{column} IN ({values})")
        return f"({' OR '.join(conditions)})"

    def value(self, source: Source, knowledge: Knowledge, parameters: Parameters) -> str:
        """Return the SQL of a row's value; for a list facet, of its values."""
        meaning = self.meaning
        if meaning.common == "tags":
            return source.column("tags")
        values = [self._common(source), self._tag(source, knowledge, parameters)]
        if not self.is_list:
            if isinstance(source, TypeSource) and meaning.path:
                leaf = whole(source.held.schema, "_h", meaning.path, parameters.add)
                values.append(None if leaf is None else f"CAST({leaf[1]} AS VARCHAR)")
            found = [one for one in values if one is not None]
            return f"coalesce({', '.join(found)})" if len(found) > 1 else (found or ["CAST(NULL AS VARCHAR)"])[0]
        found = [one for one in values if one is not None]
        parts = [f"list_filter([{one}], lambda _y: _y IS NOT NULL)" for one in found]
        if isinstance(source, TypeSource):
            listed = values_at(source.held.schema, "_h", meaning.path, parameters.add) if meaning.path else None
            parts += [] if listed is None else [f"coalesce({listed}, [])"]
        return f"CAST({' || '.join(parts) or 'NULL'} AS VARCHAR[])"

    def _common(self, source: Source) -> str | None:
        common = self.meaning.common
        if not common:
            return None
        value = source.column(common)
        return f"CAST(CAST({value} AS DATE) AS VARCHAR)" if self.meaning.kind == "TIMESTAMP" else value

    def _tag(self, source: Source, knowledge: Knowledge, parameters: Parameters) -> str | None:
        key = self.meaning.tag
        if not key or (isinstance(source, TypeSource) and not source.has_tags):
            return None
        if isinstance(source, IndexSource) and is_whole_key(key):
            known = {name: column for name, column in knowledge.tag_columns.items() if name.lower() == key.lower()}
            values = [
                f"_i.{column}" if column else f"_i.tags[{parameters.add(name)}]" for name, column in known.items()
            ]
            return None if not values else values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"
        begins = parameters.add(f"{key}:")
        first = f"list_filter({source.column('tags')}, lambda _t: starts_with(lower(_t), lower({begins})))[1]"
        return f"substr({first}, {len(key) + 2})"


def counting(facet: Facet, facets: Sequence[Facet], parameters: Parameters, scopes: str, limit: int) -> tuple[str, str]:
    """Return the statements that count a facet: a common table `g…`, and what is taken of it.

    Shape of the latter: part, value, count.
    """
    others = [one for one in facets if one is not facet or facet.is_grouping]
    conditions = [one.condition(parameters, scopes) for one in others]
    where = " AND ".join(one for one in conditions if one) or "true"
    column = facet.column
    if facet.of_scope:
        counted = (
            f"SELECT CAST(_z.{column} AS VARCHAR) AS v, CAST(sum(m) AS BIGINT) AS n "
            f"FROM (SELECT scope, count(*) AS m FROM hit WHERE {where} GROUP BY scope) "
            f"JOIN {scopes} AS _z USING (scope) GROUP BY v"
        )
    elif facet.is_list:
        counted = (
            f"SELECT v, count(*) AS n FROM (SELECT unnest(list_distinct({column})) AS v FROM hit WHERE {where}) "
            "GROUP BY v UNION ALL "
            f"SELECT NULL, count(*) FROM hit WHERE {where} AND NOT coalesce(len({column}) > 0, false) "
            "HAVING count(*) > 0"
        )
    else:
        counted = f"SELECT {column} AS v, count(*) AS n FROM hit WHERE {where} GROUP BY v"
    chosen = ", ".join(parameters.add(value) for value in facet.chosen if value not in {NONE, ANY})
    first = f"(v IN ({chosen})) DESC, " if chosen else ""
    taken = (
        f"(SELECT {facet.number} AS part, v, n FROM g{facet.number} WHERE v IS NOT NULL "
        f"ORDER BY {first}n DESC, v LIMIT {limit}) "
        f"UNION ALL (SELECT {facet.number}, NULL, n FROM g{facet.number} WHERE v IS NULL) "
        f"UNION ALL (SELECT -{facet.number}, NULL, count(v) FROM g{facet.number})"
    )
    return f"g{facet.number} AS MATERIALIZED ({counted})", taken
