"""One resource: what it is, was, refers to, and is judged by."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query

from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import (
    Asking,
    HouseHere,
    Limit,
    Moment,
    Offset,
    Which,
    WhichHere,
    moment_of,
    page_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.query.diff import Side
    from stocktake.query.resources import Resource
    from stocktake.serve.gate.visitor import Visitor
    from stocktake.store.catalog import Catalog
    from stocktake.store.edits import Change

router = APIRouter(prefix="/api/v1/resource", tags=["resources"])

_Depth = Annotated[int, Query(ge=1, le=5, description="So many steps far.")]


@router.get("", summary="One resource", openapi_extra=answers("resource"))
def show_resource(house: HouseHere, visitor: Asking, which: WhichHere, as_of: Moment = None) -> JsonAnswer:
    """Return a resource as it is known now, or as it was known at a moment, with its fields and versions."""
    from stocktake.serve.telling.documents import resource_document

    moment = moment_of(as_of, house.now())
    with house.reading() as catalog:
        found = find(catalog, which, visitor)
    house.audit.write("query", visitor.name, kind="resource", key=which.key)
    return JsonAnswer(resource_document(found, found.version_at(moment), moment))


@router.get("/history", summary="Its versions", openapi_extra=answers("history"))
def show_history(
    house: HouseHere, visitor: Asking, which: WhichHere, limit: Limit = 100, offset: Offset = 0
) -> JsonAnswer:
    """Return the versions of a resource, newest first, each with what changed against the one before."""
    from stocktake.serve.telling.documents import version_document

    with house.reading() as catalog:
        found = find(catalog, which, visitor)
    versions = [version_document(one, edit_documents(one.changes)) for one in reversed(found.versions)]
    return JsonAnswer({"id": found.id, "type": found.type} | page_of("versions", versions, offset, limit))


@router.get("/diff", summary="It at two moments", openapi_extra=answers("difference"))
def show_difference(
    house: HouseHere,
    visitor: Asking,
    which: WhichHere,
    older: Annotated[str | None, Query(alias="from", max_length=64, description="The older moment.")] = None,
    newer: Annotated[str | None, Query(alias="to", max_length=64, description="The newer one; by default now.")] = None,
) -> JsonAnswer:
    """Return what differs between two moments: by default, the newest change."""
    from stocktake.query.diff import choose_moments, diff_moments

    now = house.now()
    with house.reading() as catalog:
        found = find(catalog, which, visitor)
    first, second = choose_moments(found, moment_of(older, now), moment_of(newer, now), now)
    difference = diff_moments(found, first, second)
    return JsonAnswer(
        {
            "id": found.id,
            "type": found.type,
            "older": _side(difference.older),
            "newer": _side(difference.newer),
            "between": difference.between,
            "is_other": difference.is_other,
            "edits": edit_documents(difference.edits),
        }
    )


@router.get("/relations", summary="What it refers to, and what refers to it", openapi_extra=answers("relations"))
def show_relations(
    house: HouseHere,
    visitor: Asking,
    which: WhichHere,
    depth: _Depth = 1,
    direction: Annotated[
        Literal["both", "out", "in"], Query(description="Along its references, against, both.")
    ] = "both",
    as_of: Moment = None,
    limit: Annotated[int, Query(ge=1, le=5_000, description="At most so many edges.")] = 500,
) -> JsonAnswer:
    """Return the edges around a resource, nearest first; what is out of your reach is not among them."""
    from stocktake.relations.walk import Node, walk_relations

    moment = moment_of(as_of, house.now())
    with house.reading() as catalog:
        found = find(catalog, which, visitor)
        start = Node(found.type, found.id, found.account_id, found.region)
        walk = walk_relations(
            catalog, start, depth=depth, direction=direction, as_of=moment, limit=limit, reach=visitor.reach
        )
    return JsonAnswer(asdict(walk))


@router.get("/policies", summary="How it is judged", openapi_extra=answers("verdicts"))
def show_verdicts(house: HouseHere, visitor: Asking, which: WhichHere) -> JsonAnswer:
    """Return what each rule of its type says of a resource, the worst first."""
    from stocktake.policies.of_resource import judge_resource

    with house.reading() as catalog:
        found = find(catalog, which, visitor)
        verdicts = judge_resource(catalog, house.rules(), found, house.now(), house.exceptions(), reach=visitor.reach)
    told = [
        {
            "policy": one.rule.id,
            "title": one.rule.title,
            "severity": one.rule.severity,
            "outcome": one.outcome,
            "why": one.rule.why,
            "remedy": one.rule.remedy,
            "exception": one.exception.reason if one.exception is not None else None,
        }
        for one in verdicts
    ]
    return JsonAnswer({"id": found.id, "type": found.type, "verdicts": told})


@router.get("/lineage", summary="Where it comes from, what came of it", openapi_extra=answers("lineage"))
def show_lineage(
    house: HouseHere,
    visitor: Asking,
    which: WhichHere,
    depth: _Depth = 3,
    direction: Annotated[
        list[Literal["upstream", "downstream", "context"]] | None, Query(description="By default up and down.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many steps in each direction.")] = 200,
) -> JsonAnswer:
    """Return the steps of lineage from a resource; of an s3:// address, where it names a data set."""
    from stocktake.insights.lineage import walk_lineage

    with house.reading() as catalog:
        if which.key.startswith("s3://"):
            start = ("dataset", which.key.rstrip("/"))
        else:
            found = find(catalog, which, visitor)
            start = (found.type, found.id)
        walk = walk_lineage(
            catalog,
            start,
            depth=depth,
            directions=direction or ("upstream", "downstream"),
            limit=limit,
            reach=visitor.reach,
        )
    return JsonAnswer(asdict(walk))


def find(catalog: Catalog, which: Which, visitor: Visitor) -> Resource:
    """Return the resource that is asked for. Raises: UserError where there is none within reach, or more than one."""
    from stocktake.query.resources import find_resource

    return find_resource(
        catalog,
        which.key,
        type_name=which.type,
        account_id=which.account,
        region=which.region,
        reach=visitor.reach,
    )


def edit_documents(edits: tuple[Change, ...]) -> list[dict[str, Any]]:
    """Return edits as JSON objects."""
    return [{"path": one.path, "before": one.before, "after": one.after, "moved": bool(one.order)} for one in edits]


def _side(side: Side) -> dict[str, Any]:
    seen: datetime | None = side.version.seen_from if side.version is not None else None
    return {"moment": side.moment, "seen_from": seen, "why_absent": side.why_absent, "fields": side.fields}
