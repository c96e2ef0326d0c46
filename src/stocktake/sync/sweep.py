"""One sweep over accounts, regions and types: each scope on its own, none able to stop the others."""

from __future__ import annotations

import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from stocktake.collect.answers import Scope
from stocktake.collect.parents import ParentLists, needed_members
from stocktake.collect.type_reader import TypeReader
from stocktake.core.clock import SystemClock
from stocktake.core.errors import ScopeError, StocktakeError, UserError
from stocktake.providers.aws.models import open_models
from stocktake.relations.update import update_relations
from stocktake.resource_types.registry import load_type
from stocktake.store.account_gaps import close_account_gaps, write_account_gap
from stocktake.store.catalog import open_catalog
from stocktake.store.change_log import update_changes
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.type_tables import held_types
from stocktake.sync.accounts import ALL_REGIONS, open_accounts
from stocktake.sync.keeping import Keeper, ScopeKeeping
from stocktake.sync.planning import load_service_types, plan_services
from stocktake.sync.request import SyncReport
from stocktake.sync.scope import ScopeRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stocktake.core.clock import Clock
    from stocktake.core.progress import Progress
    from stocktake.resource_types.spec import ResourceType
    from stocktake.sync.accounts import Account, OpenedAccounts
    from stocktake.sync.planning import PlannedService
    from stocktake.sync.request import SyncRequest

_SCOPES_AT_ONCE = 16
_SERVICES_AT_ONCE = 6
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
GLOBAL = "global"
"""The region of what every region answers the same."""
T = TypeVar("T")


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
        raise _first(group) from group


class _Sweep:
    def __init__(self, request: SyncRequest, progress: Progress, clock: Clock) -> None:
        self._request = request
        self._progress = progress
        self._clock = clock
        self._models = open_models(request.models)
        # The catalog's own thread: everything that touches it runs there, one thing after another.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalog")

    async def run(self) -> SyncReport:
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            stack.callback(self._executor.shutdown)
            plans = plan_services(self._request.types, self._models)
            opened = await open_accounts(stack, self._request)
            accounts = opened.accounts
            catalog = open_catalog(self._request.catalog, wait_seconds=self._request.lock_wait_seconds)
            # After whatever is under way there: an interrupt may come in the middle of a statement.
            stack.push_async_callback(self._in_catalog, catalog.close)
            ledger = Ledger(catalog, self._clock.now())
            keeper = Keeper(catalog, ledger, set(held_types(catalog)), catalog.redaction_key(), self._clock.now)
            stack.push_async_callback(self._in_catalog, keeper.close)
            for plan in plans:
                for resource_type in plan.known.values():
                    keeper.ensure(resource_type)
            report = SyncReport(ledger.sweep_id)
            await self._note_accounts(keeper, opened, plans, report)
            try:
                await self._run_services(keeper, accounts, plans, report)
                await self._in_catalog(update_relations, catalog, ledger.sweep_id)
                await self._in_catalog(update_changes, catalog)
            except BaseException:
                # The catalog itself may be what failed; then the next sweep marks this one as interrupted.
                calls = sum(scope.calls for scope in report.scopes)
                with suppress(StocktakeError):
                    await self._in_catalog(ledger.finish, "failed", calls, self._clock.now())
                raise
            report.seconds = time.monotonic() - started
            report.calls = sum(scope.calls for scope in report.scopes)
            await self._in_catalog(ledger.finish, report.status, report.calls, self._clock.now())
        return report

    async def _in_catalog(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def _note_accounts(
        self, keeper: Keeper, opened: OpenedAccounts, plans: list[PlannedService], report: SyncReport
    ) -> None:
        """Write a gap for every account that could not be entered."""
        types = {name for plan in plans for name in plan.names}
        regions = [region for region in self._request.regions if region != ALL_REGIONS]
        now = keeper.moment()
        for gap in opened.gaps:
            report.scopes.append(
                await self._in_catalog(
                    write_account_gap, keeper.catalog, keeper.ledger, gap.account_id, gap.error, types, regions, now
                )
            )
        entered = {account.identity.account_id for account in opened.accounts}
        await self._in_catalog(close_account_gaps, keeper.catalog, keeper.ledger, entered, now)

    async def _run_services(
        self, keeper: Keeper, accounts: list[Account], plans: list[PlannedService], report: SyncReport
    ) -> None:
        """Read service by service, a few at once: a service's models and parents are forgotten once it is done."""
        at_once = asyncio.Semaphore(_SCOPES_AT_ONCE)
        waiting = iter(plans)

        async def work() -> None:
            for plan in waiting:
                types, problems = load_service_types(plan, self._models)
                await self._in_catalog(keeper.note_places, types)
                async with asyncio.TaskGroup() as group:
                    for account, region, of_region in _distinct_regions(accounts, types):
                        place = _Place(account, region, of_region, self._load_type)
                        for resource_type in of_region:
                            group.create_task(self._run_one(keeper, place, resource_type, at_once, report))
                for name, problem in problems.items():
                    await self._note_problem(keeper, accounts, name, problem, report)
                self._models.forget(plan.service)
                for account in accounts:
                    account.session.forget_service(plan.service)

        async with asyncio.TaskGroup() as group:
            for _ in range(_SERVICES_AT_ONCE):
                group.create_task(work())
        report.scopes.sort(key=lambda one: (one.account_id, one.region, one.type))

    def _load_type(self, name: str) -> ResourceType:
        return load_type(name, self._models)

    async def _run_one(
        self,
        keeper: Keeper,
        place: _Place,
        resource_type: ResourceType,
        at_once: asyncio.Semaphore,
        report: SyncReport,
    ) -> None:
        async with at_once:
            try:
                coverage = await self._run_scope(keeper, place, resource_type)
            finally:
                place.ended(resource_type.name)
            report.scopes.append(coverage)

    async def _run_scope(self, keeper: Keeper, place: _Place, resource_type: ResourceType) -> Coverage:
        scope = place.scope(resource_type)
        coverage = Coverage(scope.account_id, scope.region, scope.type_name, self._clock.now())
        keeping = ScopeKeeping(keeper, resource_type, coverage)
        try:
            await self._read_scope(place, resource_type, keeping, coverage)
            await self._in_catalog(keeping.doubt_unsupported)
        finally:
            await self._in_catalog(keeping.close)
        await self._in_catalog(keeper.ledger.write_coverage, coverage)
        return coverage

    async def _read_scope(
        self,
        place: _Place,
        resource_type: ResourceType,
        keeping: ScopeKeeping,
        coverage: Coverage,
    ) -> None:
        try:
            await ScopeRun(
                reader=TypeReader(
                    place.account.session, resource_type, place.scope(resource_type), parents=place.parents
                ),
                keeping=keeping,
                coverage=coverage,
                executor=self._executor,
                workers=self._request.concurrency,
                full=self._request.full,
                now=keeping.moment,
                progress=self._progress,
            ).run()
        except (UserError, ScopeError) as error:
            # The service cannot even be asked here.
            coverage.status = error.status if isinstance(error, ScopeError) else "failed"
            coverage.reason, coverage.hint = error.message, error.hint

    async def _note_problem(
        self, keeper: Keeper, accounts: list[Account], name: str, problem: StocktakeError, report: SyncReport
    ) -> None:
        """Write a gap for a type that could not be derived."""
        for account in accounts:
            for region in account.regions:
                coverage = Coverage(account.identity.account_id, region, name, self._clock.now(), status="failed")
                coverage.reason, coverage.hint = problem.message, problem.hint
                await self._in_catalog(keeper.ledger.write_coverage, coverage)
                report.scopes.append(coverage)


class _Place:
    """One account and region, while one service is read there."""

    def __init__(
        self, account: Account, region: str, types: list[ResourceType], load: Callable[[str], ResourceType]
    ) -> None:
        self.account = account
        self._region = region
        names = {one.name for one in types}
        above = {one.list_call.parent.type for one in types if one.list_call.parent is not None}
        self.parents = ParentLists(load, awaited=above & names, members=needed_members(types))
        self._open = set(names)

    def scope(self, resource_type: ResourceType) -> Scope:
        """Return a type's scope here."""
        identity = self.account.identity
        region = GLOBAL if resource_type.scope == GLOBAL else self._region
        return Scope(identity.account_id, identity.partition, region, resource_type.name, self._region)

    def ended(self, type_name: str) -> None:
        """Take note that a type has been read; after the last, forget the parents."""
        self.parents.give_up(type_name)
        self._open.discard(type_name)
        if not self._open:
            self.parents.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    ours = group.subgroup(StocktakeError)
    error: BaseException = ours or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _distinct_regions(
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
