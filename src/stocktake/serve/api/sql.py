"""SQL: statements that only read, in sandboxes, within what the visitor may see."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset, moment_of, page_of
from stocktake.serve.gate.visitor import require_scope

if TYPE_CHECKING:
    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.visitor import Visitor

router = APIRouter(prefix="/api/v1/sql", tags=["sql"])

MOST_ROWS = 10_000
_LONGEST = 100_000


class Statement(BaseModel):
    """A statement, and how it is to be run."""

    sql: str = Field(
        min_length=1, max_length=_LONGEST, examples=["SELECT type, count(*) AS n FROM resources GROUP BY 1"]
    )
    as_of: str | None = Field(None, max_length=64, description="About this moment.")
    rows: int = Field(1_000, ge=0, le=MOST_ROWS, description="At most so many; more are left out, and that is told.")
    seconds: float | None = Field(None, gt=0, le=3_600, description="At most so long; the server may allow less.")
    number: str = Field("", max_length=64, description="A name of yours, by which it can be cancelled.")


@router.post("", summary="Run a statement", openapi_extra=answers("sql_answer"))
def run_statement(house: HouseHere, visitor: Asking, statement: Statement) -> JsonAnswer:
    """Run one statement that only reads, and return its rows."""
    from stocktake.serve.telling.arrow_rows import rows_of

    require_scope(visitor, "sql")
    house.audit.write("sql", visitor.name, text=statement.sql)
    with house.sql.run(
        visitor,
        statement.sql,
        limits=house.sql.limits(rows=statement.rows, seconds=statement.seconds),
        number=statement.number,
        as_of=moment_of(statement.as_of, house.now()),
        named=names_for(house, visitor, statement.sql),
    ) as answer:
        found = rows_of(answer.schema, answer)
        rows: list[Any] = list(found.rows())
        truncated = answer.truncated
    columns = [{"name": one.name, "type": one.type} for one in found.columns]
    return JsonAnswer({"columns": columns, "rows": rows, "truncated": truncated})


@router.delete("/{number}", summary="Cancel a statement", openapi_extra=answers("cancelled"))
def cancel_statement(
    house: HouseHere, visitor: Asking, number: Annotated[str, Path(min_length=1, max_length=64)]
) -> JsonAnswer:
    """End a statement of yours that is under way."""
    require_scope(visitor, "sql")
    if not house.sql.cancel(visitor, number):
        raise UserError(
            f"No statement {number!r} of yours is under way",
            code="unknown_document",
            hint="It has ended, or was begun without this number.",
            where=number,
        )
    return JsonAnswer({"cancelled": number})


@router.get("/complete", summary="Say what may stand at a place", openapi_extra=answers("sql_completion"))
def complete_statement(
    house: HouseHere,
    visitor: Asking,
    text: Annotated[str, Query(max_length=20_000, description="SQL, as far as it is written.")],
    cursor: Annotated[
        int | None, Query(ge=0, le=20_000, description="The place in characters; by default the end.")
    ] = None,
) -> JsonAnswer:
    """Return tables, columns, members, functions and keywords that may stand there."""
    from stocktake.insights.names import names_of_ours
    from stocktake.query.complete import SqlCompleter

    require_scope(visitor, "sql")
    with house.reading() as catalog:
        found = SqlCompleter.over(catalog, names_of_ours(), reach=visitor.reach).complete(text, cursor)
    return JsonAnswer(asdict(found))


@router.get("/tables", summary="Which tables there are", openapi_extra=answers("tables"))
def list_tables(house: HouseHere, visitor: Asking, limit: Limit = 1_000, offset: Offset = 0) -> JsonAnswer:
    """Return the tables that may be asked: those of all types, names of ours, and one for each type that is held."""
    from stocktake.insights.names import names_of_ours
    from stocktake.query.schema_tree import read_tables

    require_scope(visitor, "sql")
    with house.reading() as catalog:
        found = read_tables(catalog, names_of_ours(), reach=visitor.reach)
    return JsonAnswer(page_of("tables", [asdict(one) for one in found], offset, limit))


@router.get("/tables/{table}", summary="One table's columns", openapi_extra=answers("columns"))
def list_columns(house: HouseHere, visitor: Asking, table: Annotated[str, Path(max_length=200)]) -> JsonAnswer:
    """Return the columns of a table, with what is inside of each."""
    from stocktake.query.schema_tree import read_columns

    require_scope(visitor, "sql")
    named = names_for(house, visitor, table)
    with house.reading() as catalog:
        found = read_columns(catalog, table, named, reach=visitor.reach)
    return JsonAnswer({"table": table, "columns": [asdict(one) for one in found]})


def names_for(house: House, visitor: Visitor, sql: str) -> dict[str, str]:
    """Return what those of our names stand for that a statement uses."""
    from stocktake.insights.names import named_in

    with house.reading() as catalog:
        return named_in(catalog, sql, house.prices, reach=visitor.reach)
