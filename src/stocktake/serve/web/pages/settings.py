"""`/settings`: who one is, and one's API tokens; `/login`: how to come in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from stocktake.core.errors import UserError
from stocktake.serve.gate.house import House
from stocktake.serve.gate.login import safe_path
from stocktake.serve.gate.tokens import SCOPES
from stocktake.serve.gate.visitor import Visitor, require
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render

router = APIRouter(include_in_schema=False)

_ABOUT = {
    "read": "search, resources, changes, jobs, policies",
    "sql": "run SQL that reads",
    "export": "answers as files",
    "sync": "start and stop syncs",
    "edit": "views, queries, policies and tokens",
    "metrics": "/metrics, for Prometheus",
}
_DAYS = (7, 30, 90, 365)


@router.get("/settings")
def show_settings(request: Request, visitor: TheVisitor, house: TheHouse) -> HTMLResponse:
    """Show who one is, and one's tokens; an admin sees everybody's."""
    return _page(request, visitor, house)


@router.post("/settings/tokens")
def make_token(
    request: Request,
    visitor: TheVisitor,
    house: TheHouse,
    name: Annotated[str, Form(max_length=200)],
    days: Annotated[float, Form()],
    scopes: Annotated[list[str] | None, Form(max_length=10)] = None,
) -> HTMLResponse:
    """Make a token, and show it, this once."""
    require(visitor.can_edit and visitor.by != "token", "make a token")
    token, secret = house.tokens.create(
        name, owner=visitor.name, role=visitor.roles[0], scopes=tuple(scopes or ()), days=days
    )
    house.audit.write("token", visitor.name, id=token.id, name=token.name, scopes=token.scopes)
    return _page(request, visitor, house, made=token.name, secret=secret)


@router.post("/settings/tokens/revoke")
def revoke_token(
    visitor: TheVisitor,
    house: TheHouse,
    id: Annotated[str, Form(max_length=64)],  # noqa: A002 - the form's name for it
) -> RedirectResponse:
    """Let a token be used no more, at once."""
    require(visitor.can_edit, "revoke a token")
    if not house.tokens.revoke(id, "" if visitor.is_admin else visitor.name):
        raise UserError(f"You have no token {id!r}", code="unknown_token", hint="Reload the page.", where=id)
    house.audit.write("token", visitor.name, id=id, revoked=True)
    return RedirectResponse("/settings", status_code=303)


@router.post("/settings/theme")
def choose_theme(theme: Annotated[str, Form(max_length=10)]) -> RedirectResponse:
    """Keep light or dark in a cookie; anything else follows the system."""
    answer = RedirectResponse("/settings", status_code=303)
    if theme in {"light", "dark"}:
        # Not HttpOnly: the button in the page's corner changes it too.
        answer.set_cookie("theme", theme, max_age=31_536_000, path="/", samesite="strict")
    else:
        answer.delete_cookie("theme", path="/")
    return answer


@router.get("/login")
def show_login(
    request: Request,
    house: TheHouse,
    next: Annotated[str, Query(max_length=10_000)] = "/",  # noqa: A002 - its name in the address
) -> HTMLResponse:
    """Say how to come in; whoever is in already is led on by a link."""
    then = safe_path(next)
    config = house.config
    return render(
        request,
        "login.html",
        then=then,
        oidc=f"/login/oidc?{urlencode({'next': then})}" if config.oidc is not None else "",
        issuer=config.oidc.issuer if config.oidc is not None else "",
        is_loopback=config.is_loopback,
        is_in=getattr(request.state, "visitor", None) is not None,
    )


def _page(request: Request, visitor: Visitor, house: House, *, made: str = "", secret: str = "") -> HTMLResponse:
    found = house.tokens.list("" if visitor.is_admin else visitor.name)
    tokens = [
        {
            "id": one.id,
            "name": one.name,
            "owner": one.owner,
            "scopes": one.scopes,
            "is_good": one.is_good,
            "made_at": _moment(one.made_at),
            "used_at": _moment(one.used_at),
            "expires_at": _moment(one.expires_at),
            "revoked_at": _moment(one.revoked_at),
        }
        for one in found
    ]
    return render(
        request,
        "settings.html",
        tokens=tokens,
        made=made,
        secret=secret,
        scopes=[(scope, _ABOUT[scope]) for scope in SCOPES if visitor.has_scope(scope)],
        days=_DAYS,
        reach=visitor.reach,
        can_make=visitor.can_edit and visitor.by != "token",
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
