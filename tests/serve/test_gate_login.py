"""Who is let in: the one-time link, sessions, tokens, roles; and where the server may listen."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from sample_catalog import SampleCatalog
from stocktake.core.errors import UserError
from stocktake.serve.gate.config import OidcConfig, Role, ServerConfig, check_exposure, read_config
from stocktake.serve.gate.own_store import OwnStore
from stocktake.serve.gate.sessions import Person, Sessions
from stocktake.serve.gate.tokens import Tokens
from web_server import Served, serving

ROLES = (
    Role("reader", accounts=("111122223333",), types=("aws_sagemaker_*",)),
    Role("editor", can_edit=True),
    Role("admin", can_sync=True, can_edit=True, is_admin=True),
)


@pytest.fixture(scope="module")
def served(sample: SampleCatalog) -> Iterator[Served]:
    with serving(sample.path, roles=ROLES) as one:
        yield one


def me(client: httpx.Client, token: str = "") -> httpx.Response:
    return client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"} if token else {})


def test_a_link_lets_one_browser_in_once(served: Served) -> None:
    link = served.link()
    with served.stranger() as first, served.stranger() as second:
        assert me(first).status_code == 401
        answer = first.get(link)
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert me(first).json()["name"] == "owner"
        assert second.get(link).json()["code"] == "link_used"
        assert me(second).status_code == 401


def test_a_link_grows_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(OwnStore(tmp_path / "own.sqlite"), 1.0)
    key = sessions.make_link(Person("a", "owner"))
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    assert sessions.use_link(key) is None


def test_a_session_ends_by_itself_and_by_logging_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    sessions = Sessions(OwnStore(tmp_path / "own.sqlite"), 1.0)
    number = sessions.begin(Person("a", "owner"))
    assert sessions.find(number) == Person("a", "owner")
    later = time.time() + 3_601
    monkeypatch.setattr(time, "time", lambda: later)
    assert sessions.find(number) is None
    monkeypatch.undo()
    with served.client() as client:
        stolen = dict(client.cookies)
        assert client.post("/logout").status_code == 303
        # The number that somebody has kept is worth nothing any more.
        with served.stranger() as thief:
            thief.cookies.update(stolen)
            assert me(thief).status_code == 401


def test_a_session_outlives_the_server(sample: SampleCatalog) -> None:
    with serving(sample.path) as one, one.client() as client:
        cookies = dict(client.cookies)
    with serving(sample.path) as two, two.stranger() as client:
        client.cookies.update(cookies)
        assert me(client).json()["name"] == "owner"


def test_a_session_whose_role_is_gone_is_none(sample: SampleCatalog) -> None:
    with serving(sample.path, roles=ROLES) as one, one.client("reader", "ann") as client:
        cookies = dict(client.cookies)
        assert me(client).json()["reach"] == {"accounts": ["111122223333"], "types": ["aws_sagemaker_*"]}
    with serving(sample.path) as two, two.stranger() as client:
        client.cookies.update(cookies)
        assert me(client).status_code == 401


def test_what_is_kept_lets_nobody_in(served: Served) -> None:
    secret = served.token()
    with served.client() as client:
        number = client.cookies["stocktake_session"]
    path = served.house.own.path
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = path.read_bytes()
    assert secret.encode() not in kept
    assert number.encode() not in kept


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + "x",
        lambda secret: secret.swapcase(),
        lambda _: "stk_",
        lambda _: "' OR 1=1 --",
    ],
)
def test_a_token_that_is_not_quite_it_is_refused(served: Served, change: Callable[[str], str]) -> None:
    secret = served.token()
    with served.stranger() as client:
        assert me(client, secret).json()["by"] == "token"
        answer = me(client, change(secret))
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")


def test_a_bad_token_is_refused_although_there_is_a_session(served: Served) -> None:
    with served.client() as client:
        assert me(client, "stk_wrong").status_code == 401


def test_a_token_ends_and_can_be_revoked(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, ended = served.token(), served.token(days=1.0)
    with served.client() as owner, served.stranger() as program:
        token = next(one for one in owner.get("/api/v1/tokens").json()["tokens"] if one["is_good"])
        assert "token" not in token
        assert me(program, secret).status_code == 200
        for one in owner.get("/api/v1/tokens").json()["tokens"]:
            assert owner.delete(f"/api/v1/tokens/{one['id']}").status_code == 200
        assert me(program, secret).status_code == 401
    later = time.time() + 86_401
    monkeypatch.setattr(time, "time", lambda: later)
    assert Tokens(served.house.own).find(ended) is None


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("read",), {"search"}),
        (("read", "sql"), {"search", "sql"}),
        (("sql",), {"sql"}),
        (("read", "export"), {"search", "export"}),
        (("read", "edit"), {"search", "edit"}),
        (("metrics",), {"metrics"}),
        (("read", "sync"), {"search", "sync"}),
    ],
)
def test_a_token_does_what_its_scopes_are_for(served: Served, scopes: tuple[str, ...], allowed: set[str]) -> None:
    headers = {"authorization": f"Bearer {served.token(*scopes)}"}
    with served.stranger() as client:
        client.headers.update(headers)
        asked = {
            "search": client.get("/api/v1/search"),
            "sql": client.post("/api/v1/sql", json={"sql": "SELECT 1"}),
            "export": client.get("/api/v1/exports/search"),
            "edit": client.post("/api/v1/views", json={"name": "x"}),
            "metrics": client.get("/metrics"),
            "sync": client.delete("/api/v1/syncs/none"),
        }
    statuses = {name: answer.status_code for name, answer in asked.items()}
    assert {name for name, status in statuses.items() if status != 403} == allowed, statuses


def test_a_token_makes_no_tokens(served: Served) -> None:
    with served.stranger() as client:
        client.headers["authorization"] = f"Bearer {served.token('read', 'edit')}"
        assert client.post("/api/v1/tokens", json={"name": "more"}).status_code == 403


def test_a_token_sees_what_its_maker_sees(served: Served) -> None:
    with served.client("reader", "ann") as ann:
        assert ann.post("/api/v1/tokens", json={"name": "x"}).status_code == 403
    with (
        served.client("editor", "bob") as bob,
        served.client("editor", "eve") as eve,
        served.client("admin", "root") as root,
    ):
        made = bob.post("/api/v1/tokens", json={"name": "x", "scopes": ["read", "edit"]}).json()
        with served.stranger() as program:
            said = me(program, made["token"]).json()
        assert (said["name"], said["roles"], said["is_admin"]) == ("bob", ["editor"], False)
        # Others neither see nor end it; who may do all, does.
        assert eve.get("/api/v1/tokens").json()["total"] == 0
        assert eve.delete(f"/api/v1/tokens/{made['id']}").status_code == 404
        assert made["id"] in {one["id"] for one in root.get("/api/v1/tokens").json()["tokens"]}
        assert root.delete(f"/api/v1/tokens/{made['id']}").status_code == 200


def test_what_one_keeps_is_ones_own(served: Served) -> None:
    with served.client("editor", "bob") as bob, served.client("editor", "eve") as eve:
        kept = bob.post("/api/v1/views", json={"name": "mine", "address": "/?q=x"}).json()
        assert bob.get(f"/api/v1/views/{kept['id']}").json()["name"] == "mine"
        assert eve.get("/api/v1/views").json()["views"] == []
        assert eve.get(f"/api/v1/views/{kept['id']}").status_code == 404
        assert eve.delete(f"/api/v1/views/{kept['id']}").status_code == 404
        assert bob.delete(f"/api/v1/views/{kept['id']}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/syncs", {}),
        ("DELETE", "/api/v1/syncs/x", None),
        ("POST", "/api/v1/views", {"name": "x"}),
        ("PUT", "/api/v1/policies/own/x", {"text": ""}),
        ("DELETE", "/api/v1/policies/own/x", None),
        ("POST", "/api/v1/tokens", {"name": "x"}),
        ("DELETE", "/api/v1/tokens/x", None),
    ],
)
def test_a_reader_changes_nothing(served: Served, method: str, path: str, body: object) -> None:
    with served.client("reader", "ann") as client:
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_strangers_get_no_page_and_no_answer(served: Served) -> None:
    described = served.client().get("/api/v1/openapi.json").json()
    with served.stranger() as client:
        for path, methods in described["paths"].items():
            for method in methods:
                status = client.request(method, path.replace("{", "").replace("}", "")).status_code
                assert status == 401 or path == "/healthz", (method, path, status)
        answer = client.get("/?q=x", headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F%3Fq%3Dx")


def config(**settings: object) -> ServerConfig:
    return replace(ServerConfig(Path("catalog.duckdb")), **settings)  # type: ignore[arg-type]  # names of settings


OIDC = OidcConfig("https://id.example.com", "stocktake")


@pytest.mark.parametrize(
    ("settings", "has_tokens", "code"),
    [
        ({}, False, ""),
        ({"login": False}, False, ""),
        ({"host": "0.0.0.0"}, False, "exposed_without_login"),  # noqa: S104 - that is the case
        ({"host": "192.0.2.1"}, False, "exposed_without_login"),
        ({"host": "0.0.0.0", "login": False}, True, "exposed_without_login"),  # noqa: S104 - as above
        ({"host": "0.0.0.0"}, True, "public_url_missing"),  # noqa: S104 - as above
        ({"host": "0.0.0.0", "public_url": "https://s.example.com"}, True, ""),  # noqa: S104 - as above
        ({"host": "::", "public_url": "https://s.example.com", "oidc": OIDC}, False, ""),
        ({"oidc": OidcConfig("http://id.example.com", "x")}, False, "bad_config"),
        ({"oidc": OidcConfig("http://127.0.0.1:9400", "x")}, False, ""),
        ({"oidc": OidcConfig("https://id.example.com", "x", client_secret_file="/none")}, False, "bad_config"),
    ],
)
def test_where_the_server_may_listen(settings: dict[str, object], code: str, *, has_tokens: bool) -> None:
    if not code:
        check_exposure(config(**settings), has_tokens=has_tokens)
        return
    with pytest.raises(UserError) as told:
        check_exposure(config(**settings), has_tokens=has_tokens)
    assert told.value.code == code


def test_the_servers_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(
        """
        [server]
        port = 9000
        catalog = "c.duckdb"
        policies = ["rules"]
        default_role = "reader"
        session_hours = 1
        [oidc]
        issuer = "https://id.example.com"
        client_id = "stocktake"
        roles_claim = "groups"
        [roles.reader]
        accounts = ["111122223333"]
        [roles.admin]
        can_sync = true
        can_edit = true
        is_admin = true
        [sync]
        types = ["ec2"]
        regions = ["us-east-1"]
        [limits]
        sql_rows = 10
        """
    )
    read = read_config(file, config())
    assert (read.port, read.catalog, read.policies) == (9000, tmp_path / "c.duckdb", (tmp_path / "rules",))
    assert [role.name for role in read.roles] == ["reader", "admin"]
    assert read.roles[0].accounts == ("111122223333",)
    assert read.roles[0].types is None
    assert read.oidc == OidcConfig("https://id.example.com", "stocktake", roles_claim="groups")
    assert (read.sync.types, read.limits.sql_rows) == (("ec2",), 10)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[server]\nprot = 1", "server.prot"),
        ("[server]\nport = '1'", "server.port"),
        ("[server]\nport = true", "server.port"),
        ("[oidc]\nissuer = 'https://x'", "oidc.client_id"),
        ("[roles.owner]", "roles.owner"),
        ("[roles.a]\naccounts = '1'", "roles.a.accounts"),
        ("[roles.a]\naccounts = [1]", "roles.a.accounts"),
        ("[server]\ndefault_role = 'x'", "server.default_role"),
        ("[other]", "other"),
        ("[server]\npublic_url = 'x'", "server.public_url"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)
    with pytest.raises(UserError) as told:
        read_config(file, config())
    assert (told.value.code, told.value.where) == ("bad_config", where)


def test_tokens_on_the_command_line(run: Callable[..., Result], sample: SampleCatalog) -> None:
    made = run("token", "create", "nightly", "--scope", "read", "--scope", "metrics", "--days", "2")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    with serving(sample.path) as served, served.stranger() as client:
        said = me(client, secret).json()
        assert (said["name"], said["scopes"]) == ("token nightly", ["metrics", "read"])
        listed = [json.loads(line) for line in run("token", "list", "-o", "ndjson").stdout.splitlines()]
        [token] = [one for one in listed if one["name"] == "nightly"]
        assert secret not in json.dumps(listed)
        assert run("token", "revoke", token["id"]).exit_code == 0
        assert me(client, secret).status_code == 401
    assert run("token", "revoke", "none").exit_code == 2
    assert run("token", "create", "x", "--role", "none").exit_code == 2
    assert run("token", "create", "x", "--days", "4000").exit_code == 2


def serve(sample: SampleCatalog, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [Path(sys.executable).parent / "stocktake", "serve", "--port", "0", *arguments],
        env=os.environ | {"STOCKTAKE_CATALOG": str(sample.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_program_refuses_to_listen_for_strangers(sample: SampleCatalog, tmp_path: Path) -> None:
    empty = SampleCatalog(tmp_path / "none.duckdb", sample.first, sample.second)
    for arguments in (("--host", "0.0.0.0"), ("--host", "0.0.0.0", "--no-login", "--public-url", "https://x")):  # noqa: S104 - that is the case
        with serve(empty, *arguments) as process:
            _, told = process.communicate(timeout=180)
            assert process.returncode == 2
            assert "neither OIDC nor a token" in told or "loopback only" in told


def test_the_program_prints_a_link_that_lets_one_in(sample: SampleCatalog) -> None:
    with serve(sample) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split(" at ")[1].split(" until ")[0]
            process.stdout.readline()
            link = process.stdout.readline().strip()
            with httpx.Client(base_url=address, timeout=180) as client:
                assert client.get("/healthz").json()["status"] == "ok"
                assert me(client).status_code == 401
                client.get(link).raise_for_status()
                assert me(client).json()["name"] == "owner"
                assert client.get("/api/v1/search").json()["total"] == 3
        finally:
            process.terminate()
            process.communicate(timeout=180)
        assert process.returncode in {0, -15}
