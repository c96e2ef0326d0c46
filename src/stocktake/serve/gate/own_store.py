"""What the server itself keeps, beside the catalog: views, saved queries, policies, tokens, sessions.

A SQLite file of its own: the catalog has one writer, and it is not the server.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from stocktake.core.errors import CatalogAccessError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, made_at TEXT NOT NULL, changed_at TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, owner TEXT NOT NULL, role TEXT NOT NULL,
    scopes TEXT NOT NULL, made_at REAL NOT NULL, expires_at REAL NOT NULL, used_at REAL, revoked_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY, expires_at REAL NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Document:
    """Something that somebody keeps. Times are ISO 8601, UTC."""

    kind: str
    id: str
    owner: str
    made_at: str
    changed_at: str
    body: Any


class OwnStore:
    """Safe to use from several threads and processes; what a call wrote is on disk when it returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction. Raises: CatalogAccessError where the file cannot be read or written."""
        try:
            with self._connected() as connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            is_full = "full" in str(error) or "No space left" in str(error)
            raise CatalogAccessError(
                f"{self.path} cannot be used: {error}",
                code="disk_full" if is_full else "own_store",
                hint="Look at the file and its disk; what was kept before is kept.",
                where=str(self.path),
            ) from error

    def _connected(self) -> sqlite3.Connection:
        found = getattr(self._local, "connection", None)
        if found is None:
            # Before there is anything in it, and so for the files beside it, too: nobody else may read it.
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            found = sqlite3.connect(self.path, timeout=10.0)
            found.execute("PRAGMA journal_mode = WAL")
            found.executescript(_TABLES)
            self._local.connection = found
        connection: sqlite3.Connection = found
        return connection

    def put(self, kind: str, body: object, *, owner: str, id: str | None = None) -> Document:  # noqa: A002 - its name
        """Keep a document: a new one without an `id`, else in the place of the one that has it."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        key = id or uuid4().hex
        with self.connection() as connection:
            connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET changed_at = "
                "excluded.changed_at, body = excluded.body",
                (kind, key, owner, now, now, orjson.dumps(body)),
            )
            row = connection.execute("SELECT * FROM documents WHERE kind = ? AND id = ?", (kind, key)).fetchone()
        return _document(row)

    def get(self, kind: str, id: str) -> Document | None:  # noqa: A002 - its name
        """Return a document."""
        with self.connection() as connection:
            row = connection.execute("SELECT * FROM documents WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return _document(row) if row is not None else None

    def list(self, kind: str, *, owner: str = "", limit: int = 100, offset: int = 0) -> list[Document]:
        """Return the documents of a kind, newest first; of one owner, where one is named."""
        with self.connection() as connection:
            rows = connection.execute(
                "SELECT * FROM documents WHERE kind = ? AND ? IN ('', owner) ORDER BY changed_at DESC, id "
                "LIMIT ? OFFSET ?",
                (kind, owner, limit, offset),
            ).fetchall()
        return [_document(row) for row in rows]

    def count(self, kind: str, *, owner: str = "") -> int:
        """Return how many documents of a kind there are; of one owner, where one is named."""
        with self.connection() as connection:
            [found] = connection.execute(
                "SELECT count(*) FROM documents WHERE kind = ? AND ? IN ('', owner)", (kind, owner)
            ).fetchone()
        return int(found)

    def remove(self, kind: str, id: str) -> bool:  # noqa: A002 - its name
        """Remove a document, and say whether it was there."""
        with self.connection() as connection:
            return connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id)).rowcount > 0


def _document(row: tuple[Any, ...]) -> Document:
    return Document(row[0], row[1], row[2], row[3], row[4], orjson.loads(row[5]))
