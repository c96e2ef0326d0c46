"""Syncs that were started in the browser or by the API, and how far each is."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.core.clock import Clock
    from stocktake.query.reach import Reach
    from stocktake.serve.gate.config import ServerConfig

_CHILD = "stocktake.serve.gate.sync_child"
_KEPT = 20
_END_SECONDS = 10.0
_ERROR_BYTES = 4_000
Scope = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SyncRun:
    """A sync as it is known now. Times are aware, UTC."""

    id: str
    by: str
    started_at: datetime
    types: tuple[str, ...]
    regions: tuple[str, ...]
    status: str = "running"
    """running, complete, gaps, stopped or failed."""
    ended_at: datetime | None = None
    sweep_id: int | None = None
    calls: int = 0
    error: dict[str, str] | None = None
    scopes: dict[tuple[str, str, str], Scope] = field(default_factory=dict)
    """The newest word on each account, region and type: `core.progress.ScopeProgress`."""

    def document(self, reach: Reach) -> dict[str, Any]:
        """Return it as a JSON object, with the scopes within reach."""
        scopes = [
            scope for (account, _, type_name), scope in sorted(self.scopes.items()) if reach.has(account, type_name)
        ]
        return {
            "id": self.id,
            "by": self.by,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "status": self.status,
            "types": self.types,
            "regions": self.regions,
            "sweep_id": self.sweep_id,
            "calls": sum(scope["calls"] for scope in scopes),
            "error": self.error,
            "scopes": scopes,
        }


class Syncs:
    """One at a time, each in a process of its own. Safe to use from several threads."""

    def __init__(self, config: ServerConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: deque[SyncRun] = deque(maxlen=_KEPT)
        self._process: subprocess.Popen[bytes] | None = None
        self.version = 0
        """Grows whenever there is news."""

    def start(
        self,
        by: str,
        *,
        types: tuple[str, ...] = (),
        regions: tuple[str, ...] = (),
        full: bool = False,
        reconcile: bool = False,
    ) -> SyncRun:
        """Start a sync of what the server's settings say, or of some of it.

        Raises: UserError: `sync_running`; `bad_sync` for types or regions that the settings do not have.
        """
        settings = self._config.sync
        _check_part("types", types, settings.types)
        _check_part("regions", regions, settings.regions)
        with self._lock:
            if self._process is not None:
                raise UserError(
                    "A sync is running already",
                    code="sync_running",
                    hint="Wait for its end, or stop it.",
                    where=self._runs[0].id,
                )
            run = SyncRun(uuid4().hex[:12], by, self._clock.now(), types or settings.types, regions or settings.regions)
            request = {
                "catalog": str(self._config.catalog),
                "types": run.types,
                "regions": run.regions,
                "profiles": settings.profiles,
                "endpoint_url": settings.endpoint_url,
                "full": full,
                "reconcile": reconcile,
                "lock_wait_seconds": self._config.lock_wait_seconds,
            }
            process = subprocess.Popen(  # noqa: S603 - our own module, run by our own interpreter
                [sys.executable, "-m", _CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Ctrl-C at the server's terminal is for the server to handle.
                start_new_session=True,
            )
            self._process = process
            self._runs.appendleft(run)
            self.version += 1
        threading.Thread(target=self._listen, args=(process, request), name="stocktake-sync", daemon=True).start()
        return run

    def list(self) -> list[SyncRun]:
        """Return the last syncs that were started here, newest first."""
        with self._lock:
            return list(self._runs)

    def find(self, sync_id: str) -> SyncRun:
        """Return one of them. Raises: UserError (`unknown_sync`)."""
        found = next((run for run in self.list() if run.id == sync_id), None)
        if found is None:
            raise UserError(
                f"No sync {sync_id!r} was started here lately",
                code="unknown_sync",
                hint="/api/v1/syncs lists them; /api/v1/sweeps all sweeps.",
                where=sync_id,
            )
        return found

    def stop(self, sync_id: str) -> SyncRun:
        """Stop a sync; what it has committed is kept. Raises: UserError (`unknown_sync`)."""
        run = self.find(sync_id)
        with self._lock:
            process = self._process
        if process is not None and run.status == "running":
            process.send_signal(signal.SIGINT)
        return run

    def close(self) -> None:
        """Stop what runs, and wait for it."""
        with self._lock:
            process = self._process
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _listen(self, process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
        """Take what the child tells until it ends."""
        assert process.stdin is not None  # noqa: S101 - all three are pipes
        assert process.stdout is not None  # noqa: S101 - as above
        assert process.stderr is not None  # noqa: S101 - as above
        errors: deque[bytes] = deque(maxlen=50)
        listener = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        listener.start()
        try:
            with process.stdin as stdin:
                stdin.write(orjson.dumps(request))
        except BrokenPipeError:
            pass  # it has ended; why, its exit code and its last words say
        for line in process.stdout:
            self._take(orjson.loads(line))
        code = process.wait()
        listener.join(1.0)
        with self._lock:
            run = self._runs[0]
            status = {0: "complete", 3: "gaps", 130: "stopped"}.get(code, "failed")
            error = run.error
            if status == "failed" and error is None:
                last = b"".join(errors)[-_ERROR_BYTES:].decode(errors="replace").strip()
                error = {
                    "code": "sync_failed",
                    "message": f"The sync's process ended with exit code {code}",
                    "hint": last.splitlines()[-1] if last else "The server's log may say why.",
                    "where": "",
                }
            self._runs[0] = replace(run, status=status, ended_at=self._clock.now(), error=error)
            self._process = None
            self.version += 1

    def _take(self, word: dict[str, Any]) -> None:
        with self._lock:
            run = self._runs[0]
            if "scope" in word:
                scope = word["scope"]
                key = (scope["account_id"], scope["region"], scope["type"])
                run = replace(run, scopes=run.scopes | {key: scope})
            elif "error" in word:
                run = replace(run, error=word["error"])
            else:
                report = word["report"]
                run = replace(run, sweep_id=report["sweep_id"], calls=report["calls"])
            self._runs[0] = run
            self.version += 1


def _check_part(name: str, wanted: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Raise UserError for what the settings do not have: who may start a sync may not widen it."""
    unknown = [one for one in wanted if one not in allowed]
    if unknown and allowed:
        raise UserError(
            f"{unknown[0]!r} is not among the {name} that this server syncs",
            code="bad_sync",
            hint=f"They are {', '.join(allowed)}; [sync] in the server's file sets them.",
            where=name,
        )
