"""The many lists of one type: one for each parent resource and each value that an input may have."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING

from stocktake.collect.parents import GAPS
from stocktake.collect.paths import value_at
from stocktake.core.errors import DataError, GoneError, ScopeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from stocktake.collect.answers import ListPage
    from stocktake.collect.parents import Parent
    from stocktake.collect.type_reader import TypeReader
    from stocktake.resource_types.spec import ParentCall

_AT_ONCE = 8
_PAGES_AHEAD = 8
_FAILURES_IN_A_ROW = 20
"""After that many lists in a row that could not be read, the others are not asked for."""
_REASONS_KEPT = 3
_REFUSALS = frozenset({"request_rejected", "bad_parameters", "unbound_parameter"})
"""Of one list alone: there is nothing to list then."""


async def iter_listings(reader: TypeReader) -> AsyncIterator[Mapping[str, object]]:
    """Yield what each of a type's lists is asked for, by request member.

    Raises: ScopeError, UnreachableError, CredentialsError where the parents cannot be read.
    """
    plan = reader.type.list_call
    loops = [dict(zip(plan.loops, values, strict=True)) for values in product(*plan.loops.values())]
    if plan.parent is None:
        for values in loops:
            yield values
        return
    if reader.parents is None:
        raise ScopeError(
            f"{reader.type.name} is listed under {plan.parent.type}, which nobody lists here.",
            code="no_parents",
            status="failed",
            where=reader.where,
        )
    above = reader.sibling(reader.parents.load_type(plan.parent.type))
    try:
        held = await reader.parents.read(plan.parent.type, above.iter_pages)
    except ScopeError as error:
        raise ScopeError(
            f"{plan.parent.type}, under which these are listed, could not be listed: {error.message}",
            code="parent_not_listed",
            status=error.status,
            hint=error.hint,
            where=reader.where,
            missing_permission=error.missing_permission,
        ) from error
    reader.gaps += [*held.gaps, *above.gaps]
    for parent in held.parents():
        listing = await _listing_under(parent, plan.parent, above)
        if listing is not None:
            for values in loops:
                yield listing | values


async def _listing_under(parent: Parent, call: ParentCall, reader: TypeReader) -> dict[str, object] | None:
    """Return what a list under one parent is asked for; None where the parent is gone or does not say it."""
    values = {member: value_at(parent.item, path) for member, path in call.bindings.items()}
    if None in values.values() and reader.type.describe_call is not None:
        try:
            document = reader.resource(await reader.fetch_document(parent.item, parent.listing))
        except (GoneError, DataError):
            return None
        for member, path in call.bindings.items():
            if values[member] is None:
                values[member] = value_at(document, path)
    listing = values | {member: parent.listing.get(key) for member, key in call.inherited.items()}
    return None if None in listing.values() else listing


async def iter_concurrently(
    reader: TypeReader,
    listings: AsyncIterator[Mapping[str, object]],
    iter_one: Callable[[Mapping[str, object]], AsyncIterator[ListPage]],
) -> AsyncIterator[ListPage]:
    """Yield the pages of all lists, several under way at once; notes in the reader which could not be read.

    Raises: ScopeError, UnreachableError, CredentialsError where none can.
    """
    run = _Lists(reader, listings, iter_one)
    feeder = asyncio.create_task(run.feed())
    try:
        while (page := await run.pages.get()) is not None:
            yield page
        if run.failure is not None:
            raise run.failure
    finally:
        feeder.cancel()
        with suppress(asyncio.CancelledError):
            await feeder


class _Lists:
    def __init__(
        self,
        reader: TypeReader,
        listings: AsyncIterator[Mapping[str, object]],
        iter_one: Callable[[Mapping[str, object]], AsyncIterator[ListPage]],
    ) -> None:
        self.pages: asyncio.Queue[ListPage | None] = asyncio.Queue(_PAGES_AHEAD)
        self._reader = reader
        self._listings = listings
        self._iter_one = iter_one
        self._turn = asyncio.Lock()
        self._failed_in_a_row = 0
        self.failure: BaseException | None = None

    async def feed(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(self._work())
        except BaseExceptionGroup as problems:
            self.failure = _first(problems)
        reader = self._reader
        if reader.gaps and not reader.answered and self.failure is None:
            self.failure = reader.gaps[0]
        await self.pages.put(None)

    async def _work(self) -> None:
        while True:
            async with self._turn:
                listing = await anext(self._listings, None)
            if listing is None:
                return
            try:
                async for page in self._iter_one(listing):
                    await self.pages.put(page)
            except GoneError:
                continue  # the parent does not exist any more, and nothing under it
            except DataError as error:
                self._refused(error)
            except ScopeError as error:
                self._gap(error)
            else:
                self._failed_in_a_row = 0
                self._reader.answered += 1

    def _refused(self, error: DataError) -> None:
        if error.code not in _REFUSALS:
            self._gap(ScopeError(error.message, code=error.code, status="failed", hint=error.hint, where=error.where))
        elif len(self._reader.refused) < _REASONS_KEPT:
            self._reader.refused.append(error.message)

    def _gap(self, error: ScopeError) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _FAILURES_IN_A_ROW:
            raise error
        if len(self._reader.gaps) < _REASONS_KEPT:
            self._reader.gaps.append(error)


def _first(problems: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the problem that the others follow from: one of ours, where there is one."""
    found: BaseException = problems.subgroup(GAPS) or problems
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
