"""Under which names the server answers, and whose pages may make it do something.

Against DNS rebinding: a name that is not ours is refused, whatever address it leads to. Against forged requests: what
changes something has to come from a page of our own, and nothing but a person's own click may come from another site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stocktake.serve.gate.visitor import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.serve.gate.config import ServerConfig

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Hosts:
    """The names of this server."""

    def __init__(self, config: ServerConfig, port: int) -> None:
        """`port`: on which it really listens."""
        names = [config.host] if config.host not in {"0.0.0.0", "::", ""} else []  # noqa: S104 - compared, not bound
        if config.is_loopback:
            names = ["127.0.0.1", "localhost", "::1"]
        self.origins = {f"http://{_bracketed(name)}:{port}" for name in names}
        if config.public_url:
            self.origins.add(_origin(config.public_url))
        self.names = {urlsplit(origin).netloc for origin in self.origins}
        for origin in self.origins:
            parts = urlsplit(origin)
            default = _DEFAULT_PORTS.get(parts.scheme)
            if parts.port in {None, default}:
                # Browsers leave this port out, programs may not.
                name = _bracketed(parts.hostname or "")
                self.names |= {name, f"{name}:{default}"}

    def check_host(self, host: str) -> None:
        """Raise RefusedError (421) where a request is for another name."""
        if host.lower() not in self.names:
            raise RefusedError(
                f"This server is not {host or 'a server without a name'}",
                code="wrong_host",
                hint="Use the address that it was started with; public_url names another one.",
                where=host,
                status=421,
            )

    def check_source(self, method: str, headers: Mapping[str, str], *, has_cookie: bool) -> None:
        """Raise RefusedError where another site's page is behind a request that it may not make.

        `has_cookie`: the browser has said who it is on its own; then what changes something has to name its page.
        """
        site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
        is_navigation = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site in {"cross-site", "same-site"} and not is_navigation:
            raise _forged(site)
        if method in SAFE_METHODS:
            return
        if origin:
            if origin.lower() not in self.origins:
                raise _forged(origin)
        elif has_cookie and site != "same-origin":
            raise _forged("a page that is not named")


def _forged(source: str) -> RefusedError:
    return RefusedError(
        f"The request comes from {source}, not from a page of this server",
        code="foreign_page",
        hint="Use the pages of this server; programs send a token: Authorization: Bearer …",
        where=source,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url.lower())
    port = parts.port
    given = f":{port}" if port not in {None, _DEFAULT_PORTS.get(parts.scheme)} else ""
    return f"{parts.scheme}://{_bracketed(parts.hostname or '')}{given}"


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name
