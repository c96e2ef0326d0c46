"""SQL of visitors, in sandboxes: each statement under way has a number, by which who began it can cancel it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from stocktake.query.sandbox import SqlAnswer, SqlLimits, SqlWorker
    from stocktake.serve.gate.config import ServerConfig
    from stocktake.serve.gate.visitor import Visitor

_WAIT_SECONDS = 20.0


class Statements:
    """Some sandboxes over one catalog, and what runs in them. Safe to use from several threads."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._free = threading.Semaphore(config.limits.sql_workers)
        self._lock = threading.Lock()
        self._idle: list[SqlWorker] = []
        self._running: dict[tuple[str, str], SqlWorker] = {}
        self._is_closed = False

    def limits(self, *, rows: int | None = None, seconds: float | None = None) -> SqlLimits:
        """Return what a statement may take: what is asked for, within what the server allows."""
        from stocktake.query.sandbox import SqlLimits

        most = self._config.limits
        return SqlLimits(
            seconds=min(seconds or most.sql_seconds, most.sql_seconds),
            memory_bytes=most.sql_memory_bytes,
            rows=min(most.sql_rows if rows is None else rows, most.sql_rows),
            result_bytes=most.sql_result_bytes,
        )

    @contextmanager
    def run(
        self,
        visitor: Visitor,
        sql: str,
        *,
        limits: SqlLimits,
        number: str = "",
        as_of: datetime | None = None,
        named: Mapping[str, str] | None = None,
    ) -> Iterator[SqlAnswer]:
        """Run one statement that only reads, within the visitor's reach; read its answer in the block.

        Raises: SqlError, as `SqlWorker.run`; UserError (`sql_busy`) where no sandbox becomes free.
        """
        if not self._free.acquire(timeout=_WAIT_SECONDS):
            raise UserError(
                "All SQL workers are busy",
                code="sql_busy",
                hint="Try again soon, or allow more with limits.sql_workers.",
            )
        worker = self._take()
        key = (visitor.name, number)
        try:
            if number:
                with self._lock:
                    self._running[key] = worker
            with worker.run(sql, None, limits, as_of=as_of, named=named, reach=visitor.reach) as answer:
                yield answer
        finally:
            with self._lock:
                if number:
                    self._running.pop(key, None)
                if self._is_closed:
                    worker.close()
                else:
                    self._idle.append(worker)
            self._free.release()

    def cancel(self, visitor: Visitor, number: str) -> bool:
        """End a statement of this visitor, and say whether it was under way."""
        with self._lock:
            worker = self._running.get((visitor.name, number))
            if worker is not None:
                worker.cancel()
        return worker is not None

    def is_running(self, number: str) -> bool:
        """Return whether a statement of this number, of anybody, is under way."""
        with self._lock:
            return any(one == number and worker.is_busy for (_, one), worker in self._running.items())

    def pids(self) -> list[int | None]:
        """Return the process ids of the sandboxes, those that work first."""
        with self._lock:
            return [worker.pid for worker in (*self._running.values(), *self._idle)]

    def close(self) -> None:
        """End all sandboxes."""
        with self._lock:
            self._is_closed = True
            workers = [*self._idle, *self._running.values()]
            self._idle.clear()
        for worker in workers:
            worker.close()

    def _take(self) -> SqlWorker:
        from stocktake.query.sandbox import SqlWorker

        with self._lock:
            if self._idle:
                return self._idle.pop()
        return SqlWorker(self._config.catalog, wait_seconds=self._config.lock_wait_seconds)
