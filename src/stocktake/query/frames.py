"""Messages over a socket between a process and its child: a kind, a length, a body."""

from __future__ import annotations

import select
import socket
import struct
import time

READY, ANSWER, BATCH, END, ERROR = range(1, 6)
_HEAD = struct.Struct("<BQ")
_PIECE = 1_000_000


class FrameError(Exception):
    """The other side is gone, or says what it should not."""


class FrameTooLongError(Exception):
    """The other side wants to say more than we want to hear."""


class Frames:
    """One end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(self, kind: int, body: bytes = b"") -> None:
        """Send a message. Raises: OSError where the other side is gone."""
        self._socket.settimeout(None)
        self._socket.sendall(_HEAD.pack(kind, len(body)))
        self._socket.sendall(body)

    def receive(self, end: float = float("inf"), longest: int = 2**63) -> tuple[int, bytes]:
        """Return the next message.

        Raises: TimeoutError at the monotonic moment `end`; FrameError; FrameTooLongError.
        """
        kind, length = _HEAD.unpack(self._read(_HEAD.size, end))
        if length > longest:
            raise FrameTooLongError(f"{length} bytes")
        return kind, self._read(length, end)

    def waits(self, seconds: float) -> bool:
        """Return whether the other side says something, or leaves, within some seconds.

        Not `receive` with an end: what had come of a message by then would be lost, and the rest taken for another.
        """
        return bool(select.select([self._socket], [], [], seconds)[0])

    def is_gone(self) -> bool:
        """Return whether the other side has left, where it owes no message."""
        self._socket.settimeout(0)
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _read(self, length: int, end: float) -> bytes:
        data = bytearray()
        while len(data) < length:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(None if left == float("inf") else left)
            piece = self._socket.recv(min(_PIECE, length - len(data)))
            if not piece:
                raise FrameError("the other side is gone")
            data += piece
        return bytes(data)
