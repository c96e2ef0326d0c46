"""Who may call where, each in its own protocol: STS, the organization's list of accounts, the regions that are open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

import orjson

from stocktake.demo.api_errors import ApiError
from stocktake.demo.clock import from_ms
from stocktake.demo.faults import deny_in
from stocktake.demo.protocol import JSON_TYPE, XML_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.demo.faults import Caller
    from stocktake.demo.state import CloudState

Json = dict[str, Any]
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(.+)")
_SESSION_KEY = re.compile(r"ASIA[0-9]{12}T([0-9A-Z]+)")
_STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_ACCOUNTS_PAGE = 20
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LIFETIME_SECONDS = 3600
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class Request(NamedTuple):
    """A call to one of these services."""

    caller: Caller
    form: dict[str, str]
    """Of the query protocols."""
    body: bytes
    access_key: str
    id: str


def answer(state: CloudState, request: Request) -> tuple[bytes, bytes] | None:
    """Return content type and body of an answer; None for what is not answered here.

    Raises:
        ApiError: as the service would.
    """
    handler = _HANDLERS.get((request.caller.service, request.caller.operation))
    if handler is None or (state.estate is None and request.caller.service not in {"sts", "account"}):
        return None
    return handler(state, request)


def check_session(access_key: str, now_ms: int) -> None:
    """Refuse the credentials of a role once they have run out.

    Raises:
        ApiError: an ExpiredTokenException.
    """
    found = _SESSION_KEY.fullmatch(access_key)
    if found is not None and now_ms >= int(found[1], 36):
        raise ApiError("ExpiredTokenException", "The security token included in the request is expired")


def partition_of(region: str) -> str:
    """Return the partition that a region is in."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


# ---- STS ----


def _caller_identity(_state: CloudState, request: Request) -> tuple[bytes, bytes]:
    caller = request.caller
    arn = caller.arn.replace("arn:aws:", f"arn:{partition_of(caller.region)}:", 1)
    user = f"AROA{request.access_key[4:]}:stocktake"
    result = f"<Arn>{arn}</Arn><UserId>{user}</UserId><Account>{caller.account}</Account>"
    return XML_TYPE, _xml("GetCallerIdentity", result, request.id)


def _assume_role(state: CloudState, request: Request) -> tuple[bytes, bytes]:
    arn = request.form.get("RoleArn", "")
    found = _ROLE.fullmatch(arn)
    if found is None:
        raise ApiError("ValidationError", f"{arn or 'RoleArn'} is invalid")
    account, role = found[1], found[2]
    switches = state.switches
    deny_in(request.caller, switches.denied_actions, arn, account)
    wanted = switches.role_external_id
    if account in switches.suspended_accounts or (wanted and request.form.get("ExternalId") != wanted):
        raise ApiError(
            "AccessDenied",
            f"User: {request.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            403,
        )
    seconds = switches.role_seconds or float(request.form.get("DurationSeconds", _LIFETIME_SECONDS))
    ends = state.clock.now_ms() + int(seconds * 1000)
    session, name = escape(request.form.get("RoleSessionName", "session")), escape(role.rpartition("/")[2])
    partition = partition_of(request.caller.region)
    result = (
        f"<Credentials><AccessKeyId>ASIA{account}T{_base36(ends)}</AccessKeyId>"
        "<SecretAccessKey>simulated</SecretAccessKey><SessionToken>simulated-session</SessionToken>"
        f"<Expiration>{from_ms(ends).strftime('%Y-%m-%dT%H:%M:%SZ')}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROA{account}DEMO:{session}</AssumedRoleId>"
        f"<Arn>arn:{partition}:sts::{account}:assumed-role/{name}/{session}</Arn></AssumedRoleUser>"
    )
    return XML_TYPE, _xml("AssumeRole", result, request.id)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits


def _xml(operation: str, result: str, request_id: str) -> bytes:
    return (
        f'<{operation}Response xmlns="{_STS_NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    ).encode()


# ---- Organizations ----


def _list_accounts(state: CloudState, request: Request) -> tuple[bytes, bytes]:
    """Answer the management account, which is the first one; to others the list is closed."""
    if request.caller.account != state.default_account:
        raise ApiError("AccessDeniedException", "You don't have permissions to access this resource.")
    asked = _json(request.body)
    first = int(asked.get("NextToken") or 0)
    size = min(int(asked.get("MaxResults") or _ACCOUNTS_PAGE), _ACCOUNTS_PAGE)
    page = state.accounts[first : first + size]
    told: Json = {"Accounts": [_account(state, number, first + i) for i, number in enumerate(page)]}
    if first + size < len(state.accounts):
        told["NextToken"] = str(first + size)
    return JSON_TYPE, orjson.dumps(told)


def _account(state: CloudState, number: str, position: int) -> Json:
    status = "SUSPENDED" if number in state.switches.suspended_accounts else "ACTIVE"
    return {
        "Id": number,
        "Arn": f"arn:aws:organizations::{state.default_account}:account/o-simulated/{number}",
        "Email": f"account-{position}@example.com",
        "Name": f"account-{position}",
        "Status": status,
        "State": status,
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": 1_600_000_000,
    }


# ---- regions ----


def _describe_regions(state: CloudState, request: Request) -> tuple[bytes, bytes]:
    every = request.form.get("AllRegions") == "true"
    items = "".join(
        f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
        f"<optInStatus>{'opt-in-not-required' if is_open else 'not-opted-in'}</optInStatus></item>"
        for region, is_open in _regions(state)
        if is_open or every
    )
    return XML_TYPE, (
        f'<DescribeRegionsResponse xmlns="{_EC2_NAMESPACE}"><requestId>{request.id}</requestId>'
        f"<regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
    ).encode()


def _list_regions(state: CloudState, request: Request) -> tuple[bytes, bytes]:
    wanted = _json(request.body).get("RegionOptStatusContains") or ["ENABLED_BY_DEFAULT", "DISABLED"]
    found = [
        {"RegionName": region, "RegionOptStatus": "ENABLED_BY_DEFAULT" if is_open else "DISABLED"}
        for region, is_open in _regions(state)
    ]
    return JSON_TYPE, orjson.dumps({"Regions": [one for one in found if one["RegionOptStatus"] in wanted]})


def _regions(state: CloudState) -> list[tuple[str, bool]]:
    regions = state.estate.regions if state.estate is not None else ("us-east-1",)
    return [(region, region not in state.switches.disabled_regions) for region in regions]


def _json(body: bytes) -> Json:
    try:
        asked = orjson.loads(body) if body else {}
    except ValueError as error:
        raise ApiError("SerializationException", f"The request body can not be read: {error}") from error
    return asked if isinstance(asked, dict) else {}


_HANDLERS: dict[tuple[str, str], Callable[[CloudState, Request], tuple[bytes, bytes]]] = {
    ("sts", "GetCallerIdentity"): _caller_identity,
    ("sts", "AssumeRole"): _assume_role,
    ("organizations", "ListAccounts"): _list_accounts,
    ("ec2", "DescribeRegions"): _describe_regions,
    ("account", "POST /listRegions"): _list_regions,
}


def operation_of(service: str, method: str, path: str) -> str:
    """Return what a call of a protocol without operation names is known by here; '' for others."""
    return f"{method} {path}" if (service, f"{method} {path}") in _HANDLERS else ""
