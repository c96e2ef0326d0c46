"""Where a sweep reads: accounts and regions, each leased before it is read, and the parents that its types share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from stocktake.collect.answers import Scope
from stocktake.collect.parents import ParentLists, needed_members

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.leases import Elsewhere, ScopeKey
    from stocktake.sync.access import CatalogAccess
    from stocktake.sync.accounts import Account

GLOBAL = "global"
"""The region of what every region answers the same."""


class Place:
    """One account and region, while one service is read there."""

    parents: ParentLists
    elsewhere: dict[str, Elsewhere]

    def __init__(
        self,
        account: Account,
        region: str,
        types: list[ResourceType],
        load: Callable[[str], ResourceType],
        only: frozenset[ScopeKey] | None,
    ) -> None:
        """`only`: of all scopes these."""
        self.account = account
        self._region = region
        self.types = [one for one in types if only is None or self.key(one) in only]
        self._load = load
        self._open = {one.name for one in self.types}
        self._leasing: _Leasing | None = None

    async def lease(self) -> dict[str, Elsewhere]:
        """Lease the types here, once, and return those that other processes read, or have read meanwhile."""
        assert self._leasing is not None  # noqa: S101 - see `lease_together`
        await self._leasing.done()
        return self.elsewhere

    def leased_by(self, leasing: _Leasing) -> None:
        """Take note of who leases, for several places together."""
        self._leasing = leasing

    def leased(self, elsewhere: dict[ScopeKey, Elsewhere]) -> None:
        """Take note of what is not ours to read."""
        self.elsewhere = {one.name: elsewhere[self.key(one)] for one in self.types if self.key(one) in elsewhere}
        ours = [one for one in self.types if one.name not in self.elsewhere]
        above = {one.list_call.parent.type for one in ours if one.list_call.parent is not None}
        # A parent that another process reads is listed by its first child that asks.
        awaited = above & {one.name for one in ours}
        self.parents = ParentLists(self._load, awaited=awaited, members=needed_members(ours))

    def key(self, resource_type: ResourceType) -> ScopeKey:
        """Return what a type's scope here is leased by."""
        scope = self.scope(resource_type)
        return scope.account_id, scope.region, scope.type_name

    def scope(self, resource_type: ResourceType) -> Scope:
        """Return a type's scope here."""
        identity = self.account.identity
        region = GLOBAL if resource_type.scope == GLOBAL else self._region
        return Scope(identity.account_id, identity.partition, region, resource_type.name, self._region)

    def ended(self, resource_type: ResourceType) -> None:
        """Take note that a type has been read; after the last, forget the parents and what calling took."""
        self.parents.give_up(resource_type.name)
        self._open.discard(resource_type.name)
        if not self._open:
            self.parents.close()
            self.account.session.forget_place(resource_type.service, self._region)


class _Leasing:
    """Leases some places together, as soon as the first of them is to be read."""

    def __init__(self, access: CatalogAccess, places: Sequence[Place], *, again: bool) -> None:
        self._access = access
        self._places = places
        self._again = again
        self._lock = asyncio.Lock()
        self._is_done = False

    async def done(self) -> None:
        """Lease, where that is not done yet."""
        async with self._lock:
            if not self._is_done:
                keys = [place.key(one) for place in self._places for one in place.types]
                found = await self._access.at_owner(lambda _, ledger: ledger.lease(keys, again=self._again))
                for place in self._places:
                    place.leased(found)
                self._is_done = True


def lease_together(access: CatalogAccess, places: Sequence[Place], *, again: bool) -> None:
    """See to it that places are leased together. `again`: also what other processes have read since."""
    leasing = _Leasing(access, places, again=again)
    for place in places:
        place.leased_by(leasing)


def distinct_regions(
    accounts: list[Account], types: list[ResourceType]
) -> list[tuple[Account, str, list[ResourceType]]]:
    """Return every account and region once, even where two profiles lead to the same account.

    What every region answers the same is asked in the first.
    """
    found: dict[tuple[str, str], tuple[Account, str, list[ResourceType]]] = {}
    asked: set[str] = set()
    for account in accounts:
        account_id = account.identity.account_id
        for region in account.regions:
            if (account_id, region) in found:
                continue
            of_region = [one for one in types if one.scope != GLOBAL or account_id not in asked]
            found[account_id, region] = (account, region, of_region)
            asked.add(account_id)
    return list(found.values())
