"""What counts as a gap: something that is there and was not read; a service that is not there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from stocktake.core.progress import Silent
from stocktake.store.catalog import open_catalog, run
from stocktake.store.ledger import Coverage
from stocktake.sync import SyncReport, SyncRequest, run_sync

QUEUE = "aws_sqs_queue"
ACCOUNT = "123456789012"
T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "tags", "exit_code"),
    [
        ("complete", "complete", 0),
        ("complete", "none", 0),
        ("unsupported", "complete", 0),
        ("complete", "denied", 3),
        *((status, "complete", 3) for status in ("partial", "denied", "throttled", "failed")),
    ],
)
def test_what_a_sweep_exits_with(status: str, tags: str, exit_code: int) -> None:
    whole = Coverage("1", "r", "aws_x_y", T0)
    report = SyncReport(1, [whole, Coverage("1", "r", "aws_x_z", T0, status=status, tags_status=tags)])
    assert report.exit_code == exit_code
    assert report.status == {0: "complete", 3: "gaps"}[exit_code]


class _Bare(BaseHTTPRequestHandler):
    """Knows whose credentials these are, and no other operation."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if b"GetCallerIdentity" in asked:
            who = f"<UserId>U</UserId><Account>{ACCOUNT}</Account><Arn>arn:aws:iam::{ACCOUNT}:root</Arn>"
            self._answer(
                200,
                "text/xml",
                f'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
                f"{who}</GetCallerIdentityResult></GetCallerIdentityResponse>",
            )
        else:
            self._answer(400, "application/x-amz-json-1.0", '{"__type": "UnknownOperationException"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, kind: str, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def bare_endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bare) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def sync(catalog: Path, endpoint: str) -> SyncReport:
    request = SyncRequest(catalog=catalog, types=(QUEUE,), regions=("us-east-1",), endpoint_url=endpoint)
    return run_sync(request, Silent())


def coverage(catalog: Path, columns: str) -> list[tuple[object, ...]]:
    with open_catalog(catalog, read_only=True) as opened:
        return run(opened.connection, f"SELECT {columns} FROM coverage JOIN sweeps USING (sweep_id) ORDER BY sweep_id")


def test_a_service_that_is_not_there_is_told_and_is_no_gap(
    moto_endpoint: str, bare_endpoint: str, tmp_path: Path
) -> None:
    catalog = tmp_path / "c.duckdb"
    report = sync(catalog, bare_endpoint)
    assert report.exit_code == 0
    told = coverage(catalog, "coverage.status, reason, sweeps.status")
    assert told == [("unsupported", "ListQueues failed: UnknownOperationException (status 400)", "complete")]
    # Nothing is held: it stays so, even once the type has a table.
    assert sync(catalog, moto_endpoint).exit_code == 0
    assert sync(catalog, bare_endpoint).exit_code == 0


def test_what_was_there_before_cannot_be_unsupported(moto_endpoint: str, bare_endpoint: str, tmp_path: Path) -> None:
    boto3.client("sqs", endpoint_url=moto_endpoint).create_queue(QueueName="jobs")
    catalog = tmp_path / "c.duckdb"
    assert sync(catalog, moto_endpoint).exit_code == 0
    report = sync(catalog, bare_endpoint)
    assert report.exit_code == 3
    told = coverage(catalog, "coverage.status, starts_with(reason, 'not there any more, though resources are held: ')")
    assert told == [("complete", None), ("failed", True)]
    with open_catalog(catalog, read_only=True) as opened:
        assert run(opened.connection, f"SELECT count(*) FROM {QUEUE}") == [(1,)]
