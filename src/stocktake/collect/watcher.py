"""Watches the sockets of a library that says itself which it wants watched, behind one file descriptor.

A connection that rests between two requests stays watched: taking it out, and putting it in again for the next
request, would cost two system calls each time. What becomes readable while it rests has mostly been closed by its
server, and is no longer watched from then on.
"""

from __future__ import annotations

import select
import selectors
from typing import Protocol


class SocketWatcher(Protocol):
    """What the HTTP client needs of either kind."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when any of the watched is ready."""

    def watch(self, descriptor: int, events: int) -> None:
        """Watch a descriptor for libcurl's events: 1 for in, 2 for out."""

    def rest(self, descriptor: int) -> None:
        """Take note that nobody waits for a descriptor now."""

    def ready(self) -> list[tuple[int, int]]:
        """Return what is ready without waiting: descriptor and libcurl's events."""

    def close(self) -> None:
        """Watch nothing any more."""


def open_watcher() -> SocketWatcher:
    """Return the cheapest watcher that this system has."""
    return _EpollWatcher() if hasattr(select, "epoll") else _AnyWatcher()


class _EpollWatcher:
    """Linux: the kernel drops closed descriptors by itself, so changing one tells whether it is still the same."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._resting: set[int] = set()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def watch(self, descriptor: int, events: int) -> None:
        self._resting.discard(descriptor)
        wanted = _EPOLL[events]
        try:
            self._epoll.modify(descriptor, wanted)
        except FileNotFoundError:  # it is new, or its number was another's that is closed
            self._epoll.register(descriptor, wanted)

    def rest(self, descriptor: int) -> None:
        self._resting.add(descriptor)

    def ready(self) -> list[tuple[int, int]]:
        found = []
        for descriptor, events in self._epoll.poll(0):
            if descriptor in self._resting:
                self._resting.discard(descriptor)
                self._epoll.unregister(descriptor)
            else:
                # An error or a hang-up shows when it is read or written.
                found.append((descriptor, (events & select.EPOLLIN and 1) | (events & select.EPOLLOUT and 2) or 3))
        return found

    def close(self) -> None:
        self._epoll.close()


_EPOLL = (
    {0: 0, 1: select.EPOLLIN, 2: select.EPOLLOUT, 3: select.EPOLLIN | select.EPOLLOUT}
    if hasattr(select, "epoll")
    else {}
)


class _AnyWatcher:
    """Other systems: whatever the standard library has."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def fileno(self) -> int:
        return self._selector.fileno()

    def watch(self, descriptor: int, events: int) -> None:
        # libcurl's bits for in and out are this module's bits as well.
        try:
            self._selector.register(descriptor, events)
        except KeyError:
            try:
                self._selector.modify(descriptor, events)
            except OSError:  # the number of a socket that was closed, given to a new one
                self._selector.register(descriptor, events)

    def rest(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def ready(self) -> list[tuple[int, int]]:
        return [(key.fd, events) for key, events in self._selector.select(0)]

    def close(self) -> None:
        self._selector.close()
