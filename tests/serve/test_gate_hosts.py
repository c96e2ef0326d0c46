"""Requests that lead astray: names that are not ours, pages of other sites, too much, too often."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sample_catalog import SampleCatalog
from stocktake.serve.gate.config import LimitConfig, ServerConfig
from stocktake.serve.gate.headers import POLICY
from stocktake.serve.gate.hosts import Hosts
from stocktake.serve.gate.limits import RateLimit, TooManyRequestsError
from stocktake.serve.gate.login import safe_path
from stocktake.serve.gate.visitor import RefusedError
from web_server import Served, serving


@pytest.fixture(scope="module")
def served(sample: SampleCatalog) -> Iterator[Served]:
    with serving(sample.path) as one:
        yield one


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as one:
        yield one


def problem(answer: httpx.Response) -> str:
    said = answer.json()
    assert set(said) == {"code", "message", "hint", "where"}
    return str(said["code"])


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""]
)
def test_a_name_that_is_not_ours_is_refused_even_with_a_session(
    served: Served, client: httpx.Client, host: str
) -> None:
    port = served.url.rpartition(":")[2]
    answer = client.get("/api/v1/me", headers={"host": host.format(port=port)})
    assert (answer.status_code, problem(answer)) == (421, "wrong_host")


def test_names_of_loopback_are_ours(served: Served, client: httpx.Client) -> None:
    port = served.url.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"):
        assert client.get("/api/v1/me", headers={"host": host}).status_code == 200


CHANGES = (
    ("POST", "/api/v1/views"),
    ("PUT", "/api/v1/policies/own/x"),
    ("DELETE", "/api/v1/tokens/x"),
    ("POST", "/logout"),
    ("POST", "/api/v1/syncs"),
    ("POST", "/api/v1/sql"),
)


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "https://{host}", "http://{host}.evil.example", None],
)
def test_another_sites_page_changes_nothing(
    served: Served, client: httpx.Client, method: str, path: str, origin: str | None
) -> None:
    host = served.url.removeprefix("http://")
    del client.headers["origin"]
    headers = {} if origin is None else {"origin": origin.format(host=host)}
    answer = client.request(method, path, json={"name": "forged"}, headers=headers)
    assert (answer.status_code, problem(answer)) == (403, "foreign_page")
    assert client.get("/api/v1/views").json()["total"] == 0


def test_a_page_of_ours_that_the_browser_names_in_another_way_is_believed(client: httpx.Client) -> None:
    del client.headers["origin"]
    answer = client.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_cannot_even_load_what_they_may_not_read(client: httpx.Client, site: str) -> None:
    for mode in ("cors", "no-cors"):
        answer = client.get("/api/v1/me", headers={"sec-fetch-site": site, "sec-fetch-mode": mode})
        assert (answer.status_code, problem(answer)) == (403, "foreign_page")


def test_a_click_on_a_link_elsewhere_opens_a_page(client: httpx.Client) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "accept": "text/html"}
    assert client.get("/", headers=headers).status_code == 200


def test_without_a_login_forged_requests_are_refused_as_well(sample: SampleCatalog) -> None:
    with serving(sample.path, login=False) as served, served.stranger() as client:
        assert client.get("/api/v1/me").json()["by"] == "loopback"
        answer = client.post("/api/v1/views", json={"name": "x"}, headers={"origin": "http://evil.example"})
        assert problem(answer) == "foreign_page"
        assert client.post("/api/v1/views", json={"name": "x"}).status_code == 201


def test_a_program_with_a_token_needs_no_page(served: Served) -> None:
    with served.stranger() as client:
        headers = {"authorization": f"Bearer {served.token('read', 'sql')}"}
        assert client.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/healthz", "/api/v1/me", "/api/v1/nothing", "/login", "/", "/static/app.css", "/api/v1/search?q=%22"]
)
def test_every_answer_tells_the_browser_what_to_keep_to(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers
    assert headers["cache-control"] in {"no-store", "no-cache"} or path.startswith("/static/")


def test_the_policy_allows_nothing_inline_and_nobody_else() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert "*" not in POLICY
    assert "default-src 'none'" in POLICY


def test_refusals_and_bugs_have_the_headers_too(served: Served) -> None:
    with served.stranger() as client:
        answer = client.get("/api/v1/me")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-security-policy"] == POLICY


def test_a_body_that_is_too_large_is_refused(sample: SampleCatalog) -> None:
    with serving(sample.path, limits=LimitConfig(body_bytes=2_000)) as served, served.client() as client:
        before = client.get("/api/v1/views").json()["total"]
        answer = client.post("/api/v1/views", json={"name": "x" * 3_000})
        assert (answer.status_code, problem(answer)) == (413, "request_too_large")

        def pieces() -> Iterator[bytes]:
            yield b'{"name": "'
            for _ in range(100):
                yield b"x" * 1_000
            yield b'"}'

        answer = client.post("/api/v1/views", content=pieces(), headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500
        assert client.get("/api/v1/views").json()["total"] == before


def test_a_length_that_is_none_is_refused(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"POST /healthz HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: -5\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 4")


def test_too_many_requests_have_to_wait(sample: SampleCatalog) -> None:
    limits = LimitConfig(requests_a_second=0.01, burst=5)
    with serving(sample.path, limits=limits) as served, served.client() as client, served.stranger() as other:
        statuses = [client.get("/api/v1/me").status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        answer = client.get("/api/v1/me")
        assert problem(answer) == "too_many_requests"
        assert int(answer.headers["retry-after"]) > 1
        # Somebody else is not kept waiting.
        assert other.get("/healthz").status_code == 200


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    limit = RateLimit(2.0, 3, clock=lambda: now[0])
    for _ in range(3):
        limit.take("a")
    with pytest.raises(TooManyRequestsError) as told:
        limit.take("a")
    assert told.value.seconds == pytest.approx(0.5)
    now[0] += 0.5
    limit.take("a")
    for number in range(20_000):
        limit.take(f"stranger {number}")


@pytest.mark.parametrize(
    ("public", "host", "is_ours"),
    [
        ("https://stocktake.example.com", "stocktake.example.com", True),
        ("https://stocktake.example.com", "stocktake.example.com:443", True),
        ("https://stocktake.example.com", "STOCKTAKE.example.com", True),
        ("https://stocktake.example.com", "stocktake.example.com.evil.example", False),
        ("https://stocktake.example.com", "10.0.0.1:8765", False),
        ("https://stocktake.example.com:8443", "stocktake.example.com:8443", True),
        ("https://stocktake.example.com:8443", "stocktake.example.com", False),
    ],
)
def test_behind_a_proxy_the_public_name_counts(public: str, host: str, *, is_ours: bool) -> None:
    hosts = Hosts(ServerConfig(Path("x"), host="0.0.0.0", public_url=public), 8765)  # noqa: S104 - that is the case
    if is_ours:
        hosts.check_host(host)
    else:
        with pytest.raises(RefusedError):
            hosts.check_host(host)


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "/a\nb",
        "",
        "/x;//evil",
    ],
)
def test_a_login_leads_on_to_our_own_pages_only(path: str) -> None:
    assert safe_path(path) == "/"


def test_a_login_leads_on_to_where_one_wanted_to_go() -> None:
    assert safe_path("/resource?key=arn:aws:x;y&panel=1") == "/resource?key=arn:aws:x;y&panel=1"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/rendering.py",
        "/static/..%2f..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
    ],
)
def test_static_files_are_those_of_the_pages_alone(served: Served, path: str) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        told = b""
        while piece := line.recv(65_536):
            told += piece
    assert told.split(b" ")[1] in {b"404", b"401", b"405"}
    assert b"def " not in told
    assert b"root:" not in told


def test_what_was_refused_is_in_the_audit_log(served: Served) -> None:
    with served.stranger() as client:
        client.get("/api/v1/search?q=who")
    lines = [json.loads(line) for line in served.house.config.beside("audit.ndjson").read_text().splitlines()]
    refused = [line for line in lines if line["event"] == "refused" and line["path"] == "/api/v1/search"]
    assert refused[-1]["code"] == "not_logged_in"
    assert served.house.config.beside("audit.ndjson").stat().st_mode & 0o077 == 0
