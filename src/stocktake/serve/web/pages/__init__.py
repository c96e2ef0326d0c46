"""The pages, a router each; who writes one names it here in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.serve.web.pages import catalog, changes, jobs, policies, resource, settings, sql, sync, types

if TYPE_CHECKING:
    from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = (
    catalog.router,
    changes.router,
    jobs.router,
    policies.router,
    resource.router,
    settings.router,
    sql.router,
    sync.router,
    types.router,
)
