"""`/`: everything that is held, searched, counted and grouped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from markupsafe import Markup

from stocktake.core.errors import UserError
from stocktake.query.search.choices import with_choices
from stocktake.query.search.columns import tag_keys
from stocktake.query.search.completion import complete
from stocktake.query.within import within
from stocktake.serve.gate.visitor import require
from stocktake.serve.telling.commands import search_command
from stocktake.serve.web.found import Found, find, read_unread
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.pages.resource import MOST_EXPANDED, Wanted, read_context
from stocktake.serve.web.pictures.treemap import Area, treemap
from stocktake.serve.web.rendering import render, render_text
from stocktake.serve.web.views.catalog import (
    COMMON,
    export_links,
    facet_title,
    facet_views,
    group_rows,
    headers,
    table_rows,
)
from stocktake.serve.web.views.catalog_state import LIMITS, CatalogState, read_state
from stocktake.serve.web.views.saved import KINDS, body_of, saved_rows, state_of

if TYPE_CHECKING:
    from stocktake.serve.gate.house import House
    from stocktake.store.catalog import Catalog

router = APIRouter()

FormWord = Annotated[str, Form(min_length=1, max_length=80)]
_MOST_SAVED = 100
_TYPED = "stocktake-typed"
"""The header by which the page says that a search is still being typed."""
_OF_PANEL = ("type", "account", "region", "tab", "as_of")


@router.get("/")
def show(request: Request, house: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Show what a search finds; to htmx, only the part that changes."""
    state = read_state(request.query_params.multi_items())
    is_part = request.headers.get("hx-request") == "true"
    is_typed = request.headers.get(_TYPED) == "1"
    with house.reading() as opened:
        catalog = within(opened, who.reach)
        found = find(catalog, state, house.now(), half_typed=is_part and is_typed)
        context = context_of(state, found)
        if not is_part:
            context |= {"unread": read_unread(catalog, state), "tag_keys": tag_keys(catalog)}
            context["panel"] = _panel(request, house, catalog, state)
    context |= {f"saved_{kind}": saved_rows(house.own.list(kind, owner=who.name, limit=_MOST_SAVED)) for kind in KINDS}
    if found.page is not None:
        house.audit.write("query", who.name, kind="search", text=state.q, total=found.page.total)
    is_trouble = is_part and is_typed and found.problem is not None
    name = "catalog_trouble.html" if is_trouble else "catalog_found.html" if is_part else "catalog.html"
    answer = render(request, name, is_part=is_part, **context)
    answer.headers["vary"] = "HX-Request"
    if is_trouble:
        # What was found before stays while half a search makes no sense.
        answer.headers["hx-retarget"] = "#trouble"
    elif is_part:
        # The address follows what is shown; while typing without a step back for every letter.
        answer.headers["hx-replace-url" if is_typed else "hx-push-url"] = state.address()
    return answer


def _panel(request: Request, house: House, catalog: Catalog, state: CatalogState) -> Markup:
    """Return the side panel where the address names a resource, so that it is there without a script, too."""
    if not state.panel:
        return Markup("")
    asked = {name: values[-1] for name, values in state.panel_parameters.items()}
    expanded = state.panel_parameters.get("expand", ())[:MOST_EXPANDED]
    type_name, account, region, tab, as_of = (asked.get(name, "") for name in _OF_PANEL)
    try:
        context = read_context(
            house, catalog, Wanted(state.panel, type_name, account, region, tab, as_of, asked, expanded)
        )
    except UserError as error:
        return render_text(request, "problem_part.html", problem=error.as_dict())
    return render_text(request, "resource_part.html", **context)


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
        "exports": export_links(state),
        "command": search_command(with_choices(state.q, state.chosen), as_of=state.as_of, deleted=state.deleted),
    }


@router.post("/catalog/saved")
def save(
    house: TheHouse, who: TheVisitor, kind: FormWord, name: FormWord, address: Annotated[str, Form(max_length=16_000)]
) -> RedirectResponse:
    """Keep a view or a set of columns."""
    require(who.can_edit, "keep views")
    state = state_of(address)
    if kind not in KINDS or not name.strip():
        raise UserError("A view needs a name", code="bad_view", hint="Write one beside the button.", where="name")
    if house.own.count(kind, owner=who.name) >= _MOST_SAVED:
        raise UserError(f"You keep {_MOST_SAVED} already", code="too_many_kept", hint="Remove some first.")
    house.own.put(kind, body_of(kind, name.strip(), state), owner=who.name)
    house.audit.write("edit", who.name, kind=kind, name=name.strip())
    return RedirectResponse(state.address(), status_code=303)


@router.post("/catalog/saved/remove")
def remove(
    house: TheHouse,
    who: TheVisitor,
    kind: FormWord,
    id: FormWord,  # noqa: A002 - the form's name for it
    address: Annotated[str, Form(max_length=16_000)] = "/",
) -> RedirectResponse:
    """Keep something of one's own no longer."""
    require(who.can_edit, "remove views")
    found = house.own.get(kind, id) if kind in KINDS else None
    if found is None or found.owner != who.name:
        raise UserError(
            "You keep nothing of this number", code="unknown_document", hint="Load the page anew.", where=id
        )
    house.own.remove(kind, id)
    return RedirectResponse(state_of(address).address(), status_code=303)


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
