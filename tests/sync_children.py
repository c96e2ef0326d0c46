"""Syncs as processes that can be killed: forked from one that has everything loaded, so that each starts in a few ms.

Run as a script it is that process: it reads one request a line, forks, and answers with one line how the child ended.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stocktake.collect.limits import read_known_limits
from stocktake.collect.retrying import RetryPolicy
from stocktake.collect.session import CollectSettings, open_session
from stocktake.core.errors import StocktakeError
from stocktake.core.progress import Silent
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.sync import SyncRequest, run_sync

KILLED = "killed"
_LONGEST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a sync ended: its exit code, or -1 for killed; and what it reported."""

    exit_code: int
    scopes: list[dict[str, Any]]
    error: str = ""


class SyncChildren:
    """Starts syncs, one at a time."""

    def __init__(self, environment: dict[str, str], type_name: str) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, __file__, type_name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def sync(self, *, kill_after_ms: int | None = None, **request: Any) -> Ended:
        """Run a sync to its end, or until it has used so much CPU; then it is killed, wherever it is."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps({"kill_after_ms": kill_after_ms, **request}) + "\n")
        self._parent.stdin.flush()
        told = json.loads(self._parent.stdout.readline())
        return Ended(told["exit_code"], told.get("scopes", []), told.get("error", ""))

    def close(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(30)


class _Clock:
    """A clock that stands still; the ledger sees to it that no two moments are the same."""

    def __init__(self, now: str) -> None:
        self._now = datetime.fromisoformat(now).astimezone(UTC)

    def now(self) -> datetime:
        return self._now


def _run(request: dict[str, Any], out: int) -> None:
    kill_after_ms, now = request.pop("kill_after_ms"), request.pop("now")
    if kill_after_ms is not None:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, kill_after_ms / 1000)
    made = SyncRequest(**request | {"catalog": Path(request["catalog"]), "types": tuple(request["types"])})
    told: dict[str, Any]
    try:
        report = run_sync(made, Silent(), _Clock(now))
        told = {
            "exit_code": report.exit_code,
            "scopes": [{"status": one.status, "reason": one.reason, "tags": one.tags_status} for one in report.scopes],
        }
    except StocktakeError as error:
        told = {"exit_code": error.exit_code, "error": error.message}
    signal.setitimer(signal.ITIMER_PROF, 0)
    os.write(out, json.dumps(told).encode())


def _serve(type_name: str) -> None:
    settings = CollectSettings(
        connect_timeout_seconds=0.5,
        read_timeout_seconds=0.5,
        retry_policy=RetryPolicy(first_wait_seconds=0.001, longest_wait_seconds=0.01),
        throttle_patience_seconds=0.5,
        limits=type(read_known_limits())(),
    )
    import stocktake.sync.accounts as accounts  # noqa: PLC0415, PLR0402 - to patch what this process alone is to do

    accounts.collect_settings = lambda request: settings  # noqa: ARG005 - called by the name
    resource_type = load_type(type_name, open_models())
    with contextlib.closing(open_session(region="us-east-1")) as session:
        for service in (resource_type.service, "sts", "resourcegroupstaggingapi"):
            session.service_client(service)  # so that no child has to read the models
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            faulthandler.dump_traceback_later(_LONGEST_SECONDS, exit=True)  # one that hangs says where
            try:
                _run(json.loads(line), write)
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as told:
            said = told.read()
        os.waitpid(child, 0)
        sys.stdout.write((said.decode() or json.dumps({"exit_code": -1, "error": KILLED})) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
