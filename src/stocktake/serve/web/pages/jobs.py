"""`/jobs`, `/job`, `/jobs/compare`: the board of all jobs, one as a whole, two side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from stocktake.insights.job_words import LIVE, STATES
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render
from stocktake.serve.web.views.job import gantt_of_two, job_view
from stocktake.serve.web.views.job_comparison import comparison_view
from stocktake.serve.web.views.jobs import STATE_KINDS, board_view
from stocktake.serve.web.views.lineage import lineage_view

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.insights.job_report import JobReport
    from stocktake.query.resources import Resource
    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.visitor import Visitor
    from stocktake.store.catalog import Catalog

router = APIRouter()

_PAGE = 50
_FAR = 2
"""How many steps of lineage are followed."""
_PARTS = ("lineage", "policies")
DAYS = (1, 7, 30, 90, 365)

Word = Annotated[str, Query(max_length=300)]
Key = Annotated[str, Query(min_length=1, max_length=2_048)]
Words = Annotated[list[str] | None, Query(max_length=50)]


@router.get("/jobs")
def show_board(
    request: Request,
    house: TheHouse,
    who: TheVisitor,
    type: Words = None,  # noqa: A002 - its name in the address
    account: Word = "",
    team: Word = "",
    days: Annotated[int, Query(ge=1, le=3_650)] = 30,
) -> HTMLResponse:
    """Show what runs and waits, why jobs fail, what they cost and save."""
    from stocktake.insights.job_board import BoardFilter, read_board

    wanted = BoardFilter(tuple(one for one in type or () if one), account.strip(), team.strip(), days)
    with house.reading() as catalog:
        board = read_board(catalog, wanted, house.now(), house.prices, reach=who.reach)
    context = board_view(board) | {
        "wanted": wanted,
        "types": board.types,
        "all_days": DAYS,
        "has_prices": house.prices is not None,
    }
    return render(request, "jobs.html", **context)


@router.get("/jobs/list")
def show_list(
    request: Request,
    house: TheHouse,
    who: TheVisitor,
    type: Words = None,  # noqa: A002 - its name in the address
    state: Words = None,
    account: Word = "",
    team: Word = "",
    name: Word = "",
    sort: Word = "created",
    page: Annotated[int, Query(ge=1, le=2_000)] = 1,
) -> HTMLResponse:
    """Show jobs, a row each."""
    from stocktake.insights.job_list import ORDERS, JobFilter, list_jobs

    types = tuple(one for one in type or () if one)
    wanted = JobFilter(
        types=types,
        states=tuple(one for one in state or () if one),
        account_id=account.strip(),
        name=name.strip(),
        team=team.strip(),
    )
    order = sort if sort in ORDERS else "created"
    with house.reading() as catalog:
        found = list_jobs(catalog, wanted, order=order, limit=page * _PAGE + 1, prices=house.prices, reach=who.reach)
        names = [column.name for column in found.columns]
        rows = [dict(zip(names, row, strict=True)) for row in found.rows()]
    shown = rows[(page - 1) * _PAGE : page * _PAGE]
    return render(
        request,
        "job_list.html",
        rows=shown,
        wanted=wanted,
        sort=order,
        orders=list(ORDERS),
        all_states=STATES,
        kinds=STATE_KINDS,
        page=page,
        more=len(rows) > page * _PAGE,
    )


@router.get("/job")
def show_job(request: Request, house: TheHouse, who: TheVisitor, key: Key, show: Word = "") -> HTMLResponse:
    """Show one job; with `show=lineage` or `show=policies` that part too, which scripts ask for by themselves."""
    from stocktake.insights.job_report import read_job
    from stocktake.insights.metric_runs import read_metric_runs
    from stocktake.query.resources import find_resource

    if request.headers.get("hx-request") == "true" and show in _PARTS:
        return _part(request, house, who, key, show)
    with house.reading() as catalog:
        found = find_resource(catalog, key, reach=who.reach)
        # Its edges take longer than all the rest; they come with its lineage.
        report = read_job(catalog, found, house.prices, with_edges=False, reach=who.reach)
        moment, is_live = _moment(catalog, house, who, report)
        runs = read_metric_runs(catalog, report, reach=who.reach)
        parts: dict[str, Any] = {name: _read_part(house, who, found, name) if show == name else None for name in _PARTS}
    context = job_view(report, found, runs, moment, is_live=is_live)
    return render(request, "job.html", key=found.id, show=show, **context, **parts)


def _part(request: Request, house: House, who: Visitor, key: str, show: str) -> HTMLResponse:
    from stocktake.query.resources import find_resource

    with house.reading() as catalog:
        found = find_resource(catalog, key, reach=who.reach)
    parts: dict[str, Any] = {show: _read_part(house, who, found, show)}
    return render(request, f"job_{show}.html", key=found.id, **parts)


def _read_part(house: House, who: Visitor, found: Resource, show: str) -> object:
    from stocktake.insights.column_sets import column_sets
    from stocktake.insights.lineage import walk_lineage
    from stocktake.policies.of_resource import judge_resource

    with house.reading() as catalog:
        if show == "lineage":
            directions = ("upstream", "downstream", "context")
            start = (found.type, found.id)
            walk = walk_lineage(catalog, start, depth=_FAR, directions=directions, reach=who.reach)
            return lineage_view(walk, tuple(column_sets()))
        return judge_resource(catalog, house.rules(), found, house.now(), house.exceptions(), reach=who.reach)


def _moment(catalog: Catalog, house: House, who: Visitor, *reports: JobReport) -> tuple[datetime, bool]:
    from stocktake.insights.job_board import newest_moment

    now = house.now().replace(tzinfo=None)
    types = tuple({report.facet["type"] for report in reports if report.facet["state"] in LIVE})
    return newest_moment(catalog, types, house.now(), reach=who.reach) if types else (now, True)


@router.get("/jobs/compare")
def show_comparison(
    request: Request, house: TheHouse, who: TheVisitor, a: Word = "", b: Word = "", everything: bool = False
) -> HTMLResponse:
    """Show two jobs side by side; without both, a form that asks for them."""
    from stocktake.insights.comparison import compare_jobs
    from stocktake.insights.job_report import read_job
    from stocktake.query.resources import find_resource

    if not (a.strip() and b.strip()):
        return render(request, "job_comparison.html", a=a, b=b, everything=everything, shown=None)
    with house.reading() as catalog:
        left, right = (
            read_job(
                catalog, find_resource(catalog, one.strip(), reach=who.reach), house.prices, with_edges=False,
                reach=who.reach,
            )
            for one in (a, b)
        )  # fmt: skip
        moment, _ = _moment(catalog, house, who, left, right)
    lines = compare_jobs(left, right, everything=everything)
    shown = comparison_view(left, right, list(lines.rows())) | {"picture": gantt_of_two(left, right, moment)}
    return render(request, "job_comparison.html", a=a, b=b, everything=everything, shown=shown)
