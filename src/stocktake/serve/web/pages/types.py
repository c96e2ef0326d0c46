"""`/types`: every type that can be read; `/types/{name}`: its reference page."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from stocktake.core.errors import UserError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_types, load_type
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render, url
from stocktake.serve.web.views.types import field_paths, type_view, types_view

if TYPE_CHECKING:
    from stocktake.resource_types.generated import TypeName
    from stocktake.resource_types.spec import ResourceType

router = APIRouter()

Word = Annotated[str, Query(max_length=200)]


@router.get("/types")
def show_types(request: Request, house: TheHouse, who: TheVisitor, q: Word = "", service: Word = "") -> HTMLResponse:
    """Show the types that words find, or all services; and what is held."""
    from stocktake.insights.held import held_types
    from stocktake.query.runner import run_query
    from stocktake.query.within import within

    types = [one for one in _types() if who.reach.has_type(one.name)]
    with house.reading() as opened:
        catalog = within(opened, who.reach)
        held = held_types(catalog)
        rows = run_query(catalog, "SELECT type, count(*) FROM resources GROUP BY type").rows()
        counts = dict.fromkeys(held, 0) | {str(name): int(count) for name, count in rows}
    fields = {name: field_paths(one.schema) for name, one in held.items()}
    view = types_view(types, counts, fields, q.strip(), service.strip())
    return render(request, "types.html", q=q, service=service, **view)


@router.get("/types/{name}")
def show_type(request: Request, house: TheHouse, who: TheVisitor, name: str, q: Word = "") -> Response:
    """Show a type: its fields with the provider's descriptions, how often each is set, and how it is read."""
    from stocktake.insights.held import held_types
    from stocktake.query.schema_facts import read_filled, read_schema_changes

    resource_type = _load(name)
    if not who.reach.has_type(resource_type.name):
        raise UserError(f"There is no resource type {name!r}", code="unknown_type", hint="/types lists them.")
    if name != resource_type.name:
        return RedirectResponse(url(f"/types/{resource_type.name}", q=q), 307)
    filled: Any = ()
    changes: Any = ()
    with house.reading() as catalog:
        if resource_type.name in held_types(catalog, reach=who.reach):
            filled = read_filled(catalog, resource_type.name, reach=who.reach)
            changes = read_schema_changes(catalog, resource_type.name, reach=who.reach)
    known = {one.name for one in _types() if who.reach.has_type(one.name)}
    view = type_view(resource_type, _load, known, filled, changes, q)
    return render(request, "type.html", q=q, **view)


@lru_cache(maxsize=1)
def _types() -> tuple[TypeName, ...]:
    return list_types(open_models())


@lru_cache(maxsize=64)
def _load(name: str) -> ResourceType:
    return load_type(name, open_models())
