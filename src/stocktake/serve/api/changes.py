"""What changed, over all resources."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Moment, Offset, Types, moment_of
from stocktake.serve.api.resources import edit_documents

router = APIRouter(prefix="/api/v1", tags=["changes"])

_DAYS = 7


@router.get("/changes", summary="What changed", openapi_extra=answers("changes"))
def list_changes(
    house: HouseHere,
    visitor: Asking,
    q: Annotated[
        str,
        Query(
            max_length=8_000,
            description="Words of changes (changed:, before:, after:, type:) and of resources: docs/history.md.",
            examples=["changed:tags"],
        ),
    ] = "",
    since: Moment = None,
    until: Moment = None,
    types: Types = None,
    kinds: Annotated[
        list[Literal["created", "updated", "deleted"]] | None, Query(alias="change", description="Of these kinds.")
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> JsonAnswer:
    """Return changes, newest first; without `since`, those of the last seven days."""
    from stocktake.query.changes import read_changes

    now = house.now()
    start = moment_of(since, now) or now - timedelta(days=_DAYS)
    with house.reading() as catalog:
        found = read_changes(
            catalog,
            start,
            moment_of(until, now),
            search=q,
            types=types or (),
            kinds=kinds or (),
            limit=max(1, offset + limit),
            reach=visitor.reach,
        )
    house.audit.write("query", visitor.name, kind="changes", text=q)
    shown = found.records[offset : offset + limit]
    return JsonAnswer(
        {
            "since": start,
            "changes": [
                {
                    "changed_at": one.changed_at,
                    "change": one.change,
                    "type": one.type,
                    "id": one.id,
                    "account_id": one.account_id,
                    "region": one.region,
                    "edits": edit_documents(one.edits),
                    "looked_before": one.looked_before,
                    "sweep_id": one.sweep_id,
                }
                for one in shown
            ],
            "more": found.more or len(found.records) > offset + len(shown),
            "first_seen": found.first_seen,
            "untold_sweeps": found.untold_sweeps,
            "notes": found.notes,
        }
    )
