"""What was read, how old that is, and what could not be read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset, page_of

router = APIRouter(prefix="/api/v1", tags=["coverage"])

_Word = Annotated[str, Query(max_length=200)]


@router.get("/status", summary="What the catalog holds", openapi_extra=answers("status"))
def show_status(house: HouseHere, visitor: Asking, limit: Limit = 1_000, offset: Offset = 0) -> JsonAnswer:
    """Return every scope (account, region, type) with what is held of it and how sure that is, and the last sweeps."""
    from stocktake.query.status import read_status

    with house.reading() as catalog:
        found = read_status(catalog, reach=visitor.reach)
    scopes = page_of("scopes", [asdict(one) for one in found.scopes], offset, limit)
    return JsonAnswer({"size_bytes": found.size_bytes, "sweeps": [asdict(one) for one in found.sweeps]} | scopes)


@router.get("/coverage", summary="How each scope was read", openapi_extra=answers("coverage"))
def show_coverage(
    house: HouseHere,
    visitor: Asking,
    statuses: Annotated[
        list[str] | None, Query(alias="status", max_length=10, description="Of these statuses.")
    ] = None,
    account: _Word = "",
    region: _Word = "",
    type_name: Annotated[str, Query(alias="type", max_length=200, description="A part of the type's name.")] = "",
    stale: Annotated[bool, Query(description="Only what the newest sweep did not read whole.")] = False,
    limit: Limit = 200,
    offset: Offset = 0,
) -> JsonAnswer:
    """Return the newest word on each scope, and what it took to learn it; denied ones first."""
    from stocktake.query.coverage import CoverageFilter, read_coverage

    wanted = CoverageFilter(tuple(statuses or ()), account, region, type_name, stale)
    with house.reading() as catalog:
        found = read_coverage(catalog, wanted, first=offset, most=limit, reach=visitor.reach)
    return JsonAnswer(asdict(found))


@router.get("/coverage/missing", summary="Which permissions are missing", openapi_extra=answers("missing"))
def show_missing(house: HouseHere, visitor: Asking, limit: Limit = 200, offset: Offset = 0) -> JsonAnswer:
    """Return the actions that the newest sweeps were denied, those that concern most scopes first."""
    from stocktake.query.coverage import read_missing_actions

    with house.reading() as catalog:
        found = read_missing_actions(catalog, reach=visitor.reach)
    return JsonAnswer(page_of("actions", [asdict(one) for one in found], offset, limit))


@router.get("/sweeps", summary="The sweeps", openapi_extra=answers("sweeps"))
def list_sweeps(
    house: HouseHere,
    visitor: Asking,
    before: Annotated[int | None, Query(ge=0, le=2**62, description="Older than the sweep of this number.")] = None,
    limit: Limit = 20,
) -> JsonAnswer:
    """Return sweeps, newest first; of each, what it came to within your reach."""
    from stocktake.query.coverage import read_sweeps

    with house.reading() as catalog:
        found = read_sweeps(catalog, before=before, most=limit, reach=visitor.reach)
    after = found[-1].sweep_id if found and len(found) == limit else None
    return JsonAnswer({"sweeps": [asdict(one) for one in found], "before": after})
