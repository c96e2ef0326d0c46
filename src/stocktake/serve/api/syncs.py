"""Syncs: start one, see how far it is, stop it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset, page_of
from stocktake.serve.gate.visitor import RefusedError, require
from stocktake.serve.telling.values import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.visitor import Visitor

router = APIRouter(prefix="/api/v1", tags=["syncs"])

_LOOK_SECONDS = 0.25
_PING_SECONDS = 15.0
_MOST_LISTENERS = 200
_listeners = threading.BoundedSemaphore(_MOST_LISTENERS)

_Id = Annotated[str, Path(min_length=1, max_length=64)]


class SyncStart(BaseModel):
    """What to sync: what the server's settings say, or a part of it."""

    types: list[str] = Field(default_factory=list, max_length=1_000)
    regions: list[str] = Field(default_factory=list, max_length=100)
    full: bool = Field(False, description="Read every resource again, whatever the list says.")
    reconcile: bool = Field(False, description="Compare the whole list with all that is held.")


@router.post("/syncs", status_code=202, summary="Start a sync", openapi_extra=answers("sync"))
def start_sync(house: HouseHere, visitor: Asking, wanted: SyncStart) -> JsonAnswer:
    """Start a sync in a process of its own; how far it is, `/api/v1/live` tells."""
    require(visitor.can_sync, "start a sync")
    run = house.syncs.start(
        visitor.name,
        types=tuple(wanted.types),
        regions=tuple(wanted.regions),
        full=wanted.full,
        reconcile=wanted.reconcile,
    )
    house.audit.write("sync", visitor.name, id=run.id, types=run.types, regions=run.regions)
    return JsonAnswer(run.document(visitor.reach), 202)


@router.get("/syncs", summary="The syncs that were started here", openapi_extra=answers("syncs"))
def list_syncs(house: HouseHere, visitor: Asking, limit: Limit = 20, offset: Offset = 0) -> JsonAnswer:
    """Return the last syncs that were started here, newest first."""
    return JsonAnswer(page_of("syncs", [run.document(visitor.reach) for run in house.syncs.list()], offset, limit))


@router.get("/syncs/{id}", summary="One of them", openapi_extra=answers("sync"))
def show_sync(house: HouseHere, visitor: Asking, id: _Id) -> JsonAnswer:  # noqa: A002 - its name in the address
    """Return how far a sync is."""
    return JsonAnswer(house.syncs.find(id).document(visitor.reach))


@router.delete("/syncs/{id}", summary="Stop a sync", openapi_extra=answers("sync"))
def stop_sync(house: HouseHere, visitor: Asking, id: _Id) -> JsonAnswer:  # noqa: A002 - its name in the address
    """Stop a sync; what it has committed is kept."""
    require(visitor.can_sync, "stop a sync")
    run = house.syncs.stop(id)
    house.audit.write("sync", visitor.name, id=id, stopped=True)
    return JsonAnswer(run.document(visitor.reach))


@router.get(
    "/live",
    summary="What happens, as it happens",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def watch(house: HouseHere, visitor: Asking, once: bool = False) -> StreamingResponse:
    """Send events: `sync` with how far the newest sync is, `catalog` when the catalog's file changed.

    `once`: only how it is now.
    """
    if not _listeners.acquire(blocking=False):
        raise RefusedError(
            "Too many are listening already", code="too_many_requests", hint="Ask /api/v1/syncs instead.", status=429
        )
    return StreamingResponse(_events(house, visitor, once=once), media_type="text/event-stream")


async def _events(house: House, visitor: Visitor, *, once: bool) -> AsyncIterator[bytes]:
    try:
        version, written = -1, -1.0
        quiet = 0.0
        while True:
            if version != house.syncs.version:
                version = house.syncs.version
                quiet = 0.0
                runs = house.syncs.list()
                if runs:
                    yield _event("sync", runs[0].document(visitor.reach))
            changed = _written_at(house.catalog)
            if changed != written:
                written = changed
                quiet = 0.0
                yield _event("catalog", {"written_at": changed})
            if once:
                return
            if quiet >= _PING_SECONDS:
                quiet = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(_LOOK_SECONDS)
            quiet += _LOOK_SECONDS
    finally:
        _listeners.release()


def _event(kind: str, data: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + to_json(data) + b"\n\n"


def _written_at(catalog: FilePath) -> float:
    """Return when the catalog was last written (seconds since 1970); 0 where there is none."""
    files = (catalog, FilePath(f"{catalog}.wal"))
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
