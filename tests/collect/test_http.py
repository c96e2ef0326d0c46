from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pycurl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stocktake.collect.http import HttpClient, HttpRequest, TransferError
from stocktake.core.errors import RetryableError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None, extra: bytes = b"") -> bytes:
    length = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), length, extra, body)


class FaultyServer:
    """Answers by path; knows what it was sent and over how many connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.seen: list[tuple[bytes, bytes]] = []
        self.url = ""
        self.most_at_once = 0
        self._at_once = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
                )
                body = await reader.readexactly(length)
                self.seen.append((head, body))
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                try:
                    await self.respond(writer, head.split(b" ")[1].decode(), body)
                finally:
                    self._at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def respond(self, writer: asyncio.StreamWriter, path: str, body: bytes) -> None:
        match path:
            case "/slow":
                await asyncio.sleep(0.05)
            case "/hang":
                await asyncio.sleep(30)
            case "/reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                raise ConnectionResetError
            case "/nothing":
                raise ConnectionResetError
            case "/truncated":
                writer.write(answer(b'{"half": ', length=1000))
                await writer.drain()
                raise ConnectionResetError
            case "/garbage":
                writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 3)
                await writer.drain()
                raise ConnectionResetError
            case "/chunked":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
                return
            case "/continue":
                writer.write(b"HTTP/1.1 100 Continue\r\nDate: wrong\r\n\r\n")
                writer.write(answer(b"x", extra=b"Date: right\r\nX-A: 1\r\n"))
                return
            case "/error":
                writer.write(answer(b"no", status="503 Service Unavailable"))
                return
            case "/empty":
                writer.write(answer(b"", status="204 No Content"))
                return
            case _:
                pass
        writer.write(answer(body or path.encode(), extra=b"Date: Tue, 24 Nov 2026 08:09:07 GMT\r\n"))
        await writer.drain()


@asynccontextmanager
async def serving() -> AsyncIterator[FaultyServer]:
    faulty = FaultyServer()
    server = await asyncio.start_server(faulty.handle, "127.0.0.1", 0, backlog=512)
    faulty.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield faulty
    finally:
        server.close()


def post(url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> HttpRequest:
    return HttpRequest("POST", url, headers or {}, body)


def get(url: str) -> HttpRequest:
    return HttpRequest("GET", url, {})


def test_a_request_goes_out_as_it_is_and_its_answer_comes_back_whole() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            response = await client.send(post(server.url + "/a/../b//c%20?x=%2F", b"\0body", {"X-T": "v", "X-E": ""}))
            assert (response.status, response.body) == (200, b"\0body")
            assert response.date == b"Tue, 24 Nov 2026 08:09:07 GMT"
            head, body = server.seen[0]
            lines = head.decode().split("\r\n")
            assert lines[0] == "POST /a/../b//c%20?x=%2F HTTP/1.1"
            names = {line.split(":")[0] for line in lines[1:] if line}
            assert names == {"Host", "User-Agent", "X-T", "X-E", "Content-Length"}
            assert body == b"\0body"

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])
def test_every_method_arrives_by_its_name(method: str) -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            for _ in range(2):  # the second time over the same handle
                response = await client.send(HttpRequest(method, server.url + "/empty", {}, b""))
                assert response.status == 204
            assert [head.split(b" ")[0].decode() for head, _ in server.seen] == [method, method]

    asyncio.run(main())


def test_a_body_of_one_request_does_not_travel_with_the_next() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            for method, body in [("POST", b"one"), ("POST", b""), ("DELETE", b"two"), ("DELETE", b""), ("GET", b"")]:
                await client.send(HttpRequest(method, server.url + "/x", {}, body))
            assert [body for _, body in server.seen] == [b"one", b"", b"two", b"", b""]

    asyncio.run(main())


def test_connections_are_kept() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            for number in range(50):
                response = await client.send(post(server.url + "/x", b"%d" % number))
                assert response.body == b"%d" % number
            assert server.connections == 1

    asyncio.run(main())


def test_three_hundred_at_once_share_the_connections_allowed() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient(max_connections=20) as client:
            requests = [post(server.url + "/slow", b"%d" % number) for number in range(300)]
            responses = await asyncio.gather(*[client.send(request) for request in requests])
            assert [int(response.body) for response in responses] == list(range(300))
            assert server.connections <= 20
            assert server.most_at_once <= 20

    asyncio.run(main())


def test_other_answers() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            assert (await client.send(get(server.url + "/chunked"))).body == b"abcdefg"
            error = await client.send(get(server.url + "/error"))
            assert (error.status, error.body) == (503, b"no")
            continued = await client.send(get(server.url + "/continue"))
            assert continued.date == b"right"
            assert continued.headers == {"content-length": "1", "date": "right", "x-a": "1"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/reset", "reset"),
        ("/nothing", "reset"),
        ("/truncated", "truncated"),
        ("/garbage", "not_http"),
        ("/hang", "timeout"),
    ],
)
def test_a_connection_that_fails_is_a_retryable_error(path: str, code: str) -> None:
    async def main() -> None:
        async with serving() as server, HttpClient(connect_timeout_seconds=0.1, read_timeout_seconds=0.1) as client:
            with pytest.raises(RetryableError) as caught:
                await client.send(post(server.url + path))
            assert caught.value.code == code
            assert caught.value.where == server.url
            if path == "/truncated":
                assert isinstance(caught.value, TransferError)
                assert caught.value.partial_body == b'{"half": '
            assert (await client.send(post(server.url + "/x", b"on"))).body == b"on"

    asyncio.run(main())


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:{port}/", "refused"),
        ("http://no-such-host.invalid/", "dns"),
        ("nonsense://x/", "bad_url"),
        ("http://[::1/", "bad_url"),
    ],
)
def test_an_endpoint_that_never_answered_is_unreachable(url: str, code: str) -> None:
    async def main() -> None:
        async with HttpClient() as client:
            with pytest.raises(UnreachableError) as caught:
                await client.send(get(url.format(port=unused_port())))
            assert caught.value.code == code
            assert caught.value.hint

    asyncio.run(main())


def test_an_endpoint_that_has_answered_before_is_worth_another_try() -> None:
    async def main() -> None:
        async with HttpClient() as client:
            async with serving() as server:
                await client.send(get(server.url + "/empty"))
            with pytest.raises(TransferError):
                await client.send(get(server.url + "/reset"))
            with pytest.raises(TransferError) as caught:
                await client.send(get(server.url + "/empty"))
            assert caught.value.code == "refused"

    asyncio.run(main())


def test_a_header_cannot_smuggle_another() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            for value in ("a\r\nX-Other: b", "a\nX-Other: b"):
                with pytest.raises(UnreachableError):
                    await client.send(post(server.url + "/x", headers={"X-Name": value}))
            assert server.seen == []
            assert (await client.send(post(server.url + "/x", b"on"))).body == b"on"

    asyncio.run(main())


def test_cancelled_requests_leave_nothing_behind() -> None:
    async def main() -> None:
        async with serving() as server, HttpClient(max_connections=4) as client:
            tasks = [asyncio.ensure_future(client.send(get(server.url + "/hang"))) for _ in range(12)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            again = await asyncio.gather(*[client.send(post(server.url + "/x", b"%d" % n)) for n in range(12)])
            assert [response.body for response in again] == [b"%d" % n for n in range(12)]

    asyncio.run(main())


def test_closing_ends_what_is_under_way() -> None:
    async def main() -> None:
        async with serving() as server:
            client = HttpClient(max_connections=1)
            tasks = [asyncio.ensure_future(client.send(get(server.url + "/hang"))) for _ in range(3)]
            await asyncio.sleep(0.05)
            client.close()
            client.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)

    asyncio.run(main())


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving() as server, HttpClient() as client:
            monkeypatch.setenv("http_proxy", server.url)
            monkeypatch.setenv("no_proxy", "direct.invalid")
            response = await client.send(get("http://somewhere.invalid/path"))
            assert response.body == b"http://somewhere.invalid/path"
            with pytest.raises(UnreachableError):
                await client.send(get("http://direct.invalid/path"))

    asyncio.run(main())


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_file)
    return pem, context


def test_tls_is_verified_against_the_authorities_given(tmp_path: Path) -> None:
    pem, context = self_signed(tmp_path)

    async def main() -> None:
        faulty = FaultyServer()
        server = await asyncio.start_server(faulty.handle, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        async with HttpClient(ca_bundle=str(pem)) as client:
            for _ in range(3):
                assert (await client.send(post(url, b"over TLS"))).body == b"over TLS"
            assert faulty.connections == 1
        for bundle, code in [(None, "tls_untrusted"), (str(tmp_path / "absent.pem"), "tls_ca_bundle")]:
            async with HttpClient(ca_bundle=bundle) as client:
                with pytest.raises(UnreachableError) as caught:
                    await client.send(get(url))
                assert caught.value.code == code
                assert "AWS_CA_BUNDLE" in caught.value.hint
        server.close()

    asyncio.run(main())


def test_tls_to_a_server_that_has_none() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        async with HttpClient() as client:
            with pytest.raises(UnreachableError) as caught:
                await client.send(get(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
            assert caught.value.code == "tls"
        server.close()

    asyncio.run(main())


def test_a_socket_number_may_be_used_again() -> None:
    async def main() -> None:
        async with HttpClient() as client:
            for _ in range(2):  # the second pair gets the first one's numbers, which nobody unregistered
                one, other = socket.socketpair()
                client._on_socket(pycurl.POLL_IN, one.fileno(), None, None)
                other.send(b"x")
                assert [number for number, _ in client._watcher.ready()] == [one.fileno()]
                client._on_socket(pycurl.POLL_INOUT, one.fileno(), None, None)
                one.close()
                other.close()

    asyncio.run(main())
