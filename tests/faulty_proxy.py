"""A proxy on loopback before a provider, that answers some calls as clouds do on bad days."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from types import TracebackType
from urllib.parse import urlsplit

from stocktake.core.errors import FatalError


@dataclass(frozen=True, slots=True)
class Request:
    """A call on its way to the provider."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def target(self) -> str:
        """The operation, where the protocol names it in a header."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]


@dataclass(slots=True)
class Reply:
    """An answer on its way to the caller."""

    status: int
    headers: dict[str, str]
    body: bytes


class Hang:
    """Instead of an answer: none."""


class Reset:
    """Instead of an answer: the connection is torn down."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer that ends in the middle."""

    reply: Reply


Outcome = Reply | Hang | Reset | Cut
Forward = Callable[[], "asyncio.Future[Reply]"]


@dataclass
class FaultyProxy:
    """`with FaultyProxy(url) as proxy:` passes everything on; `proxy.fault` says what becomes of a call instead.

    Shape: `fault(kind, number, request)` returns an outcome, a function that changes the provider's own reply, or None;
    `kind` is what `classify` calls the request, `number` counts the requests of that kind from 1.
    """

    upstream: str
    classify: Callable[[Request], str]
    fault: Callable[[str, int, Request], Outcome | Callable[[Reply], Outcome] | None] = lambda *_: None
    rewrite: Callable[[Request], Request] = lambda request: request
    """What of a request the provider gets to see."""
    seen: Counter[str] = field(default_factory=Counter)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> FaultyProxy:
        ready = threading.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
            self._port = server.sockets[0].getsockname()[1]
            ready.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(serve())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise FatalError("the proxy did not start", code="bug")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        def stop() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(stop)
        self._thread.join(10)
        self._loop.close()

    def calm(self) -> None:
        """Pass everything on from now."""
        self.fault = lambda *_: None
        self.rewrite = lambda request: request
        self.seen.clear()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                kind = self.classify(request)
                self.seen[kind] += 1
                outcome = self.fault(kind, self.seen[kind], request)
                if outcome is None or callable(outcome):
                    reply = await _forward(self.upstream, self.rewrite(request))
                    outcome = reply if outcome is None else outcome(reply)
                if not await _send(writer, outcome):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _forward(upstream: str, request: Request) -> Reply:
    where = urlsplit(upstream)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        headers = request.headers | {"connection": "close", "content-length": str(len(request.body))}
        head = [f"{request.method} {request.path} HTTP/1.1", *[f"{k}: {v}" for k, v in headers.items()]]
        writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + request.body)
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Reply(int(first.split(" ")[1]), found, body)


async def _send(writer: asyncio.StreamWriter, outcome: Outcome) -> bool:
    """Send it; return whether the connection goes on."""
    match outcome:
        case Hang():
            await asyncio.sleep(3_600)
        case Reset():
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        case Cut(reply):
            _write(writer, reply, promised=len(reply.body), sent=len(reply.body) // 2)
            await writer.drain()
        case Reply():
            _write(writer, outcome, promised=len(outcome.body), sent=len(outcome.body))
            await writer.drain()
            return True
    return False


def _write(writer: asyncio.StreamWriter, reply: Reply, promised: int, sent: int) -> None:
    headers = {k: v for k, v in reply.headers.items() if k not in {"content-length", "connection", "transfer-encoding"}}
    headers.setdefault("date", formatdate(time.time(), usegmt=True))
    lines = [f"HTTP/1.1 {reply.status} X", *[f"{k}: {v}" for k, v in headers.items()], f"content-length: {promised}"]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body[:sent])


def json_error(code: str, message: str = "", status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    """Answer an error as the JSON protocols do."""
    body = f'{{"__type": "{code}", "message": "{message}"}}'.encode()
    return Reply(status, {"content-type": "application/x-amz-json-1.1"} | (headers or {}), body)


def xml_error(code: str, message: str = "", status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    """Answer an error as the query and REST XML protocols do."""
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()
    return Reply(status, {"content-type": "text/xml"} | (headers or {}), body)


def request_time(request: Request) -> float:
    """Return when a request says that it was signed, in seconds since 1970."""
    stamp = re.sub(r"\D", "", request.headers.get("x-amz-date", ""))
    return time.mktime(time.strptime(stamp, "%Y%m%d%H%M%S")) - time.timezone
