"""Logging in by OpenID Connect, against a provider that runs as a process of its own."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from sample_catalog import SampleCatalog
from stocktake.serve.gate.config import OidcConfig, Role
from stocktake.serve.gate.visitor import RefusedError
from web_server import Served, serving

SECONDS = 120.0
ROLES = (Role("admin", can_sync=True, is_admin=True), Role("vision", accounts=("111122223333",)))
ANN = {"sub": "ann", "email": "ann@example.com", "groups": ["vision", "other"]}
ROOT = {"sub": "root", "email": "root@example.com", "groups": ["vision", "admin"]}
NOBODY = {"sub": "nobody", "email": "nobody@example.com", "groups": []}
UNVERIFIED = {"sub": "mallory", "email": "root@example.com", "email_verified": False, "groups": ["admin"]}
OWNER = {"sub": "owner", "email": "owner", "groups": ["admin"]}


@contextmanager
def provider(*arguments: str) -> Iterator[str]:
    """Run a provider, and return its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    people = [part for one in (ANN, ROOT, NOBODY, UNVERIFIED, OWNER) for part in ("--user-claims", json.dumps(one))]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *people, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + SECONDS
            while True:
                try:
                    httpx.get(f"{url}/.well-known/openid-configuration", timeout=SECONDS).raise_for_status()
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < end
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider() as url:
        yield url


@contextmanager
def with_oidc(sample: SampleCatalog, issuer: str, **settings: Any) -> Iterator[Served]:
    oidc = OidcConfig(issuer, "stocktake", client_secret="secret", roles_claim="groups")
    with serving(sample.path, oidc=oidc, roles=ROLES, **settings) as served:
        yield served


@pytest.fixture(scope="module")
def served(sample: SampleCatalog, issuer: str) -> Iterator[Served]:
    with with_oidc(sample, issuer) as one:
        yield one


def begin(client: httpx.Client, then: str = "/") -> str:
    """Begin a login, and return the address at the provider."""
    answer = client.get("/login/oidc", params={"next": then})
    assert answer.status_code == 303
    assert "SameSite=lax" in answer.headers["set-cookie"]
    return answer.headers["location"]


def consent(location: str, sub: str) -> str:
    """Log in at the provider, and return the address that it sends the browser back to."""
    answer = httpx.post(location, data={"sub": sub}, timeout=SECONDS)
    assert answer.status_code in {302, 303}, answer.text
    return answer.headers["location"]


def log_in(served: Served, client: httpx.Client, sub: str, then: str = "/") -> httpx.Response:
    back = consent(begin(client, then), sub)
    assert back.startswith(f"{served.url}/login/callback?")
    return client.get(back)


def test_who_logs_in_has_the_first_of_our_roles(served: Served) -> None:
    with served.stranger() as client:
        answer = log_in(served, client, "ann", "/resource?key=x&panel=1")
        assert answer.status_code == 200
        assert re.search(r'url=(/resource\?key=x&amp;panel=1)"', answer.text)
        said = client.get("/api/v1/me").json()
        assert (said["name"], said["roles"], said["can_sync"]) == ("ann@example.com", ["vision"], False)
        assert said["reach"]["accounts"] == ["111122223333"]
    with served.stranger() as client:
        log_in(served, client, "root")
        assert client.get("/api/v1/me").json()["roles"] == ["admin"]


def test_what_the_browser_is_sent_to_the_provider_with(served: Served) -> None:
    with served.stranger() as client:
        asked = parse_qs(urlsplit(begin(client)).query)
        again = parse_qs(urlsplit(begin(client)).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{served.url}/login/callback"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 20
        assert asked[name] != again[name]


@pytest.mark.parametrize(
    ("sub", "code"), [("nobody", "no_role"), ("mallory", "bad_id_token"), ("owner", "bad_id_token")]
)
def test_who_has_no_role_or_no_good_name_stays_outside(served: Served, sub: str, code: str) -> None:
    with served.stranger() as client:
        assert log_in(served, client, sub).json()["code"] == code
        assert client.get("/api/v1/me").status_code == 401


def test_a_default_role_lets_in_who_has_none(sample: SampleCatalog, issuer: str) -> None:
    with with_oidc(sample, issuer, default_role="vision") as served, served.stranger() as client:
        log_in(served, client, "nobody")
        assert client.get("/api/v1/me").json()["roles"] == ["vision"]


def test_a_login_is_finished_once_and_where_it_began(served: Served) -> None:
    with served.stranger() as ann, served.stranger() as thief:
        back = consent(begin(ann), "ann")
        # Another browser cannot use it, whether it has begun a login of its own or not.
        assert thief.get(back).json()["code"] == "login_unknown"
        begin(thief)
        assert thief.get(back).json()["code"] == "login_forged"
        assert ann.get(back).status_code == 200
        assert ann.get(back).json()["code"] == "login_unknown"


def test_a_forged_state_is_refused(served: Served) -> None:
    with served.stranger() as client:
        back = consent(begin(client), "ann")
        answer = client.get(re.sub("state=[^&]+", "state=forged", back))
        assert (answer.status_code, answer.json()["code"]) == (401, "login_forged")


def test_a_code_that_is_none_is_refused(served: Served) -> None:
    with served.stranger() as client:
        back = consent(begin(client), "ann")
        assert client.get(re.sub("code=[^&]+", "code=forged", back)).json()["code"] == "login_refused"


def test_what_the_provider_refuses_is_refused(served: Served) -> None:
    with served.stranger() as client:
        state = parse_qs(urlsplit(begin(client)).query)["state"][0]
        answer = client.get("/login/callback", params={"error": "access_denied", "state": state})
        assert answer.json()["code"] == "login_refused"
        assert "access_denied" in answer.json()["message"]


def test_an_expired_token_of_the_provider_is_refused(sample: SampleCatalog) -> None:
    with (
        provider("--token-max-age", "-3600") as issuer,
        with_oidc(sample, issuer) as served,
        served.stranger() as client,
    ):
        answer = log_in(served, client, "ann")
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_id_token")
        assert "expired" in answer.json()["message"]
        assert client.get("/api/v1/me").status_code == 401


def test_a_provider_that_is_not_there_is_told(sample: SampleCatalog) -> None:
    with with_oidc(sample, "http://127.0.0.1:1") as served, served.stranger() as client:
        answer = client.get("/login/oidc")
        assert (answer.status_code, answer.json()["code"]) == (502, "oidc_unreachable")


def id_token(issuer: str, nonce: str) -> str:
    """Return a token as the provider issues it, by its own code flow."""
    back = "http://127.0.0.1/back"
    asked = {
        "client_id": "stocktake",
        "redirect_uri": back,
        "response_type": "code",
        "scope": "openid email",
        "nonce": nonce,
        "state": "s",
    }
    location = str(httpx.Request("GET", f"{issuer}/oauth2/authorize", params=asked).url)
    code = parse_qs(urlsplit(consent(location, "ann")).query)["code"][0]
    answer = httpx.post(
        f"{issuer}/oauth2/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": back},
        auth=("stocktake", "secret"),
        timeout=SECONDS,
    )
    return str(answer.json()["id_token"])


def decoded(part: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said


def encoded(said: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def test_a_forged_token_is_refused(served: Served, issuer: str) -> None:
    login = served.house.oidc
    assert login is not None
    good = id_token(issuer, "n")
    claims = login.verify(good, "n")
    assert claims["sub"] == "ann"
    header, payload, signature = good.split(".")
    changed = encoded(decoded(payload) | {"sub": "root", "email": "root@example.com"})
    other = RSAKey.generate_key(2048, {"kid": decoded(header).get("kid", "x")})
    public = httpx.get(httpx.get(f"{issuer}/.well-known/openid-configuration").json()["jwks_uri"]).content
    forged = {
        "changed claims": f"{header}.{changed}.{signature}",
        "no signature": f"{header}.{payload}.",
        "no algorithm": f"{encoded({'alg': 'none'})}.{changed}.",
        "another key": jwt.encode(decoded(header), decoded(payload), other),
        "the public key as a secret": jwt.encode({"alg": "HS256"}, decoded(payload), OctKey.import_key(public)),
        "no token": "x",
        "nothing": "",
    }
    for how, token in forged.items():
        with pytest.raises(RefusedError) as told:
            login.verify(token, "n")
        assert told.value.code == "bad_id_token", how
    for nonce in ("other", ""):
        with pytest.raises(RefusedError):
            login.verify(good, nonce)


def test_a_token_for_somebody_else_is_refused(sample: SampleCatalog, issuer: str) -> None:
    good = id_token(issuer, "n")
    for oidc in (
        OidcConfig(issuer, "another client"),
        OidcConfig(issuer.replace("127.0.0.1", "localhost"), "stocktake"),
    ):
        with serving(sample.path, oidc=oidc, roles=ROLES) as served:
            login = served.house.oidc
            assert login is not None
            with pytest.raises(RefusedError):
                login.verify(good, "n")


def test_logins_are_in_the_audit_log(served: Served) -> None:
    with served.stranger() as client:
        log_in(served, client, "ann")
    lines = [json.loads(line) for line in served.house.config.beside("audit.ndjson").read_text().splitlines()]
    assert {"event": "login", "visitor": "ann@example.com", "by": "oidc", "role": "vision"}.items() <= lines[-1].items()
