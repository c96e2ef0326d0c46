"""Run a search: facets, total and a page from one scan."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stocktake.core.clock import SystemClock
from stocktake.core.errors import UserError
from stocktake.query.interrupt import run_interruptible
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.search.facets import MOST_VALUES, Facet, FacetCounts, FacetValue, counting
from stocktake.query.search.knowledge import Knowledge
from stocktake.query.search.meaning import COMMON_KEYS, meaning_of
from stocktake.query.search.page import Note, SearchPage
from stocktake.query.search.paging import DEFAULT_SORT, Paging, page_statement, place_of, read_paging, token
from stocktake.query.search.parser import parse
from stocktake.query.search.paths import has_path
from stocktake.query.search.plan import Plan
from stocktake.query.search.reading import read_resources
from stocktake.query.search.sources import IndexSource, Moment
from stocktake.query.search.syntax import Matches, Term, both, either, terms
from stocktake.query.search.values import Parameters
from stocktake.query.within import within
from stocktake.store.catalog import run, translating

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from stocktake.query.search.syntax import Node
    from stocktake.store.catalog import Catalog

_PAGE = 0
_TOTAL = 1_000_000
_NEAR = 0.7


def search(  # noqa: PLR0913 - a search has as many sides, each optional
    catalog: Catalog,
    text: str,
    *,
    types: Sequence[str] = (),
    facets: Sequence[str] = (),
    chosen: Mapping[str, Sequence[str]] | None = None,
    group_by: str | None = None,
    limit: int = 50,
    offset: int = 0,
    after: str | None = None,
    sort: str = DEFAULT_SORT,
    as_of: datetime | None = None,
    deleted: bool = False,
    most_values: int = MOST_VALUES,
    half_typed: bool = False,
    now: datetime | None = None,
    reach: Reach = EVERYTHING,
) -> SearchPage:
    """Search all resources.

    `types` narrow, as `type:` does; `facets` are keys to count by. `chosen` are values of keys: a resource must have
    one of each key, and the key's own facet leaves its choice out; `(none)` and `(any)` stand for no value and for any.
    `sort` is a key that all resources have, with a `-` for descending; `after` goes on from an earlier page.
    `deleted` searches what is gone, as it was last seen. `half_typed`: see `parser.parse`.
    Raises: SearchError with the place; UserError for the other arguments; KeyboardInterrupt once the database stopped.
    """
    catalog = within(catalog, reach)
    node = parse(text, half_typed=half_typed)
    paging = read_paging(sort, limit, offset, after)
    keys = list(dict.fromkeys([*facets, *(chosen or {})]))
    counted = [Facet(key, number, tuple((chosen or {}).get(key, ()))) for number, key in enumerate(keys, start=1)]
    if group_by is not None:
        counted.append(Facet(group_by, len(counted) + 1, is_grouping=True))
    with translating(catalog.path), _one_state(catalog) as connection:
        when = Moment(as_of, deleted)
        knowledge = Knowledge(connection, when)
        query = both([_of_types(knowledge, types, catalog), node]) if types else node
        one = _Search(connection, knowledge, query, text, now or SystemClock().now(), when)
        return run_interruptible(connection, lambda: one.run(counted, paging, most_values))


def _of_types(knowledge: Knowledge, types: Sequence[str], catalog: Catalog) -> Node:
    held = {form.lower() for one in knowledge.types for form in one.forms}
    for name in types:
        if name.lower() not in held:
            raise UserError(
                f"The catalog {catalog.path} holds no {name} yet",
                code="type_not_held",
                hint=f"Run `stocktake sync --type {name}` first; `stocktake status` says what is held.",
                where=name,
            )
    return either([Term("type", Matches((name,))) for name in types])


@contextmanager
def _one_state(catalog: Catalog) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection whose statements all see the same state, though a sync may write meanwhile."""
    if catalog.read_only:
        # Nobody else writes, or who does keeps one state for us.
        yield catalog.connection
        return
    connection = catalog.connection.cursor()
    try:
        run(connection, "BEGIN TRANSACTION READ ONLY")
        yield connection
    finally:
        connection.close()


class _Search:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        knowledge: Knowledge,
        node: Node,
        text: str,
        now: datetime,
        moment: Moment,
    ) -> None:
        self._connection = connection
        self._node = node
        self._knowledge = knowledge
        self._parameters = Parameters()
        self._plan = Plan(node, text, self._knowledge, self._parameters, now, moment)

    def run(self, facets: list[Facet], paging: Paging, most_values: int) -> SearchPage:
        paging = self._where_it_is_now(paging)
        for facet in facets:
            facet.settle(self._knowledge)
        found = self._plan.find(facets, paging.sorting)
        results = self._ask(found, facets, paging, most_values)
        page = sorted((row for row in results if row[0] == _PAGE), key=lambda row: int(row[2]))
        shown = page[: paging.limit]
        resources = read_resources(
            self._connection, self._plan.sources, [(row[3], row[4], row[5]) for row in shown], self._knowledge
        )
        goes_on = len(page) > paging.limit and shown
        return SearchPage(
            total=next(int(row[2]) for row in results if row[0] == _TOTAL),
            rows=tuple(resources),
            facets=tuple(_counts(facet, results) for facet in facets if not facet.is_grouping),
            groups=next((_counts(facet, results) for facet in facets if facet.is_grouping), None),
            after=self._token(shown[-1], resources[-1].key) if goes_on else None,
            notes=tuple(self._notes()),
            query=self._node,
        )

    def _ask(self, found: str, facets: list[Facet], paging: Paging, most_values: int) -> list[tuple[Any, ...]]:
        """Shape: part (0 the page, n a facet, -n how many values it has), value, position; source, row, scope."""
        parameters, scopes = self._parameters, self._knowledge.scopes
        conditions = [facet.condition(parameters, scopes) for facet in facets]
        where = " AND ".join(one for one in conditions if one) or "true"
        tables = [f"hit AS {'NOT ' if self._plan.is_plain else ''}MATERIALIZED ({found})"]
        parts = [page_statement(paging, where, parameters, scopes)]
        for facet in facets:
            table, taken = counting(facet, facets, parameters, scopes, most_values)
            tables.append(table)
            parts.append(f"SELECT part, v, n, NULL, NULL, NULL FROM ({taken})")
        parts.append(f"SELECT {_TOTAL}, NULL, count(*), NULL, NULL, NULL FROM hit WHERE {where}")
        statement = self._knowledge.with_scopes(" UNION ALL ".join(parts), *tables)
        used = {name: value for name, value in parameters.values.items() if f"${name}" in statement}
        return run(self._connection, statement, used)

    def _token(self, row: tuple[Any, ...], key: str) -> str:
        is_indexed = isinstance(self._plan.sources[row[3]], IndexSource)
        return token(place_of(row, key, is_indexed=is_indexed))

    def _where_it_is_now(self, paging: Paging) -> Paging:
        """Find the last resource of the page before again: a sync may have moved its row since."""
        last = paging.after
        if last is None or not last.is_indexed:
            return paging
        found = run(
            self._connection,
            "SELECT rowid FROM resource_index WHERE scope = $scope AND id = $id",
            {"scope": last.scope, "id": last.key},
        )
        return replace(paging, after=replace(last, row=found[0][0])) if found else paging

    def _notes(self) -> Iterator[Note]:
        """Yield which keys nothing has, and what they are near to."""
        known_tags = {key.lower() for key in self._knowledge.tag_columns}
        for term in terms(self._node):
            if term.key is None:
                continue
            meaning = meaning_of(term.key)
            if meaning.common or meaning.tag.lower() in known_tags or ":" in meaning.tag:
                continue
            if meaning.path and self._has_path(meaning.path):
                continue
            names = dict.fromkeys([*COMMON_KEYS, *self._knowledge.tag_columns, *self._first_steps()])
            near = difflib.get_close_matches(term.key, names, n=3, cutoff=_NEAR)
            hint = f"Did you mean {', '.join(near)}?" if near else f'To look for the text, quote it: "{term.key}:…".'
            yield Note(f"No resource has {term.key}: no tag and no field is called so", hint, term.key_span)

    def _has_path(self, path: str) -> bool:
        return any(has_path(one.held.schema, path) for one in self._knowledge.types_with(path))

    def _first_steps(self) -> Iterator[str]:
        for one in self._knowledge.types:
            yield from one.held.schema


def _counts(facet: Facet, results: list[tuple[Any, ...]]) -> FacetCounts:
    values = [
        FacetValue(value, int(count), (value if value is not None else "(none)") in facet.chosen)
        for part, value, count, *_ in results
        if part == facet.number
    ]
    values.sort(key=lambda one: (-one.count, one.value is None, one.value or ""))
    distinct = next(int(row[2]) for row in results if row[0] == -facet.number)
    return FacetCounts(facet.key, tuple(values), distinct)
