"""Answers as files."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from stocktake.serve.api.parameters import Asking, HouseHere, Moment, Types, moment_of
from stocktake.serve.api.sql import names_for
from stocktake.serve.gate.visitor import require_scope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pyarrow as pa

    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.visitor import Visitor

router = APIRouter(prefix="/api/v1/exports", tags=["exports"])

_PAGE_ROWS = 1_000
Form = Literal["csv", "ndjson", "json", "parquet", "arrow"]


class SqlExport(BaseModel):
    """A statement whose rows are wanted as a file."""

    sql: str = Field(min_length=1, max_length=100_000, examples=["SELECT * FROM resources"])
    form: Form = "csv"
    as_of: str | None = Field(None, max_length=64)


@router.get("/search", summary="What a search finds, as a file", response_class=StreamingResponse)
def export_search(
    house: HouseHere,
    visitor: Asking,
    q: Annotated[str, Query(max_length=8_000, description="A search; empty finds everything.")] = "",
    form: Annotated[Form, Query(description="CSV is safe to open in a spreadsheet.")] = "csv",
    types: Types = None,
    as_of: Moment = None,
) -> StreamingResponse:
    """Return what is found as a file, oldest first, up to the server's limit of rows: `x-truncated` says whether."""
    require_scope(visitor, "export")
    house.audit.write("export", visitor.name, kind="search", text=q, form=form)
    totals: list[int] = []
    pages = _pages(house, visitor, q, types or [], moment_of(as_of, house.now()), totals)
    first = next(pages)
    answer = _file(first.schema, itertools.chain([first], pages), form, "resources")
    answer.headers["x-total"] = str(totals[0])
    answer.headers["x-truncated"] = "true" if totals[0] > house.config.limits.export_rows else "false"
    return answer


@router.post("/sql", summary="A statement's rows, as a file", response_class=StreamingResponse)
def export_rows(house: HouseHere, visitor: Asking, wanted: SqlExport) -> StreamingResponse:
    """Run one statement that only reads, and return its rows as a file."""
    require_scope(visitor, "export")
    require_scope(visitor, "sql")
    house.audit.write("export", visitor.name, kind="sql", text=wanted.sql, form=wanted.form)
    batches = _batches(house, visitor, wanted, moment_of(wanted.as_of, house.now()))
    schema = next(batches)
    first = next(batches, None)
    rest = (one for one in itertools.chain([first] if first is not None else [], batches))
    return _file(schema, rest, wanted.form, "answer")  # type: ignore[arg-type]  # the schema comes first


def _file(schema: pa.Schema, batches: Iterator[pa.RecordBatch], form: str, name: str) -> StreamingResponse:
    from stocktake.serve.telling.answer_files import FORMS, write_answer

    return StreamingResponse(
        write_answer(schema, batches, form),
        media_type=FORMS[form],
        headers={"content-disposition": f'attachment; filename="{name}.{form}"'},
    )


def _pages(
    house: House, visitor: Visitor, text: str, types: list[str], as_of: datetime | None, totals: list[int]
) -> Iterator[pa.RecordBatch]:
    """Yield what is found, a page at a time; one page at least. `totals` gets how much there is."""
    from stocktake.query.search.page import to_arrow
    from stocktake.query.search.run import search

    after: str | None = None
    left = house.config.limits.export_rows
    while True:
        with house.reading() as catalog:
            page = search(
                catalog,
                text,
                types=types,
                limit=min(_PAGE_ROWS, left),
                after=after,
                sort="created_at",
                as_of=as_of,
                now=house.now(),
                reach=visitor.reach,
            )
        totals.append(page.total)
        reader = to_arrow(page)
        table = reader.read_all()
        yield from table.to_batches() or [_empty(table.schema)]
        left -= len(page.rows)
        after = page.after
        if after is None or left <= 0:
            return


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=schema)


def _batches(
    house: House, visitor: Visitor, wanted: SqlExport, as_of: datetime | None
) -> Iterator[pa.RecordBatch | pa.Schema]:
    """Yield the schema, then the rows."""
    with house.sql.run(
        visitor,
        wanted.sql,
        limits=house.sql.limits(),
        as_of=as_of,
        named=names_for(house, visitor, wanted.sql),
    ) as answer:
        yield answer.schema
        yield from answer
