"""What is new is told once, and again where it may not have arrived; a receiver of our own checks signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from policy_rows import write_documents
from sample_catalog import training_job
from stocktake.core.errors import UserError
from stocktake.notices.config import Channel, FindingFilter, Notice, NoticeConfig, read_config
from stocktake.notices.telling import Telling, Told, notify
from stocktake.notices.webhook import NotTakenError, send_webhook, sign
from stocktake.policies.packs import own_packs
from stocktake.serve.cli.program import program
from stocktake.store.catalog import open_catalog
from stocktake.store.change_log import update_changes
from training_job_records import patched

NOW = datetime(2026, 2, 20, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
POLICY = "SMTJ-ALG-004"
UNPINNED = {"algorithm_specification.training_image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:latest"}


@dataclass
class Receiver:
    """A webhook's other side."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """What to answer, one after another; then 200."""
    taken: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """Of all that came, taken or not."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
            wanted = hmac.new(b"k" * 24, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
            assert self.headers["webhook-signature"] == "v1," + base64.b64encode(wanted).decode()
            found.ids.append(message)
            status = found.statuses.pop(0) if found.statuses else 200
            if status == 200:
                found.taken.append(json.loads(body))
            self.send_response(status)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook?a=b"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def tell(tmp_path: Path, receiver: Receiver) -> Callable[..., Told]:
    """Tell what is new, findings and changes each as a notice."""
    file = tmp_path / "notices.toml"
    file.write_text(
        f"""
        [[channel]]
        name = "hook"
        url = "{receiver.url}"
        secret = "env:HOOK_SECRET"

        [[notice]]
        name = "images"
        findings = {{policies = ["{POLICY}"]}}
        channels = ["hook"]

        [[notice]]
        name = "jobs"
        changes = "type:aws_sagemaker_trainingjob"
        channels = ["hook"]
        """
    )
    config = read_config(file, {"HOOK_SECRET": SECRET})

    def telling(**more: Any) -> Told:
        return notify(Telling(tmp_path / "c.duckdb", config, own_packs(), sleep=lambda _: None), NOW, **more)

    return telling


def write(path: Path, day: int, **jobs: dict[str, Any]) -> None:
    moment = NOW + timedelta(days=day)
    write_documents(path / "c.duckdb", training_job(), {name: patched(one) for name, one in jobs.items()}, moment)
    with open_catalog(path / "c.duckdb") as catalog:
        update_changes(catalog)


def told(receiver: Receiver, kind: str, member: str) -> list[str]:
    return [one["resource"] for message in receiver.taken if message["type"] == kind for one in message["data"][member]]


def test_what_is_new_is_told_once(tmp_path: Path, tell: Callable[..., Told], receiver: Receiver) -> None:
    write(tmp_path, 0, old=UNPINNED)
    assert tell().sent == 0  # where it begins
    write(tmp_path, 1, old=UNPINNED, bad=UNPINNED, fine={})
    assert tell().sent == 2
    assert told(receiver, "findings.opened", "findings") == ["bad"]
    assert set(told(receiver, "resources.changed", "changes")) >= {"bad", "fine"}
    assert tell().sent == 0
    # What is mended and breaks again is told again.
    write(tmp_path, 2, old=UNPINNED, bad={}, fine={})
    tell()
    write(tmp_path, 3, old=UNPINNED, bad=UNPINNED, fine={})
    tell()
    assert told(receiver, "findings.opened", "findings") == ["bad", "bad"]


def test_from_the_start_what_is_there_is_told(tmp_path: Path, tell: Callable[..., Told], receiver: Receiver) -> None:
    write(tmp_path, 0, old=UNPINNED)
    tell(from_the_start=True)
    assert told(receiver, "findings.opened", "findings") == ["old"]


def test_a_busy_receiver_is_asked_again_with_the_same_id(
    tmp_path: Path, tell: Callable[..., Told], receiver: Receiver
) -> None:
    write(tmp_path, 0, old=UNPINNED)
    receiver.statuses = [503, 429, 200]
    assert tell(from_the_start=True).waiting == 0
    assert len(set(receiver.ids[:3])) == 1


def test_what_is_not_taken_waits_and_comes_later(tmp_path: Path, tell: Callable[..., Told], receiver: Receiver) -> None:
    write(tmp_path, 0, old=UNPINNED)
    receiver.statuses = [500] * 4
    first = tell(from_the_start=True)
    assert (first.sent, first.exit_code) == (0, 3)
    assert "answered 500" in first.problems["hook"]
    assert receiver.taken == []
    second = tell()
    assert (second.waiting, second.exit_code) == (0, 0)
    assert told(receiver, "findings.opened", "findings") == ["old"]
    assert len(set(receiver.ids[:5])) == 1


def test_a_crash_between_telling_and_remembering_tells_twice_with_one_id(
    tmp_path: Path, tell: Callable[..., Told], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 0, old=UNPINNED)
    original, count = Path.replace, [0]

    def crash(self: Path, target: Path) -> Path:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        tell(from_the_start=True)
    monkeypatch.undo()
    tell()
    findings = [one for one in receiver.taken if one["type"] == "findings.opened"]
    assert len(findings) == 2
    assert receiver.ids[0] == receiver.ids[1]


def test_what_cannot_be_judged_now_is_not_told_again(
    tmp_path: Path, tell: Callable[..., Told], receiver: Receiver
) -> None:
    write(tmp_path, 0, old=UNPINNED)
    tell(from_the_start=True)
    records = {"old": patched({"algorithm_specification.training_image": None})}
    write_documents(tmp_path / "c.duckdb", training_job(), records, NOW + timedelta(days=1))
    tell()
    write(tmp_path, 2, old=UNPINNED)
    tell()
    assert len(told(receiver, "findings.opened", "findings")) >= 1


def test_apprise_tells_people(tmp_path: Path) -> None:
    write(tmp_path, 0, old=UNPINNED)
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        channel = Channel("chat", apprise=f"json://127.0.0.1:{server.server_port}/")
        notice = Notice("images", ("chat",), FindingFilter(policies=(POLICY,)))
        telling = Telling(tmp_path / "c.duckdb", NoticeConfig({"chat": channel}, (notice,)), own_packs())
        assert notify(telling, NOW, from_the_start=True).sent == 1
    finally:
        server.shutdown()
        server.server_close()
    assert came[0]["title"] == "Stocktake, images: 1 new findings"
    assert came[0]["message"].endswith("- old")


def test_without_apprise_the_message_waits(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 0, old=UNPINNED)
    monkeypatch.setitem(sys.modules, "apprise", None)
    notice = Notice("images", ("chat", "hook"), FindingFilter(policies=(POLICY,)))
    channels = {"chat": Channel("chat", apprise="json://x"), "hook": Channel("hook", receiver.url, SECRET.encode())}
    telling = Telling(tmp_path / "c.duckdb", NoticeConfig(channels, (notice,)), own_packs())
    found = notify(telling, NOW, from_the_start=True)
    # One channel's trouble is no other's.
    assert (found.sent, found.waiting) == (1, 1)
    assert "stocktake[notify]" in found.problems["chat"]


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.statuses = [302]
    with pytest.raises(NotTakenError) as caught:
        send_webhook(Channel("c", receiver.url, SECRET.encode()), "msg_1", b"{}")
    assert caught.value.is_final


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://93.184.216.34/", "not encrypted"),
        ("https://10.0.0.1/", "no public address"),
        ("https://169.254.169.254/latest", "no public address"),
        ("https://[fd00::1]/", "no public address"),
        ("https://[::ffff:10.0.0.1]/", "no public address"),
        ("https://user:word@93.184.216.34/", "holds a user"),
        ("ftp://93.184.216.34/", "none of http"),
    ],
)
def test_messages_go_only_where_they_may(url: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        send_webhook(Channel("c", url, b"s"), "msg_1", b"{}")
    assert caught.value.code == "channel_refused"


def test_the_signature_is_the_one_of_the_specifications_example() -> None:
    # Standard Webhooks: the test vector of its reference libraries.
    secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", "no key 'x'"),
        ("", "no \\[\\[channel\\]\\]"),
        ('[[channel]]\nname = "a"\nurl = "http://x"\nsecret = "open"', "stands in the file"),
        ('[[channel]]\nname = "a"\nurl = "http://x"\nsecret = "env:NONE"', "NONE is not set"),
        ('[[channel]]\nname = "a"\nurl = "u"\napprise = "v"', "exactly one of url and apprise"),
        (
            (
                '[[channel]]\nname = "a"\nurl = "u"\nsecret = "env:S"\n'
                '[[notice]]\nname = "n"\nchannels = ["b"]\nchanges = ""'
            ),
            "no channel 'b'",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_told(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "notices.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=what) as caught:
        read_config(file, {"S": "s"})
    assert caught.value.code == "bad_notices"


def test_the_command(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 0, old=UNPINNED)
    file = tmp_path / "notices.toml"
    file.write_text(
        f'[[channel]]\nname = "hook"\nurl = "{receiver.url}"\nsecret = "env:HOOK_SECRET"\n'
        f'[[notice]]\nname = "images"\nfindings = {{policies = ["{POLICY}"]}}\nchannels = ["hook"]\n'
    )
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    words = ["notify", "--notices", str(file), "--catalog", str(tmp_path / "c.duckdb"), "--from-the-start"]
    result = CliRunner().invoke(program, words)
    assert (result.exit_code, result.output) == (0, "1 messages sent, 0 waiting\n")
    assert told(receiver, "findings.opened", "findings") == ["old"]
