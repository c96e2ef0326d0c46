"""`/`: everything that is held, searched, counted and grouped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from stocktake.query.search.columns import tag_keys
from stocktake.query.search.completion import complete
from stocktake.query.within import within
from stocktake.serve.web.found import Found, find, read_unread
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.pictures.treemap import Area, treemap
from stocktake.serve.web.rendering import render
from stocktake.serve.web.views.catalog import (
    COMMON,
    facet_title,
    facet_views,
    group_rows,
    headers,
    table_rows,
)
from stocktake.serve.web.views.catalog_state import LIMITS, CatalogState, read_state

if TYPE_CHECKING:
    from starlette.responses import Response

router = APIRouter()


@router.get("/")
def show(request: Request, house: TheHouse, who: TheVisitor) -> Response:
    """Show what a search finds; to htmx, only the part that changes."""
    state = read_state(request.query_params.multi_items())
    is_part = request.headers.get("hx-request") == "true"
    is_typed = request.headers.get("hx-trigger-name") == "q" or request.query_params.get("typed") == "1"
    with house.reading() as opened:
        catalog = within(opened, who.reach)
        found = find(catalog, state, house.now(), half_typed=is_part and is_typed)
        context = context_of(state, found)
        if not is_part:
            context |= {"unread": read_unread(catalog, state), "tag_keys": tag_keys(catalog)}
    name = "catalog_found.html" if is_part else "catalog.html"
    answer = render(request, name, status_code=422 if found.problem and not is_part else 200, **context)
    answer.headers["vary"] = "HX-Request"
    if is_part:
        # The address follows what is shown; while typing without a step back for every letter.
        answer.headers["hx-replace-url" if is_typed else "hx-push-url"] = state.address()
    return answer


def context_of(state: CatalogState, found: Found) -> dict[str, Any]:
    """Return what the templates are given."""
    shared: dict[str, Any] = {
        "state": state,
        "found": found,
        "page": found.page,
        "limits": LIMITS,
        "facets": (),
        "groups": (),
        "rows": (),
        "headers": (),
        "picture": "",
        "group_keys": [(key, facet_title(key)) for key in dict.fromkeys((*state.facets, state.grouped_by)) if key],
        "common_columns": COMMON,
        "panel": "",
    }
    if found.page is None:
        return shared
    groups = group_rows(state, found.page)
    return shared | {
        "facets": facet_views(state, found.page),
        "groups": groups,
        "rows": table_rows(found.page, found.fields, found.columns, as_of=state.as_of),
        "headers": headers(state, found.columns),
        "picture": _picture(state, groups) if state.view == "map" else "",
    }


def _picture(state: CatalogState, groups: list[dict[str, Any]]) -> str:
    areas = [
        Area(one["label"], one["count"], one["deeper"], f"{one['count']:,} · {100 * one['share']:.1f} %")
        for one in groups
    ]
    return treemap(f"Resources by {facet_title(state.grouped_by)}", areas)


@router.get("/catalog/complete")
def completion(house: TheHouse, who: TheVisitor, q: str = "", cursor: int | None = None) -> JSONResponse:
    """Return what may stand at a place in a search, as the search box asks for it."""
    with house.reading() as opened:
        found = complete(within(opened, who.reach), q[:4_000], cursor)
    return JSONResponse(
        {
            "start": found.start,
            "end": found.end,
            "suggestions": [{"text": one.text, "kind": one.kind, "detail": one.detail} for one in found.suggestions],
        }
    )
