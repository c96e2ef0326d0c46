"""The server as it really runs, in a thread of the test's process, on a catalog; and its visitors.

`with serving(path) as served:` gives `served.url`, and `served.client()`, an httpx client that has come by a one-time
link. Fixtures, for `from web_server import …` in a conftest: `estate` (a catalog of a simulated estate of some hundred
jobs and their neighbors, made once a session, with prices) and `estate_server` (a server on it).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from simulated_estate import JOB, SimulatedEstate, simulate
from stocktake.serve.app import create_app
from stocktake.serve.gate.config import ServerConfig
from stocktake.serve.gate.house import House
from stocktake.serve.gate.sessions import Person
from stocktake.serve.running import listen, server

_SECONDS = 180.0
TYPES = (JOB, "aws_iam_role", "aws_s3_bucket", "aws_sagemaker_model", "aws_ec2_subnet")


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str
    """Without a slash at its end."""
    app: FastAPI

    @property
    def house(self) -> House:
        house: House = self.app.state.house
        return house

    def link(self, role: str = "owner", name: str = "owner") -> str:
        """Return the address that lets one browser in, as somebody with a role."""
        return f"{self.url}/login/link?key={self.house.sessions.make_link(Person(name, role))}"

    def client(self, role: str = "owner", name: str = "owner") -> httpx.Client:
        """Return a client that has logged in. What changes something names its page, as browsers do."""
        with self.stranger() as coming:
            coming.get(self.link(role, name)).raise_for_status()
            client = self.stranger()
            client.cookies.update(coming.cookies)
        client.headers["origin"] = self.url
        return client

    def stranger(self) -> httpx.Client:
        """Return a client that nobody knows."""
        return httpx.Client(base_url=self.url, timeout=_SECONDS)

    def token(self, *scopes: str, role: str = "owner", days: float = 1.0) -> str:
        """Return a new token."""
        made = self.house.tokens.create("test", owner="tester", role=role, scopes=scopes or ("read",), days=days)
        return made[1]


@contextmanager
def serving(catalog: Path, **settings: Any) -> Iterator[Served]:
    """Serve a catalog on a free port; `settings` are those of `ServerConfig`."""
    config = replace(ServerConfig(catalog, port=0), **settings)
    listening = listen(config)
    port = listening.getsockname()[1]
    app = create_app(config, port=port)
    running = server(app)
    listening.listen(128)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{port}", app)
    finally:
        running.should_exit = True
        thread.join(_SECONDS)
        app.state.house.close()
        listening.close()


@pytest.fixture(scope="session")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedEstate]:
    with simulate(tmp_path_factory.mktemp("estate"), 150, TYPES) as made:
        yield made


@pytest.fixture(scope="session")
def estate_server(estate: SimulatedEstate) -> Iterator[Served]:
    with serving(estate.catalog, prices=estate.prices) as served:
        yield served
