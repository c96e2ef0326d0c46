from __future__ import annotations

import asyncio
import json
import os
import selectors
import socket
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer

from moto_state import forget_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path


class _JumpingSelector(selectors.DefaultSelector):
    """Where nothing is ready, time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


@pytest.fixture(autouse=True)
def _own_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no credentials, profiles or proxies of this machine into a test."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def run_in_virtual_time() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine on a loop where minutes of waiting pass in milliseconds."""

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        loop = _VirtualTimeLoop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    return run


@dataclass
class Reply:
    """What the scripted provider answers."""

    content: Any = None
    """JSON content, or bytes."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Promise more than is sent, then close."""
    delay_seconds: float = 0.0


class ScriptedProvider:
    """Speaks just enough of the JSON protocol to answer as a test says."""

    def __init__(self, respond: Callable[[str, Any], Reply]) -> None:
        self.respond = respond
        self.calls: list[tuple[str, Any]] = []
        self.heads: list[str] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                operation = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
                params = json.loads(body) if body.startswith(b"{") else body.decode()
                self.heads.append(head)
                self.calls.append((operation, params))
                reply = self.respond(operation, params)
                await asyncio.sleep(reply.delay_seconds)
                content = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
                lines = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(content) + 100 * reply.cut}"]
                lines += [f"{name}: {value}" for name, value in reply.headers.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
                await writer.drain()
                if reply.cut:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
def scripted() -> Callable[[Callable[[str, Any], Reply]], AbstractAsyncContextManager[ScriptedProvider]]:
    """Start a provider whose every answer is the test's."""

    @asynccontextmanager
    async def serve(respond: Callable[[str, Any], Reply]) -> AsyncIterator[ScriptedProvider]:
        provider = ScriptedProvider(respond)
        server = await asyncio.start_server(provider.handle, "127.0.0.1", 0)
        provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield provider
        finally:
            server.close()

    return serve


@pytest.fixture
def reply() -> type[Reply]:
    """The scripted provider's answers (test folders are no package, so a fixture hands the class out)."""
    return Reply


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    forget_all(server)
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def unused_url() -> str:
    """Give an address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
