"""Coming in and going out: the one-time link, and the end of a session. OIDC's part is in `oidc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stocktake.serve.gate.checks import COOKIE, session_number
from stocktake.serve.gate.house import House, house
from stocktake.serve.gate.visitor import RefusedError

if TYPE_CHECKING:
    from stocktake.serve.gate.config import ServerConfig
    from stocktake.serve.gate.oidc import OidcLogin
    from stocktake.serve.gate.sessions import Person

router = APIRouter(include_in_schema=False)
_PENDING_COOKIE = "stocktake_login"
_PENDING_SECONDS = 600


@router.get("/login/link")
def use_link(key: str, house: Annotated[House, Depends(house)]) -> Response:
    """Let the browser in that opens the link first."""
    person = house.sessions.use_link(key)
    if person is None:
        raise RefusedError(
            "This link has been used, or is too old",
            code="link_used",
            hint="Start `stocktake serve` again: it prints a new one.",
            status=401,
        )
    house.audit.write("login", person.name, by="link")
    return admit(house, person, "/")


@router.get("/login/oidc")
def begin_oidc(
    request: Request,
    house: Annotated[House, Depends(house)],
    then: Annotated[str, Query(alias="next", max_length=4_096)] = "/",
) -> Response:
    """Send the browser to the provider."""
    url, number = _provider(house).begin(_back(request, house), safe_path(then))
    answer = RedirectResponse(url, 303)
    answer.set_cookie(
        _PENDING_COOKIE,
        number,
        max_age=_PENDING_SECONDS,
        path="/login",
        secure=house.config.public_url.startswith("https:"),
        httponly=True,
        # Not strict: the way back begins at the provider's page.
        samesite="lax",
    )
    return answer


@router.get("/login/callback")
def finish_oidc(request: Request, house: Annotated[House, Depends(house)]) -> Response:
    """Take back who has logged in."""
    number = request.cookies.get(_PENDING_COOKIE, "")
    try:
        person, then = _provider(house).finish(number, dict(request.query_params))
    except RefusedError as error:
        house.audit.write("refused", "", code=error.code, path="/login/callback", message=error.message)
        raise
    house.audit.write("login", person.name, by="oidc", role=person.role)
    answer = admit(house, person, then)
    answer.delete_cookie(_PENDING_COOKIE, path="/login")
    return answer


@router.post("/logout")
def log_out(request: Request, house: Annotated[House, Depends(house)]) -> Response:
    """End the session."""
    number = session_number(request.headers.get("cookie", ""))
    visitor = getattr(request.state, "visitor", None)
    if number:
        house.sessions.end(number)
    house.audit.write("logout", visitor.name if visitor is not None else "")
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _provider(house: House) -> OidcLogin:
    found = house.oidc
    if found is None:
        raise RefusedError(
            "No provider to log in with is set up here",
            code="oidc_not_set_up",
            hint="Set [oidc] in the server's file: docs/server.md.",
            status=404,
        )
    return found


def _back(request: Request, house: House) -> str:
    """Return the address that the provider is to send the browser back to; the host was checked by the gate."""
    origin = house.config.public_url.rstrip("/") or f"http://{request.headers['host']}"
    return f"{origin}/login/callback"


def admit(house: House, person: Person, then: str, *, until: float | None = None) -> Response:
    """Return the answer that begins a session and leads on to a path of ours.

    A page that leads on, no redirect: the browser would not send a SameSite=Strict cookie where the way began at
    another site.
    """
    target = safe_path(then)
    escaped = target.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Stocktake</title>'
        f'<meta http-equiv="refresh" content="0;url={escaped}"></head>'
        f'<body><p>You are logged in. <a href="{escaped}">Go on</a></p></body></html>'
    )
    answer = HTMLResponse(page)
    set_session(answer, house.config, house.sessions.begin(person, until=until), house.sessions.seconds)
    return answer


def set_session(answer: Response, config: ServerConfig, number: str, seconds: int) -> None:
    """Give the browser its session's number."""
    answer.set_cookie(
        COOKIE,
        number,
        max_age=seconds,
        path="/",
        secure=config.public_url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )


def safe_path(then: str) -> str:
    """Return a path of this server; `/` for anything that could lead away from it."""
    is_ours = then.startswith("/") and not then.startswith(("//", "/\\")) and then.isprintable() and "\\" not in then
    return then if is_ours and ";" not in then.split("?", 1)[0] else "/"
