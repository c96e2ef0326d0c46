"""Jobs of all types: a list, a board, one as a whole, two side by side; and questions about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import (
    Asking,
    HouseHere,
    Limit,
    Moment,
    Offset,
    Types,
    Which,
    WhichHere,
    moment_of,
    page_of,
)
from stocktake.serve.api.resources import find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.insights.job_report import JobReport
    from stocktake.query.result import Result

router = APIRouter(prefix="/api/v1", tags=["jobs"])

_Word = Annotated[str, Query(max_length=200)]


@router.get("/jobs", summary="Jobs of all types", openapi_extra=answers("jobs"))
def list_all(
    house: HouseHere,
    visitor: Asking,
    types: Types = None,
    states: Annotated[list[str] | None, Query(alias="state", max_length=20, description="In these states.")] = None,
    account: _Word = "",
    region: _Word = "",
    name: Annotated[str, Query(max_length=200, description="A part of the name.")] = "",
    team: _Word = "",
    tags: Annotated[list[str] | None, Query(alias="tag", max_length=20, description="KEY:VALUE.")] = None,
    since: Moment = None,
    sort: Literal["created", "ended", "run", "queue", "hours", "cost", "savings"] = "created",
    limit: Limit = 50,
    offset: Offset = 0,
) -> JsonAnswer:
    """Return jobs, a row each, with what they cost where prices are given."""
    from stocktake.insights.job_list import JobFilter, list_jobs

    moment = moment_of(since, house.now())
    wanted = JobFilter(
        types=tuple(types or ()),
        states=tuple(states or ()),
        account_id=account,
        region=region,
        name=name,
        team=team,
        tags=tuple(_tag(one) for one in tags or ()),
        since=moment.replace(tzinfo=None) if moment is not None else None,
    )
    with house.reading() as catalog:
        found = list_jobs(
            catalog, wanted, order=sort, limit=max(1, offset + limit), prices=house.prices, reach=visitor.reach
        )
        rows = objects_of(found)
    house.audit.write("query", visitor.name, kind="jobs", text=name)
    return JsonAnswer({"jobs": rows[offset : offset + limit]})


@router.get("/jobs/board", summary="All jobs at one look", openapi_extra=answers("board"))
def show_board(
    house: HouseHere,
    visitor: Asking,
    types: Types = None,
    account: _Word = "",
    team: _Word = "",
    days: Annotated[int, Query(ge=1, le=400, description="How far back.")] = 7,
) -> JsonAnswer:
    """Return what runs and when it must end, what waits, why jobs failed, and what they cost and saved."""
    from stocktake.insights.job_board import BoardFilter, read_board

    wanted = BoardFilter(types=tuple(types or ()), account_id=account, team=team, days=days)
    with house.reading() as catalog:
        board = read_board(catalog, wanted, house.now(), house.prices, reach=visitor.reach)
    return JsonAnswer(asdict(board))


@router.get("/job", summary="One job as a whole", openapi_extra=answers("job"))
def show_job(house: HouseHere, visitor: Asking, which: WhichHere) -> JsonAnswer:
    """Return a job's facts, phases, costs, metrics and lineage edges."""
    return JsonAnswer(_job_document(_report(house, visitor, which)))


@router.get("/jobs/compare", summary="Two jobs side by side", openapi_extra=answers("comparison"))
def compare(
    house: HouseHere,
    visitor: Asking,
    a: Annotated[str, Query(min_length=1, max_length=2_048, description="One job: its ARN or name.")],
    b: Annotated[str, Query(min_length=1, max_length=2_048, description="The other one.")],
    everything: Annotated[bool, Query(description="Settings that are alike, too.")] = False,
) -> JsonAnswer:
    """Return what two jobs were told, what came of it, and what it cost."""
    from stocktake.insights.comparison import compare_jobs

    left, right = (_report(house, visitor, Which(one)) for one in (a, b))
    return JsonAnswer({"lines": objects_of(compare_jobs(left, right, everything=everything))})


@router.get(
    "/questions", summary="Questions that can be asked by name", tags=["questions"], openapi_extra=answers("questions")
)
def list_questions(visitor: Asking, limit: Limit = 100, offset: Offset = 0) -> JsonAnswer:
    """Return the questions, with what each can be told."""
    from stocktake.insights.questions import read_questions

    del visitor
    rows = [asdict(one) for one in read_questions().values()]
    return JsonAnswer(page_of("questions", rows, offset, limit))


@router.get("/questions/{name}", summary="The answer to one", tags=["questions"], openapi_extra=answers("rows"))
def answer_question(
    house: HouseHere,
    visitor: Asking,
    name: str,
    parameters: Annotated[
        list[str] | None, Query(alias="set", max_length=20, description="NAME=VALUE of its parameters.")
    ] = None,
    limit: Limit = 1_000,
) -> JsonAnswer:
    """Answer a question from what the catalog holds."""
    from stocktake.insights.questions import answer, find_question

    question = find_question(name)
    given = dict(_parameter(one) for one in parameters or ())
    with house.reading() as catalog:
        found = answer(catalog, question, given, house.prices, reach=visitor.reach)
        rows = objects_of(found)
    house.audit.write("query", visitor.name, kind="question", text=name)
    return JsonAnswer({"question": question.name, "title": question.title, "rows": rows[:limit], "total": len(rows)})


def _report(house: HouseHere, visitor: Asking, which: Which) -> JobReport:
    from stocktake.insights.job_report import read_job

    with house.reading() as catalog:
        found = find(catalog, which, visitor)
        return read_job(catalog, found, house.prices, reach=visitor.reach)


def _job_document(report: JobReport) -> dict[str, Any]:
    return {
        "job": report.facet,
        "derived": report.derived,
        "phases": [asdict(one) for one in report.phases],
        "bills": report.bills,
        "cost": report.cost,
        "currency": report.currency or None,
        "instance_hours": report.instance_hours,
        "metrics": report.metrics,
        "rules": report.rules,
        "edges": [asdict(one) for one in report.edges],
        "fields": report.fields,
    }


def objects_of(result: Result) -> list[dict[str, Any]]:
    """Return the rows of a result, an object each."""
    names = [column.name for column in result.columns]
    rows: Iterable[tuple[Any, ...]] = result.rows()
    return [dict(zip(names, row, strict=True)) for row in rows]


def _tag(text: str) -> tuple[str, str]:
    key, _, value = text.partition(":")
    return key, value


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text!r} sets nothing", code="bad_parameter", hint="Write NAME=VALUE.", where=text)
    return name, value
