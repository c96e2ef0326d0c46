"""The door of the server: what is checked of every request before a handler sees it, and added to every answer.

Host, source, size, who asks, how often; then the handler; then headers, metrics and the log of what was refused.
"""

from __future__ import annotations

import time
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import JSONResponse, RedirectResponse, Response

from stocktake.core.errors import StocktakeError
from stocktake.serve.gate.headers import with_headers
from stocktake.serve.gate.hosts import SAFE_METHODS, Hosts
from stocktake.serve.gate.limits import RateLimit, TooManyRequestsError, too_large
from stocktake.serve.gate.problems import problem_of
from stocktake.serve.gate.tokens import PREFIX
from stocktake.serve.gate.visitor import OWNER, RefusedError, Visitor, unknown_visitor, visitor_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.metrics import Metrics

COOKIE = "stocktake_session"
_PUBLIC = ("/healthz", "/login", "/static/")
"""What strangers get, too; nothing of it shows the catalog."""
_API = "/api/"
_ANYBODY_HERE = replace(OWNER, by="loopback")


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, house: House, hosts: Hosts, metrics: Metrics) -> None:
        self._app = app
        self._house = house
        self._config = house.config
        self._hosts = hosts
        self._metrics = metrics
        self._limit = RateLimit(self._config.limits.requests_a_second, self._config.limits.burst)
        self._is_https = self._config.public_url.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                message["headers"] = with_headers(headers, is_https=self._is_https)
            await send(message)

        try:
            self._admit(scope)
        except StocktakeError as error:
            await self._refuse(scope, error)(scope, receive, sending)
        else:
            await self._hand_on(scope, receive, sending)
        finally:
            route = scope.get("route")
            template = getattr(route, "path", "") or "(none)"
            self._metrics.count(template, scope["method"], status, time.perf_counter() - began)
            self._note_page(scope, status)

    def _admit(self, scope: Scope) -> None:
        """Let the request in, with who asks in its state. Raises: RefusedError."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._hosts.check_host(headers.get("host", ""))
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._config.limits.body_bytes:
            raise too_large(self._config.limits.body_bytes)
        visitor = self._visitor(headers)
        # A program that sends a token is no browser that is led astray.
        if visitor is None or visitor.by != "token":
            has_cookie = visitor is not None and visitor.by == "session"
            self._hosts.check_source(scope["method"], headers, has_cookie=has_cookie)
        client = scope.get("client")
        self._limit.take(visitor.name if visitor is not None else f"stranger {client[0] if client else ''}")
        path = scope["path"]
        if visitor is None and not path.startswith(_PUBLIC):
            raise unknown_visitor()
        if visitor is not None and not visitor.has_scope("read") and path != "/metrics" and path.startswith(_API):
            _check_scope_without_read(visitor, path)
        scope.setdefault("state", {})["visitor"] = visitor

    def _note_page(self, scope: Scope, status: int) -> None:
        """Keep which page was looked at; requests of the API say more of themselves."""
        visitor = scope.get("state", {}).get("visitor")
        if visitor is not None and not scope["path"].startswith((*_PUBLIC, _API, "/metrics")):
            query = scope["query_string"].decode("latin-1")
            self._house.audit.write(
                "page", visitor.name, method=scope["method"], path=scope["path"], query=query, status=status
            )

    def _visitor(self, headers: dict[str, str]) -> Visitor | None:
        """Return who asks; None for a stranger. Raises: RefusedError (401) for a token that is not good."""
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._of_token(secret.strip())
        number = session_number(headers.get("cookie", ""))
        if number:
            person = self._house.sessions.find(number)
            role = self._config.role(person.role) if person is not None else None
            if person is not None and role is not None:
                return visitor_of(person.name, role)
        if not self._config.login and self._config.is_loopback:
            return _ANYBODY_HERE
        return None

    def _of_token(self, secret: str) -> Visitor:
        token = self._house.tokens.find(secret) if secret.startswith(PREFIX) else None
        role = self._config.role(token.role) if token is not None else None
        if token is None or role is None:
            raise RefusedError(
                "This token is not good: unknown, revoked, or over",
                code="bad_token",
                hint="Make another one: stocktake token create NAME.",
                status=401,
            )
        return visitor_of(token.owner, role, by="token", scopes=frozenset(token.scopes))

    def _refuse(self, scope: Scope, error: StocktakeError) -> Response:
        """Return the answer to a request that is not let in."""
        status, problem = problem_of(error)
        client = scope.get("client")
        self._house.audit.write(
            "refused", client[0] if client else "", code=error.code, path=scope["path"], method=scope["method"]
        )
        accepts = dict(scope["headers"]).get(b"accept", b"")
        if status == 401 and scope["method"] in SAFE_METHODS and b"text/html" in accepts:
            asked = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
        headers = {"www-authenticate": "Bearer"} if status == 401 else {}
        if isinstance(error, TooManyRequestsError):
            headers["retry-after"] = str(max(1, round(error.seconds)))
        return JSONResponse(problem, status, headers)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request; a body that turns out to be too large ends it."""
        most, taken = self._config.limits.body_bytes, 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > most:
                    raise too_large(most)
            return message

        await self._app(scope, receiving, send)


def _check_scope_without_read(visitor: Visitor, path: str) -> None:
    """Raise RefusedError where a token that may not read asks for more than its scopes are for."""
    allowed = {"sql": "/api/v1/sql", "export": "/api/v1/exports", "sync": "/api/v1/syncs"}
    if not any(visitor.has_scope(scope) and path.startswith(start) for scope, start in allowed.items()):
        raise RefusedError(
            "This token may not read", code="missing_scope", hint="Make one with --scope read.", where="read"
        )


def session_number(cookie: str) -> str:
    """Return the session's number in a Cookie header; '' where there is none."""
    try:
        found = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
