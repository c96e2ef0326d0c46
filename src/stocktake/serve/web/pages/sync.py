"""`/sync`: what was read of what, at what cost, what was lacking; sweeps through time; start one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from stocktake.serve.gate.visitor import require
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render
from stocktake.serve.web.views import sync_view
from stocktake.serve.web.views.sync_view import KINDS, PAGE, Wanted

router = APIRouter(include_in_schema=False)
_SWEEPS = 15

Word = Annotated[str, Query(max_length=300)]


def wanted(
    status: Annotated[list[str] | None, Query(max_length=20)] = None,
    account: Word = "",
    region: Word = "",
    type: Word = "",  # noqa: A002 - its name in the address
    stale: bool = False,
    first: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    before: Annotated[int | None, Query(ge=0)] = None,
) -> Wanted:
    """Return what the address asks for: a dependency."""
    return Wanted(tuple(status or ()), account, region, type.strip(), stale, first, before)


@router.get("/sync")
def show_sync(
    request: Request, visitor: TheVisitor, house: TheHouse, wanted: Annotated[Wanted, Depends(wanted)], part: str = ""
) -> HTMLResponse:
    """Show the page; with `part=live` only how far the sync is that was started here last."""
    runs = house.syncs.list()
    run = sync_view.show_run(runs[0].document(visitor.reach) if runs else None)
    if part == "live":
        return render(request, "sync_live.html", run=run, kinds=KINDS)
    from stocktake.query.coverage import read_coverage, read_missing_actions, read_sweeps

    with house.reading() as catalog:
        page = read_coverage(catalog, wanted.as_filter(), first=wanted.first, most=PAGE, reach=visitor.reach)
        missing = read_missing_actions(catalog, reach=visitor.reach)
        sweeps = read_sweeps(catalog, before=wanted.before, most=_SWEEPS + 1, reach=visitor.reach)
    return render(
        request,
        "sync.html" if part != "coverage" else "sync_coverage.html",
        page=page,
        wanted=wanted,
        links=sync_view.status_links(page, wanted),
        pages=sync_view.pages(page, wanted),
        missing=missing,
        policy=sync_view.policy_of(missing),
        sweeps=sweeps[:_SWEEPS],
        has_older=len(sweeps) > _SWEEPS,
        kinds=KINDS,
        how=sync_view.how,
        run=run,
        settings=house.config.sync,
    )


@router.post("/sync/start")
def start(
    visitor: TheVisitor,
    house: TheHouse,
    types: Annotated[list[str] | None, Form(max_length=1_000)] = None,
    regions: Annotated[list[str] | None, Form(max_length=100)] = None,
    how: Annotated[str, Form(max_length=20)] = "",
) -> RedirectResponse:
    """Start a sync of what the server's settings say, or of a part of it."""
    require(visitor.can_sync, "start a sync")
    run = house.syncs.start(
        visitor.name,
        types=tuple(types or ()),
        regions=tuple(regions or ()),
        full=how == "full",
        reconcile=how == "reconcile",
    )
    house.audit.write("sync", visitor.name, id=run.id, types=run.types, regions=run.regions)
    return RedirectResponse("/sync", status_code=303)


@router.post("/sync/stop")
def stop(visitor: TheVisitor, house: TheHouse, id: Annotated[str, Form(max_length=64)]) -> RedirectResponse:  # noqa: A002 - the form's name for it
    """Stop a sync; what it has committed is kept."""
    require(visitor.can_sync, "stop a sync")
    house.syncs.stop(id)
    house.audit.write("sync", visitor.name, id=id, stopped=True)
    return RedirectResponse("/sync", status_code=303)
