"""Run the server in this process, until it is told to end."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from stocktake.core.errors import UserError
from stocktake.serve.app import create_app
from stocktake.serve.gate.config import OWNER_ROLE, check_exposure
from stocktake.serve.gate.sessions import Person
from stocktake.serve.gate.visitor import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.serve.gate.config import ServerConfig

_BACKLOG = 256
_END_SECONDS = 3


def run_server(config: ServerConfig, ready: Callable[[str, str | None], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is told the address, and the link that lets one browser in, if any.

    Raises: UserError where strangers could reach it, or the port is taken.
    """
    listening = listen(config)
    port = int(listening.getsockname()[1])
    app = create_app(config, port=port)
    house = app.state.house
    try:
        check_exposure(config, has_tokens=any(token.is_good for token in house.tokens.list()))
        address = config.public_url.rstrip("/") or f"http://{_shown(config.host)}:{port}"
        link = None
        if config.login and config.is_loopback:
            key = house.sessions.make_link(Person(OWNER.name, OWNER_ROLE.name))
            link = f"http://{_shown(config.host)}:{port}/login/link?key={key}"
        listening.listen(_BACKLOG)
        ready(f"{address}/", link)
        server(app).run(sockets=[listening])
    finally:
        house.close()
        listening.close()


def server(app: object) -> uvicorn.Server:
    """Return what serves an application on a socket that listens already."""
    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]  # any ASGI application
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


def listen(config: ServerConfig) -> socket.socket:
    """Return the socket to serve on, bound. Raises: UserError where it cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
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
