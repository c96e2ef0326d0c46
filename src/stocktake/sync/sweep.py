"""One sweep over accounts, regions and types: each scope on its own, none able to stop the others."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stocktake.collect.type_reader import TypeReader
from stocktake.core.clock import SystemClock
from stocktake.core.errors import ScopeError, StocktakeError, UserError
from stocktake.providers.aws.models import open_models
from stocktake.relations.update import update_relations
from stocktake.resource_types.registry import load_type
from stocktake.store.account_gaps import close_account_gaps, write_account_gap
from stocktake.store.change_log import update_changes
from stocktake.store.door import OwnerLostError
from stocktake.store.key_index import index_keys
from stocktake.store.ledger import Coverage
from stocktake.store.resource_index import refresh_resources
from stocktake.store.shared_sweep import LeaseLostError, conclude
from stocktake.sync.access import CatalogAccess, is_owner_lost
from stocktake.sync.accounts import ALL_REGIONS, open_accounts
from stocktake.sync.candidates import batched
from stocktake.sync.keeping import Keeper, ScopeKeeping
from stocktake.sync.places import Place, distinct_regions, lease_together
from stocktake.sync.planning import load_service_types, plan_services
from stocktake.sync.request import SyncReport
from stocktake.sync.scope import ScopeRun
from stocktake.sync.strategies import ScopeMemory, Wish, open_set_obstacle, plan_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.core.clock import Clock
    from stocktake.core.progress import Progress
    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.catalog import Catalog
    from stocktake.store.leases import ScopeKey
    from stocktake.store.remote import Door
    from stocktake.store.shared_sweep import SharedSweep
    from stocktake.sync.accounts import Account, OpenedAccounts
    from stocktake.sync.planning import PlannedService
    from stocktake.sync.request import SyncRequest
    from stocktake.sync.strategies import ScopePlan

_SCOPES_AT_ONCE = 16
_MOST_SCOPES = 256
"""Of many accounts and regions: enough that some may hang, and few enough that memory does not grow with them."""
_MOST_READERS = 2_048
_SERVICES_AT_ONCE = 6
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
ELSEWHERE = "elsewhere"
"""The status of a scope that another process reads."""
_CARRIED = ("calls", "throttled_calls", "failed_calls", "new", "changed", "aside")
"""What a scope that was begun again has done before."""
_LEASES_A_SERVICE = 32
"""So often, at most, the places of a service are leased, some together: each time costs milliseconds."""


def run_sync(request: SyncRequest, progress: Progress, clock: Clock | None = None) -> SyncReport:
    """Run one sweep: list, compare, read what may have changed, keep what did.

    What can be known beforehand to be wrong (types, catalog, credentials, endpoint) is raised before anything is
    written; what goes wrong later is a gap in the report and in the ledger.
    Raises: UserError, CredentialsError, UnreachableError; CatalogLockedError, CatalogAccessError, CatalogTooNewError.
    """
    try:
        with _calm_collector():
            return asyncio.run(_Sweep(request, progress, clock or SystemClock()).run())
    except BaseExceptionGroup as group:
        # Several tasks were under way; the first of our own errors says what happened.
        raise first_error(group) from group


class _Sweep:
    def __init__(self, request: SyncRequest, progress: Progress, clock: Clock) -> None:
        self._request = request
        self._progress = progress
        self._clock = clock
        self._models = open_models(request.models)
        self._workers = request.concurrency
        self._access = CatalogAccess(request.catalog, clock.now, request.lock_wait_seconds)

    async def run(self) -> SyncReport:
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            stack.callback(self._access.executor.shutdown)
            plans = plan_services(self._request.types, self._models)
            opened = await open_accounts(stack, self._request)
            self._workers = min(self._request.concurrency, _MOST_READERS // _scopes_at_once(opened.accounts))
            await self._access.open()
            stack.push_async_callback(self._access.close)
            key = await self._access.run(self._access.door.catalog.redaction_key)
            keeper = Keeper(self._access, key, self._clock.now)
            report = SyncReport(self._access.ledger.sweep_id)
            try:
                await self._read_all(keeper, opened, plans, report)
            except BaseException:
                # The catalog itself may be what failed; then the next sweep marks this one as interrupted.
                calls = sum(scope.calls for scope in report.scopes)
                with suppress(StocktakeError):
                    await self._access.run(self._access.ledger.finish, "failed", calls, self._clock.now())
                raise
            report.seconds = time.monotonic() - started
            report.calls = sum(scope.calls for scope in report.scopes)
            await self._access.at_owner(lambda _, ledger: ledger.finish(report.status, report.calls, self._clock.now()))
            report.sweep_id = self._access.ledger.sweep_id
        return report

    async def _read_all(
        self, keeper: Keeper, opened: OpenedAccounts, plans: list[PlannedService], report: SyncReport
    ) -> None:
        renewing = asyncio.create_task(self._access.keep_leases())
        try:
            for plan in plans:
                for resource_type in plan.known.values():
                    await self._access.at_owner(_ensure, keeper, resource_type)
            await self._note_accounts(keeper, opened, plans, report)
            await self._run_services(keeper, opened.accounts, plans, report)
            await self._take_over(keeper, opened.accounts, plans, report)
            await self._access.at_owner(
                lambda door, ledger: door.call(conclude, door.catalog, ledger, self._clock.now(), CONCLUSIONS)
            )
        finally:
            renewing.cancel()

    async def _note_accounts(
        self, keeper: Keeper, opened: OpenedAccounts, plans: list[PlannedService], report: SyncReport
    ) -> None:
        """Write a gap for every account that could not be entered."""
        types = {name for plan in plans for name in plan.names}
        regions = [region for region in self._request.regions if region != ALL_REGIONS]
        now = keeper.moment()
        for gap in opened.gaps:
            report.scopes.append(
                await self._access.at_owner(_write_account_gap, gap.account_id, gap.error, types, regions, now)
            )
        entered = {account.identity.account_id for account in opened.accounts}
        await self._access.at_owner(
            lambda door, ledger: door.call(close_account_gaps, door.catalog, ledger, entered, now)
        )

    async def _run_services(
        self,
        keeper: Keeper,
        accounts: list[Account],
        plans: list[PlannedService],
        report: SyncReport,
        only: frozenset[ScopeKey] | None = None,
    ) -> None:
        """Read service by service, a few at once: a service's models and parents are forgotten once it is done."""
        at_once = asyncio.Semaphore(_scopes_at_once(accounts))
        waiting = iter(plans)

        async def work() -> None:
            for plan in waiting:
                types, problems = load_service_types(plan, self._models)
                await self._access.at_owner(_note_places, keeper, types)
                places = [
                    Place(account, region, of_region, self._load_type, only)
                    for account, region, of_region in distinct_regions(accounts, types)
                ]
                for together in batched(places, max(1, len(places) // _LEASES_A_SERVICE)):
                    lease_together(self._access, together, again=self._request.full or self._request.reconcile)
                async with asyncio.TaskGroup() as group:
                    for place in places:
                        for resource_type in place.types:
                            await at_once.acquire()  # here, so that what waits is no task yet
                            task = group.create_task(self._run_one(keeper, place, resource_type, report))
                            task.add_done_callback(lambda _: at_once.release())
                for name, problem in problems.items():
                    await self._note_problem(accounts, name, problem, report)
                self._models.forget(plan.service)
                for account in accounts:
                    account.session.forget_service(plan.service)

        async with asyncio.TaskGroup() as group:
            for _ in range(_SERVICES_AT_ONCE):
                group.create_task(work())
        report.scopes.sort(key=lambda one: (one.account_id, one.region, one.type))

    async def _take_over(
        self, keeper: Keeper, accounts: list[Account], plans: list[PlannedService], report: SyncReport
    ) -> None:
        """Read what was left to another process that has not come to its end."""
        left = {(one.account_id, one.region, one.type) for one in report.scopes if one.status == ELSEWHERE}
        if not left:
            return
        elsewhere = await self._access.at_owner(lambda _, ledger: ledger.lease(left, finished_too=True))
        free = frozenset(left - set(elsewhere))
        report.scopes = [one for one in report.scopes if (one.account_id, one.region, one.type) not in free]
        names = {name for _, _, name in free}
        ours = [replace(plan, names=tuple(name for name in plan.names if name in names)) for plan in plans]
        await self._run_services(keeper, accounts, [plan for plan in ours if plan.names], report, free)

    def _load_type(self, name: str) -> ResourceType:
        return load_type(name, self._models)

    async def _run_one(
        self,
        keeper: Keeper,
        place: Place,
        resource_type: ResourceType,
        report: SyncReport,
    ) -> None:
        elsewhere = await place.lease()
        try:
            if resource_type.name in elsewhere:
                coverage = self._left_to(elsewhere[resource_type.name].reason, place.key(resource_type))
            else:
                coverage = await self._run_scope(keeper, place, resource_type)
        finally:
            place.ended(resource_type)
        report.scopes.append(coverage)

    def _left_to(self, reason: str, key: ScopeKey) -> Coverage:
        """Return what to report of a scope that another process reads."""
        return Coverage(*key, self._clock.now(), status=ELSEWHERE, reason=reason, finished_at=self._clock.now())

    async def _run_scope(self, keeper: Keeper, place: Place, resource_type: ResourceType) -> Coverage:
        """Read a scope; again from its list where the owner of the catalog went away in the middle."""
        before = dict.fromkeys(_CARRIED, 0)
        while True:
            door = self._access.door
            coverage = Coverage(*place.key(resource_type), self._clock.now())
            try:
                await self._try_scope(keeper, place, resource_type, coverage)
                for name, count in before.items():
                    setattr(coverage, name, getattr(coverage, name) + count)
                await self._access.run(self._access.ledger.write_coverage, coverage)
            except LeaseLostError as error:
                return self._left_to(error.message, place.key(resource_type))
            except (OwnerLostError, BaseExceptionGroup) as error:
                if not is_owner_lost(error):
                    raise
                before = {name: count + getattr(coverage, name) for name, count in before.items()}
                await self._access.rejoin(door)
            else:
                return coverage

    async def _try_scope(self, keeper: Keeper, place: Place, resource_type: ResourceType, coverage: Coverage) -> None:
        keeping = ScopeKeeping(keeper, resource_type, coverage)
        try:
            await self._read_scope(place, resource_type, keeping, coverage)
            await self._access.run(keeping.doubt_unsupported)
        finally:
            await self._access.run(keeping.close)

    async def _read_scope(
        self,
        place: Place,
        resource_type: ResourceType,
        keeping: ScopeKeeping,
        coverage: Coverage,
    ) -> None:
        memory = ScopeMemory()
        if not open_set_obstacle(resource_type):
            memory = ScopeMemory(*await self._access.run(keeping.memory))
        plan = self._plan(place, resource_type, memory)
        coverage.strategy, coverage.strategy_reason = plan.strategy, plan.why
        try:
            reader = TypeReader(place.account.session, resource_type, place.scope(resource_type), parents=place.parents)
            await ScopeRun(
                reader=reader,
                keeping=keeping,
                coverage=coverage,
                executor=self._access.executor,
                workers=self._workers,
                plan=plan,
                memory=memory,
                now=keeping.moment,
                progress=self._progress,
            ).run()
        except (UserError, ScopeError) as error:
            # The service cannot even be asked here.
            coverage.status = error.status if isinstance(error, ScopeError) else "failed"
            coverage.reason, coverage.hint = error.message, error.hint

    def _plan(self, place: Place, resource_type: ResourceType, memory: ScopeMemory) -> ScopePlan:
        request = self._request
        wish = Wish(request.full, request.reconcile, request.reconcile_every)
        return plan_scope(
            resource_type, memory, wish, self._clock.now(), is_parent=place.parents.is_awaited(resource_type.name)
        )

    async def _note_problem(
        self, accounts: list[Account], name: str, problem: StocktakeError, report: SyncReport
    ) -> None:
        """Write a gap for a type that could not be derived."""
        for account in accounts:
            for region in account.regions:
                coverage = Coverage(account.identity.account_id, region, name, self._clock.now(), status="failed")
                coverage.reason, coverage.hint = problem.message, problem.hint
                await self._access.at_owner(_write_coverage, coverage)
                report.scopes.append(coverage)


# Steps at the owner of the catalog, in its order: the door, the ledger, and what they need.


def _ensure(door: Door, ledger: SharedSweep, keeper: Keeper, resource_type: ResourceType) -> None:
    del door, ledger  # the keeper has them
    keeper.ensure(resource_type)


def _note_places(door: Door, ledger: SharedSweep, keeper: Keeper, types: list[ResourceType]) -> None:
    del door, ledger  # the keeper has them
    keeper.note_places(types)


def _write_coverage(door: Door, ledger: SharedSweep, coverage: Coverage) -> None:
    del door
    ledger.write_coverage(coverage)


def _write_account_gap(door: Door, ledger: SharedSweep, *facts: Any) -> Coverage:  # noqa: ANN401 - handed on
    return door.call(write_account_gap, door.catalog, ledger, *facts)


def _write_changes(catalog: Catalog, newest_sweep: int) -> None:
    del newest_sweep  # it asks for itself
    update_changes(catalog)


def _write_resources(catalog: Catalog, newest_sweep: int) -> None:
    del newest_sweep  # it asks for itself
    refresh_resources(catalog)


def _index_keys(catalog: Catalog, _: int) -> None:
    index_keys(catalog)


CONCLUSIONS = (_write_resources, update_relations, _write_changes, _index_keys)
"""What follows from what sweeps wrote, in this order."""


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what ended a group of tasks: the first of our own errors, where there is one."""
    ours = group.subgroup(StocktakeError)
    error: BaseException = ours or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _scopes_at_once(accounts: list[Account]) -> int:
    """Return how many scopes are read at once: most wait for their provider, each for another part of it."""
    return max(_SCOPES_AT_ONCE, min(_MOST_SCOPES, sum(len(account.regions) for account in accounts)))


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Let the garbage collector look less often.

    A sweep makes few cycles and very many short-lived objects; at the default threshold it spends a twentieth of its
    time on looking through the provider's models for garbage.
    """
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
