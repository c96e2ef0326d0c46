"""The REST API: parse, call one function, render as JSON."""

from __future__ import annotations

from fastapi import APIRouter

from stocktake.serve.api import (
    changes,
    coverage,
    description,
    exports,
    health,
    jobs,
    kept,
    me,
    metrics,
    policies,
    resources,
    search,
    sql,
    syncs,
    tokens,
    types,
)

router = APIRouter()
# In the order in which the description lists them.
for one in (search, resources, changes, types, jobs, policies, sql, exports):
    router.include_router(one.router)
for one in (coverage, syncs, tokens, me, metrics, health, description, kept):
    router.include_router(one.router)
