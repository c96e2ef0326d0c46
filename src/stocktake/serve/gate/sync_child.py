"""A sync that the server started, in a process of its own: it goes on where the server ends, and takes none of it down.

Its request comes on stdin, its progress and its end go to stdout, a JSON object a line.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import StocktakeError
from stocktake.sync import SyncRequest, run_sync

if TYPE_CHECKING:
    from stocktake.core.progress import ScopeProgress

_EVERY_SECONDS = 0.25


class PipeProgress:
    """Writes the newest word on each scope, not too often; nobody has to listen."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], float] = {}

    def update(self, scope: ScopeProgress) -> None:
        """Take the newest word on a scope."""
        key = (scope.account_id, scope.region, scope.type)
        now = time.monotonic()
        if scope.done or now - self._told.get(key, 0.0) >= _EVERY_SECONDS:
            self._told[key] = now
            tell({"scope": asdict(scope)})


def tell(word: dict[str, Any]) -> None:
    """Write a line; whoever listened may be gone."""
    try:
        sys.stdout.buffer.write(orjson.dumps(word, option=orjson.OPT_NAIVE_UTC) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> int:
    """Run the sync; the exit code is that of `stocktake sync`."""
    said = orjson.loads(sys.stdin.buffer.read())
    request = SyncRequest(
        catalog=Path(said["catalog"]),
        types=tuple(said["types"]),
        regions=tuple(said["regions"]),
        profiles=tuple(said["profiles"]) or (None,),
        endpoint_url=said["endpoint_url"],
        full=said["full"],
        reconcile=said["reconcile"],
        lock_wait_seconds=said["lock_wait_seconds"],
    )
    try:
        report = run_sync(request, PipeProgress())
    except StocktakeError as error:
        tell({"error": error.as_dict()})
        return error.exit_code
    except KeyboardInterrupt:
        tell({"error": {"code": "interrupted", "message": "The sync was stopped", "hint": "", "where": ""}})
        return 130
    tell({"report": {"sweep_id": report.sweep_id, "status": report.status, "calls": report.calls}})
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
