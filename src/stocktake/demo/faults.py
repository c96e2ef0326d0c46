"""Applies the switches to a call: who may not, who must wait, and what breaks on the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from stocktake.demo.api_errors import ApiError
from stocktake.demo.draws import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.demo.switches import Switches


class Caller(NamedTuple):
    """Who calls what, where."""

    account: str
    region: str
    service: str
    """The name in the credential scope."""
    operation: str

    @property
    def arn(self) -> str:
        """The ARN of the principal behind the access key."""
        return f"arn:aws:sts::{self.account}:assumed-role/inventory-reader/stocktake"


class Faults:
    """Token buckets and the count of calls, which is what chance is drawn from."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls = 0
        self._buckets: dict[tuple[str, str, str, str], tuple[float, float]] = {}

    def check(self, caller: Caller, switches: Switches, resource: str) -> None:
        """Let a call pass, or refuse it as the service would.

        Raises:
            ApiError: expired or invalid credentials, throttling, a denied action, a server error.
        """
        expired = switches.expired_accounts
        if expired and ("*" in expired or caller.account in expired):
            raise ApiError("ExpiredTokenException", "The security token included in the request is expired")
        if caller.region in switches.disabled_regions:
            raise ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if switches.throttle:
            self._throttle(caller, switches)
        if switches.denied_actions and caller.operation != "GetCallerIdentity":
            _deny(caller, switches.denied_actions, resource)
        if switches.error_rate:
            self._break(switches)

    def truncates(self, switches: Switches) -> bool:
        """Say whether this answer is to end in the middle."""
        if not switches.truncated_rate:
            return False
        self._calls += 1
        return draw(switches.seed, self._calls, "truncated").share(0) < switches.truncated_rate

    def _break(self, switches: Switches) -> None:
        self._calls += 1
        chance = draw(switches.seed, self._calls, "error")
        if chance.share(0) < switches.error_rate:
            if chance.share(1) < 0.5:
                raise ApiError("InternalFailure", "The request processing has failed because of an unknown error.", 500)
            raise ApiError(
                "ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503
            )

    def _throttle(self, caller: Caller, switches: Switches) -> None:
        limit = switches.throttle.get(caller.operation) or switches.throttle.get("*")
        if limit is None:
            return
        rate, burst = limit
        now = self._clock()
        key = (caller.account, caller.region, caller.service, caller.operation)
        tokens, since = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - since) * rate)
        self._buckets[key] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now)
        if tokens < 1:
            raise throttled(caller.service)


def throttled(service: str) -> ApiError:
    """Return the answer to a call that comes too soon, in the service's words."""
    if service == "tagging":
        return ApiError("ThrottledException", "Rate exceeded")
    if service in {"sts", "iam", "ec2"}:
        return ApiError("RequestLimitExceeded" if service == "ec2" else "Throttling", "Rate exceeded")
    return ApiError("ThrottlingException", "Rate exceeded")


def _deny(caller: Caller, denied: frozenset[str], resource: str) -> None:
    deny_in(caller, denied, resource, caller.account)


def deny_in(caller: Caller, denied: frozenset[str], resource: str, account: str) -> None:
    """Refuse an action that is denied everywhere, in the caller's region, or in an account.

    Raises:
        ApiError: the service's own words for it.
    """
    prefix = {"tagging": "tag"}.get(caller.service, caller.service)
    action = f"{prefix}:{caller.operation}"
    for refused in (action, f"{prefix}:*"):
        if refused in denied or f"{refused}@{caller.region}" in denied or f"{refused}@{account}" in denied:
            code, status = _DENIALS.get(caller.service, ("AccessDeniedException", 400))
            raise ApiError(
                code,
                f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} "
                f"because no identity-based policy allows the {action} action",
                status,
            )


_DENIALS = {
    "sts": ("AccessDenied", 403), "iam": ("AccessDenied", 403), "s3": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
}  # fmt: skip
