"""Reads the sides of a resource that calls of their own answer, and puts them into its document."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from stocktake.collect.answers import FacetAnswers
from stocktake.collect.paths import first_at, value_at, values_at
from stocktake.collect.service_client import CallPurpose
from stocktake.core.errors import DataError, GoneError, ScopeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from stocktake.collect.answers import Answer
    from stocktake.collect.binding import Binder
    from stocktake.resource_types.spec import Facet, Pagination, Path

_ABSENT = b"null"
_DENIALS = 3
"""After that many denials of a call in a row, with none before that was answered, it is not made again in the scope."""
_FAILURES = 10
"""The same for what else goes wrong: it may concern single resources."""
_FOR_ALL = re.compile("identity-based|service control policy|permissions boundary|session policy", re.IGNORECASE)
"""A denial that says so holds for every resource."""
_NOT_THERE = re.compile(
    "nosuch|notfound|doesnotexist|notexist|nonexistent|unknown|exception|fault|error", re.IGNORECASE
)

_AT_ONCE = 8
"""Resources of one batch whose facets are read at the same time."""


class Iterate(Protocol):
    """Calls an operation and yields its answers, page by page, with what is parsed of them."""

    def __call__(
        self, operation: str, params: dict[str, Any], pagination: Pagination | None, purpose: CallPurpose
    ) -> AsyncIterator[tuple[Answer, dict[str, Any], bool]]:
        """Yield answer, parsed answer, and whether it is the last."""


@dataclass(slots=True)
class _Record:
    """How a facet's calls went in a scope so far."""

    was_answered: bool = False
    denied: int = 0
    failed: int = 0
    is_given_up: bool = False


class FacetReader:
    """Reads the facets of one type in one scope. A call that is denied is remembered, and not made again."""

    def __init__(self, noun: str, facets: tuple[Facet, ...], binder: Binder, iterate: Iterate) -> None:
        self._noun = noun.lower()
        self._facets = facets
        self._binder = binder
        self._iterate = iterate
        self._records = {facet.name: _Record() for facet in facets}
        self.problems: dict[str, ScopeError | DataError] = {}
        """Facet -> why it is not known of some resources; the first reason."""

    async def add_to(self, answer: Answer, path: Path, item: object, listing: Mapping[str, object]) -> Answer:
        """Return a resource's answer with its facets in the document, under the names of their operations.

        Shape: `path` leads to the document in the answer.
        Raises: GoneError where the resource does not exist any more.
        """
        if not self._facets:
            return answer
        try:
            whole = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            whole = None
        document = value_at(whole, path)
        if not isinstance(document, dict):
            # No resource: whoever types it says why.
            return replace(answer, facets=FacetAnswers(answer.body, {}, tuple(one.name for one in self._facets)))
        read = await asyncio.gather(*(self._read(one, (item, document), listing) for one in self._facets))
        found = dict(zip((one.name for one in self._facets), read, strict=True))
        known = {name: value for name, value in found.items() if value is not None}
        for one in self._facets:
            if one.name in known:
                document[one.operation] = orjson.Fragment(known[one.name])
        unknown = tuple(name for name, value in found.items() if value is None)
        return replace(answer, body=orjson.dumps(whole), facets=FacetAnswers(answer.body, known, unknown))

    async def add_to_all(
        self,
        answers: Sequence[Answer | GoneError | DataError],
        path: Path,
        listed: Sequence[tuple[object, Mapping[str, object]]],
    ) -> list[Answer | GoneError | DataError]:
        """Do the same for many; who has no answer, or is gone, keeps the reason."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(answer: Answer | GoneError | DataError, item: object, listing: Mapping[str, object]) -> Any:  # noqa: ANN401 - as the result says
            if isinstance(answer, Exception):
                return answer
            async with at_once:
                try:
                    return await self.add_to(answer, path, item, listing)
                except GoneError as error:
                    return error

        pairs = zip(answers, listed, strict=True)
        return list(await asyncio.gather(*(one(answer, *told) for answer, told in pairs)))

    async def _read(self, facet: Facet, sources: tuple[object, ...], listing: Mapping[str, object]) -> bytes | None:
        """Return a facet as JSON; null where the resource has none, None where it is not known."""
        record = self._records[facet.name]
        if record.is_given_up:
            return None
        try:
            value = await self._call(facet, sources, listing)
        except GoneError as error:
            if self._is_of_resource(error.code):
                raise
            value = None
        except (ScopeError, DataError) as error:
            self._note(facet, record, error)
            return None
        record.was_answered = True
        record.denied = record.failed = 0
        return _ABSENT if value is None else orjson.dumps(value)

    async def _call(self, facet: Facet, sources: tuple[object, ...], listing: Mapping[str, object]) -> object:
        values = {member: first_at(sources, path) for member, path in facet.bindings.items()}
        params = self._binder.params(facet, values, listing)
        purpose = CallPurpose(
            iam_action=facet.iam_action, single_resource=True, absent_codes=frozenset(facet.absent_codes)
        )
        elements: list[object] = []
        async for _, parsed, _ in self._iterate(facet.operation, params, facet.pagination, purpose):
            if facet.pagination is None:
                return self._side(facet, parsed)
            elements += values_at(parsed, facet.result_path)
        return elements

    def _side(self, facet: Facet, parsed: dict[str, Any]) -> object:
        if facet.result_path:
            return value_at(parsed, facet.result_path)
        return {name: value for name, value in parsed.items() if name not in facet.omitted} or None

    def _is_of_resource(self, code: str) -> bool:
        """Say whether an error says that the resource itself is gone (`NoSuchBucket`), not this side of it."""
        return _NOT_THERE.sub("", code).lower() == self._noun

    def _note(self, facet: Facet, record: _Record, error: ScopeError | DataError) -> None:
        self.problems.setdefault(facet.name, error)
        if isinstance(error, ScopeError) and error.status == "denied":
            record.denied += 1
            is_for_all = _FOR_ALL.search(error.message) is not None or record.denied >= _DENIALS
            record.is_given_up = is_for_all and not record.was_answered
        else:
            record.failed += 1
            record.is_given_up = record.failed >= _FAILURES
