"""A search as one statement over the search table, and over the tables of those types whose fields it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.query.search.compiler import Compiler, all_of
from stocktake.query.search.errors import SearchError
from stocktake.query.search.meaning import meaning_of
from stocktake.query.search.paths import has_path
from stocktake.query.search.sources import IndexSource, Moment, Source, TypeSource
from stocktake.query.search.syntax import Term, terms
from stocktake.store.resource_past import union_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stocktake.query.search.facets import Facet
    from stocktake.query.search.knowledge import Knowledge
    from stocktake.query.search.paging import Sorting
    from stocktake.query.search.syntax import Node
    from stocktake.query.search.values import Parameters, Sql
    from stocktake.store.resource_rows import HeldType


class Plan:
    """Where a search looks, and the statement that finds.

    Shape of what it finds: `src` (the place in `sources`), `rid` (the row there), `scope`, `s0` (what it is sorted by),
    `f1` and so on (the values of facets that are not those of scopes).
    """

    def __init__(
        self, node: Node, text: str, knowledge: Knowledge, parameters: Parameters, now: datetime, moment: Moment
    ) -> None:
        self._node = node
        self._text = text
        self._knowledge = knowledge
        self._parameters = parameters
        self._compiler = Compiler(knowledge, parameters, now)
        self._moment = moment
        self._selects: list[str] = []
        self.sources: list[Source] = []
        self.is_plain = True
        """All resources are found, straight from the search table: then a scan for each count is the fastest."""

    def find(self, facets: Sequence[Facet], sorting: Sorting) -> str:
        """Return the statement.

        Raises: SearchError where a value is none of what its key has.
        """
        typed = self._types_to_ask(facets)
        if self._is_indexed:
            source = IndexSource(self._knowledge.scopes)
            condition = self._compiler.compile(self._node, source)
            self._add(source, all_of([self._without(typed, source), condition]), facets, sorting)
        for held in typed:
            of_type = TypeSource(held, self._moment, self._knowledge.scopes)
            condition = self._compiler.compile(self._node, of_type)
            self._add(of_type, all_of([of_type.counts(), condition]), facets, sorting)
        self._refuse_unfit()
        return union_all(self._selects) if self._selects else _nothing(facets)

    @property
    def _is_indexed(self) -> bool:
        return self._knowledge.is_indexed and self._moment.is_now

    def _types_to_ask(self, facets: Sequence[Facet]) -> list[HeldType]:
        """Return the types whose own tables are asked: where a field of theirs is named; all, for another time."""
        if not self._is_indexed:
            return [one.held for one in self._knowledge.types]
        paths = {meaning_of(term.key).path for term in terms(self._node) if term.key is not None}
        paths |= {facet.meaning.path for facet in facets}
        paths.discard("")
        near = {one.name: one for path in paths for one in self._knowledge.types_with(path)}
        return [one.held for _, one in sorted(near.items()) if any(has_path(one.held.schema, path) for path in paths)]

    def _without(self, typed: list[HeldType], source: IndexSource) -> Sql:
        if not typed:
            return True
        names = ", ".join(self._parameters.add(held.name) for held in typed)
        return f"NOT {source.scope_condition(f'type IN ({names})')}"

    def _add(self, source: Source, condition: Sql, facets: Sequence[Facet], sorting: Sorting) -> None:
        if condition is False:
            return
        self.is_plain = self.is_plain and condition is True
        order = "NULL" if sorting.of_scope else source.column(sorting.column)
        columns = {"src": str(len(self.sources)), "rid": source.rowid, "scope": source.scope, "s0": order}
        columns |= {
            facet.column: facet.value(source, self._knowledge, self._parameters)
            for facet in facets
            if not facet.of_scope
        }
        picked = ", ".join(f"{value} AS {name}" for name, value in columns.items())
        where = "" if condition is True else f" WHERE {condition}"
        self.sources.append(source)
        self._selects.append(f"SELECT {picked} FROM {source.table()}{where}")

    def _refuse_unfit(self) -> None:
        for term in terms(self._node):
            if id(term) in self._compiler.unfit and id(term) not in self._compiler.fits:
                raise self._unfit(term, self._compiler.unfit[id(term)])

    def _unfit(self, term: Term, why: str) -> SearchError:
        return SearchError(
            f"{term.key} {why}",
            code="search_value",
            text=self._text,
            position=term.span.start,
            end=term.span.end,
            hint=f"Write a value of that kind, or {term.key}:* for any.",
        )


def _nothing(facets: Sequence[Facet]) -> str:
    """Return a statement that finds nothing."""
    columns = ["0 AS src", "0 AS rid", "0 AS scope", "NULL AS s0"]
    columns += [
        f"CAST(NULL AS VARCHAR{'[]' if facet.is_list else ''}) AS {facet.column}"
        for facet in facets
        if not facet.of_scope
    ]
    return f"SELECT {', '.join(columns)} WHERE false"
