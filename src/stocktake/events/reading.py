"""Reads single resources of one scope again, and keeps what came: the ordinary collector, the ordinary store.

That proves nothing of the scope, and of absences only those that the provider's answer for the resource itself proves.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from stocktake.collect.answers import BrokenAnswerError
from stocktake.collect.paths import value_at
from stocktake.collect.type_reader import TypeReader
from stocktake.core.errors import DataError, GoneError, RetryableError, ScopeError, StocktakeError
from stocktake.events.addressing import Address, NoAddress, complete_item, expected_ids, find_address
from stocktake.events.keeping import NamedKeeping
from stocktake.resource_types.names import plain_name
from stocktake.sync.candidates import Candidate, candidate, fingerprint, item_summary, resource_id, tag_texts
from stocktake.sync.strategies import held_item_columns
from stocktake.sync.writer import Fetched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from stocktake.collect.answers import Answer, CallCounts, Scope
    from stocktake.collect.session import Session
    from stocktake.events.targets import Target
    from stocktake.resource_types.spec import ResourceType
    from stocktake.sync.keeping import Keeper

_AT_ONCE = 32
_SHORTEST_MEMBER = 4
"""A shorter one (`id`) may be anything's."""
_UNSURE = "{} is not found, and it is not sure that it was asked for by its own name"
_NOT_NOW = frozenset({"throttled", "failed"})
"""Of a call: it may work later."""


class Fate(StrEnum):
    """What became of a resource that an event named."""

    READ = "read"
    DELETED = "deleted"
    ABSENT = "absent"
    """Neither there nor held."""
    LATER = "later"
    LEFT = "left"
    """To the next sync: it cannot be asked for by itself, or not by us."""


@dataclass(slots=True)
class Outcome:
    """What became of one target, and why."""

    fate: Fate
    reason: str = ""
    read_at: datetime | None = None
    """By the provider's clock."""


@dataclass(slots=True)
class _Found:
    """What reading brought, before it is written."""

    fetched: dict[Target, Fetched] = field(default_factory=dict)
    gone: dict[Target, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """How a list is asked for one resource alone."""

    member: str
    value: object
    column: str
    """The field that holds the same."""


class NamedReader:
    """Reads resources of one type in one account and region."""

    def __init__(
        self, session: Session, resource_type: ResourceType, scope: Scope, counts: CallCounts, keeper: Keeper
    ) -> None:
        self._type = resource_type
        self._scope = scope
        self._keeper = keeper
        self._access = keeper.access
        self._reader = TypeReader(session, resource_type, scope, counts=counts)
        self._outcomes: dict[Target, Outcome] = {}
        self.new = self.changed = self.deleted = 0

    async def read(self, targets: Sequence[Target]) -> dict[Target, Outcome]:
        """Read resources, write what came, and return what became of each; committed when it returns.

        Raises: OwnerLostError where whoever has the catalog open went away: then nothing is known, and all of it may be
        done again.
        """
        began = self._keeper.moment()
        keeping = await self._access.run(NamedKeeping, self._keeper, self._type, self._scope, began)
        try:
            found = await self._ask(targets, keeping)
            await self._write(found, keeping)
        finally:
            await self._access.run(keeping.close)
        self.new, self.changed, self.deleted = keeping.coverage.new, keeping.coverage.changed, keeping.coverage.deleted
        return self._outcomes

    # -- asking ----------------------------------------------------------------------------------------------------

    async def _ask(self, targets: Sequence[Target], keeping: NamedKeeping) -> _Found:
        found = _Found()
        held = await self._held_items(targets, keeping)
        addresses: dict[Target, Address] = {}
        for target in targets:
            address = find_address(self._type, target)
            if (item := held.get(target.arn)) is not None:
                # What the catalog holds is surer than what an ARN looks like.
                address = Address("", item)
            if isinstance(address, NoAddress):
                self._outcomes[target] = Outcome(Fate.LEFT, address.reason)
            else:
                addresses[target] = address
        at_once = asyncio.Semaphore(_AT_ONCE)
        work = (
            [self._describe(target, address, found, at_once) for target, address in addresses.items()]
            if self._type.describe_call is not None
            else [self._look_up(addresses, keeping, found)]
        )
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
        for target in found.gone:
            name = addresses[target].name
            if name and not target.arn:
                found.gone[target] = await self._access.run(keeping.versions.held_named, name)
        return found

    async def _held_items(self, targets: Sequence[Target], keeping: NamedKeeping) -> dict[str, dict[str, object]]:
        """Return ARN -> list item, of what is held and can be asked for by what is held of it."""
        columns = held_item_columns(self._type) if self._type.describe_call is not None else None
        arns = [target.arn for target in targets if target.arn]
        if columns is None or not arns:
            return {}
        rows = await self._access.run(keeping.versions.held_items, columns, arns)
        items = {resource: orjson.loads(item) for resource, _, item in rows}
        return {resource: item for resource, item in items.items() if None not in item.values()}

    async def _describe(self, target: Target, address: Address, found: _Found, at_once: asyncio.Semaphore) -> None:
        item = address.item
        assert item is not None  # noqa: S101 - what is described has one
        async with at_once:
            try:
                answer = await self._reader.fetch_document(item, address.listing)
            except GoneError:
                self._gone(target, address, found)
                return
            except (ScopeError, DataError) as error:
                self._failed(target, error)
                return
            document = self._reader.resource(answer)
            whole = complete_item(self._type, item, document)
            one = Candidate(
                resource_id(self._type, self._scope, whole, address.listing),
                whole,
                item_summary(document, self._reader.item_members(), fingerprint(answer.body)),
                listing=address.listing,
            )
            if target.arn and one.id.startswith("arn:") and one.id != target.arn:
                # It was not what the ARN names that was asked for.
                self._outcomes[target] = Outcome(Fate.LEFT, f"{target.arn} cannot be asked for by itself")
                return
            await self._keep(target, one, answer, found)

    async def _keep_listed(self, target: Target, one: Candidate, found: _Found) -> None:
        """Take in a resource that was found in its list; only its facets are asked for."""
        try:
            answer = await self._reader.fetch_document(one.item, one.listing)
        except (GoneError, ScopeError, DataError) as error:
            self._failed(target, error)
            return
        await self._keep(target, one, answer, found)

    async def _keep(self, target: Target, one: Candidate, answer: Answer, found: _Found) -> None:
        tags = None
        if self._type.tags_call is not None:
            try:
                tags = tag_texts(await self._reader.fetch_tags(one.item, answer, one.listing))
            except (ScopeError, DataError, GoneError):
                tags = None  # what is held of them stays, and the next sync says why
        arn = self._reader.arn(one.item, answer, one.listing)
        found.fetched[target] = Fetched(one, answer.body, answer.server_time, tags, arn, answer.facets)

    def _gone(self, target: Target, address: Address, found: _Found) -> None:
        """Note that the provider knows no such resource, if it was surely this one that was asked for."""
        if not address.is_sure:
            self._outcomes[target] = Outcome(Fate.LEFT, _UNSURE.format(target.arn or target.name))
            return
        found.gone[target] = expected_ids(self._type, self._scope, target, address)

    async def _look_up(self, addresses: Mapping[Target, Address], keeping: NamedKeeping, found: _Found) -> None:
        """Find resources in lists that give them whole: in a list of each alone, where there is such a one."""
        inputs = self._reader.list_inputs()
        lists: dict[bytes, dict[Target, Address]] = {}
        at_once = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for target, address in addresses.items():
                narrowed = self._narrowed(address, inputs)
                if narrowed is None:
                    lists.setdefault(orjson.dumps(dict(address.listing)), {})[target] = address
                else:
                    group.create_task(self._look_for(target, address, narrowed, keeping, found, at_once))
        for together in lists.values():
            left = await self._look_in(next(iter(together.values())).listing, {}, together, found)
            for target, address in left.items():
                # It was the whole list, and it is not in it.
                found.gone[target] = expected_ids(self._type, self._scope, target, address)

    def _narrowed(self, address: Address, inputs: Mapping[str, str]) -> _Narrowed | None:
        """Return how the list is asked for one resource alone, by the member that holds its name."""
        if not address.name or not address.called:
            return None
        for field_ in self._type.fields:
            member = plain_name(field_.provider_name or "")
            if len(member) < _SHORTEST_MEMBER or not address.called.endswith(member):
                continue
            for name, kind in inputs.items():
                if plain_name(name) in {member, f"{member}s"}:
                    return _Narrowed(name, [address.name] if kind == "list" else address.name, field_.name)
        return None

    async def _look_for(
        self,
        target: Target,
        address: Address,
        narrowed: _Narrowed,
        keeping: NamedKeeping,
        found: _Found,
        at_once: asyncio.Semaphore,
    ) -> None:
        async with at_once:
            more = {narrowed.member: narrowed.value}
            left = await self._look_in(address.listing, more, {target: address}, found)
        if not left:
            return
        # What is held under the very member that was asked by does not exist any more; of others nothing is proven.
        held = await self._access.run(keeping.versions.held_by, narrowed.column, address.name)
        found.gone[target] = [one for one in held if not (target.arn and one.startswith("arn:") and one != target.arn)]

    async def _look_in(
        self,
        listing: Mapping[str, object],
        more: Mapping[str, object],
        wanted: dict[Target, Address],
        found: _Found,
    ) -> dict[Target, Address]:
        """Take what is wanted from a list; return what is not in it."""
        left = dict(wanted)
        try:
            async for page in self._reader.iter_list(listing, more):
                for item in page.items:
                    one = candidate(self._type, self._scope, item, page.listing)
                    for target in [t for t, a in left.items() if self._is_it(t, a, one)]:
                        del left[target]
                        await self._keep_listed(target, one, found)
                if not left:
                    break
        except GoneError:
            return left  # what it was listed by does not exist
        except (ScopeError, DataError) as error:
            for target in left:
                self._failed(target, error)
            return {}
        return left

    def _is_it(self, target: Target, address: Address, one: Candidate) -> bool:
        if target.arn and one.id.startswith("arn:"):
            return one.id == target.arn
        names = [value_at(one.item, path) for path in self._type.identity.item_key_paths]
        return bool(address.name) and (address.name in names or one.id.rsplit("/", 1)[-1] == address.name)

    def _failed(self, target: Target, error: StocktakeError) -> None:
        later = isinstance(error, ScopeError) and error.status in _NOT_NOW
        later = later or isinstance(error, BrokenAnswerError)
        self._outcomes[target] = Outcome(Fate.LATER if later else Fate.LEFT, error.message)

    # -- keeping ---------------------------------------------------------------------------------------------------

    async def _write(self, found: _Found, keeping: NamedKeeping) -> None:
        batch = list(OrderedDict((one.candidate.id, one) for one in found.fetched.values()).values())
        gone = sorted({one for ids in found.gone.values() for one in ids})
        try:
            if batch:
                await self._access.run(keeping.write, batch)
            closed = set(await self._access.run(keeping.close_gone, gone)) if gone else set()
        except RetryableError as error:
            for target in (*found.fetched, *found.gone):
                self._outcomes[target] = Outcome(Fate.LATER, error.message)
            return
        for target, one in found.fetched.items():
            self._outcomes[target] = Outcome(Fate.READ, read_at=one.server_time)
        for target, ids in found.gone.items():
            self._outcomes[target] = Outcome(Fate.DELETED if closed & set(ids) else Fate.ABSENT)
