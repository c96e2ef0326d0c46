"""Events from moto's queue, and the simulated cloud behind: what they name is read again, whatever else happens."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from event_estate import ACCOUNT, JOB, REGION, EventEstate, api_call, event_estate, state_change
from stocktake.core.clock import SystemClock
from stocktake.core.errors import UserError
from stocktake.core.progress import Silent
from stocktake.events import listener
from stocktake.events.listener import ListenRequest, listen
from stocktake.events.queue import parse_queue_url
from stocktake.events.reading import Fate, NamedReader
from stocktake.serve.cli.program import program
from stocktake.store.catalog import open_catalog
from stocktake.store.leases import new_holder
from stocktake.store.shared_sweep import SharedSweep
from stocktake.sync import run_sync
from stocktake.sync.access import find_door

STATE = f"SELECT training_job_status FROM {JOB} WHERE training_job_name = 'new-one'"
WHOLE = (
    f"SELECT * EXCLUDE (_from, _id) FROM {JOB} WHERE starts_with(training_job_name, 'job-') ORDER BY training_job_name"
)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[EventEstate]:
    with event_estate(tmp_path) as found:
        found.sync()
        yield found


def test_a_job_is_followed_from_its_creation_to_its_deletion(estate: EventEstate) -> None:
    before = estate.rows(f"SELECT count(*), max(_from) FROM {JOB}_history")
    arn = estate.create("new-one")
    estate.send([state_change(arn)])
    report = estate.listen()
    assert (report.new, report.changed, report.deleted, report.messages) == (1, 0, 0, 1)
    assert estate.rows(STATE) == [("InProgress",)]
    estate.cloud.clock.advance(7_200)
    estate.send([api_call("sagemaker", "StopTrainingJob", {"trainingJobName": "new-one"})])
    assert estate.listen().changed == 1
    assert estate.rows(STATE) == [("Completed",)]
    estate.sagemaker.delete_training_job(TrainingJobName="new-one")
    estate.send([api_call("sagemaker", "DeleteTrainingJob", {"trainingJobName": "new-one"})])
    report = estate.listen()
    assert (report.fates, report.deleted) == ({Fate.DELETED: 1}, 1)
    assert estate.rows(f"SELECT _gone FROM {JOB}_history WHERE training_job_name = 'new-one' ORDER BY _from") == [
        (False,),
        (True,),
    ]
    # Of all others nothing was concluded.
    others = f"SELECT count(*), max(_from) FROM {JOB}_history WHERE training_job_name <> 'new-one' AND _to IS NULL"
    assert estate.rows(others) == before
    assert estate.visible() == 0
    # What follows from versions knows it, and the ledger of scopes says what the sync said.
    assert [row[0] for row in estate.rows("SELECT change FROM changes ORDER BY changed_at")] == [
        "created",
        "updated",
        "deleted",
    ]
    assert estate.rows("SELECT count(*) FROM coverage") == [(1,)]
    assert estate.rows("SELECT count(*) FROM resource_index WHERE name = 'new-one'") == [(0,)]
    assert estate.rows("SELECT new, changed, deleted FROM event_reads ORDER BY sweep_id") == [
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]


def test_what_events_brought_is_what_a_sync_brings(estate: EventEstate, tmp_path: Path) -> None:
    arns = [estate.create(f"job-{number}") for number in range(5)]
    estate.send([state_change(arn) for arn in arns])
    estate.listen()
    by_events = estate.rows(WHOLE)
    second = EventEstate(estate.cloud, estate.sqs, estate.queue, tmp_path / "other.duckdb", estate.sagemaker)
    second.sync()
    assert second.rows(WHOLE) == by_events
    # And a sync finds nothing to do for them: their list items say what was read.
    [scope] = run_sync(estate.request(), Silent()).scopes
    assert (scope.new, scope.changed, scope.deleted) == (0, 0, 0)


def test_duplicates_and_disorder_end_in_the_right_catalog(estate: EventEstate) -> None:
    arns = [estate.create(f"job-{number}") for number in range(20)]
    estate.send([state_change(arn) for arn in arns])
    estate.listen()
    estate.cloud.clock.advance(7_200)
    for number in range(0, 20, 4):
        estate.sagemaker.delete_training_job(TrainingJobName=f"job-{number}")
    hours = range(24)
    events = [state_change(arn, f"2026-01-01T{hour:02}:00:00Z") for arn in arns for hour in hours]
    random.Random(3).shuffle(events)
    estate.send(events)
    report = estate.listen()
    assert report.messages >= len(events)
    assert report.fates[Fate.READ] + report.fates[Fate.DELETED] + report.fates[Fate.ABSENT] + report.coalesced >= 480
    # Each is asked for once a batch at most: events older than what was read ask for nothing.
    assert report.calls < 100
    assert estate.visible() == 0
    by_events = estate.rows(WHOLE)
    estate.sync(reconcile=True)
    assert estate.rows(WHOLE) == by_events


def test_what_is_no_event_is_kept_aside_and_told(estate: EventEstate) -> None:
    other = '{"source": "shop", "detail-type": "order", "detail": {"trainingJobName": "x"}}'
    estate.send(["no json", '{"Records": []}', '{"AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE"}', other])
    report = estate.listen()
    assert (report.poison, report.events, report.ignored) == (3, 1, 1)
    assert report.exit_code == 3
    assert estate.visible() == 0
    kept = estate.rows("SELECT type, reason, value FROM aside ORDER BY value")
    assert {one[0] for one in kept} == {"event"}
    assert [one[2] for one in kept if "Records" in one[2]] == ['{"Records": []}']


def test_only_what_a_sync_has_read_or_is_named_is_followed(estate: EventEstate) -> None:
    model = api_call(
        "sagemaker", "CreateModel", {"modelName": "m"}, {"modelArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/m"}
    )
    elsewhere = state_change(f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:training-job/x")
    stranger = state_change(f"arn:aws:sagemaker:{REGION}:999999999999:training-job/x")
    estate.send([model, elsewhere, stranger])
    report = estate.listen()
    assert (report.ignored, report.fates) == (2, {Fate.ABSENT: 1})  # the type is named, so any region of it is followed
    request = ListenRequest(estate.queue, estate.request(regions=(REGION,)), once=True)
    estate.send([elsewhere])
    assert listen(request, lambda _: None).ignored == 1


def test_a_scope_that_a_sync_reads_is_left_to_it_and_read_later(
    estate: EventEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_FIRST_RETRY_SECONDS", 0)
    arn = estate.create("new-one")
    estate.send([state_change(arn)])
    with open_catalog(estate.catalog) as catalog:
        other = SharedSweep(catalog, datetime.now(UTC), new_holder())
        other.lease([(ACCOUNT, REGION, JOB)])
    reports: list[Any] = []
    request = ListenRequest(estate.queue, estate.request(), once=True, most_messages=1)
    monkeypatch.setattr("stocktake.store.leases._is_over", lambda *_: False)
    report = listen(request, reports.append)
    assert report.fates == {Fate.LATER: 1}
    assert "reads" in next(iter(report.left))
    assert estate.rows(STATE) == []
    assert estate.visible() == 1  # it comes again
    monkeypatch.undo()
    with open_catalog(estate.catalog) as catalog:
        catalog.connection.execute("DELETE FROM scope_leases")
        catalog.connection.execute("DELETE FROM lease_holders")
    assert estate.listen().new == 1
    assert estate.rows(STATE) == [("InProgress",)]


def test_a_version_that_is_younger_than_the_answer_stays(estate: EventEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two who read at once, the later to write may have the older answer: it asks again."""
    monkeypatch.setattr(listener, "_FIRST_RETRY_SECONDS", 0)
    arn = estate.create("new-one")
    began = datetime(2020, 1, 1, tzinfo=UTC)
    monkeypatch.setattr("stocktake.sync.keeping.Keeper.moment", lambda _: began)
    estate.send([state_change(arn)])
    assert estate.listen().new == 1
    monkeypatch.undo()
    monkeypatch.setattr(listener, "_FIRST_RETRY_SECONDS", 0)
    estate.cloud.clock.advance(7_200)
    # Reads that seem to have begun before the held version did.
    original = NamedReader.read

    async def late(self: Any, targets: Any) -> Any:
        self._keeper.moment = lambda: datetime(2019, 1, 1, tzinfo=UTC)
        return await original(self, targets)

    monkeypatch.setattr(NamedReader, "read", late)
    estate.send([state_change(arn)])
    request = ListenRequest(estate.queue, estate.request(), once=True, most_messages=1)
    assert listen(request, lambda _: None).fates == {Fate.LATER: 1}
    assert estate.rows(STATE) == [("InProgress",)]


def test_a_message_is_only_deleted_once_its_row_is_committed(
    estate: EventEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.send([state_change(estate.create("new-one"))])

    def broken(*_: object) -> None:
        raise UserError("the disk is full", code="usage")

    monkeypatch.setattr("stocktake.events.keeping._apply", broken)
    with pytest.raises(UserError, match="the disk is full"):
        estate.listen()
    monkeypatch.undo()
    assert estate.visible() == 1
    assert estate.rows("SELECT DISTINCT status FROM sweeps ORDER BY status") == [("complete",), ("failed",)]


def test_it_stops_after_the_batch_that_is_under_way(estate: EventEstate) -> None:
    estate.send([state_change(estate.create("new-one"))])
    told = threading.Event()
    found: list[Any] = []

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(_: Any) -> None:
            told.set()
            loop.call_soon(stop.set)

        request = ListenRequest(estate.queue, estate.request())
        found.append(await listener._Listener(request, tell, None, SystemClock()).run(stop))

    asyncio.run(asyncio.wait_for(run(), 120))
    assert told.is_set()
    assert found[0].new == 1
    assert estate.rows("SELECT count(*) FROM sweeps WHERE status = 'running'") == [(0,)]


def test_the_command(estate: EventEstate) -> None:
    estate.send([state_change(estate.create("new-one"))])
    words = ["listen", "--queue", estate.queue, "--catalog", str(estate.catalog), "--once"]
    result = CliRunner().invoke(program, [*words, "--endpoint-url", estate.cloud.endpoint_url])
    assert result.exit_code == 0, result.output
    assert "1 messages; resources: 1 read, 0 times named again; 1 new, 0 changed, 0 deleted" in result.output
    estate.send([state_change(estate.create("another"))])
    result = CliRunner().invoke(program, [*words, "--endpoint-url", estate.cloud.endpoint_url, "-o", "json"])
    told = json.loads(result.stdout)
    assert (told["fates"], told["new"], told["poison"]) == ({"read": 1}, 1, 0)
    result = CliRunner().invoke(program, ["listen", "--queue", "nowhere", "--catalog", str(estate.catalog)])
    assert result.exit_code == 2
    assert "is no URL of a queue" in result.output


def test_it_writes_through_whoever_has_the_catalog_open(estate: EventEstate) -> None:
    estate.send([state_change(estate.create("new-one")), "poison"])
    words = [sys.executable, "-m", "stocktake", "listen", "--queue", estate.queue, "--once", "-o", "json"]
    words += ["--catalog", str(estate.catalog), "--endpoint-url", estate.cloud.endpoint_url]
    with ThreadPoolExecutor(1) as thread:
        door = thread.submit(find_door, estate.catalog, thread, 30.0).result()
        try:
            ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        finally:
            door.leave()
            thread.submit(door.close).result()
    assert ended.returncode == 3, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["new"], told["poison"], told["bursts"]) == (1, 1, 1)
    assert estate.rows(STATE) == [("InProgress",)]
    assert estate.rows("SELECT count(*) FROM resource_index WHERE name = 'new-one'") == [(1,)]
    assert estate.visible() == 0


def test_a_queue_that_does_not_exist_is_told(estate: EventEstate) -> None:
    request = ListenRequest(estate.queue + "-none", estate.request(), once=True)
    with pytest.raises(UserError) as caught:
        listen(request, lambda _: None)
    assert caught.value.code == "queue_refused"


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/q", "eu-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1"),
        ("http://127.0.0.1:5000/123456789012/q", None),
    ],
)
def test_the_region_is_in_the_queues_url(url: str, region: str | None) -> None:
    assert parse_queue_url(url).region == region
