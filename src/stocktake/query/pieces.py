"""What has come and is not read yet: in memory as far as it fits, then on disk, so that the sender need not wait."""

from __future__ import annotations

import io
import threading
from collections import deque
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IN_MEMORY_BYTES = 32_000_000
ON_DISK_BYTES = 4_000_000_000
"""More than that waits until some is read."""


class Pieces(io.IOBase):
    """A first-in-first-out file of bytes between two threads: one puts, one reads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._memory: deque[bytes | bytearray] = deque()
        self._memory_bytes = 0
        self._disk: IO[bytes] | None = None
        self._disk_from = self._disk_to = 0
        self._offset = 0
        self._ended = False
        self._error: BaseException | None = None
        self._is_closed = False

    def put(self, piece: bytes | bytearray) -> None:
        """Keep a piece; waits where even the disk holds enough."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._disk_to - self._disk_from < ON_DISK_BYTES)
            if self._is_closed:
                return
            fits = self._disk is None and self._memory_bytes + len(piece) <= IN_MEMORY_BYTES
            if fits or not self._to_disk(piece):
                # Where no disk takes it, who sends waits.
                self._changed.wait_for(lambda: self._is_closed or self._has_room)
                self._memory.append(piece)
                self._memory_bytes += len(piece)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more will come; whoever reads gets the error after the last piece."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        """Whether all has come."""
        return self._ended

    @property
    def is_closed(self) -> bool:
        """Whether nobody will read on."""
        return self._is_closed

    @property
    def size(self) -> int:
        """How much waits in memory. Units: bytes."""
        return self._memory_bytes

    @property
    def error(self) -> BaseException | None:
        """Why no more came, where that is not the end."""
        return self._error

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return exactly so many bytes, fewer only at the end. Raises what `end` was given."""
        parts: list[bytes] = []
        while size and (part := self._some(size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Forget what was not read."""
        with self._changed:
            self._is_closed = True
            self._memory.clear()
            if self._disk is not None:
                self._disk.close()
            self._changed.notify_all()

    @property
    def _has_room(self) -> bool:
        return self._memory_bytes < IN_MEMORY_BYTES and self._disk_from == self._disk_to

    def _to_disk(self, piece: bytes | bytearray) -> bool:
        """Say whether a disk took a piece. In a process that may write no files, none does."""
        try:
            if self._disk is None:
                self._disk = TemporaryFile()  # noqa: SIM115 - closed by `close`
            self._disk.seek(self._disk_to)
            self._disk.write(piece)
            self._disk.flush()
        except OSError:
            return False
        self._disk_to += len(piece)
        return True

    def _some(self, size: int) -> bytes:
        with self._changed:
            self._changed.wait_for(self._is_ready)
            if self._memory:
                return self._from_memory(size)
            if self._disk is not None and self._disk_from < self._disk_to and not self._is_closed:
                self._disk.seek(self._disk_from)
                found = self._disk.read(min(size, self._disk_to - self._disk_from) if size > 0 else -1)
                self._disk_from += len(found)
                self._changed.notify_all()
                return found
            if self._error is not None:
                raise self._error
            return b""

    def _is_ready(self) -> bool:
        return bool(self._memory) or self._disk_from < self._disk_to or self._ended or self._is_closed

    def _from_memory(self, size: int) -> bytes:
        piece = self._memory[0]
        rest = len(piece) - self._offset
        if size < 0 or size >= rest:
            found = bytes(memoryview(piece)[self._offset :])
            self._memory.popleft()
            self._memory_bytes -= len(piece)
            self._offset = 0
            return found
        found = bytes(memoryview(piece)[self._offset : self._offset + size])
        self._offset += size
        return found


def fill(pieces: Pieces, take: Callable[[], bytes | bytearray | None]) -> None:
    """Put what `take` returns until it returns None, in a thread of its own that nobody needs to wait for."""

    def work() -> None:
        try:
            while (piece := take()) is not None and not pieces.is_closed:
                pieces.put(piece)
            pieces.end()
        except BaseException as error:  # noqa: BLE001 - handed to whoever reads
            pieces.end(error)

    threading.Thread(target=work, name="stocktake-pieces", daemon=True).start()
