"""Credentials by botocore's own chain, kept fresh, and the provider's time beside ours."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from stocktake.collect.signer import Keys
from stocktake.core.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 30.0
_LEAST_SKEW_SECONDS = 60.0

NO_CREDENTIALS_HINT = (
    "Give a profile (--profile), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure` "
    "or `aws sso login`."
)


class CredentialProvider(Protocol):
    """Where a session's keys come from."""

    def at_hand(self) -> Keys | None:
        """Return the keys where that takes no waiting."""

    async def keys(self) -> Keys:
        """Return keys that are not about to expire."""

    async def renew(self, refused: Keys) -> bool:
        """Look for other keys after the provider refused some; return whether there are others now."""


class CredentialSource:
    """Hands out the keys of the moment; `find` runs botocore's chain from its start."""

    def __init__(self, find: Callable[[], Any], *, profile: str) -> None:
        self._find = find
        self._profile = profile
        self._lock = asyncio.Lock()
        self._credentials: Any = _guarded(find, profile)
        if self._credentials is None:
            raise CredentialsError(
                "No credentials were found.", code="no_credentials", hint=NO_CREDENTIALS_HINT, where=profile
            )
        self._keys: Keys | None = None
        self._look_again_at = 0.0

    def at_hand(self) -> Keys | None:
        """Return the keys where that takes no waiting."""
        return self._keys if time.monotonic() < self._look_again_at else None

    async def keys(self) -> Keys:
        """Return keys that are not about to expire; renewing them may call out, in a thread.

        Raises: CredentialsError.
        """
        keys = self.at_hand()
        if keys is not None:
            return keys
        async with self._lock:
            self._keys = await asyncio.to_thread(_guarded, self._freeze, self._profile)
            self._look_again_at = time.monotonic() + _LOOK_AGAIN_SECONDS
            return self._keys

    async def renew(self, refused: Keys) -> bool:
        """Run the chain again after the provider refused some keys; return whether there are others now."""
        async with self._lock:
            if self._keys != refused:
                return True  # another call has renewed them meanwhile
            found = await asyncio.to_thread(_guarded, self._find, self._profile)
            if found is None:
                return False
            self._credentials = found
            self._keys = await asyncio.to_thread(_guarded, self._freeze, self._profile)
            self._look_again_at = time.monotonic() + _LOOK_AGAIN_SECONDS
            return self._keys != refused

    def _freeze(self) -> Keys:
        frozen = self._credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def _guarded(what: Callable[[], T], profile: str) -> T:
    try:
        return what()
    except (BotoCoreError, ClientError) as error:
        hint = f"Renew them, for example with `aws sso login{f' --profile {profile}' if profile else ''}`."
        raise CredentialsError(
            f"The credentials cannot be had: {error}", code="credentials_unavailable", hint=hint, where=profile
        ) from error


class ProviderClock:
    """The time to sign with: ours, corrected once the provider says that ours is wrong."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._second = -1
        self._stamp = ""
        self._dates: dict[bytes, datetime] = {}

    def stamp(self) -> str:
        """Return the time as a signature states it."""
        second = int(time.time() + self.offset_seconds)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return self._stamp

    def now(self) -> datetime:
        """Return the provider's time, as far as we know it."""
        return datetime.fromtimestamp(time.time() + self.offset_seconds, UTC)

    def parse_date(self, date: bytes) -> datetime:
        """Return an answer's Date header as a time; our own clock where it has none that can be read."""
        known = self._dates.get(date)
        if known is not None:
            return known
        try:
            parsed = parsedate_to_datetime(date.decode("latin-1"))
        except (ValueError, TypeError):
            return datetime.now(UTC)
        parsed = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        self._dates = {date: parsed}  # dates come in order: only the current second is worth keeping
        return parsed

    def correct(self, date: bytes) -> bool:
        """Follow the provider's time; return whether that made a difference worth another try."""
        if not date:
            return False
        offset = self.parse_date(date).timestamp() - time.time()
        if abs(offset - self.offset_seconds) < _LEAST_SKEW_SECONDS:
            return False
        self.offset_seconds = offset
        return True
