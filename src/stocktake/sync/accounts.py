"""The accounts of a sweep: profiles, roles assumed by a pattern, a whole organization; and the regions of each."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from stocktake.collect.accounts import fetch_open_regions, fetch_organization
from stocktake.collect.assumed import DEFAULT_ROLE, AssumedRole, RolePattern
from stocktake.collect.limits import read_known_limits
from stocktake.collect.session import CallerIdentity, CollectSettings, open_session
from stocktake.core.errors import CredentialsError, DataError, ScopeError, UnreachableError, UserError
from stocktake.providers.aws.models import open_models

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from stocktake.collect.session import Session
    from stocktake.core.errors import StocktakeError
    from stocktake.sync.request import SyncRequest

ALL_REGIONS = "all"
_OPENED_AT_ONCE = 32
_ACCOUNT = re.compile(r"[0-9]{12}")
_CONNECTIONS = 400
"""At most, however many accounts: a process may mostly have 1,024 files open."""
_GAPS = (ScopeError, UnreachableError, CredentialsError, DataError)


@dataclass(frozen=True, slots=True)
class Account:
    """An account that can be read, and where."""

    session: Session
    identity: CallerIdentity
    regions: tuple[str, ...]
    note: str = ""
    """What is to be said of its regions."""


@dataclass(frozen=True, slots=True)
class AccountGap:
    """An account that cannot be read, and why."""

    account_id: str
    error: StocktakeError


@dataclass(slots=True)
class OpenedAccounts:
    """What was found."""

    accounts: list[Account] = field(default_factory=list)
    gaps: list[AccountGap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Base:
    """A set of credentials that the user has, which may lead to other accounts."""

    session: Session
    identity: CallerIdentity


async def open_accounts(stack: AsyncExitStack, request: SyncRequest) -> OpenedAccounts:
    """Return the accounts that a request asks for; one that cannot be entered is a gap and stops no other.

    Raises: UserError, CredentialsError, UnreachableError where the user's own credentials or request are at fault.
    """
    _check(request)
    opened = OpenedAccounts()
    first: Session | None = None
    for profile in request.profiles:
        session = await stack.enter_async_context(_open_base(profile, request, first))
        first = first or session
        base = _Base(session, await session.fetch_caller_identity())
        await _open_from(base, request, opened)
    return opened


def collect_settings(request: SyncRequest) -> CollectSettings:
    """Return how a sweep calls out."""
    known = read_known_limits()
    has_many = request.organization or bool(request.accounts) or len(request.profiles) * len(request.regions) > 1
    return CollectSettings(
        max_connections=_CONNECTIONS if has_many or ALL_REGIONS in request.regions else request.concurrency,
        connect_timeout_seconds=request.connect_timeout_seconds,
        read_timeout_seconds=request.read_timeout_seconds,
        calls_per_second=request.max_calls_per_second,
        limits=type(known)(known.known, request.limits),
    )


def _check(request: SyncRequest) -> None:
    wrong = [one for one in request.accounts if not _ACCOUNT.fullmatch(one)]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)} is no account id.", code="bad_account", hint="An account id has twelve digits."
        )
    if ALL_REGIONS in request.regions and len(request.regions) > 1:
        raise UserError("All regions, or some of them.", code="bad_regions", hint="Leave the others out.")
    models = open_models(request.models)
    for limit in request.limits:
        if not models.has_service(limit.service):
            near = get_close_matches(limit.service, models.service_names, n=3)
            raise UserError(
                f"The models know no service {limit.service!r}, so its calls cannot be limited.",
                code="bad_limit",
                hint=f"Did you mean {', '.join(near)}?" if near else "Services are named as the AWS CLI names them.",
                where=limit.service,
            )
    if request.assume_role and not request.organization and not request.accounts and _fixed(request) is None:
        raise UserError(
            "A role is to be assumed, but in which accounts?",
            code="no_accounts",
            hint="Name them with --account, or take all of an organization with --organization.",
            where=request.assume_role,
        )


def _open_base(profile: str | None, request: SyncRequest, sharing: Session | None) -> Session:
    settings = collect_settings(request)
    wanted = [region for region in request.regions if region != ALL_REGIONS]

    def opened(region: str | None) -> Session:
        return open_session(
            profile, region, request.endpoint_url, models=request.models, settings=settings, sharing=sharing
        )

    if not wanted or len(request.profiles) == 1:
        return opened(wanted[0] if wanted else None)
    try:
        session = opened(None)
    except UserError as error:
        if error.code != "no_region":
            raise
        return opened(wanted[0])
    # A profile of another partition cannot speak to the others' regions.
    partition = session.endpoints.partition(session.region)
    session.region = next((one for one in wanted if session.endpoints.partition(one) == partition), session.region)
    return session


async def _open_from(base: _Base, request: SyncRequest, opened: OpenedAccounts) -> None:
    at_once = asyncio.Semaphore(_OPENED_AT_ONCE)
    regions = _Regions(request)

    async def enter(account_id: str, role: RolePattern | None) -> Account | AccountGap:
        async with at_once:
            try:
                return await _enter(base, account_id, role, regions)
            except _GAPS as error:
                return AccountGap(account_id, error)

    targets = await _targets(base, request)
    for found in await asyncio.gather(*[enter(account_id, role) for account_id, role in targets.items()]):
        if isinstance(found, Account):
            opened.accounts.append(found)
        else:
            opened.gaps.append(found)


async def _targets(base: _Base, request: SyncRequest) -> dict[str, RolePattern | None]:
    """Return account -> the role that leads there; None for the base's own credentials."""
    own = base.identity.account_id
    role = RolePattern(request.assume_role or DEFAULT_ROLE, request.external_id, request.role_session_name)
    role.arn(base.identity.partition, _fixed(request) or own)  # a bad pattern is said now
    if request.organization:
        listed = await fetch_organization(base.session)
        active = {one.id for one in listed if one.is_active}
        missing = sorted(set(request.accounts) - active)
        if missing:
            raise UserError(
                f"{', '.join(missing)} is no active account of the organization.",
                code="unknown_account",
                hint="Leave it out, or name the accounts without --organization.",
            )
        chosen = [one.id for one in listed if one.is_active and (not request.accounts or one.id in request.accounts)]
        # In its own account the caller needs no role, and there may be none.
        return {one: None if one == own else role for one in chosen}
    if request.accounts:
        return dict.fromkeys(request.accounts, role)
    if (fixed := _fixed(request)) is not None:
        return {fixed: role}
    return {own: None}


async def _enter(base: _Base, account_id: str, role: RolePattern | None, regions: _Regions) -> Account:
    partition = base.identity.partition
    if role is None:
        session, identity = base.session, base.identity
    else:
        arn = role.arn(partition, account_id)
        credentials = AssumedRole(base.session, role, arn)
        session = base.session.beside(credentials, account_id)
        session.caller = arn
        await credentials.keys()
        identity = CallerIdentity(account_id, partition, arn)
    names, note = await regions.of(session, partition)
    return Account(session, identity, names, note)


class _Regions:
    """Which regions an account is read in."""

    def __init__(self, request: SyncRequest) -> None:
        self._wanted = tuple(region for region in request.regions if region != ALL_REGIONS)
        self._all = ALL_REGIONS in request.regions or (request.organization and not request.regions)

    async def of(self, session: Session, partition: str) -> tuple[tuple[str, ...], str]:
        """Return the regions, and what is to be said of them.

        Raises: ScopeError where none of those that are wanted is in the account's partition.
        """
        if self._all:
            found = await fetch_open_regions(session, partition)
            return found.names, found.note
        if not self._wanted:
            return (session.region,), ""
        here = tuple(one for one in self._wanted if session.endpoints.partition(one) in {partition, ""})
        if not here:
            raise ScopeError(
                f"None of the regions that were asked for is in the account's partition, {partition}.",
                code="other_partition",
                status="unsupported",
                hint="Name a region of that partition, too, or all.",
            )
        return here, ""


def _fixed(request: SyncRequest) -> str | None:
    """Return the account of a pattern that is one role's whole ARN."""
    found = re.fullmatch(r"arn:[a-z{}_-]+:iam::([0-9]{12}):role/.+", request.assume_role)
    return found[1] if found else None
