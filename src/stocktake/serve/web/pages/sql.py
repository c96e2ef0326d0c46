"""`/sql`: ask in SQL: editor, answer, picture, export, saved statements."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from stocktake.core.errors import StocktakeError, UserError
from stocktake.serve.gate.house import House
from stocktake.serve.gate.visitor import Visitor, require, require_scope
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render, with_parameters
from stocktake.serve.web.views.sql_view import EXAMPLES, ROWS, Asked, Shown, chart_links, show_rows, tree_groups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

router = APIRouter(include_in_schema=False)
SAVED = "query"
"""The kind of document that is a saved statement: `{"name", "sql", "as_of", "chart", "x", "y", "shared"}`."""
_LONGEST = 100_000

Text = Annotated[str, Query(max_length=_LONGEST)]
Word = Annotated[str, Query(max_length=300)]


class _Kept(BaseModel):
    """A statement that is to be saved, as its form has it."""

    name: str = Field(max_length=200)
    q: str = Field(max_length=_LONGEST)
    as_of: str = Field("", max_length=300)
    chart: str = Field("", max_length=300)
    x: str = Field("", max_length=300)
    y: str = Field("", max_length=300)
    shared: bool = False


def asked(
    q: Text = "",
    as_of: Word = "",
    rows: Annotated[int, Query(ge=1, le=ROWS[-1])] = ROWS[1],
    seconds: Annotated[float, Query(ge=0, le=86_400)] = 0.0,
    chart: Word = "",
    x: Word = "",
    y: Word = "",
) -> Asked:
    """Return what the address asks for: a dependency."""
    return Asked(q, as_of.strip(), rows, seconds, chart, x, y)


AnAsked = Annotated[Asked, Depends(asked)]


@router.get("/sql")
def show_sql(
    request: Request,
    visitor: TheVisitor,
    house: TheHouse,
    asked: AnAsked,
    run: str = "",
    part: str = "",
    number: Word = "",
) -> HTMLResponse:
    """Show the page; with `run` also the answer, which is all with `part=answer`."""
    require_scope(visitor, "sql")
    shown = _answer(house, visitor, asked, number) if run and asked.sql.strip() else None
    context: dict[str, Any] = {
        "asked": asked,
        "shown": shown,
        "links": chart_links(shown) if shown and shown.choices else [],
    }
    if part == "answer":
        return render(request, "sql_answer.html", **context)
    from stocktake.insights.names import names_of_ours
    from stocktake.query.schema_tree import read_tables

    with house.reading() as catalog:
        tables = read_tables(catalog, names_of_ours(), reach=visitor.reach)
    return render(
        request,
        "sql.html",
        tree=tree_groups(tables),
        saved=_saved(house, visitor),
        examples=EXAMPLES,
        row_choices=ROWS,
        limits=house.config.limits,
        **context,
    )


@router.get("/sql/columns")
def show_columns(request: Request, visitor: TheVisitor, house: TheHouse, table: Word) -> HTMLResponse:
    """Show the columns of a table, as a part of the page."""
    from stocktake.insights.names import named_in
    from stocktake.query.schema_tree import read_columns

    with house.reading() as catalog:
        columns = read_columns(catalog, table, named_in(catalog, table, reach=visitor.reach), reach=visitor.reach)
    return render(request, "sql_columns.html", columns=columns, table=table)


@router.post("/sql/complete")
def complete(
    visitor: TheVisitor, house: TheHouse, text: Annotated[str, Form(max_length=_LONGEST)], at: Annotated[int, Form()]
) -> JSONResponse:
    """Return what may stand at a place of a statement."""
    from stocktake.insights.names import named_in, names_of_ours
    from stocktake.query.complete import SqlCompleter
    from stocktake.query.runner import run_query
    from stocktake.query.schema_tree import read_tables
    from stocktake.query.within import is_hidden, within

    require_scope(visitor, "sql")
    with house.reading() as catalog:
        near = within(catalog, visitor.reach)
        names = [one.name for one in read_tables(near, names_of_ours(), reach=visitor.reach) if one.kind == "derived"]
        completer = SqlCompleter(
            lambda sql: run_query(near, sql, named=named_in(near, sql)).rows(),
            names,
            lambda table: is_hidden(near, table),
        )
        found = completer.complete(text, at)
    items = [{"text": one.text, "kind": one.kind, "type": one.type} for one in found.items]
    return JSONResponse({"start": found.start, "end": found.end, "items": items})


@router.post("/sql/cancel")
def cancel(visitor: TheVisitor, house: TheHouse, number: Annotated[str, Form(max_length=100)]) -> Response:
    """End a statement of one's own that runs."""
    house.sql.cancel(visitor, number)
    return Response(status_code=204)


@router.get("/sql/export")
def export(visitor: TheVisitor, house: TheHouse, asked: AnAsked, form: str = "csv") -> Response:
    """Send all rows of a statement as a file."""
    from stocktake.serve.telling.answer_files import FORMS

    require_scope(visitor, "sql")
    require_scope(visitor, "export")
    if form not in FORMS:
        raise UserError(
            f"There is no form {form}", code="bad_form", hint=f"Forms are {', '.join(FORMS)}.", where="form"
        )
    limits = house.sql.limits(seconds=asked.seconds or None)
    pieces = _pieces(house, visitor, asked, form)
    house.audit.write("export", visitor.name, sql=asked.sql, form=form, rows_at_most=limits.rows)
    # What is wrong with the statement comes as an error, and not in the middle of a file.
    first = next(pieces, b"")
    return StreamingResponse(
        _joined(first, pieces),
        media_type=FORMS[form],
        headers={"content-disposition": f"attachment; filename=answer.{form}"},
    )


@router.post("/sql/save")
def save(
    visitor: TheVisitor,
    house: TheHouse,
    kept: Annotated[_Kept, Form()],
) -> RedirectResponse:
    """Keep a statement under a name; one's own of the same name is replaced."""
    require(visitor.can_edit, "save statements")
    name, sql = kept.name.strip(), kept.q.strip()
    if not name or not sql:
        raise UserError("A name and a statement are needed", code="nothing_to_save", hint="Give both.", where="name")
    there = [one for one in house.own.list(SAVED, owner=visitor.name, limit=1_000) if one.body["name"] == name]
    parameters = Asked(sql, kept.as_of, chart=kept.chart, x=kept.x, y=kept.y).parameters(run=True)
    address = with_parameters("/sql", parameters)
    body = kept.model_dump(exclude={"q"}) | {"name": name, "sql": sql, "address": address}
    house.own.put(SAVED, body, owner=visitor.name, id=there[0].id if there else None)
    house.audit.write("edit", visitor.name, saved=name)
    return RedirectResponse(address, status_code=303)


@router.post("/sql/forget")
def forget(visitor: TheVisitor, house: TheHouse, id: Annotated[str, Form(max_length=100)]) -> RedirectResponse:  # noqa: A002 - the form's name for it
    """Remove a saved statement of one's own."""
    require(visitor.can_edit, "remove saved statements")
    found = house.own.get(SAVED, id)
    if found is None or found.owner != visitor.name:
        raise UserError("There is no such statement of yours", code="no_such_query", hint="Reload the page.", where=id)
    house.own.remove(SAVED, id)
    house.audit.write("edit", visitor.name, removed=found.body["name"])
    return RedirectResponse("/sql", status_code=303)


def _saved(house: House, visitor: Visitor) -> list[dict[str, object]]:
    found = house.own.list(SAVED, limit=1_000)
    return [
        one.body
        | {"id": one.id, "owner": one.owner, "is_own": one.owner == visitor.name, "shared": one.body.get("shared")}
        | {"parameters": _saved_asked(one.body).parameters(run=True)}
        for one in found
        if one.owner == visitor.name or one.body.get("shared")
    ]


def _saved_asked(body: dict[str, Any]) -> Asked:
    """Return what a saved statement asks; one that the API made has its text alone."""
    as_of, chart, x, y = (str(body.get(name, "")) for name in ("as_of", "chart", "x", "y"))
    return Asked(str(body.get("sql", "")), as_of, chart=chart, x=x, y=y)


def _moment(house: House, asked: Asked) -> datetime | None:
    from stocktake.query.moments import parse_moment

    return parse_moment(asked.as_of, house.now()) if asked.as_of else None


def _named(house: House, visitor: Visitor, sql: str) -> dict[str, str]:
    """Return what our names in a statement stand for."""
    from stocktake.insights.names import named_in, names_of_ours
    from stocktake.query.covering import words_of

    if not words_of(sql) & names_of_ours():
        return {}
    with house.reading() as catalog:
        return named_in(catalog, sql, house.prices, reach=visitor.reach)


def _answer(house: House, visitor: Visitor, asked: Asked, number: str) -> Shown:
    from stocktake.serve.telling.arrow_rows import rows_of

    began = time.monotonic()
    rows: list[tuple[object, ...]] = []
    try:
        limits = house.sql.limits(rows=asked.rows, seconds=asked.seconds or None)
        with house.sql.run(
            visitor,
            asked.sql,
            limits=limits,
            number=number,
            as_of=_moment(house, asked),
            named=_named(house, visitor, asked.sql),
        ) as answer:
            result = rows_of(answer.schema, answer)
            rows = list(islice(result.rows(), asked.rows + 1))
            truncated = answer.truncated or len(rows) > asked.rows
    except StocktakeError as error:
        house.audit.write("sql", visitor.name, sql=asked.sql, code=error.code)
        return Shown(asked, problem=error, seconds=time.monotonic() - began)
    seconds = time.monotonic() - began
    house.audit.write("sql", visitor.name, sql=asked.sql, rows=len(rows), seconds=round(seconds, 3))
    return show_rows(asked, result.columns, rows[: asked.rows], truncated=truncated, seconds=seconds)


def _pieces(house: House, visitor: Visitor, asked: Asked, form: str) -> Iterator[bytes]:
    from stocktake.serve.telling.answer_files import write_answer

    limits = house.sql.limits(seconds=asked.seconds or None)
    with house.sql.run(
        visitor, asked.sql, limits=limits, as_of=_moment(house, asked), named=_named(house, visitor, asked.sql)
    ) as answer:
        yield from write_answer(answer.schema, answer, form)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
