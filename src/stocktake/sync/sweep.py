"""One sweep over accounts, regions and types: each scope on its own, none able to stop the others."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from stocktake.collect.answers import Scope
from stocktake.collect.session import CollectSettings, open_session
from stocktake.collect.type_reader import TypeReader
from stocktake.core.clock import SystemClock
from stocktake.core.errors import StocktakeError, UserError
from stocktake.normalize.normalizer import Normalizer
from stocktake.normalize.redact import Redactor
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.store.catalog import open_catalog
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.type_tables import ensure_tables, held_types
from stocktake.store.versions import ScopeVersions
from stocktake.sync.request import SyncReport
from stocktake.sync.scope import ScopeRun
from stocktake.sync.writer import ScopeWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.collect.session import CallerIdentity, Session
    from stocktake.core.clock import Clock
    from stocktake.core.progress import Progress
    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.catalog import Catalog
    from stocktake.sync.request import SyncRequest

_SCOPES_AT_ONCE = 8
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Account:
    session: Session
    identity: CallerIdentity
    regions: tuple[str, ...]


def run_sync(request: SyncRequest, progress: Progress, clock: Clock | None = None) -> SyncReport:
    """Run one sweep: list, compare, read what may have changed, keep what did.

    What can be known beforehand to be wrong (types, catalog, credentials, endpoint) is raised before anything is
    written; what goes wrong later is a gap in the report and in the ledger.
    Raises: UserError, CredentialsError, UnreachableError; CatalogLockedError, CatalogAccessError, CatalogTooNewError.
    """
    try:
        return asyncio.run(_Sweep(request, progress, clock or SystemClock()).run())
    except BaseExceptionGroup as group:
        # Several tasks were under way; the first of our own errors says what happened.
        raise _first(group) from group


class _Sweep:
    def __init__(self, request: SyncRequest, progress: Progress, clock: Clock) -> None:
        self._request = request
        self._progress = progress
        self._clock = clock
        # The catalog's own thread: everything that touches it runs there, one thing after another.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalog")

    async def run(self) -> SyncReport:
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            stack.callback(self._executor.shutdown)
            types = self._load_types(self._request.types)
            accounts = [await self._open_account(stack, profile) for profile in self._request.profiles]
            catalog = open_catalog(self._request.catalog, wait_seconds=self._request.lock_wait_seconds)
            # After whatever is under way there: an interrupt may come in the middle of a statement.
            stack.push_async_callback(self._in_catalog, catalog.close)
            types = types or self._load_types(_held_types(catalog))
            for resource_type in types:
                ensure_tables(catalog, resource_type, self._clock.now())
            ledger = Ledger(catalog, self._clock.now())
            report = SyncReport(ledger.sweep_id)
            scopes = _distinct_scopes(accounts, types)
            try:
                await self._run_scopes(catalog, ledger, scopes, report)
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

    def _load_types(self, names: tuple[str, ...]) -> list[ResourceType]:
        models = open_models(self._request.models)
        found = [load_type(name, models) for name in dict.fromkeys(names)]
        return list({resource_type.name: resource_type for resource_type in found}.values())

    async def _open_account(self, stack: AsyncExitStack, profile: str | None) -> _Account:
        request = self._request
        session = open_session(
            profile,
            request.regions[0] if request.regions else None,
            request.endpoint_url,
            models=request.models,
            settings=CollectSettings(max_connections=request.concurrency),
        )
        await stack.enter_async_context(session)
        identity = await session.fetch_caller_identity()
        return _Account(session, identity, request.regions or (session.region,))

    async def _run_scopes(
        self, catalog: Catalog, ledger: Ledger, scopes: list[tuple[Session, Scope, ResourceType]], report: SyncReport
    ) -> None:
        redaction_key = catalog.redaction_key()
        at_once = asyncio.Semaphore(_SCOPES_AT_ONCE)
        under_way = asyncio.Semaphore(self._request.concurrency)

        async def run_one(session: Session, scope: Scope, resource_type: ResourceType) -> None:
            async with at_once:
                coverage = await self._run_scope(
                    catalog, ledger, session, scope, resource_type, redaction_key, under_way
                )
                report.scopes.append(coverage)

        async with asyncio.TaskGroup() as group:
            for session, scope, resource_type in scopes:
                group.create_task(run_one(session, scope, resource_type))
        report.scopes.sort(key=lambda one: (one.account_id, one.region, one.type))

    async def _run_scope(
        self,
        catalog: Catalog,
        ledger: Ledger,
        session: Session,
        scope: Scope,
        resource_type: ResourceType,
        redaction_key: bytes,
        under_way: asyncio.Semaphore,
    ) -> Coverage:
        coverage = Coverage(scope.account_id, scope.region, scope.type_name, self._clock.now())
        redactor = Redactor(redaction_key)
        normalizer = Normalizer(resource_type, redactor)
        versions = await self._in_catalog(
            ScopeVersions, catalog, resource_type, scope.account_id, scope.region, ledger.sweep_id
        )
        try:
            await ScopeRun(
                reader=TypeReader(session, resource_type, scope),
                versions=versions,
                writer=ScopeWriter(
                    resource_type, versions, ledger, normalizer, coverage, redactor, redaction_key, self._clock.now
                ),
                coverage=coverage,
                executor=self._executor,
                calls_under_way=under_way,
                workers=self._request.concurrency,
                full=self._request.full,
                now=lambda: ledger.moment(self._clock.now()),
                progress=self._progress,
            ).run()
            await self._in_catalog(ledger.write_coverage, coverage)
        finally:
            await self._in_catalog(versions.close)
            await self._in_catalog(normalizer.close)
        return coverage


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    ours = group.subgroup(StocktakeError)
    error: BaseException = ours or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _held_types(catalog: Catalog) -> tuple[str, ...]:
    names = held_types(catalog)
    if not names:
        raise UserError(
            "The catalog holds no type yet, and none was named",
            code="no_types",
            hint="Name one: `stocktake sync --type aws_sagemaker_trainingjob`; `stocktake types` lists them.",
            where=str(catalog.path),
        )
    return names


def _distinct_scopes(accounts: list[_Account], types: list[ResourceType]) -> list[tuple[Session, Scope, ResourceType]]:
    """Return every scope once, even where two profiles lead to the same account."""
    scopes: dict[Scope, tuple[Session, Scope, ResourceType]] = {}
    for account in accounts:
        for region in account.regions:
            for resource_type in types:
                scope = Scope(account.identity.account_id, account.identity.partition, region, resource_type.name)
                scopes.setdefault(scope, (account.session, scope, resource_type))
    return list(scopes.values())
