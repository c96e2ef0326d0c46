"""Types: which there are, what each is made of, and how much of it the catalog holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Moment, Offset, moment_of, page_of

router = APIRouter(prefix="/api/v1/types", tags=["types"])

_Name = Annotated[
    str, Path(alias="type", max_length=200, description="A type's name.", examples=["aws_sagemaker_trainingjob"])
]


@router.get("", summary="Which types there are", openapi_extra=answers("types"))
def list_all(
    house: HouseHere,
    visitor: Asking,
    q: Annotated[str, Query(max_length=200, description="A part of the name.")] = "",
    held: Annotated[bool, Query(description="Only those that the catalog holds.")] = False,
    limit: Limit = 100,
    offset: Offset = 0,
) -> JsonAnswer:
    """Return the types that can be synced, or those that are held."""
    from stocktake.insights.held import held_types
    from stocktake.providers.aws.models import open_models
    from stocktake.resource_types.registry import list_types

    with house.reading() as catalog:
        there = set(held_types(catalog, reach=visitor.reach))
    word = q.lower().replace("-", "_")
    rows: list[dict[str, Any]] = [
        {"type": one.name, "service": one.service, "noun": one.noun, "tier": one.tier, "held": one.name in there}
        for one in list_types(open_models())
        if word in one.name and visitor.reach.has_type(one.name) and (one.name in there or not held)
    ]
    return JsonAnswer(page_of("types", rows, offset, limit))


@router.get("/{type}", summary="One type's schema", openapi_extra=answers("schema"))
def show_schema(visitor: Asking, name: _Name) -> JsonAnswer:
    """Return the fields of a type with the provider's descriptions, as `stocktake schema --format json`."""
    from stocktake.providers.aws.models import open_models
    from stocktake.resource_types.export import schema_as_json
    from stocktake.resource_types.registry import load_type

    _check_reach(visitor, name)
    resource_type = load_type(name, open_models())
    _check_reach(visitor, resource_type.name)
    return JsonAnswer(schema_as_json(resource_type) | {"permissions": list(resource_type.iam_actions)})


@router.get("/{type}/filled", summary="How often each field is set", openapi_extra=answers("filled"))
def show_filled(house: HouseHere, visitor: Asking, name: _Name, limit: Limit = 500, offset: Offset = 0) -> JsonAnswer:
    """Return how many of the resources that are held have each field."""
    from stocktake.query.schema_facts import read_filled

    with house.reading() as catalog:
        rows = read_filled(catalog, name, reach=visitor.reach)
    told = [asdict(one) | {"percent": round(one.percent, 1)} for one in rows]
    return JsonAnswer({"type": name} | page_of("fields", told, offset, limit))


@router.get("/{type}/changes", summary="How the type itself changed", openapi_extra=answers("schema_changes"))
def show_schema_changes(
    house: HouseHere, visitor: Asking, name: _Name, since: Moment = None, limit: Limit = 500, offset: Offset = 0
) -> JsonAnswer:
    """Return which fields came, moved and went in the catalog."""
    from stocktake.query.schema_facts import read_schema_changes

    with house.reading() as catalog:
        rows = read_schema_changes(catalog, name, moment_of(since, house.now()), reach=visitor.reach)
    return JsonAnswer({"type": name} | page_of("changes", [asdict(one) for one in rows], offset, limit))


def _check_reach(visitor: Asking, name: str) -> None:
    """Raise UserError where a type is out of reach: as if there were none."""
    if not visitor.reach.has_type(name):
        raise UserError(f"There is no type {name!r}", code="unknown_type", hint="/api/v1/types lists them.", where=name)
