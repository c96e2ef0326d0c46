"""A catalog that another process has open for writing: read through its door, from processes of our own."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stocktake.core.errors import CatalogLockedError
from stocktake.query.connection import open_reading
from stocktake.query.errors import SqlError
from stocktake.query.runner import read_batches, run_query
from stocktake.store.catalog import Catalog, open_catalog
from stocktake.store.door import OwnerLostError, admit, connect, door_folder, door_folders, open_door

_OWNER = """
import sys, threading
from pathlib import Path
from stocktake.query.serving import READ, lock_down, serve_reader
from stocktake.store.catalog import run
from stocktake.store.owner import CatalogOwner, join_catalog

joined = join_catalog(Path(sys.argv[1]), "write", "0", wait_seconds=10)
catalog = joined.catalog
lock_down(catalog)
run(catalog.connection, "CREATE TABLE IF NOT EXISTS numbers AS SELECT range AS i FROM range(100000)")
owner = CatalogOwner(catalog, joined.turn, {READ: serve_reader})
print("ready", flush=True)
for line in sys.stdin:
    command = line.strip()
    if command == "end":
        break
    with owner.gate.alone(1.0) as alone:
        if command == "alone":
            print(alone, flush=True)
        else:
            print(run(catalog.connection, command), flush=True)
owner.close()
catalog.close()
owner.release()
print("closed", flush=True)
"""
VALUES = """
SELECT 1::HUGEINT AS h, '{"a": 1}'::JSON AS j, '101'::BIT AS b, 'a'::ENUM('a', 'b') AS e, INTERVAL 3 MONTH AS i,
  TIME '10:00' AS t, TIMESTAMP '2020-01-01 00:00:00.000001' AS tn, 1.5::DECIMAL(10, 3) AS d, MAP {'a': 1} AS m,
  [1, NULL] AS l, {'x': 1, 'y': [{'z': 'q'}]} AS s, 'abc'::BLOB AS bl, DATE '2020-01-01' AS dt, NULL AS n,
  12345678901234567890123456789012345678901234567890::BIGNUM AS vi, [1, 2]::INT[2] AS ar, 1::UTINYINT AS ut,
  uuid '00000000-0000-0000-0000-000000000001' AS u, 'infinity'::TIMESTAMP AS inf, 1 AS dup, 2 AS dup,
  TIMESTAMPTZ '2020-01-01 00:00:00+02' AS tz, 'x' AS "odd ""name"
"""


class Owner:
    """A second process that has a catalog open."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.said() == "ready"

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def do(self, command: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.said()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.duckdb"


@pytest.fixture
def start_owner(path: Path) -> Iterator[Callable[[], Owner]]:
    owners: list[Owner] = []

    def start() -> Owner:
        owners.append(Owner(path))
        return owners[-1]

    yield start
    for owner in owners:
        owner.kill()


def _rows(catalog: Catalog, sql: str) -> list[Any]:
    return list(run_query(catalog, sql).rows())


def test_values_and_types_are_the_same_as_when_read_directly(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    with open_reading(path) as catalog:
        shared = run_query(catalog, VALUES)
        told = (shared.columns, list(shared.rows()))
        arrow = read_batches(catalog, "SELECT * EXCLUDE (dup) FROM (" + VALUES + ")").read_all()
    assert owner.do("end") == "closed"
    with open_reading(path) as catalog:
        direct = run_query(catalog, VALUES)
        assert told == (direct.columns, list(direct.rows()))
        assert arrow.equals(read_batches(catalog, "SELECT * EXCLUDE (dup) FROM (" + VALUES + ")").read_all())


def test_a_reader_cannot_write_or_leave_the_catalog(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    with open_reading(path) as catalog:
        for sql in ("DELETE FROM numbers", "SET threads = 1", "CHECKPOINT", "ATTACH 'x.db'", "COPY numbers TO 'x.csv'"):
            with pytest.raises(SqlError, match="does more than read"):
                run_query(catalog, sql)
        # The first lock is in the reader's own process; the second does not trust it.
        for sql in (
            "DELETE FROM numbers",
            "CREATE TABLE x (i INT)",
            "BEGIN",
            "PRAGMA threads = 1",
            "SELECT 1; DELETE FROM numbers",
        ):
            with pytest.raises(SqlError):
                catalog.connection.execute(sql)
        for sql in ("SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM enable_profiling()"):
            with pytest.raises(SqlError):
                run_query(catalog, sql)
        assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_000,)]
    assert owner.do("SELECT count(*) FROM numbers") == "[(100000,)]"


def test_errors_say_the_same_as_when_read_directly(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    questions = ["SELECT nope FROM numbers", "SELEC 1", "SELECT 'a'::INT", "FROM numberz", "", "SELECT 1; SELECT 2"]
    questions += ["SELECT CASE WHEN i = 99999 THEN error('late') ELSE i END FROM numbers"]

    def errors() -> list[tuple[str, dict[str, str], str]]:
        found = []
        with open_reading(path) as catalog:
            for sql in questions:
                with pytest.raises(SqlError) as caught:
                    _rows(catalog, sql)
                found.append((sql, caught.value.as_dict(), caught.value.excerpt))
        return found

    shared = errors()
    assert owner.do("end") == "closed"
    assert shared == errors()


def test_a_reader_sees_one_state_and_neither_side_waits(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    with open_reading(path) as catalog:
        assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_000,)]
        assert owner.do("INSERT INTO numbers SELECT 7 FROM range(10)") == "[(10,)]"
        assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_000,)]
        time.sleep(2.5)  # thought too long: the owner must not keep what was there before for ever
        assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_010,)]


def test_the_writer_gets_the_database_to_itself(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    stop = threading.Event()
    counts: list[int] = []

    def read() -> None:
        while not stop.is_set():
            with open_reading(path, 5) as catalog:
                counts.append(len(_rows(catalog, "SELECT i FROM numbers LIMIT 2000")))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        assert [owner.do("alone") for _ in range(20)] == ["True"] * 20
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert counts
    assert set(counts) == {2000}


def test_a_question_that_is_given_up_ends_at_the_owner(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    slow = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"
    code = (
        "from pathlib import Path\n"
        "from stocktake.query.connection import open_reading\n"
        f"with open_reading(Path({str(path)!r})) as catalog: catalog.connection.execute({slow!r})"
    )
    reader = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    _until_busy(owner)
    reader.kill()
    reader.wait()
    deadline = time.monotonic() + 5
    while owner.do("alone") == "False":
        assert time.monotonic() < deadline


def test_a_result_of_any_size_streams(start_owner: Callable[[], Owner], path: Path) -> None:
    start_owner()
    with open_reading(path) as catalog:
        chunks = run_query(catalog, "FROM range(100000000000)").chunks
        first = next(iter(chunks))
        assert first[:2] == [(0,), (1,)]
        # A new question ends the old answer.
        assert _rows(catalog, "SELECT 1") == [(1,)]
        total = sum(len(chunk) for chunk in run_query(catalog, "FROM range(3000000)").chunks)
        assert total == 3_000_000


def test_a_killed_owner_is_not_noticed(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    with open_reading(path) as catalog:
        assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_000,)]
        owner.kill()
        # Nobody has it now: read directly.
        assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_000,)]
        assert _rows(catalog, "SELECT 2") == [(2,)]
    second = start_owner()
    with open_reading(path) as catalog:
        assert _rows(catalog, "SELECT 1") == [(1,)]
        second.kill()
        start_owner()
        assert _rows(catalog, "SELECT 1") == [(1,)]


def test_an_owner_that_was_killed_in_the_middle_of_an_answer(start_owner: Callable[[], Owner], path: Path) -> None:
    owner = start_owner()
    with open_reading(path) as catalog:
        chunks = iter(run_query(catalog, "FROM range(100000000000)").chunks)
        next(chunks)
        owner.kill()
        with pytest.raises(OwnerLostError) as caught:
            for _ in chunks:
                pass
    assert caught.value.code == "owner_lost"


def test_a_stopped_owner_is_told_apart_from_a_busy_one(
    start_owner: Callable[[], Owner], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = start_owner()
    monkeypatch.setattr("stocktake.store.door._SILENCE_SECONDS", 3)
    monkeypatch.setattr("stocktake.store.door._PROOF_SECONDS", 1)
    monkeypatch.setattr("stocktake.query.shared._AGAIN_SECONDS", 1)
    busy = "SELECT count(*) FROM range({}) a, range(10000) b WHERE (a.range * 7 + b.range) % 1000003 = 7"
    with open_reading(path) as catalog:
        size, took = 2_000, 0.0
        while took < 3.5:  # longer than silence is allowed
            size = int(size * min(8, 4 / max(took, 0.1)))
            began = time.monotonic()
            _rows(catalog, busy.format(size))
            took = time.monotonic() - began
        os.kill(owner.process.pid, signal.SIGSTOP)
        time.sleep(0.5)  # not all of its threads stop at once
        try:
            with pytest.raises((OwnerLostError, CatalogLockedError)):
                _rows(catalog, "SELECT 1")
        finally:
            os.kill(owner.process.pid, signal.SIGCONT)


def test_the_door_is_private(start_owner: Callable[[], Owner], path: Path) -> None:
    start_owner()
    folder = door_folder(path)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in [folder, *folder.iterdir()]}
    assert modes == {folder.name: 0o700, "socket": 0o600, "key": 0o600}
    # Without the key nobody is heard.
    (folder / "key").chmod(0o600)
    (folder / "key").write_bytes(b"another key")
    with pytest.raises(OwnerLostError):
        connect(path, "read", "0")
    stranger = socket.socket(socket.AF_UNIX)
    stranger.connect(str(folder / "socket"))
    stranger.sendall(b"\x00" * 8 + b"\x01" + b"x" * 5_000)
    stranger.settimeout(5)
    with suppress(ConnectionResetError):
        while stranger.recv(4096):
            pass
    stranger.close()
    # A folder that others could have made is not believed.
    folder.chmod(0o755)
    assert connect(path, "read", "0") is None


def test_an_owner_proves_itself(path: Path) -> None:
    opened = open_door(path)
    assert opened is not None
    listener, _, key = opened

    def serve(own_key: bytes) -> None:
        connection, _ = listener.accept()
        admit(connection, path, own_key)

    impostor = threading.Thread(target=serve, args=(b"\x00" * 32,))
    impostor.start()
    with pytest.raises(OwnerLostError):
        connect(path, "read", "0")
    impostor.join()
    honest = threading.Thread(target=serve, args=(key,))
    honest.start()
    assert connect(path, "read", "0") is not None
    honest.join()
    listener.close()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 100) / "catalog.duckdb"
    path.parent.mkdir()
    [elsewhere] = door_folders(path)
    assert len(str(elsewhere / "socket")) < 100
    owner = Owner(path)
    try:
        assert (elsewhere / "socket").exists()
        with open_reading(path) as catalog:
            assert _rows(catalog, "SELECT count(*) FROM numbers") == [(100_000,)]
        assert owner.do("end") == "closed"
        assert not elsewhere.exists()
    finally:
        owner.kill()


def test_readers_make_way_for_a_writer(start_owner: Callable[[], Owner], path: Path) -> None:
    start_owner().do("end")
    stop = threading.Event()
    code = f"""
import sys
from pathlib import Path
from stocktake.query.connection import open_reading
print("ready", flush=True)
while True:
    with open_reading(Path({str(path)!r}), 10) as catalog:
        catalog.connection.execute("SELECT count(*) FROM numbers").fetchall()
"""
    readers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for reader in readers:
            assert reader.stdout is not None
            reader.stdout.readline()
        time.sleep(0.5)
        for _ in range(2):
            owner = start_owner()  # without turns, three that read all the time would hardly let it in
            assert owner.do("SELECT 1") == "[(1,)]"
            assert owner.do("end") == "closed"
        assert [reader.poll() for reader in readers] == [None] * 2
    finally:
        stop.set()
        for reader in readers:
            reader.kill()
            reader.wait()


def test_a_file_that_somebody_else_has_open(path: Path) -> None:
    open_catalog(path).close()
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('ready', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(CatalogLockedError, match=str(other.pid)), open_reading(path, 0.2):
            pass
    finally:
        other.kill()
        other.wait()


def _reader(path: Path, body: str) -> subprocess.Popen[str]:
    """Start a process that opens the catalog for reading, runs `body` with it, and says what it says."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from stocktake.query.connection import open_reading\n"
        "from stocktake.query.runner import read_batches, run_query\n"
        f"with open_reading(Path({str(path)!r}), 10) as catalog:\n" + textwrap.indent(body, "    ")
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


_IDLE = """
print('begun', flush=True)
sys.stdin.readline()
print(sum(1 for _ in run_query(catalog, 'FROM range(100000)').rows()))
"""
_ROWS_IN_THE_MIDDLE = """
rows = run_query(catalog, 'FROM range(100000)').rows()
next(rows)
print('begun', flush=True)
sys.stdin.readline()
print(1 + sum(1 for _ in rows))
"""
_BATCHES_IN_THE_MIDDLE = """
batches = read_batches(catalog, 'FROM range(100000)', 1000)
first = batches.read_next_batch()
print('begun', flush=True)
sys.stdin.readline()
print(first.num_rows + sum(batch.num_rows for batch in batches))
"""


@pytest.mark.parametrize("body", [_IDLE, _ROWS_IN_THE_MIDDLE, _BATCHES_IN_THE_MIDDLE], ids=["idle", "rows", "batches"])
def test_who_reads_slowly_keeps_no_writer_out(start_owner: Callable[[], Owner], path: Path, body: str) -> None:
    start_owner().do("end")
    reader = _reader(path, body)
    owner = start_owner()  # comes in within ten seconds, or fails
    assert owner.do("INSERT INTO numbers VALUES (1)") == "[(1,)]"
    out, _ = reader.communicate("go on\n", timeout=20)
    assert out == "100000\n"
    assert reader.returncode == 0


def test_a_long_question_is_asked_again_at_the_writer(start_owner: Callable[[], Owner], path: Path) -> None:
    start_owner().do("end")
    slow = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"
    reader = _reader(path, f"print('begun', flush=True); catalog.connection.execute({slow!r})")
    try:
        time.sleep(0.5)
        owner = start_owner()
        _until_busy(owner)
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.communicate()


def _until_busy(owner: Owner) -> None:
    deadline = time.monotonic() + 10
    while owner.do("alone") == "True":
        assert time.monotonic() < deadline
