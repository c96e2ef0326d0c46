"""The way into a catalog that another process has open: where its door is, who may enter, and how words are carried.

A door is a Unix-domain socket in a folder of its own beside the catalog (`<catalog>.door`, mode 0700). Beside the
socket lies a key (mode 0600) that both sides prove to have before either believes a word of the other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
import stat
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stocktake.core.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOL = 1
"""Goes up when frames or the first words change."""
HERE_TOO_LONG = 100
"""A socket's whole path has at most 103 bytes on the systems that allow the least."""
_HEADER = struct.Struct(">QB")
_GREETING = struct.Struct(">H32s")
_ALIVE = 0
"""The kind of a frame that only says: still at work."""
_MAX_BEFORE_PROOF = 512
_PROOF_SECONDS = 10.0
_SILENCE_SECONDS = 30
"""An owner at work says so every two seconds; after that much silence it is stopped, not busy."""
_STUCK_SECONDS = 60
"""Who takes nothing for so long is given up."""
_TIMEVAL = struct.Struct("@ll")


class OwnerLostError(FatalError):
    """The process that has the catalog open went away, or let go of it: go on with its successor."""


def owner_lost(path: Path, reason: str) -> OwnerLostError:
    """Return the error that says so."""
    return OwnerLostError(
        f"The process that has {path} open went away: {reason}",
        code="owner_lost",
        hint="Run the same command again; what was committed is kept.",
        where=str(path),
    )


def door_folder(path: Path) -> Path:
    """Return the folder of a catalog's door."""
    return Path(f"{path.resolve()}.door")


def door_folders(path: Path) -> Iterator[Path]:
    """Yield where a door may be, the first choice first: a socket's path is short, and some disks have no sockets."""
    beside = door_folder(path)
    if len(os.fsencode(beside)) < HERE_TOO_LONG - len("/socket"):
        yield beside
    digest = hashlib.blake2b(os.fsencode(beside), digest_size=12).hexdigest()
    # Not TMPDIR: it may differ between a shell and a scheduled job. Who else made the folder is told by `_is_private`.
    yield Path(f"/tmp/stocktake-{os.getuid()}-{digest}")  # noqa: S108 - private, and checked to be


class Channel:
    """A connection through a door: frames of a kind and bytes, either way. One thread receives, any may send."""

    def __init__(self, connection: socket.socket, path: Path) -> None:
        self._socket = connection
        self._path = path
        self._sending = threading.Lock()
        self.peer_pid = 0

    def fileno(self) -> int:
        """Return the socket's descriptor, for `select`."""
        return self._socket.fileno()

    def send(self, kind: int, *parts: bytes | memoryview) -> None:
        """Send a frame. Raises OwnerLostError where nobody takes it."""
        size = sum(memoryview(part).nbytes for part in parts)
        try:
            with self._sending:
                if size < 65_536:
                    self._socket.sendall(_HEADER.pack(size, kind) + b"".join(parts))
                else:
                    self._socket.sendall(_HEADER.pack(size, kind))
                    for part in parts:
                        self._socket.sendall(part)
        except OSError as error:
            # Half a frame may be out; nothing that follows would be understood.
            self.close()
            raise owner_lost(self._path, str(error)) from error

    def receive(self, limit: int | None = None) -> tuple[int, bytearray]:
        """Return the next frame. Raises OwnerLostError where none will come."""
        try:
            while True:
                size, kind = _HEADER.unpack(self._exactly(_HEADER.size))
                if limit is not None and size > limit:
                    raise owner_lost(self._path, "what it said is not understood")
                body = self._exactly(size)
                if kind != _ALIVE:
                    return kind, body
        except BlockingIOError as error:
            raise owner_lost(self._path, f"it says nothing any more (process {self.peer_pid} is stopped?)") from error
        except OSError as error:
            raise owner_lost(self._path, str(error)) from error

    def still_at_work(self) -> None:
        """Tell the other side, without waiting, that its answer is being worked on."""
        if not self._sending.acquire(blocking=False):
            return  # it is being sent to
        try:
            frame = _HEADER.pack(0, _ALIVE)
            sent = self._socket.send(frame, socket.MSG_DONTWAIT)
            if sent < len(frame):
                self._socket.sendall(frame[sent:])
        except OSError:
            pass  # it has much to take first, or is gone, which is found when it is answered
        finally:
            self._sending.release()

    def is_gone(self) -> bool:
        """Say whether the other side, which has nothing to say now, has closed."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close; a thread that receives meanwhile gets OwnerLostError."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def patience(self, *, receiving: bool) -> None:
        """Set how long to wait until the other side takes what is sent or, where it owes answers, says something."""
        stuck = _TIMEVAL.pack(_STUCK_SECONDS, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, stuck)
        if receiving:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(_SILENCE_SECONDS, 0))

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise owner_lost(self._path, "it closed the connection")
            view = view[count:]
        return data


def connect(path: Path, service: str, version: str) -> Channel | None:
    """Return a channel to whoever has the catalog open and serves it; None where nobody does.

    Raises: OwnerLostError where somebody does, and does not answer.
    """
    for folder in door_folders(path):
        if not _is_private(folder):
            continue
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_PROOF_SECONDS)
            connection.connect(str(folder / "socket"))
            key = _read_key(folder)
        except OSError:
            connection.close()
            continue
        channel = Channel(connection, path)
        try:
            _prove_to_owner(channel, key, service, version)
        except BaseException:
            channel.close()
            raise
        connection.settimeout(None)
        channel.patience(receiving=True)
        return channel
    return None


def admit(connection: socket.socket, path: Path, key: bytes) -> tuple[Channel, str, str] | None:
    """Return the channel, the service and the version that somebody at the door asks for; None for a stranger."""
    connection.settimeout(_PROOF_SECONDS)
    channel = Channel(connection, path)
    try:
        nonce = secrets.token_bytes(32)
        channel.send(1, _GREETING.pack(PROTOCOL, nonce), str(os.getpid()).encode())
        _, told = channel.receive(_MAX_BEFORE_PROOF)
        proof, their_nonce, wish = bytes(told[:32]), bytes(told[32:64]), bytes(told[64:])
        if not hmac.compare_digest(proof, _proof(key, b"in", nonce, their_nonce, wish)):
            channel.close()
            return None
        channel.send(1, _proof(key, b"out", their_nonce, nonce))
    except OwnerLostError:
        channel.close()
        return None
    connection.settimeout(None)
    channel.patience(receiving=False)
    service, version, pid = wish.decode().split(" ")
    channel.peer_pid = int(pid)
    return channel, service, version


def _prove_to_owner(channel: Channel, key: bytes, service: str, version: str) -> None:
    _, told = channel.receive(_MAX_BEFORE_PROOF)
    protocol, nonce = _GREETING.unpack(told[: _GREETING.size])
    channel.peer_pid = int(told[_GREETING.size :] or b"0")
    if protocol != PROTOCOL:
        raise FatalError(
            f"Process {channel.peer_pid}, which has the catalog open, is another version of Stocktake",
            code="owner_version",
            hint="Wait until it is done, and use one version of Stocktake for one catalog.",
        )
    own_nonce = secrets.token_bytes(32)
    wish = f"{service} {version} {os.getpid()}".encode()
    channel.send(1, _proof(key, b"in", nonce, own_nonce, wish), own_nonce, wish)
    _, proof = channel.receive(_MAX_BEFORE_PROOF)
    if not hmac.compare_digest(bytes(proof), _proof(key, b"out", own_nonce, nonce)):
        raise FatalError(
            "Who listens at the catalog's door does not know its key",
            code="stranger_at_door",
            hint=f"Look at who runs process {channel.peer_pid}; remove the folder `<catalog>.door` if nobody does.",
        )


def _proof(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"\x00".join(parts), "sha256")


def open_door(path: Path) -> tuple[socket.socket, Path, bytes] | None:
    """Listen at a catalog's door; only for the process that has it open for writing.

    Return the listening socket, its folder and the key; None where this system or disk has no such sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        return None
    for folder in door_folders(path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(folder):
                listener.close()
                continue
            key = _write_key(folder)
            # Whoever had the catalog open before is gone: only one process can.
            (folder / "socket").unlink(missing_ok=True)
            listener.bind(str(folder / "socket"))
            (folder / "socket").chmod(0o600)
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        return listener, folder, key
    return None


def _is_private(folder: Path) -> bool:
    """Say whether a folder is a real one, ours, and closed to others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _read_key(folder: Path) -> bytes:
    return (folder / "key").read_bytes()


def _write_key(folder: Path) -> bytes:
    """Write a new key: whole before the socket is there, and never seen half."""
    key = secrets.token_bytes(32)
    new = folder / "key.new"
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    new.replace(folder / "key")
    return key
