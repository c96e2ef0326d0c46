"""Who has logged in with a browser: a cookie with a number that nobody can guess, kept as its hash.

The link that `stocktake serve` prints lets one browser in, once, within ten minutes.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocktake.serve.gate.own_store import OwnStore

_LINK_SECONDS = 600.0
_KNOWN_SECONDS = 5.0
"""How long a session is believed without looking: so long one that was ended elsewhere may still be used."""
_MOST_KNOWN = 1_000


@dataclass(frozen=True, slots=True)
class Person:
    """Who has logged in, with the name of a role: what it means is looked up each time, since it may be changed."""

    name: str
    role: str


class Sessions:
    """Safe to use from several threads; sessions outlive the server."""

    def __init__(self, own: OwnStore, hours: float) -> None:
        self._own = own
        self._seconds = hours * 3600
        self._lock = threading.Lock()
        self._links: dict[bytes, tuple[float, Person]] = {}
        self._known: dict[bytes, tuple[float, Person]] = {}

    @property
    def seconds(self) -> int:
        """Return how long a session lasts."""
        return int(self._seconds)

    def make_link(self, person: Person) -> str:
        """Return a key that makes a session of this person, once."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._links[hash_of(key)] = (time.time() + _LINK_SECONDS, person)
        return key

    def use_link(self, key: str) -> Person | None:
        """Return whose link it is, and let it be used no more; None where it is none, or too old."""
        with self._lock:
            found = self._links.pop(hash_of(key), None)
        return found[1] if found is not None and found[0] >= time.time() else None

    def begin(self, person: Person, *, until: float | None = None) -> str:
        """Return the number of a new session; it ends by itself, at `until` (seconds since 1970) at the latest."""
        number = secrets.token_urlsafe(32)
        end = time.time() + self._seconds
        if until is not None:
            end = min(end, until)
        with self._own.connection() as connection:
            connection.execute("DELETE FROM sessions WHERE expires_at < ?", (time.time(),))
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", (hash_of(number), end, person.name, person.role)
            )
        return number

    def find(self, number: str) -> Person | None:
        """Return whose session it is; None where it is none, or over."""
        key = hash_of(number)
        known = self._known.get(key)
        if known is not None and known[0] > time.time():
            return known[1]
        with self._own.connection() as connection:
            row = connection.execute("SELECT expires_at, name, role FROM sessions WHERE hash = ?", (key,)).fetchone()
        if row is None or row[0] < time.time():
            self._known.pop(key, None)
            return None
        person = Person(row[1], row[2])
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = (min(row[0], time.time() + _KNOWN_SECONDS), person)
        return person

    def end(self, number: str) -> None:
        """End a session."""
        key = hash_of(number)
        self._known.pop(key, None)
        with self._own.connection() as connection:
            connection.execute("DELETE FROM sessions WHERE hash = ?", (key,))


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret: it is long and of chance, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()
