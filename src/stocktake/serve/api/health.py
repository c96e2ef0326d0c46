"""Whether the server is there."""

from __future__ import annotations

from fastapi import APIRouter

import stocktake
from stocktake.serve.api.answers import JsonAnswer

router = APIRouter()


@router.get("/healthz", tags=["server"], summary="Say that the server is there")
async def say_healthy() -> JsonAnswer:
    """Say that the server is there; what strangers may ask, too."""
    return JsonAnswer({"status": "ok", "version": stocktake.__version__})
