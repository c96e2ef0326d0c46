"""A provider's error, translated once into ours: the tables are data, the rules general.

Source: the error codes of the services' models, botocore's `retries/standard.py`, and the common errors of
https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocktake.collect.bodies import ProviderError


class Meaning(StrEnum):
    """What an error means to us, whatever a service calls it."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    CLOCK_SKEW = "clock_skew"
    CREDENTIALS = "credentials"
    DENIED = "denied"
    UNSUPPORTED = "unsupported"
    GONE = "gone"
    REJECTED = "rejected"
    """The provider understood the call and refuses it: a fault of the plan or of the resource."""


# In this order; the first that fits decides. Codes come without `Client.`/`Server.` and namespace.
_CODE_RULES: list[tuple[Meaning, re.Pattern[str]]] = [
    (
        Meaning.THROTTLED,
        re.compile(
            r"throttl|TooManyRequests|SlowDown|RequestLimitExceeded|RequestRateExceeded|RateExceeded|"
            r"ThroughputExceeded|BandwidthLimitExceeded|PriorRequestNotComplete|^LimitExceededException$",
            re.IGNORECASE,
        ),
    ),
    (Meaning.CLOCK_SKEW, re.compile(r"^(RequestTimeTooSkewed|RequestExpired|RequestInTheFuture)$")),
    (
        Meaning.CREDENTIALS,
        re.compile(
            r"^(ExpiredToken(Exception)?|TokenRefreshRequired|InvalidToken|InvalidClientTokenId|"
            r"UnrecognizedClient(Exception)?|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignature(Exception)?|"
            r"IncompleteSignature(Exception)?|MissingAuthenticationToken(Exception)?|AuthFailure|InvalidSecurity)$"
        ),
    ),
    (
        Meaning.UNSUPPORTED,
        re.compile(
            r"^(OptInRequired|NotSignedUp|SubscriptionRequired(Exception)?|UnknownOperation(Exception)?|InvalidAction|"
            r"UnknownAction|UnsupportedOperation(Exception)?|NotImplemented|MethodNotAllowed|InvalidEndpoint|"
            r"RegionDisabled(Exception)?|EndpointDisabled|AWSOrganizationsNotInUseException|NotEnabledException|"
            r"InvalidRegion|UnsupportedRegion(Exception)?|AccountNotRegistered(Exception)?)$"
        ),
    ),
    (
        Meaning.DENIED,
        re.compile(r"AccessDenied|Unauthori[sz]ed|NotAuthori[sz]ed|AuthorizationError|^Forbidden|^403$|Privilege"),
    ),
    (
        Meaning.TRANSIENT,
        re.compile(
            r"^(Internal(Failure|Error|ServerError|ServerException|ServiceError|ServiceException)|"
            r"ServiceUnavailable(Exception)?|ServerUnavailable|Unavailable|RequestTimeout(Exception)?|"
            r"IDPCommunicationError|TransactionInProgressException|408|5\d\d)$"
        ),
    ),
    (
        Meaning.GONE,
        re.compile(
            r"NotFound|NoSuch|DoesNotExist|NonExistent|NotExist|NoLongerExists|^Gone|^404$|^410$|UnknownResource"
        ),
    ),
]
_SKEW_TEXT = re.compile(r"signature (expired|not yet current)|clock|skew|too (old|far)", re.IGNORECASE)
_GONE_TEXT = re.compile(
    r"(not|n't) (be )?(found|exist|find)|(no|unknown) such|does not exist|no longer exists|not found|"
    r"(cannot|could not|couldn't|unable to) find|no .* (was|were) found|was deleted",
    re.IGNORECASE,
)
_THROTTLED_TEXT = re.compile(r"rate exceeded|too many requests|request rate", re.IGNORECASE)
_UNSUPPORTED_TEXT = re.compile(
    r"(not|isn't) (supported|available|enabled) in (this|the) (\S+ )?region|unknown operation|"
    r"(needs? a subscription|not subscribed|must sign up)",
    re.IGNORECASE,
)
_ACTION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z0-9*]+)")
_PRINCIPAL = re.compile(r"(?:User|Principal|Role): (arn:\S+)")


def meaning(error: ProviderError) -> Meaning:
    """Return what an error means, by its code, then by its message, then by its status."""
    found = next((meaning for meaning, codes in _CODE_RULES if codes.search(error.code)), None)
    if found is Meaning.CREDENTIALS and _SKEW_TEXT.search(error.message):
        return Meaning.CLOCK_SKEW
    if found is not None:
        return found
    if error.status == 429 or _THROTTLED_TEXT.search(error.message):
        return Meaning.THROTTLED
    if error.status >= 500:
        return Meaning.TRANSIENT
    if _UNSUPPORTED_TEXT.search(error.message):
        return Meaning.UNSUPPORTED
    if _GONE_TEXT.search(error.message) or error.status in {404, 410}:
        return Meaning.GONE
    if error.status == 403:
        return Meaning.DENIED
    return Meaning.REJECTED


@dataclass(frozen=True, slots=True)
class Denial:
    """Who was denied what, and by which kind of policy, as far as the message tells."""

    action: str
    principal: str
    hint: str


def parse_denial(message: str, planned_action: str) -> Denial:
    """Read a denial's message; the action falls back on the one that the plan expects."""
    found = _ACTION.search(message)
    action = found[1] if found else planned_action
    named = _PRINCIPAL.search(message)
    principal = named[1].rstrip(".,") if named else ""
    who = principal or "this principal"
    grant = f"allow {action} for {who}" if action else f"allow the call for {who}"
    lowered = message.lower()
    if "service control policy" in lowered:
        hint = f"A service control policy of the organization forbids it; there, {grant}."
    elif "permissions boundary" in lowered:
        hint = f"The permissions boundary does not cover it; there, {grant}."
    elif "session policy" in lowered:
        hint = f"The session was opened with a narrower policy; there, {grant}."
    elif "explicit deny" in lowered:
        hint = f"A policy denies it explicitly; take that statement away, then {grant}."
    else:
        hint = f"To close the gap, {grant} (Effect Allow, Action {action or '…'}, Resource *)."
    return Denial(action, principal, hint)
