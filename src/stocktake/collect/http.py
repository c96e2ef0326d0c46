"""An asyncio HTTP client on libcurl: one multi handle, driven by the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pycurl

from stocktake import __version__
from stocktake.collect.watcher import open_watcher
from stocktake.core.errors import RetryableError, StocktakeError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CONNECTIONS = 100
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
_BUSY_SECONDS = 0.0005
_TICK_SECONDS = 0.001
USER_AGENT = f"stocktake/{__version__}"

_NEVER_CONNECTED = {
    pycurl.E_COULDNT_RESOLVE_PROXY: "dns",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_CONNECT: "refused",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls_untrusted",
    pycurl.E_SSL_CACERT_BADFILE: "tls_ca_bundle",
    pycurl.E_UNSUPPORTED_PROTOCOL: "bad_url",
    pycurl.E_URL_MALFORMAT: "bad_url",
}
_BROKEN_OFF = {
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_PARTIAL_FILE: "truncated",
    pycurl.E_GOT_NOTHING: "reset",
    pycurl.E_SEND_ERROR: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "not_http",  # the name is historical: any protocol
    pycurl.E_HTTP2: "reset",
}
_HINTS = {
    "dns": "Check the endpoint's host name, the network and the proxy settings.",
    "refused": "Check that the endpoint is running and that its port is right.",
    "timeout": "Check the network, a firewall or the proxy settings.",
    "tls": "The endpoint may not speak TLS, or a proxy breaks it.",
    "tls_untrusted": "If a proxy signs with its own authority, name its certificates in AWS_CA_BUNDLE.",
    "tls_ca_bundle": "AWS_CA_BUNDLE, or ca_bundle in the profile, must name a readable file of certificates.",
    "bad_url": "An endpoint is written http://host:port or https://host.",
}


@dataclass(slots=True)  # not frozen: that costs more than signing, and there is one a call
class HttpRequest:
    """One request, complete: what is here goes out, and nothing besides host, length and user agent."""

    method: str
    url: str
    """Percent-encoded, query included."""
    headers: Mapping[str, str]
    body: bytes = b""
    more_headers: Mapping[str, str] | None = None
    """Those that differ from call to call, where `headers` is the very same object for many."""


class HttpResponse:
    """One answer; its headers are only parsed when somebody looks."""

    __slots__ = ("_header_lines", "body", "status")

    def __init__(self, status: int, header_lines: list[bytes], body: bytes) -> None:
        self.status = status
        self.body = body
        self._header_lines = header_lines

    @property
    def date(self) -> bytes:
        """The Date header as sent, b'' where there is none."""
        for line in reversed(self._header_lines):
            if line[:5].lower() == b"date:":
                return line[5:].strip()
        return b""

    @property
    def headers(self) -> dict[str, str]:
        """Header names in lower case; of repeated ones the last."""
        parsed: dict[str, str] = {}
        for line in self._header_lines:
            if line.startswith(b"HTTP/"):  # a new block begins: what came before was informational
                parsed.clear()
            name, colon, value = line.partition(b":")
            if colon:
                parsed[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
        return parsed


class TransferError(RetryableError):
    """The connection failed before the answer was whole; `partial_body` is what had come of it."""

    def __init__(self, message: str, *, code: str, hint: str = "", where: str = "", partial_body: bytes = b"") -> None:
        super().__init__(message, code=code, hint=hint, where=where)
        self.partial_body = partial_body


class _Handle:
    """One of libcurl's handles, kept from request to request, and what belongs to the request it serves."""

    __slots__ = ("chunks", "common", "common_lines", "curl", "future", "header_lines", "origin", "request", "url")

    def __init__(self, curl: Any) -> None:  # noqa: ANN401 - pycurl has no types
        self.curl = curl
        self.request: HttpRequest
        self.future: asyncio.Future[HttpResponse]
        self.url = ""
        self.origin = ""
        self.common: Mapping[str, str] | None = None
        self.common_lines: list[bytes] = []
        # The same lists for good: telling libcurl of others would cost two calls a request.
        self.chunks: list[bytes] = []
        self.header_lines: list[bytes] = []
        curl.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        curl.setopt(pycurl.HEADERFUNCTION, self.header_lines.append)

    def prepare(self, request: HttpRequest, future: asyncio.Future[HttpResponse]) -> None:
        """Take on a request."""
        self.request, self.future = request, future
        curl = self.curl
        if request.url != self.url:
            curl.setopt(pycurl.URL, request.url)
            self.url, self.origin = request.url, _origin(request.url)
        if request.more_headers is None:
            lines = _header_lines(request.headers)
        else:
            if request.headers is not self.common:
                self.common, self.common_lines = request.headers, _header_lines(request.headers)
            lines = self.common_lines + _lines(request.more_headers)
        curl.setopt(pycurl.HTTPHEADER, lines)
        if request.method not in _WITHOUT_BODY:
            curl.setopt(pycurl.POSTFIELDS, request.body)

    def take_body(self) -> bytes:
        """Return what came, and forget it."""
        chunks = self.chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        return body

    def take_header_lines(self) -> list[bytes]:
        """Return the header lines that came, and forget them."""
        lines = self.header_lines.copy()
        self.header_lines.clear()
        return lines


class HttpClient:
    """Sends requests over kept connections, at most `max_connections` at a time; belongs to one event loop.

    libcurl's sockets are watched by a watcher of their own, and the event loop watches that one: one registration with
    asyncio for all connections, instead of two per request. While answers come fast, they are looked for once a
    millisecond instead of one by one, which takes a third of the event loop's turns.
    """

    def __init__(
        self,
        *,
        max_connections: int = MAX_CONNECTIONS,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        ca_bundle: str | None = None,
        verify: bool = True,
    ) -> None:
        self._max_connections = max_connections
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._ca_bundle = ca_bundle
        self._verify = verify
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_connections)
        self._watcher = open_watcher()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._timer_at: float | None = None
        self._begin_soon = False
        self._ready_at = 0.0
        self._idle: dict[str, list[_Handle]] = {}
        self._under_way: dict[Any, _Handle] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._slots_free = max_connections
        self._answered: set[str] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and wait for the whole answer, whatever its status.

        Raises: UnreachableError where the host has never answered; TransferError where the connection failed.
        """
        if self._loop is None:
            self._start()
        assert self._loop is not None  # noqa: S101 - _start has just set it; the type cannot say so
        if self._slots_free > 0 and not self._waiting:
            self._slots_free -= 1
        else:
            await self._wait_for_slot(self._loop)
        idle = self._idle.get(request.method)
        handle = idle.pop() if idle else self._new_handle(request.method)
        future: asyncio.Future[HttpResponse] = self._loop.create_future()
        try:
            handle.prepare(request, future)
        except (pycurl.error, UnicodeError, ValueError, TypeError) as error:
            handle.curl.close()
            self._give_back_slot()
            raise UnreachableError(
                f"The address {request.url!r} cannot be used: {error}", code="bad_url", hint=_HINTS["bad_url"]
            ) from error
        self._under_way[handle.curl] = handle
        self._multi.add_handle(handle.curl)
        try:
            return await future
        except asyncio.CancelledError:
            self._release(handle, reusable=True)
            raise

    def close(self) -> None:
        """Drop all connections; requests under way fail as cancelled. Harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        for waiter in self._waiting:  # first: a slot that becomes free must not pass on to one of them
            waiter.cancel()
        for handle in list(self._under_way.values()):
            handle.future.cancel()
            self._release(handle, reusable=False)
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._watcher.fileno())
        self._multi.close()
        for handles in self._idle.values():
            for handle in handles:
                handle.curl.close()
        self._watcher.close()

    # -- slots -----------------------------------------------------------------------------------------------------

    async def _wait_for_slot(self, loop: asyncio.AbstractEventLoop) -> None:
        waiter = loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._give_back_slot()  # the slot arrived together with the cancellation
            raise

    def _give_back_slot(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)  # the slot passes on; the count does not change
                return
        self._slots_free += 1

    # -- handles ---------------------------------------------------------------------------------------------------

    def _new_handle(self, method: str) -> _Handle:
        curl = pycurl.Curl()
        options: dict[int, object] = {
            pycurl.NOSIGNAL: 1,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.PATH_AS_IS: 1,  # what was signed must be what is sent
            pycurl.FOLLOWLOCATION: 0,
            pycurl.TCP_NODELAY: 1,
            pycurl.TCP_KEEPALIVE: 1,
            pycurl.USERAGENT: USER_AGENT,
            pycurl.CONNECTTIMEOUT_MS: int(self._connect_timeout_seconds * 1000),
            pycurl.TIMEOUT_MS: int((self._connect_timeout_seconds + self._read_timeout_seconds) * 1000),
            pycurl.SSL_VERIFYPEER: 1 if self._verify else 0,
            pycurl.SSL_VERIFYHOST: 2 if self._verify else 0,
        }
        if self._ca_bundle is not None:
            options[pycurl.CAINFO] = self._ca_bundle
        if method == "GET":
            options[pycurl.HTTPGET] = 1
        elif method == "HEAD":
            options[pycurl.NOBODY] = 1
        else:
            options[pycurl.POST] = 1
            if method != "POST":
                options[pycurl.CUSTOMREQUEST] = method
        for option, value in options.items():
            curl.setopt(option, value)
        return _Handle(curl)

    def _release(self, handle: _Handle, *, reusable: bool) -> None:
        if self._under_way.pop(handle.curl, None) is None:
            return
        self._multi.remove_handle(handle.curl)
        if reusable and not self._closed:
            handle.chunks.clear()
            handle.header_lines.clear()
            self._idle.setdefault(handle.request.method, []).append(handle)
        else:
            handle.curl.close()
        self._give_back_slot()

    # -- the event loop --------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._closed:
            raise RuntimeError("this client is closed")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._watcher.fileno(), self._on_readiness)

    def _on_socket(self, event: int, descriptor: int, _multi: object, _data: object) -> None:
        if event == pycurl.POLL_REMOVE:
            self._watcher.rest(descriptor)
        else:
            self._watcher.watch(descriptor, event)

    def _on_readiness(self) -> None:
        self._act()
        loop = self._loop
        if loop is None or self._closed:
            return
        now = loop.time()
        if now - self._ready_at < _BUSY_SECONDS:
            # Answers come one upon the other: from now on they are looked for a few at a time.
            loop.remove_reader(self._watcher.fileno())
            loop.call_later(_TICK_SECONDS, self._tick)
        self._ready_at = now

    def _tick(self) -> None:
        loop = self._loop
        if loop is None or self._closed:
            return
        if self._act():
            loop.call_later(_TICK_SECONDS, self._tick)
        else:
            loop.add_reader(self._watcher.fileno(), self._on_readiness)

    def _act(self) -> bool:
        """Let libcurl read and write what is ready; return whether anything was."""
        act = self._multi.socket_action
        ready = self._watcher.ready()
        for descriptor, events in ready:
            act(descriptor, events)
        self._collect()
        return bool(ready)

    def _on_timer(self, timeout_ms: int) -> None:
        loop = self._loop
        if loop is None or self._closed:
            return
        if timeout_ms == 0:  # each new request asks so to be begun: one call does for all of a turn
            if not self._begin_soon:
                self._begin_soon = True
                loop.call_soon(self._begin)
            return
        if timeout_ms < 0:
            self._timer_at = None  # a timer that fires for nothing costs less than cancelling each
            return
        at = loop.time() + timeout_ms / 1000
        armed_at = self._timer_at if self._timer is not None else None
        self._timer_at = at
        if self._timer is None or armed_at is None or at < armed_at:
            self._arm(loop, at)

    def _begin(self) -> None:
        self._begin_soon = False
        if not self._closed:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()

    def _arm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer = None
        loop = self._loop
        if self._closed or loop is None or self._timer_at is None:
            return
        if self._timer_at > loop.time() + 0.0005:  # it was moved back while we waited
            self._arm(loop, self._timer_at)
            return
        self._timer_at = None
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()

    def _collect(self) -> None:
        """Hand finished transfers to whoever waits for them."""
        while True:
            queued, finished, failed = self._multi.info_read()
            for handle in finished:
                self._finish(handle)
            for handle, errno, message in failed:
                self._fail(handle, errno, message)
            if not queued:
                return

    def _finish(self, curl: Any) -> None:  # noqa: ANN401 - pycurl has no types
        handle = self._under_way[curl]
        future = handle.future
        response = HttpResponse(curl.getinfo(pycurl.RESPONSE_CODE), handle.take_header_lines(), handle.take_body())
        self._answered.add(handle.origin)
        self._release(handle, reusable=True)
        if not future.done():
            future.set_result(response)

    def _fail(self, curl: Any, errno: int, message: str) -> None:  # noqa: ANN401 - pycurl has no types
        handle = self._under_way[curl]
        future, partial_body = handle.future, handle.take_body()
        connected = bool(curl.getinfo(pycurl.CONNECT_TIME))
        self._release(handle, reusable=True)
        if not future.done():
            future.set_exception(self._error(handle.origin, partial_body, errno, message, connected=connected))

    def _error(self, origin: str, partial_body: bytes, errno: int, message: str, *, connected: bool) -> StocktakeError:
        code = _NEVER_CONNECTED.get(errno) or _BROKEN_OFF.get(errno, "transfer")
        if connected and code == "bad_url":  # curl's word for an answer that is no HTTP as well
            code = "not_http"
        never = (errno in _NEVER_CONNECTED and code != "not_http") or (code == "timeout" and not connected)
        what = f"{origin} does not answer: {message or code}"
        if never and origin not in self._answered:
            return UnreachableError(what, code=code, hint=_HINTS.get(code, ""), where=origin)
        return TransferError(f"{origin}: {message or code}", code=code, where=origin, partial_body=partial_body)


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _header_lines(headers: Mapping[str, str]) -> list[bytes]:
    """Write headers as curl takes them, and take back those which it would add unasked."""
    lines = _lines(headers) + _NOT_UNASKED
    if "Content-Type" not in headers:
        lines.append(b"Content-Type:")
    return lines


def _lines(headers: Mapping[str, str]) -> list[bytes]:
    text = "\n".join([f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]).encode()
    lines = text.split(b"\n") if text else []
    if b"\r" in text or len(lines) != len(headers):
        raise ValueError("a header holds a line break")
    return lines


_NOT_UNASKED = [b"Accept:", b"Expect:"]
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
