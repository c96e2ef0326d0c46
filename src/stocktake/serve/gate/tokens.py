"""Tokens for programs: shown once, kept as a hash, with a role, scopes and an end."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from stocktake.core.errors import CatalogAccessError, UserError
from stocktake.serve.gate.sessions import hash_of

if TYPE_CHECKING:
    from typing import Any

    from stocktake.serve.gate.own_store import OwnStore

PREFIX = "stk_"
SCOPES = ("read", "sql", "export", "sync", "edit", "metrics")
"""What a token may be used for; `read` alone by default."""
_LONGEST_DAYS = 366.0
_NOTED_SECONDS = 60.0
_COLUMNS = "id, name, owner, role, scopes, made_at, expires_at, used_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. Times are seconds since 1970."""

    id: str
    name: str
    owner: str
    role: str
    scopes: tuple[str, ...]
    made_at: float
    expires_at: float
    used_at: float | None
    revoked_at: float | None

    @property
    def is_good(self) -> bool:
        """Return whether it can be used now."""
        return self.revoked_at is None and self.expires_at > time.time()


class Tokens:
    """Safe to use from several threads and processes."""

    def __init__(self, own: OwnStore) -> None:
        self._own = own
        self._noted: dict[str, float] = {}

    def create(self, name: str, *, owner: str, role: str, scopes: tuple[str, ...], days: float) -> tuple[Token, str]:
        """Make a token that is used in its owner's name and with this role; the secret is told here, and never again.

        Raises: UserError for scopes that are none, and an end that is too far.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise UserError(
                f"There is no scope {unknown[0]!r}" if unknown else "A token needs a scope",
                code="bad_scope",
                hint=f"Scopes are {', '.join(SCOPES)}.",
                where="scopes",
            )
        if not 0 < days <= _LONGEST_DAYS:
            raise UserError(
                f"A token cannot last {days:g} days",
                code="bad_expiry",
                hint=f"Choose more than 0 and at most {_LONGEST_DAYS:g} days.",
                where="days",
            )
        if not name.strip() or len(name) > 200:
            raise UserError("A token needs a name of at most 200 signs", code="bad_name", hint="Say what uses it.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = time.time()
        token = Token(
            uuid4().hex[:12], name.strip(), owner, role, scopes, now, now + days * 86_400,
            None, None,
        )  # fmt: skip
        with self._own.connection() as connection:
            connection.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    token.id, token.name, hash_of(secret), token.owner, token.role, " ".join(scopes), now,
                    token.expires_at,
                ),
            )  # fmt: skip
        return token, secret

    def find(self, secret: str) -> Token | None:
        """Return the token; None where it is none, has been revoked, or is over."""
        if not secret.startswith(PREFIX):
            return None
        with self._own.connection() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM tokens WHERE hash = ?",  # noqa: S608 - our own names
                (hash_of(secret),),
            ).fetchone()
        if row is None:
            return None
        token = _token(row)
        if not token.is_good:
            return None
        self._note(token)
        return token

    def list(self, owner: str = "") -> list[Token]:
        """Return all tokens, or those of one owner, newest first."""
        with self._own.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM tokens WHERE ? IN ('', owner) ORDER BY made_at DESC",  # noqa: S608 - our names
                (owner,),
            ).fetchall()
        return [_token(row) for row in rows]

    def revoke(self, token_id: str, owner: str = "") -> bool:
        """Let a token be used no more, and say whether there was one; of one owner, where one is named."""
        with self._own.connection() as connection:
            return (
                connection.execute(
                    "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? AND ? IN ('', owner)",
                    (time.time(), token_id, owner),
                ).rowcount
                > 0
            )

    def _note(self, token: Token) -> None:
        """Keep when it was used, to the minute."""
        now = time.time()
        if now - self._noted.get(token.id, token.used_at or 0.0) < _NOTED_SECONDS:
            return
        self._noted[token.id] = now
        # Where it cannot be kept (a full disk), the token is good all the same.
        with suppress(CatalogAccessError), self._own.connection() as connection:
            connection.execute("UPDATE tokens SET used_at = ? WHERE id = ?", (now, token.id))


def _token(row: tuple[Any, ...]) -> Token:
    return Token(row[0], row[1], row[2], row[3], tuple(row[4].split()), *row[5:9])
