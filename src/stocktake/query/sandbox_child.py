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
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from stocktake.core.errors import StocktakeError
from stocktake.query.connection import open_reading
from stocktake.query.errors import SqlError
from stocktake.query.frames import ANSWER, BATCH, END, ERROR, READY, FrameError, Frames
from stocktake.query.problems import translating_sql
from stocktake.query.runner import read_batches
from stocktake.query.sandbox import too_large
from stocktake.query.serving import decode_question, driver_error
from stocktake.store.owner import is_turn_taken

if TYPE_CHECKING:
    from collections.abc import Iterator

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
            try:
                _, body = frames.receive(time.monotonic() + _LOOK_AROUND_SECONDS)
            except TimeoutError:
                session.make_way()
            except (FrameError, OSError):
                return
            else:
                _answer(frames, session, orjson.loads(body))


class _Session:
    """The catalog, kept open between questions until somebody wants to write it."""

    def __init__(self, stack: ExitStack, path: Path, wait_seconds: float) -> None:
        self._stack = stack
        self._path = path
        self._wait_seconds = wait_seconds
        self._memory_bytes = 0
        self._catalog: Catalog | None = None

    def open(self, memory_bytes: int) -> Catalog:
        """Return the catalog, with so much memory for the database."""
        if self._catalog is not None and (self._memory_bytes != memory_bytes or is_turn_taken(self._path)):
            self.close()
        if self._catalog is None:
            opening = open_reading(self._path, self._wait_seconds, settings=_settings(memory_bytes))
            self._catalog = self._stack.enter_context(opening)
            self._memory_bytes = memory_bytes
        return self._catalog

    def make_way(self) -> None:
        """Close the catalog where somebody waits for it."""
        if self._catalog is not None and is_turn_taken(self._path):
            self.close()

    def close(self) -> None:
        """Close the catalog."""
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
    limits = request["limits"]
    _, parameters = decode_question(request["parameters"].encode())
    moment = datetime.fromisoformat(request["as_of"]) if request["as_of"] else None
    try:
        catalog = session.open(limits["memory_bytes"])
        with _limited(limits["memory_bytes"]), _timed(catalog.connection, limits["seconds"]):
            reader = read_batches(
                catalog, request["sql"], _BATCH_ROWS, parameters, as_of=moment, named=request["named"]
            )
            _send(frames, reader, request["sql"], limits)
    except StocktakeError as error:
        if not isinstance(error, SqlError):
            # The catalog itself: look for it anew next time.
            session.close()
        told = error.as_dict() | {"class": type(error).__name__, "excerpt": getattr(error, "excerpt", "")}
        frames.send(ERROR, orjson.dumps(told))
    except KeyboardInterrupt:
        frames.send(ERROR, b'{"code":"sql_timeout"}')
    except MemoryError:
        frames.send(ERROR, orjson.dumps(_too_much().as_dict() | {"class": "SqlError", "excerpt": ""}))


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


@contextmanager
def _timed(connection: Any, seconds: float) -> Iterator[None]:  # noqa: ANN401 - the driver's, or one that acts like it
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _send(frames: Frames, reader: pa.RecordBatchReader, sql: str, limits: dict[str, Any]) -> None:
    frames.send(ANSWER, reader.schema.serialize().to_pybytes())
    rows = size = 0
    for batch in _read(reader, sql):
        kept = batch.slice(0, limits["rows"] - rows)
        if kept.num_rows:
            body = _stream(kept)
            size += len(body)
            if size > limits["result_bytes"]:
                raise too_large()
            frames.send(BATCH, body)
        rows += batch.num_rows
        if rows > limits["rows"]:
            break
    frames.send(END, orjson.dumps({"truncated": rows > limits["rows"]}))


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
