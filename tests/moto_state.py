"""moto's state belongs to the process, and so do the leftovers of other tests' servers."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer


def forget_all(server: ThreadedMotoServer) -> None:
    """Empty a running server, and with it all of this process."""
    host, port = server.get_host_and_port()
    with urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=30) as answer:
        answer.read()


@pytest.fixture
def moto_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty moto server, with credentials for it in the environment."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    forget_all(server)
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
