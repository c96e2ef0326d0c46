"""Resources of all types, by words, keys and facets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Moment, Offset, Types, moment_of

router = APIRouter(prefix="/api/v1", tags=["search"])

_Search = Annotated[
    str,
    Query(
        alias="q",
        max_length=8_000,
        description="Words and key:value, as docs/search.md has them; empty finds everything.",
        examples=["team:vision -env:prod instance_type:ml.p4d*"],
    ),
]
_Choices = Annotated[
    list[str] | None,
    Query(
        alias="choose",
        max_length=200,
        description="KEY=VALUE: a resource must have one of the values chosen of each key; (none) and (any) as values.",
        examples=[["region=us-east-1"]],
    ),
]
_Facets = Annotated[
    list[str] | None, Query(alias="facet", max_length=30, description="Count by these keys.", examples=[["region"]])
]


@router.get("/search", summary="Find resources, count them, group them", openapi_extra=answers("search_page"))
def search_resources(
    house: HouseHere,
    visitor: Asking,
    q: _Search = "",
    types: Types = None,
    facets: _Facets = None,
    choices: _Choices = None,
    group_by: Annotated[str | None, Query(max_length=200, description="Count by this key instead.")] = None,
    sort: Annotated[str, Query(max_length=200, description="A key; - before it for descending.")] = "-changed_at",
    limit: Limit = 50,
    offset: Offset = 0,
    after: Annotated[str | None, Query(max_length=4_096, description="Go on where an earlier page ended.")] = None,
    as_of: Moment = None,
    deleted: Annotated[bool, Query(description="Search what is gone, as it was last seen.")] = False,
    half_typed: Annotated[
        bool, Query(description="Take what is being typed for half a search, not for wrong.")
    ] = False,
    values: Annotated[int, Query(ge=1, le=500, description="At most so many values of a facet.")] = 50,
) -> JsonAnswer:
    """Return a page of what is found, how many there are in all, and what they are counted by."""
    from stocktake.query.search.run import search
    from stocktake.serve.telling.documents import page_document

    now = house.now()
    moment = moment_of(as_of, now)
    if moment is not None and deleted:
        raise UserError(
            "What is deleted is searched as it was last seen",
            code="bad_search",
            hint="Take as_of or deleted, not both.",
            where="as_of",
        )
    with house.reading() as catalog:
        page = search(
            catalog,
            q,
            types=types or (),
            facets=facets or (),
            chosen=_chosen(choices),
            group_by=group_by or None,
            limit=0 if group_by else limit,
            offset=offset,
            after=after or None,
            sort=sort,
            as_of=moment,
            deleted=deleted,
            most_values=values,
            half_typed=half_typed,
            now=now,
            reach=visitor.reach,
        )
    house.audit.write("query", visitor.name, kind="search", text=q, total=page.total)
    return JsonAnswer(page_document(page))


@router.get("/search/complete", summary="Say what may be typed next", openapi_extra=answers("completion"))
def complete_search(
    house: HouseHere,
    visitor: Asking,
    q: _Search = "",
    cursor: Annotated[
        int | None, Query(ge=0, le=8_000, description="The place in characters; by default the end.")
    ] = None,
) -> JsonAnswer:
    """Return what may stand at a place of a search: keys, tags, fields, and values with their counts."""
    from stocktake.query.search.completion import complete

    with house.reading() as catalog:
        found = complete(catalog, q, cursor, reach=visitor.reach)
    return JsonAnswer(asdict(found))


def _chosen(choices: list[str] | None) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {}
    for key, equals, value in (one.partition("=") for one in choices or ()):
        if not equals or not key:
            raise UserError(
                f"{key!r} is no choice", code="bad_choice", hint="Write KEY=VALUE, such as region=us-east-1.", where=key
            )
        chosen.setdefault(key, []).append(value)
    return chosen
