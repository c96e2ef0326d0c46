"""The REST API: parse, call one function, render as JSON."""

from __future__ import annotations

from fastapi import APIRouter

from stocktake.serve.api import health, me

router = APIRouter()
for one in (health, me):
    router.include_router(one.router)
