"""A role of another account: its keys by STS, over the connections that are there, renewed before they expire."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from stocktake.collect.service_client import CallPurpose
from stocktake.collect.signer import Keys
from stocktake.core.errors import CredentialsError, ScopeError, UnreachableError, UserError

if TYPE_CHECKING:
    from stocktake.collect.answers import Answer
    from stocktake.collect.session import Session

_MARGIN_SECONDS = 300.0
_MARGIN_SHARE = 0.25
"""Of a lifetime that is short in itself."""
_SHORTEST_SECONDS = 900.0
"""What a lifetime is taken for that cannot be read."""
_TRY_AGAIN_SECONDS = 15.0
DEFAULT_ROLE = "StocktakeReader"
DEFAULT_SESSION_NAME = "stocktake"


@dataclass(frozen=True, slots=True)
class RolePattern:
    """Which role to take in an account, and how."""

    pattern: str
    """An ARN with `{account_id}` and `{partition}`, or a role's name (with its path)."""
    external_id: str = ""
    session_name: str = DEFAULT_SESSION_NAME
    duration_seconds: int = 3600
    """What every role allows, and the most where one role leads to another."""

    def arn(self, partition: str, account_id: str) -> str:
        """Return the role's ARN in an account.

        Raises: UserError for a pattern that makes none.
        """
        text = self.pattern
        if not text.startswith("arn:"):
            text = f"arn:{{partition}}:iam::{{account_id}}:role/{text.removeprefix('role/').lstrip('/')}"
        try:
            made = text.format(partition=partition, account_id=account_id)
        except (KeyError, IndexError, ValueError) as error:
            raise self._bad() from error
        if ":role/" not in made or account_id not in made:
            raise self._bad()
        return made

    def _bad(self) -> UserError:
        return UserError(
            f"{self.pattern!r} names no role for each account.",
            code="bad_role_pattern",
            hint=f"Write arn:{{partition}}:iam::{{account_id}}:role/{DEFAULT_ROLE}, or only {DEFAULT_ROLE}.",
            where=self.pattern,
        )


class AssumedRole:
    """Hands out a role's keys of the moment; their life is counted by the provider's clock, not ours."""

    def __init__(self, base: Session, role: RolePattern, arn: str) -> None:
        self.arn = arn
        self._base = base
        self._role = role
        self._lock = asyncio.Lock()
        self._keys: Keys | None = None
        self._renew_at = self._ends_at = float("-inf")
        self.renewals = 0

    def at_hand(self) -> Keys | None:
        """Return the keys where that takes no waiting."""
        return self._keys if time.monotonic() < self._renew_at else None

    async def keys(self) -> Keys:
        """Return keys that are not about to expire.

        Raises: ScopeError where the role may not be assumed; CredentialsError, UnreachableError of the base.
        """
        async with self._lock:
            now = time.monotonic()
            if self._keys is not None and now < self._renew_at:
                return self._keys  # another call has renewed them meanwhile
            try:
                return await self._assume()
            except (ScopeError, UnreachableError, CredentialsError):
                if self._keys is None or time.monotonic() >= self._ends_at:
                    raise
                # They still hold for a while; STS may be back until then.
                self._renew_at = min(time.monotonic() + _TRY_AGAIN_SECONDS, self._ends_at)
                return self._keys

    async def renew(self, refused: Keys) -> bool:
        """Assume the role anew after the provider refused some keys; return whether there are others now."""
        async with self._lock:
            if self._keys != refused:
                return True  # another call has renewed them meanwhile
            return await self._assume() != refused

    async def _assume(self) -> Keys:
        role = self._role
        params = {
            "RoleArn": self.arn,
            "RoleSessionName": role.session_name,
            "DurationSeconds": role.duration_seconds,
        }
        if role.external_id:
            params["ExternalId"] = role.external_id
        purpose = CallPurpose(iam_action="sts:AssumeRole")
        try:
            answer = await self._base.service_client("sts").call("AssumeRole", params, purpose=purpose)
        except ScopeError as error:
            raise self._not_assumed(error) from error
        self.renewals += 1
        said = orjson.loads(answer.body)["Credentials"]
        self._keys = Keys(said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"])
        lifetime = _lifetime(said.get("Expiration"), answer)
        now = time.monotonic()
        self._ends_at = now + lifetime
        self._renew_at = self._ends_at - min(_MARGIN_SECONDS, _MARGIN_SHARE * lifetime)
        return self._keys

    def _not_assumed(self, error: ScopeError) -> ScopeError:
        denied = error.status == "denied"
        told = " and be given this external id" if self._role.external_id else ""
        hint = (
            f"The role must exist, its trust policy must allow sts:AssumeRole for {self._base.caller or 'this caller'}"
            f"{told}, and the caller's own policy must allow sts:AssumeRole on it."
        )
        return ScopeError(
            f"{self.arn} cannot be assumed: {error.message}",
            code="role_not_assumed",
            status=error.status,
            hint=hint if denied else error.hint,
            where=self.arn,
            missing_permission="sts:AssumeRole" if denied else "",
        )


def _lifetime(expiration: object, answer: Answer) -> float:
    try:
        ends = datetime.fromisoformat(str(expiration))
    except ValueError:
        return _SHORTEST_SECONDS
    ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
    return max(1.0, (ends - answer.server_time).total_seconds())
