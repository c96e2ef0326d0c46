"""moto's state belongs to the process, and so do the leftovers of other tests' servers."""

from __future__ import annotations

from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer


def forget_all(server: ThreadedMotoServer) -> None:
    """Empty a running server, and with it all of this process."""
    host, port = server.get_host_and_port()
    with urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=30) as answer:
        answer.read()
