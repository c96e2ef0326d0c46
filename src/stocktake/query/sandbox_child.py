"""SQL of people we do not know: the process that runs it, with nothing to lose."""

from __future__ import annotations

import ctypes
import resource
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pyarrow as pa

from stocktake.core.errors import CatalogLockedError, StocktakeError
from stocktake.query.apart import fetched, is_about_tables_alone
from stocktake.query.connection import LOCKED_DOWN, open_directly, open_reading
from stocktake.query.errors import SqlError
from stocktake.query.frames import ANSWER, BATCH, END, ERROR, READY, FrameError, Frames
from stocktake.query.problems import translating_sql
from stocktake.query.reach import Reach
from stocktake.query.runner import read_batches
from stocktake.query.sandbox import too_large
from stocktake.query.serving import decode_question, driver_error
from stocktake.query.within import within
from stocktake.store.owner import is_turn_taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stocktake.store.catalog import Catalog

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 64
_LOOK_AROUND_SECONDS = 0.2
_PAGE_BYTES = resource.getpagesize()
_DATABASE_SHARE = 0.7
"""Of the memory allowed, the part that the database knows of: it then says itself what is too much."""
_BATCH_ROWS = 8_192


def main() -> None:
    """Answer questions until the other side is gone."""
    number, path, wait_seconds = sys.argv[1:]
    frames = Frames(socket.socket(fileno=int(number)))
    _confine()
    frames.send(READY)
    with ExitStack() as stack:
        session = _Session(stack, Path(path), float(wait_seconds))
        while True:
            if not frames.waits(_LOOK_AROUND_SECONDS):
                session.make_way()
                continue
            try:
                _, body = frames.receive()
            except (FrameError, OSError):
                return
            _answer(frames, session, orjson.loads(body))


class _Session:
    """The catalog's file, kept open between questions until somebody wants to write it."""

    def __init__(self, stack: ExitStack, path: Path, wait_seconds: float) -> None:
        self.path = path
        self.wait_seconds = wait_seconds
        self._stack = stack
        self._memory_bytes = 0
        self._catalog: Catalog | None = None

    def open(self, memory_bytes: int) -> Catalog | None:
        """Return the file, with so much memory for the database; None where another process owns it."""
        if self._catalog is not None and self._memory_bytes != memory_bytes:
            self.close()
        self.make_way()
        if self._catalog is None and not is_turn_taken(self.path):
            try:
                self._catalog = self._stack.enter_context(open_directly(self.path, _settings(memory_bytes)))
            except CatalogLockedError:
                return None
            self._memory_bytes = memory_bytes
        return self._catalog

    def make_way(self) -> None:
        """Close the file where somebody waits for it."""
        if self._catalog is not None and is_turn_taken(self.path):
            self.close()

    def close(self) -> None:
        """Close the file."""
        self._catalog = None
        self._stack.close()


def _confine() -> None:
    """Give up what no question needs: for good, in this process."""
    if sys.platform == "linux":
        # Whoever started this process may be killed; nobody would be left to stop what runs here.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def _answer(frames: Frames, session: _Session, request: dict[str, Any]) -> None:
    question = _Question(request)
    try:
        with _Watch(session.path, question.limits["seconds"]) as watch:
            answer = _ask_file(session, question, watch)
            if answer is None:
                answer = _ask_owner(session, question, watch)
    except StocktakeError as error:
        if not isinstance(error, SqlError):
            # The catalog itself: look for it anew next time.
            session.close()
        told = error.as_dict() | {"class": type(error).__name__, "excerpt": getattr(error, "excerpt", "")}
        frames.send(ERROR, orjson.dumps(told))
    except KeyboardInterrupt:
        frames.send(ERROR, b'{"code":"sql_timeout"}')
    except (MemoryError, duckdb.OutOfMemoryException):
        frames.send(ERROR, orjson.dumps(_too_much().as_dict() | {"class": "SqlError", "excerpt": ""}))
    else:
        frames.send(ANSWER, answer.schema)
        for batch in answer.batches:
            frames.send(BATCH, batch)
        frames.send(END, orjson.dumps({"truncated": answer.truncated}))


class _Question:
    """What is asked, and what it may take."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.sql: str = request["sql"]
        self.limits: dict[str, Any] = request["limits"]
        self.named: dict[str, str] = request["named"]
        self.reach = Reach.from_dict(request["reach"])
        self.as_of = datetime.fromisoformat(request["as_of"]) if request["as_of"] else None
        _, self._parameters = decode_question(request["parameters"].encode())

    def ask(self, catalog: Catalog) -> _Answer:
        """Return the answer, whole: until then it can be asked elsewhere."""
        reader = read_batches(catalog, self.sql, _BATCH_ROWS, self._parameters, as_of=self.as_of, named=self.named)
        answer = _Answer(reader.schema.serialize().to_pybytes())
        rows = size = 0
        for batch in _read(reader, self.sql):
            kept = batch.slice(0, self.limits["rows"] - rows)
            if kept.num_rows:
                answer.batches.append(_stream(kept))
                size += len(answer.batches[-1])
                if size > self.limits["result_bytes"]:
                    raise too_large()
            rows += batch.num_rows
            if rows > self.limits["rows"]:
                answer.truncated = True
                break
        return answer


@dataclass(slots=True)
class _Answer:
    schema: bytes
    batches: list[bytes] = field(default_factory=list)
    truncated: bool = False


class _Watch:
    """Stops what runs when its time is over, or when somebody wants to write the file that it reads."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._end = time.monotonic() + seconds
        self._over = threading.Event()
        self._running: list[tuple[Callable[[], None], bool]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.made_way = False

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def running(self, interrupt: Callable[[], None], *, on_file: bool = False) -> Iterator[None]:
        """Say how to stop what runs in the block, and whether it reads the file itself."""
        self._running.append((interrupt, on_file))
        try:
            yield
        finally:
            self._running.pop()

    def _look(self) -> None:
        while not self._over.wait(max(0.0, min(_LOOK_AROUND_SECONDS, self._end - time.monotonic()))):
            is_late = time.monotonic() >= self._end
            for interrupt, on_file in list(self._running):
                if is_late or (on_file and is_turn_taken(self._path)):
                    self.made_way = self.made_way or not is_late
                    interrupt()
            if is_late:
                return


def _ask_file(session: _Session, question: _Question, watch: _Watch) -> _Answer | None:
    """Return the file's answer; None where another process owns it, or comes to."""
    catalog = session.open(question.limits["memory_bytes"])
    if catalog is None:
        return None
    try:
        with _limited(question.limits["memory_bytes"]), watch.running(catalog.connection.interrupt, on_file=True):
            if question.reach.is_everything:
                return question.ask(catalog)
            return _ask_apart(within(catalog, question.reach), question, watch)
    except KeyboardInterrupt:
        if not watch.made_way:
            raise
        session.close()
        return None


def _ask_owner(session: _Session, question: _Question, watch: _Watch) -> _Answer:
    """Return the answer to a question about tables that the owner was asked for."""
    with open_reading(session.path, session.wait_seconds) as owner, watch.running(owner.connection.interrupt):
        if question.reach.is_everything and is_about_tables_alone(question.sql):
            return question.ask(owner)
        with _limited(question.limits["memory_bytes"]):
            return _ask_apart(within(owner, question.reach), question, watch)


def _ask_apart(source: Catalog, question: _Question, watch: _Watch) -> _Answer:
    """Return the answer to a question about copies of the tables that it names."""
    with (
        fetched(
            source,
            question.sql,
            as_of=question.as_of,
            named=question.named,
            settings=(*_settings(question.limits["memory_bytes"]), *LOCKED_DOWN),
        ) as catalog,
        watch.running(catalog.connection.interrupt),
    ):
        return question.ask(catalog)


def _settings(memory_bytes: int) -> tuple[str, ...]:
    return (
        f"SET memory_limit = '{int(memory_bytes * _DATABASE_SHARE)}B'",
        # What does not fit into memory is an error here, and never a file.
        "SET temp_directory = ''",
        "SET threads = 2",
    )


@contextmanager
def _limited(memory_bytes: int) -> Iterator[None]:
    """Allow so much memory beyond what there is now."""
    if sys.platform != "linux":
        yield
        return
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (held + memory_bytes, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _read(reader: pa.RecordBatchReader, sql: str) -> Iterator[pa.RecordBatch]:
    while True:
        with translating_sql(sql):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowException) as error:
                # The stream tells the database's errors as text.
                raise driver_error(str(error)) from error
        yield batch


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _too_much() -> SqlError:
    return SqlError(
        "The statement needs more memory than allowed",
        code="sql_out_of_memory",
        hint="Ask for fewer rows or columns, or aggregate first.",
    )


if __name__ == "__main__":
    main()
