"""Run the server in this process, until it is told to end.

It listens before it is whole: what takes most of its start is importing the API's and the pages' libraries, which
happens in a thread while requests already wait.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import JSONResponse

import stocktake
from stocktake.core.errors import UserError
from stocktake.serve.gate.config import OWNER_ROLE, check_exposure
from stocktake.serve.gate.house import House
from stocktake.serve.gate.sessions import Person
from stocktake.serve.gate.visitor import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from stocktake.serve.gate.config import ServerConfig

_BACKLOG = 256
_END_SECONDS = 3


def run_server(config: ServerConfig, ready: Callable[[str, str | None], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is told the address, and the link that lets one browser in, if any.

    Raises: UserError where strangers could reach it, or the port is taken.
    """
    listening = listen(config)
    port = int(listening.getsockname()[1])
    house = House(config)
    try:
        check_exposure(config, has_tokens=any(token.is_good for token in house.tokens.list()))
        address = config.public_url.rstrip("/") or f"http://{_shown(config.host)}:{port}"
        link = None
        if config.login and config.is_loopback:
            key = house.sessions.make_link(Person(OWNER.name, OWNER_ROLE.name))
            link = f"http://{_shown(config.host)}:{port}/login/link?key={key}"
        listening.listen(_BACKLOG)
        ready(f"{address}/", link)
        opening = _Opening()
        running = server(opening)
        threading.Thread(target=opening.make, args=(house, port, running), name="stocktake-open", daemon=True).start()
        running.run(sockets=[listening])
        opening.check()
    finally:
        house.close()
        listening.close()


def server(app: ASGIApp) -> uvicorn.Server:
    """Return what serves an application on a socket that listens already."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            loop="asyncio",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_END_SECONDS,
        )
    )


class _Opening:
    """The application, which is made while requests wait for it."""

    def __init__(self) -> None:
        self._made: Future[ASGIApp] = Future()

    def make(self, house: House, port: int, running: uvicorn.Server) -> None:
        """Make it; where that fails, the server ends."""
        # To look through all that is being imported for garbage takes a tenth of the start.
        gc.disable()
        try:
            from stocktake.serve.app import create_app  # noqa: PLC0415 - the reason for all this

            self._made.set_result(create_app(house.config, port=port, house=house))
            _warm_up()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that serves, which raises it
            running.should_exit = True
            if not self._made.done():
                self._made.set_exception(error)
        finally:
            gc.freeze()
            gc.enable()

    def check(self) -> None:
        """Raise what kept it from being made."""
        if self._made.done():
            self._made.result()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, once there is somebody to take it; that it is there, it says at once."""
        if not self._made.done() and scope["type"] == "http" and scope["path"] == "/healthz":
            await JSONResponse({"status": "ok", "version": stocktake.__version__})(scope, receive, send)
            return
        app = self._made.result() if self._made.done() else await asyncio.wrap_future(self._made)
        await app(scope, receive, send)


def _warm_up() -> None:
    """Import what the first question needs, before it is asked."""
    import stocktake.query.connection  # noqa: PLC0415 - after everything else
    import stocktake.query.search.run  # noqa: F401, PLC0415 - as above


def listen(config: ServerConfig) -> socket.socket:
    """Return the socket to serve on, bound. Raises: UserError where it cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # With the protocol named, asyncio sends at once what is written; else small answers wait 40 ms for the other side.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
    except OSError as error:
        listening.close()
        raise UserError(
            f"{config.host}, port {config.port}, cannot be listened on: {error.strerror or error}",
            code="port_in_use",
            hint="Name another one with --port, or 0 for a free one.",
        ) from error
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
