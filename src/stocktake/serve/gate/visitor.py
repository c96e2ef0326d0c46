"""Who asks, and what they may see and do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from stocktake.core.errors import StocktakeError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.serve.gate.config import OWNER_ROLE

if TYPE_CHECKING:
    from stocktake.serve.gate.config import Role


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has said who they are."""

    name: str
    roles: tuple[str, ...] = ()
    reach: Reach = EVERYTHING
    can_sync: bool = False
    can_edit: bool = False
    """Keep views, queries and tokens of their own."""
    by: str = "session"
    """session, token or loopback: how they said who they are."""
    is_admin: bool = False
    """May see and end tokens of others, and keep policies for all."""
    scopes: frozenset[str] | None = None
    """What a token may be used for; None: all."""

    def has_scope(self, scope: str) -> bool:
        """Return whether the token, where it is one, may be used for this."""
        return self.scopes is None or scope in self.scopes


class RefusedError(StocktakeError):
    """The visitor is unknown, or may not do that; `status` is HTTP's word for it."""

    def __init__(self, message: str, *, code: str, hint: str = "", where: str = "", status: int = 403) -> None:
        super().__init__(message, code=code, hint=hint, where=where)
        self.status = status


def visitor_of(name: str, role: Role, by: str = "session", scopes: frozenset[str] | None = None) -> Visitor:
    """Return somebody with a role."""
    accounts = None if role.accounts is None else frozenset(role.accounts)

    def has(scope: str) -> bool:
        return scopes is None or scope in scopes

    return Visitor(
        name=name,
        roles=(role.name,),
        reach=Reach(accounts, role.types),
        can_sync=role.can_sync and has("sync"),
        can_edit=role.can_edit and has("edit"),
        by=by,
        is_admin=role.is_admin and has("edit"),
        scopes=scopes,
    )


OWNER = visitor_of("owner", OWNER_ROLE)
"""Whoever started the server: came by its one-time link, or over loopback where no login is asked for."""


def visitor(request: Request) -> Visitor:
    """Return who asks: a dependency for handlers. Raises: RefusedError (401) where they have not said who they are."""
    found = getattr(request.state, "visitor", None)
    if not isinstance(found, Visitor):
        raise unknown_visitor()
    return found


def unknown_visitor() -> RefusedError:
    """Return what is said to who has not said who they are."""
    return RefusedError(
        "You are not logged in",
        code="not_logged_in",
        hint="Open the link that `stocktake serve` prints, log in at /login, or send a token: Authorization: Bearer …",
        status=401,
    )


def require(allowed: bool, what: str) -> None:
    """Raise RefusedError where something is not allowed."""
    if not allowed:
        raise RefusedError(
            f"You may not {what}", code="not_allowed", hint="Ask whoever runs this server for a role that may."
        )


def require_scope(visitor: Visitor, scope: str) -> None:
    """Raise RefusedError where a token may not be used for this."""
    if not visitor.has_scope(scope):
        raise RefusedError(
            f"This token may not be used for {scope}",
            code="missing_scope",
            hint=f"Make one that may: stocktake token create NAME --scope {scope}.",
            where=scope,
        )
