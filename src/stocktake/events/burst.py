"""The catalog, for as long as events come one after another: one sweep in its ledger, concluded when they pause."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from stocktake.core.errors import StocktakeError
from stocktake.store.catalog import run
from stocktake.store.ledger import Aside
from stocktake.store.shared_sweep import conclude
from stocktake.sync.access import CatalogAccess
from stocktake.sync.keeping import Keeper
from stocktake.sync.sweep import CONCLUSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from stocktake.collect.answers import Scope
    from stocktake.store.catalog import Catalog
    from stocktake.store.remote import Door
    from stocktake.store.shared_sweep import SharedSweep
    from stocktake.sync.request import SyncRequest

EVENT = "event"
"""The type of what is kept aside of messages that are no events."""
_LEAST_WAIT_SECONDS = 60.0
"""For the catalog: the messages stay invisible meanwhile."""
_LONGEST_KEPT = 100_000


class Burst:
    """Open from the first event to the pause after the last."""

    def __init__(self, access: CatalogAccess, keeper: Keeper, now: Callable[[], datetime]) -> None:
        self.access = access
        self.keeper = keeper
        self._now = now
        self._began = time.monotonic()
        self._swept: dict[tuple[str, str, str], bool] = {}
        self._renewing = asyncio.create_task(access.keep_leases())

    @classmethod
    async def open(cls, request: SyncRequest, now: Callable[[], datetime]) -> Self:
        """Open the catalog, or join whoever has it open, and begin a sweep in its ledger."""
        access = CatalogAccess(request.catalog, now, max(request.lock_wait_seconds, _LEAST_WAIT_SECONDS))
        try:
            await access.open()
            key = await access.run(access.door.catalog.redaction_key)
        except BaseException:
            access.executor.shutdown(wait=False)
            raise
        return cls(access, Keeper(access, key, now), now)

    @property
    def age_seconds(self) -> float:
        """How long it has been open."""
        return time.monotonic() - self._began

    async def was_swept(self, scope: Scope) -> bool:
        """Say whether a sync has ever looked at a scope: only there is one resource more than a stray one."""
        key = (scope.account_id, scope.region, scope.type_name)
        if key not in self._swept:
            self._swept[key] = await self.access.at_owner(_was_swept, key)
        return self._swept[key]

    async def held_types(self, arns: Collection[str]) -> dict[str, str]:
        """Return the types that the catalog holds these ARNs as, of those that it holds as one type."""
        return await self.access.at_owner(_held_types, sorted(arns)) if arns else {}

    async def set_aside(self, messages: Sequence[tuple[str, str, str]]) -> None:
        """Keep messages that nobody understands, each with its id, why not, and its body, secrets redacted."""
        redactor = self.keeper.redactor
        asides = [Aside(one, "", why, redactor.raw(body[:_LONGEST_KEPT])) for one, why, body in messages]
        await self.access.at_owner(_set_aside, asides, self._now())

    async def end(self, calls: int) -> int:
        """Conclude, and let go of the catalog; return 1 where there was something to conclude."""
        try:
            wrote = await self.access.at_owner(_conclude, calls, self._now())
        finally:
            await self._close()
        return int(wrote)

    async def abandon(self) -> None:
        """Let go of the catalog after an error; the next sweep makes up for what was not concluded."""
        with suppress(StocktakeError):
            await self.access.run(self.access.ledger.finish, "failed", 0, self._now())
        await self._close()

    async def _close(self) -> None:
        self._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self._renewing
        try:
            await self.access.run(self.keeper.close)
            await self.access.close()
        finally:
            self.access.executor.shutdown()


# Steps at the owner of the catalog.


def _was_swept(door: Door, ledger: SharedSweep, key: tuple[str, str, str]) -> bool:
    del ledger
    return door.call(_has_row, door.catalog, key)


def _has_row(catalog: Catalog, key: tuple[str, str, str]) -> bool:
    statement = "SELECT count(*) > 0 FROM coverage WHERE account_id = ? AND region = ? AND type = ?"
    return bool(run(catalog.connection, statement, list(key))[0][0])


def _held_types(door: Door, ledger: SharedSweep, arns: list[str]) -> dict[str, str]:
    del ledger
    return door.call(_types_of, door.catalog, arns)


def _types_of(catalog: Catalog, arns: list[str]) -> dict[str, str]:
    statement = (
        "SELECT id, any_value(type) FROM resource_index JOIN resource_scopes USING (scope) "
        "WHERE id IN (SELECT unnest($arns)) GROUP BY id HAVING count(DISTINCT type) = 1"
    )
    return {str(arn): str(name) for arn, name in run(catalog.connection, statement, {"arns": arns})}


def _set_aside(door: Door, ledger: SharedSweep, asides: list[Aside], now: datetime) -> None:
    del door
    ledger.write_asides("", "", EVENT, asides, ledger.moment(now))


def _conclude(door: Door, ledger: SharedSweep, calls: int, now: datetime) -> bool:
    wrote = door.call(_has_written, ledger)
    door.call(conclude, door.catalog, ledger, now, CONCLUSIONS)
    ledger.finish("complete", calls, now)
    return wrote


def _has_written(ledger: SharedSweep) -> bool:
    return ledger.wrote
