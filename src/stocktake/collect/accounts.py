"""Which accounts an organization has, and which regions are open in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.collect.service_client import CallPurpose
from stocktake.core.errors import ScopeError, UnreachableError, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stocktake.collect.session import Session

_ACCOUNTS_PAGE = 20
_REGIONS_PAGE = 50
_OPEN = ("ENABLED", "ENABLED_BY_DEFAULT")


@dataclass(frozen=True, slots=True)
class OrganizationAccount:
    """An account of an organization."""

    id: str
    name: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class OpenRegions:
    """The regions that an account may use."""

    names: tuple[str, ...]
    note: str = ""
    """Why this is a guess, where it is one."""


async def fetch_organization(session: Session) -> list[OrganizationAccount]:
    """Return every account of the caller's organization, suspended ones too.

    Raises: UserError where the caller may not list them; CredentialsError, UnreachableError.
    """
    found: dict[str, OrganizationAccount] = {}
    try:
        async for page in _pages(session, "organizations", "ListAccounts", {"MaxResults": _ACCOUNTS_PAGE}):
            for one in page.get("Accounts") or ():
                state = one.get("State") or one.get("Status")
                found[one["Id"]] = OrganizationAccount(one["Id"], one.get("Name", ""), is_active=state == "ACTIVE")
    except ScopeError as error:
        raise UserError(
            f"The accounts of the organization cannot be listed: {error.message}",
            code="organization_not_listed",
            hint="Use credentials of the management account, or of one that is delegated administrator of a service, "
            "with organizations:ListAccounts; or name the accounts with --account.",
            where=session.account_id,
        ) from error
    return list(found.values())


async def fetch_open_regions(session: Session, partition: str) -> OpenRegions:
    """Return the regions that are enabled in an account.

    EC2 tells them in one call that most read-only policies allow; else the account's own API. Where both are refused,
    all regions of the partition that the models know: what is not enabled among them then refuses every call.
    """
    try:
        names = [name async for name in _by_ec2(session)]
    except (ScopeError, UnreachableError) as first:
        try:
            names = [name async for name in _by_account(session)]
        except (ScopeError, UnreachableError):
            known = session.endpoints.known_regions(partition)
            return OpenRegions(known or (session.region,), f"its regions are not known: {first.message}")
    own_first = sorted(names, key=lambda name: (name != session.region, name))
    return OpenRegions(tuple(own_first) or (session.region,))


async def _by_ec2(session: Session) -> AsyncIterator[str]:
    async for page in _pages(session, "ec2", "DescribeRegions", {}):
        for one in page.get("Regions") or ():
            if one.get("OptInStatus") != "not-opted-in":
                yield one["RegionName"]


async def _by_account(session: Session) -> AsyncIterator[str]:
    params = {"RegionOptStatusContains": list(_OPEN), "MaxResults": _REGIONS_PAGE}
    async for page in _pages(session, "account", "ListRegions", params):
        for one in page.get("Regions") or ():
            if one.get("RegionOptStatus") in _OPEN:
                yield one["RegionName"]


async def _pages(
    session: Session, service: str, operation: str, params: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    purpose = CallPurpose(iam_action=f"{service}:{operation}")
    client = session.service_client(service)
    token, tokens = "", set[str]()
    while True:
        going_on = {**params, "NextToken": token} if token else params
        page = orjson.loads((await client.call(operation, going_on, purpose=purpose)).body)
        yield page
        token = page.get("NextToken") or ""
        if not token:
            return
        if token in tokens:
            raise ScopeError(
                f"{operation} gave the same continuation twice: a pagination loop.",
                code="pagination_loop",
                status="failed",
                where=f"{session.account_id}/{service}",
            )
        tokens.add(token)
