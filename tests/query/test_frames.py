"""Messages between a process and its child come whole, however slowly."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from sample_catalog import write_sample_catalog
from stocktake.query.frames import ANSWER, FrameError, Frames
from stocktake.query.sandbox import SqlLimits, SqlWorker


def test_a_question_that_comes_in_pieces_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that looks around while it waits must not lose what has come of a message by then."""
    sample = write_sample_catalog(tmp_path / "catalog.duckdb")

    def send_slowly(frames: Frames, kind: int, body: bytes = b"") -> None:
        for piece in (struct.pack("<BQ", kind, len(body))[:4], struct.pack("<BQ", kind, len(body))[4:], body):
            frames._socket.sendall(piece)
            time.sleep(0.5)

    with SqlWorker(sample.path) as worker:
        monkeypatch.setattr(Frames, "send", send_slowly)
        answer = worker.run("SELECT 42 AS n", None, SqlLimits(seconds=60)).read_all()
    assert answer.to_pylist() == [{"n": 42}]


def test_who_waits_is_told_of_a_word_and_of_the_end() -> None:
    ours, theirs = socket.socketpair()
    mine, yours = Frames(ours), Frames(theirs)
    assert not mine.waits(0.0)
    threading.Timer(0.1, yours.send, (ANSWER, b"word")).start()
    assert mine.waits(60.0)
    assert mine.receive() == (ANSWER, b"word")
    yours.close()
    assert mine.waits(60.0)
    with pytest.raises(FrameError):
        mine.receive()
    mine.close()
