"""Who asked for what: one JSON object a line, in a file beside the catalog that only its user may read."""

from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger("stocktake.audit")
_LONGEST = 4_000
"""Of a text; what is longer is cut."""


class Audit:
    """Safe to use from several threads and processes: a line is written by one call."""

    def __init__(self, path: Path | None) -> None:
        """None: nothing is kept."""
        self._path = path
        self._lock = threading.Lock()
        self._file: int | None = None
        self.failed = 0
        """Lines that could not be written."""

    def write(self, event: str, visitor: str, **facts: object) -> None:
        """Keep that something was asked: login, logout, refused, page, query, sql, export, sync, edit, token."""
        if self._path is None:
            return
        line: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "visitor": visitor,
        }
        line |= {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in facts.items()}
        data = orjson.dumps(line, default=str) + b"\n"
        try:
            with self._lock:
                if self._file is None:
                    self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                os.write(self._file, data)
        except OSError as error:
            # A full disk must not keep people from reading; the metrics tell of it.
            self.failed += 1
            _LOG.warning("The audit file %s cannot be written: %s", self._path, error.strerror)
