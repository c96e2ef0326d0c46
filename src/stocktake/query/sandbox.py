"""SQL of people we do not know, run in a process of its own that can be killed: the side that asks.

The child lets the catalog go when somebody wants to write it, so that an idle one keeps no sync waiting. It has no
right to write a file, a limit of memory, and none of our environment. When its time is over it is killed, and the next
one is already starting.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import orjson
import pyarrow as pa

from stocktake.core import errors
from stocktake.query.errors import SqlError
from stocktake.query.frames import ANSWER, BATCH, END, ERROR, READY, FrameError, Frames, FrameTooLongError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.serving import encode_question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from stocktake.core.errors import StocktakeError

_START_SECONDS = 30.0
_GRACE_SECONDS = 0.25
"""How long after its deadline a statement may take to stop by itself, before its process is killed."""
_FRAME_ROOM = 1_000_000
_CHILD = "stocktake.query.sandbox_child"
_LESS = "Ask for fewer rows or columns, or aggregate first; or allow more."
# What the interpreter needs to find itself and us; nothing else of ours is the child's business.
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "HOME")
# A pool that reserves much in advance would look like much memory.
_CHILD_VARIABLES = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What a statement may take."""

    seconds: float = 30.0
    memory_bytes: int = 1_000_000_000
    """Beyond what the process has before the statement."""
    rows: int = 1_000_000
    """More are left out, and the answer says so."""
    result_bytes: int = 256_000_000
    """As Arrow."""


DEFAULT_LIMITS = SqlLimits()


class SqlAnswer:
    """The answer to one statement: a schema, and batches that are read once. Read it to its end, or close it."""

    def __init__(self, worker: SqlWorker, call: _Call) -> None:
        self._worker = worker
        self._call = call
        self._is_open = True
        self.truncated = False
        """There were more rows than asked for; known at the end."""
        self.schema: pa.Schema = pa.ipc.read_schema(pa.py_buffer(call.receive(ANSWER)[1]))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._is_open:
                kind, body = self._call.receive(BATCH, END)
                if kind == END:
                    self.truncated = bool(orjson.loads(body)["truncated"])
                    return
                with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
                    began = time.monotonic()
                    yield from reader
                # What the reader of the answer takes is not the statement's time.
                self._call.end += time.monotonic() - began
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what was not read."""
        if self._is_open:
            self._is_open = False
            self._worker.let_go(self._call)

    def read_all(self) -> pa.Table:
        """Return all rows as one table."""
        return pa.Table.from_batches(list(self), self.schema)


class _Call:
    """One question to a child, from its first word to its last."""

    def __init__(self, child: _Child, seconds: float, longest: int) -> None:
        self.child = child
        self.end = time.monotonic() + seconds
        self.has_ended = False
        """The child has said its last word on it, and can be asked again."""
        self._longest = longest

    def receive(self, *wanted: int) -> tuple[int, bytes]:
        """Return the child's next word. Raises what it says went wrong, or what its silence means."""
        try:
            kind, body = self.child.frames.receive(self.end, self._longest)
        except TimeoutError:
            raise timed_out() from None
        except FrameTooLongError:
            raise too_large() from None
        except (FrameError, OSError) as error:
            raise self.child.obituary() from error
        self.has_ended = kind in {END, ERROR, READY}
        if kind == ERROR:
            raise _rebuilt(orjson.loads(body))
        if kind not in wanted:
            raise self.child.obituary()
        return kind, body


class _Child:
    """A process that runs statements, and the line to it."""

    def __init__(self, path: Path, wait_seconds: float) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own module, run by our own interpreter
                [sys.executable, "-m", _CHILD, str(theirs.fileno()), str(path), str(wait_seconds)],
                pass_fds=[theirs.fileno()],
                env=environment | _CHILD_VARIABLES,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C at our terminal is for us to handle.
                start_new_session=True,
            )
        self.frames = Frames(ours)
        self.is_ready = False
        self.was_cancelled = False

    def kill(self) -> None:
        """End the process; whoever waits for its answer is told."""
        self.process.kill()
        self.process.wait()

    def obituary(self) -> SqlError:
        """Return what its end means for the statement that it ran."""
        self.kill()
        if self.was_cancelled:
            return SqlError("The statement was cancelled", code="sql_cancelled", hint="Run it again if you need it.")
        code = self.process.returncode
        return SqlError(
            f"The process that ran this statement ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})",
            code="sql_out_of_memory",
            hint=_LESS,
        )


class SqlWorker:
    """One child process that runs one statement at a time; others wait. Safe to use from several threads."""

    def __init__(self, path: Path, *, wait_seconds: float = 5.0) -> None:
        """`wait_seconds`: how long the child waits for a catalog that another process keeps to itself."""
        self._path = path
        self._wait_seconds = wait_seconds
        self._turn = threading.Lock()
        self._child: _Child | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Return the child's process id; None while there is none."""
        return self._child.process.pid if self._child is not None else None

    @property
    def is_busy(self) -> bool:
        """Return whether a statement runs, or its answer is being read."""
        return self._turn.locked()

    def start(self) -> None:
        """Start the child, and wait until it can be asked. Raises: SqlError where it does not start."""
        with self._turn:
            self._ready_child()

    def run(
        self,
        sql: str,
        parameters: object = None,
        limits: SqlLimits = DEFAULT_LIMITS,
        *,
        as_of: datetime | None = None,
        named: Mapping[str, str] | None = None,
        reach: Reach = EVERYTHING,
    ) -> SqlAnswer:
        """Run one statement that only reads; about a moment (UTC), where one is given.

        `named`: names that stand for statements of ours, as in `runner.run_query`. Where not everything is within
        reach, the child runs the statement on copies of what is, and never on the file.

        Raises, also while the batches are read: SqlError (`sql_timeout`, `sql_out_of_memory`, `sql_result_too_large`,
        `sql_cancelled`, and what is wrong with the statement); what opening a catalog raises.
        """
        request = {
            "sql": sql,
            "parameters": encode_question("", parameters).decode(),
            "limits": asdict(limits),
            "as_of": as_of.isoformat() if as_of else None,
            "named": dict(named or {}),
            "reach": reach.as_dict(),
        }
        self._turn.acquire()
        call = None
        try:
            child = self._ready_child()
            call = _Call(child, limits.seconds + _GRACE_SECONDS, limits.result_bytes + _FRAME_ROOM)
            with suppress(OSError):
                # A child that has died by now says so when it is listened to.
                child.frames.send(ANSWER, orjson.dumps(request))
            return SqlAnswer(self, call)
        except BaseException:
            self.let_go(call)
            raise

    def cancel(self) -> None:
        """End what is under way, from any thread; whoever waits for it gets SqlError `sql_cancelled`."""
        child = self._child
        if child is not None and self._turn.locked():
            child.was_cancelled = True
            child.kill()

    def close(self) -> None:
        """End the child for good; whoever waits for it gets SqlError `sql_cancelled`."""
        self._is_closed = True
        child = self._child
        if child is not None:
            child.was_cancelled = True
            child.kill()
            if self._turn.acquire(blocking=False):
                child.frames.close()
                self._turn.release()

    def let_go(self, call: _Call | None) -> None:
        """Let the next one ask; a child that still has something to say is replaced."""
        if call is not None and not call.has_ended:
            call.child.kill()
            call.child.frames.close()
            # It starts while whoever asked looks at what came.
            self._child = None if self._is_closed else _Child(self._path, self._wait_seconds)
        self._turn.release()

    def _ready_child(self) -> _Child:
        if self._is_closed:
            raise SqlError("The worker was closed", code="sql_cancelled", hint="Start another one.")
        if self._child is None or self._child.frames.is_gone():
            if self._child is not None:
                self._child.kill()
                self._child.frames.close()
            self._child = _Child(self._path, self._wait_seconds)
        if not self._child.is_ready:
            # Not before it has said so: the limits hold from then on.
            _Call(self._child, _START_SECONDS, _FRAME_ROOM).receive(READY)
            self._child.is_ready = True
        return self._child


class SqlPool:
    """Some workers over one catalog, for many who ask at once: each statement goes to one that is free, or waits."""

    def __init__(self, path: Path, size: int = 2, *, wait_seconds: float = 5.0) -> None:
        self._workers = [SqlWorker(path, wait_seconds=wait_seconds) for _ in range(size)]
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        sql: str,
        parameters: object = None,
        limits: SqlLimits = DEFAULT_LIMITS,
        *,
        as_of: datetime | None = None,
        named: Mapping[str, str] | None = None,
        reach: Reach = EVERYTHING,
    ) -> SqlAnswer:
        """Run one statement that only reads. Raises: as `SqlWorker.run`."""
        worker = next((one for one in self._workers if not one.is_busy), None)
        if worker is None:
            self._next = (self._next + 1) % len(self._workers)
            worker = self._workers[self._next]
        return worker.run(sql, parameters, limits, as_of=as_of, named=named, reach=reach)

    def close(self) -> None:
        """End all children for good."""
        for worker in self._workers:
            worker.close()


def timed_out() -> SqlError:
    """Return what is said of a statement that took too long."""
    return SqlError(
        "The statement did not end in the time allowed, and was stopped",
        code="sql_timeout",
        hint="Ask for less: a narrower WHERE, fewer joins, LIMIT; or allow more time.",
    )


def too_large() -> SqlError:
    """Return what is said of an answer that is too large."""
    return SqlError("The answer is larger than allowed", code="sql_result_too_large", hint=_LESS)


def _rebuilt(told: dict[str, Any]) -> StocktakeError:
    """Return the child's error as it was there."""
    if told["code"] == "sql_timeout":
        return timed_out()
    kind = getattr(errors, told.pop("class"), None)
    excerpt = told.pop("excerpt")
    if isinstance(kind, type) and issubclass(kind, errors.FatalError):
        error: StocktakeError = kind(**told)
        return error
    return SqlError(**told, excerpt=excerpt)
