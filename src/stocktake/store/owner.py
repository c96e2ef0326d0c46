"""Who has the catalog open: one process, which lets the others of this machine in through a door.

The database lets one process write a file and no other open it meanwhile, so the file's own lock decides who owns it.
Whoever comes second asks the owner (`door`). When the owner ends, or is killed, the lock is free and the next one that
needs the catalog opens it: nobody is told, everybody finds out by asking.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.core.errors import CatalogLockedError
from stocktake.store.catalog import open_catalog
from stocktake.store.door import Channel, OwnerLostError, admit, connect, door_folders, open_door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from stocktake.store.catalog import Catalog

VISIT = "stocktake-visit"
"""The name of the threads in which others are served. None is left when an owner has closed, but for a question that
cannot be stopped."""
POLL_SECONDS = 0.05
"""How often whoever waits for the file looks again."""
_TICK_SECONDS = 0.5
"""How soon the owner notices that a reader went away in the middle of a question."""
_ALIVE_SECONDS = 2.0
_VISITORS = 64
_GRACE_SECONDS = 5.0
"""How long an owner that ends lets questions go on that are being answered."""
_LAST_SECONDS = 2.0


class Turn:
    """The right to open a catalog for writing, or the wish to: whoever reads it directly makes way.

    Held as a lock on the door's folder, which the system takes back from whoever dies.
    """

    def __init__(self, descriptor: int, folder: Path) -> None:
        self._descriptor = descriptor
        self._folder = folder

    def release(self) -> None:
        """Give it back. The folder goes where nothing is left in it."""
        with suppress(OSError):
            self._folder.rmdir()
        os.close(self._descriptor)


def take_turn(path: Path) -> Turn | None:
    """Return the turn; None where another process has it, or where it cannot be had on this disk."""
    for folder in door_folders(path):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the folder meanwhile.
            if os.fstat(descriptor).st_ino == folder.stat().st_ino:
                return Turn(descriptor, folder)
        except OSError:
            pass
        os.close(descriptor)
        return None
    return None


def is_turn_taken(path: Path) -> bool:
    """Say whether somebody writes the catalog, or wants to: then it is not the time to open it directly."""
    for folder in door_folders(path):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
    return False


@dataclass(frozen=True, slots=True)
class Joined:
    """A way to the catalog: the file itself, open for writing, or a channel to who has it open."""

    catalog: Catalog | None = None
    turn: Turn | None = None
    channel: Channel | None = None


def join_catalog(path: Path, service: str, version: str, *, wait_seconds: float = 0.0) -> Joined:
    """Open a catalog for writing, or find who has it open.

    Raises what `open_catalog` raises: CatalogLockedError where somebody has it open and lets nobody in.
    """
    end = time.monotonic() + wait_seconds
    turn: Turn | None = None
    try:
        while True:
            is_last = time.monotonic() >= end
            channel = None if turn else _ask(path, service, version)
            if channel is not None:
                return Joined(channel=channel)
            turn = turn or take_turn(path)
            try:
                # Without the turn only where it cannot be had on this disk, or to say who has the file.
                if turn is not None or is_last or not is_turn_taken(path):
                    catalog = open_catalog(path)
                    kept, turn = turn or take_turn(path), None
                    return Joined(catalog=catalog, turn=kept)
            except CatalogLockedError:
                if is_last:
                    raise
            time.sleep(POLL_SECONDS)
    finally:
        if turn is not None:
            turn.release()


def _ask(path: Path, service: str, version: str) -> Channel | None:
    try:
        return connect(path, service, version)
    except OwnerLostError:
        return None


class ReadGate:
    """Lets the writer have the database to itself for a moment: a checkpoint fails while anybody reads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading = 0
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read, after whoever wants to be alone now."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        """Begin to read."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._reading += 1

    def leave(self) -> None:
        """End reading."""
        with self._changed:
            self._reading -= 1
            self._changed.notify_all()

    @contextmanager
    def alone(self, wait_seconds: float) -> Iterator[bool]:
        """Keep new readers waiting, and wait for the others; say whether they have ended."""
        with self._changed:
            self._closed = True
            is_alone = self._changed.wait_for(lambda: not self._reading, wait_seconds)
            if not is_alone:
                self._closed = False
                self._changed.notify_all()
        try:
            yield is_alone
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()


@dataclass(slots=True)
class _Visit:
    channel: Channel
    thread: threading.Thread
    is_busy: bool = False
    cancel: Callable[[], None] | None = None


class CatalogOwner:
    """The process that has the catalog open, as the others meet it. `services` say what can be asked for.

    Each visitor has a thread, and its service runs there until it returns or raises OwnerLostError.
    """

    def __init__(
        self,
        catalog: Catalog,
        turn: Turn | None,
        services: Mapping[str, Callable[[CatalogOwner, Channel, str], None]],
    ) -> None:
        self.catalog = catalog
        self.gate = ReadGate()
        self.closing = threading.Event()
        self._turn = turn
        self._services = services
        self._visits: dict[int, _Visit] = {}
        self._lock = threading.Lock()
        self._door = open_door(catalog.path)
        self._waker, self._woken = socket.socketpair()
        self._porter = threading.Thread(target=self._attend_door, name="stocktake-door", daemon=True)
        if self._door is not None:
            self._porter.start()

    @property
    def is_shared(self) -> bool:
        """Whether others can come in: not every system and disk has sockets."""
        return self._door is not None

    def close(self) -> None:
        """Let nobody in any more, and see everybody out. The catalog itself stays open."""
        self.closing.set()
        if self._door is not None:
            listener, folder, _ = self._door
            with suppress(OSError):
                (folder / "socket").unlink(missing_ok=True)
                (folder / "key").unlink(missing_ok=True)
            self._waker.send(b".")
            self._porter.join()
            listener.close()
        self._waker.close()
        self._woken.close()
        self._see_out()

    def release(self) -> None:
        """Say that the file is closed, so that the next may open it."""
        if self._turn is not None:
            self._turn.release()
            self._turn = None

    @contextmanager
    def answering(self, channel: Channel, cancel: Callable[[], None] | None) -> Iterator[None]:
        """Work on an answer: the visitor is told so from time to time, and where it goes away, `cancel` is called."""
        visit = self._visits[id(channel)]
        visit.cancel, visit.is_busy = cancel, True
        try:
            yield
        finally:
            visit.is_busy, visit.cancel = False, None

    def _see_out(self) -> None:
        """Wait for answers under way, then cut them short."""
        with self._lock:
            visits = list(self._visits.values())
        for visit in visits:
            if not visit.is_busy:
                visit.channel.close()
        self._wait_for(visits, _GRACE_SECONDS)
        for visit in visits:
            _cancel(visit)
            visit.channel.close()
        self._wait_for(visits, _LAST_SECONDS)

    @staticmethod
    def _wait_for(visits: list[_Visit], seconds: float) -> None:
        end = time.monotonic() + seconds
        for visit in visits:
            visit.thread.join(max(0.0, end - time.monotonic()))

    def _attend_door(self) -> None:
        assert self._door is not None  # noqa: S101 - the thread is started where there is a door
        listener, _, key = self._door
        watched = select.poll()
        watched.register(listener, select.POLLIN)
        watched.register(self._woken, select.POLLIN)
        looked = told = time.monotonic()
        while not self.closing.is_set():
            if watched.poll(_TICK_SECONDS * 1_000) and not self.closing.is_set():
                self._let_in(listener, key)
            now = time.monotonic()
            if now - looked >= _TICK_SECONDS:
                looked = now
                self._look_after_the_busy(tell=now - told >= _ALIVE_SECONDS)
                told = now if now - told >= _ALIVE_SECONDS else told

    def _look_after_the_busy(self, *, tell: bool) -> None:
        with self._lock:
            busy = [visit for visit in self._visits.values() if visit.is_busy]
        for visit in busy:
            if visit.channel.is_gone():
                _cancel(visit)
            elif tell:
                visit.channel.still_at_work()

    def _let_in(self, listener: socket.socket, key: bytes) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if len(self._visits) >= _VISITORS:
            connection.close()
            return
        thread = threading.Thread(target=self._receive, args=(connection, key), name=VISIT, daemon=True)
        thread.start()

    def _receive(self, connection: socket.socket, key: bytes) -> None:
        admitted = admit(connection, self.catalog.path, key)
        if admitted is None:
            return
        channel, service, version = admitted
        number = id(channel)
        with self._lock:
            self._visits[number] = _Visit(channel, threading.current_thread())
        try:
            if service in self._services and not self.closing.is_set():
                self._services[service](self, channel, version)
        except OwnerLostError:
            pass  # the visitor left
        finally:
            with self._lock:
                del self._visits[number]
            channel.close()


def _cancel(visit: _Visit) -> None:
    if visit.is_busy and visit.cancel is not None:
        visit.cancel()
