"""The settings page: tokens are made, shown once, and revoked; the login page leads nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from simulated_estate import SimulatedEstate
from stocktake.serve.gate.config import OidcConfig, Role
from web_server import Served, serving


@pytest.fixture(scope="module")
def served(estate: SimulatedEstate) -> Iterator[Served]:
    roles = (Role("reader"), Role("editor", accounts=("111122223333",), can_edit=True))
    with serving(estate.catalog, roles=roles) as server:
        yield server


def test_a_token_is_made_shown_once_used_and_revoked(served: Served) -> None:
    with closing(served.client("editor", "anna")) as anna, served.stranger() as program:
        made = anna.post("/settings/tokens", data={"name": "nightly <i>", "days": "7", "scopes": ["read", "sql"]})
        found = re.search(r'<code id="secret">(stk_[\w-]+)</code>', made.text)
        assert found is not None
        assert made.headers["cache-control"] == "no-store"
        page = anna.get("/settings").text
        assert found[1] not in page
        assert "nightly &lt;i&gt;" in page
        told = program.get("/api/v1/me", headers={"authorization": f"Bearer {found[1]}"}).json()
        assert (told["name"], told["scopes"]) == ("anna", ["read", "sql"])
        [number] = re.findall(r'name="id" value="(\w+)"', page)
        with closing(served.client("editor", "berta")) as berta:
            assert "nightly" not in berta.get("/settings").text
            assert berta.post("/settings/tokens/revoke", data={"id": number}).status_code == 404
        assert anna.post("/settings/tokens/revoke", data={"id": number}).status_code == 303
        assert "revoked" in anna.get("/settings").text
        assert program.get("/api/v1/me", headers={"authorization": f"Bearer {found[1]}"}).status_code == 401


def test_who_may_not_edit_makes_no_tokens(served: Served) -> None:
    with closing(served.client("reader", "carla")) as carla:
        assert "Make token" not in carla.get("/settings").text
        answer = carla.post("/settings/tokens", data={"name": "x", "days": "7", "scopes": "read"})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "data",
    [
        {"name": "x", "days": "9999", "scopes": "read"},
        {"name": "x", "days": "7", "scopes": "everything"},
        {"name": "x", "days": "7"},
        {"name": " ", "days": "7", "scopes": "read"},
    ],
)
def test_what_makes_no_sense_is_refused(served: Served, data: dict[str, str]) -> None:
    with closing(served.client()) as client:
        assert client.post("/settings/tokens", data=data).status_code == 400


def test_the_page_says_what_one_may(served: Served) -> None:
    with closing(served.client("editor", "anna")) as anna:
        page = anna.get("/settings").text
    assert "111122223333" in page
    assert "start syncs" not in page


def test_colors_are_kept(served: Served) -> None:
    with closing(served.client()) as client:
        assert client.post("/settings/theme", data={"theme": "dark"}).status_code == 303
        assert 'data-theme="dark"' in client.get("/settings").text
        client.post("/settings/theme", data={"theme": "<script>"})
        assert "data-theme=" not in client.get("/settings").text


def test_logging_out_ends_the_session(served: Served) -> None:
    with closing(served.client()) as client:
        cookie = client.cookies["stocktake_session"]
        assert client.post("/logout").headers["location"] == "/login"
    with served.stranger() as stranger:
        stranger.cookies["stocktake_session"] = cookie
        assert stranger.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "then", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)"]
)
def test_the_login_page_leads_nowhere_else(served: Served, then: str) -> None:
    with closing(served.client()) as client:
        page = client.get("/login", params={"next": then}).text
    assert "elsewhere" not in page
    assert "javascript:" not in page
    assert '<a class="button primary" href="/">' in page


def test_strangers_are_told_how_to_come_in(served: Served, estate: SimulatedEstate) -> None:
    with served.stranger() as stranger:
        sent = stranger.get("/sync?status=denied", headers={"accept": "text/html"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fsync%3Fstatus%3Ddenied")
        assert "stocktake serve" in stranger.get("/login").text
    oidc = OidcConfig("https://login.example.com", "stocktake")
    with serving(estate.catalog, oidc=oidc) as other, other.stranger() as stranger:
        page = stranger.get("/login", params={"next": "/jobs"}).text
        assert 'href="/login/oidc?next=%2Fjobs"' in page
