"""`/resource`: one resource, as a page and as a panel beside another page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render
from stocktake.serve.web.views.resource import identity, moments, standing, tabs, timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from stocktake.query.resources import Resource, Version
    from stocktake.serve.gate.house import House
    from stocktake.store.catalog import Catalog

router = APIRouter()

Key = Annotated[str, Query(min_length=1, max_length=2_048)]
Word = Annotated[str, Query(max_length=200)]
_MOST_EDGES = 400
MOST_EXPANDED = 8


@router.get("/resource")
def show(
    request: Request,
    house: TheHouse,
    who: TheVisitor,
    key: Key,
    type: Word = "",  # noqa: A002 - its name in the address
    account: Word = "",
    region: Word = "",
    tab: Word = "",
    as_of: Word = "",
    panel: Word = "",
) -> HTMLResponse:
    """Show a resource, one part of it at a time; for a panel only what stands in it."""
    from stocktake.query.within import within

    expanded = tuple(request.query_params.getlist("expand")[:MOST_EXPANDED])
    asked = dict(request.query_params.multi_items())
    wanted = Wanted(key, type, account, region, tab, as_of, asked, expanded)
    with house.reading() as opened:
        context = read_context(house, within(opened, who.reach), wanted)
    house.audit.write("query", who.name, kind="resource", key=context["who"]["key"])
    return render(request, "resource_part.html" if panel == "1" else "resource.html", **context)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which resource is asked for, which part of it, and of when."""

    key: str
    type: str = ""
    account: str = ""
    region: str = ""
    tab: str = ""
    as_of: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)
    """All parameters, those of single parts too."""
    expanded: tuple[str, ...] = ()
    """Neighbors whose own relations are shown as well."""

    @property
    def parameters(self) -> dict[str, object]:
        """Return what an address of the same resource has."""
        kept = {"key": self.key, "type": self.type, "account": self.account, "region": self.region}
        return {**kept, "as_of": self.as_of}


@dataclass(frozen=True, slots=True)
class _Place:
    """What the parts are read from."""

    house: House
    catalog: Catalog
    found: Resource
    version: Version
    moment: datetime | None
    wanted: Wanted


def read_context(house: House, catalog: Catalog, wanted: Wanted) -> dict[str, Any]:
    """Return what the templates are given of one part of a resource. Raises: UserError where there is none."""
    from stocktake.query.moments import parse_moment
    from stocktake.query.resource_facts import read_name, read_scope_word
    from stocktake.query.resources import find_resource

    found = find_resource(catalog, wanted.key, type_name=wanted.type, account_id=wanted.account, region=wanted.region)
    moment = parse_moment(wanted.as_of, house.now()) if wanted.as_of else None
    version = found.version_at(moment)
    word = read_scope_word(catalog, found)
    tab = wanted.tab if wanted.tab in _PARTS else "overview"
    tab_kept = "" if tab in {"overview", "diff"} else tab
    context: dict[str, Any] = {
        "who": identity(found, version, name=read_name(catalog, found, version), as_of=wanted.as_of),
        "standing": standing(found, version, word),
        "tab": tab,
        "tabs": tabs("timeline" if tab == "diff" else tab, wanted.parameters),
        "moments": moments(found, wanted.parameters | {"tab": tab_kept}, version),
        "as_of": wanted.as_of,
        "tab_kept": tab_kept,
    }
    return context | _PARTS[tab](_Place(house, catalog, found, version, moment, wanted))


def _overview(place: _Place) -> dict[str, Any]:
    from stocktake.query.search.columns import read_type_schema
    from stocktake.serve.web.views.resource_overview import overview

    schema = read_type_schema(place.catalog, place.found.type) or {}
    return overview(place.found, place.version, schema)


def _fields(place: _Place) -> dict[str, Any]:
    from stocktake.serve.telling.described import described_type
    from stocktake.serve.web.views.fields import field_rows

    described = described_type(place.found.type)
    only_set = place.wanted.asked.get("set") == "1"
    fields = described.fields if described is not None else ()
    rows = field_rows(place.found.type, fields, place.version.fields, only_set=only_set)
    return {"rows": rows, "only_set": only_set, "is_described": described is not None, "unknown": place.version.unknown}


def _definition(place: _Place) -> dict[str, Any]:
    nulls = place.wanted.asked.get("nulls") == "1"
    shown = {name: value for name, value in place.version.fields.items() if nulls or value is not None}
    return {"definition": shown, "nulls": nulls, "unknown": place.version.unknown}


def _relations(place: _Place) -> dict[str, Any]:
    from stocktake.relations.walk import Node, walk_relations
    from stocktake.serve.web.pictures.graph import graph
    from stocktake.serve.web.rendering import resource_url
    from stocktake.serve.web.views.relations import node_of, relations_view

    asked, found, expanded = place.wanted.asked, place.found, list(place.wanted.expanded)
    direction = asked["direction"] if asked.get("direction") in {"in", "out"} else "both"
    depth = int(asked["depth"]) if asked.get("depth") in {"2", "3"} else 1
    start = Node(found.type, found.id, found.account_id, found.region)
    further = [node for one in expanded if (node := node_of(one)) is not None]
    walks = [
        walk_relations(place.catalog, node, depth=steps, direction=direction, as_of=place.moment, limit=_MOST_EDGES)
        for node, steps in [(start, depth), *((node, 1) for node in further)]
    ]
    view = relations_view(walks, only=asked.get("only", ""))
    kept = {**place.wanted.parameters, "tab": "relations", "direction": asked.get("direction", ""), "depth": depth}
    del kept["key"]
    return {
        "graph": graph(f"What {found.id} refers to, and what refers to it", view.nodes, view.edges),
        "relations": view,
        "direction": direction,
        "depth": depth,
        "only": asked.get("only", ""),
        "has_more": any(walk.more for walk in walks),
        "expanded": expanded,
        "first_name": view.nodes[0].name,
        "expand": lambda node: resource_url(found.id, **kept, expand=[*expanded, node]),
        "fold": lambda node: resource_url(found.id, **kept, expand=[one for one in expanded if one != node]),
    }


def _timeline(place: _Place) -> dict[str, Any]:
    return {"timeline": timeline(place.found, {"key": place.found.id, "type": place.found.type})}


def _difference(place: _Place) -> dict[str, Any]:
    from stocktake.query.diff import choose_moments, diff_moments
    from stocktake.query.moments import parse_moment
    from stocktake.serve.web.views.difference import edit_rows, side_by_side

    asked, now = place.wanted.asked, place.house.now()
    older, newer = (parse_moment(asked[name], now) if asked.get(name) else None for name in ("older", "newer"))
    difference = diff_moments(place.found, *choose_moments(place.found, older, newer, now))
    return {
        "difference": difference,
        "edits": edit_rows(difference.edits),
        "lines": side_by_side(difference.older, difference.newer),
    }


def _policies(place: _Place) -> dict[str, Any]:
    from stocktake.policies.of_resource import judge_resource

    if place.found.gone_at is not None:
        return {"verdicts": None}
    house = place.house
    return {"verdicts": judge_resource(place.catalog, house.rules(), place.found, house.now(), house.exceptions())}


_PARTS: dict[str, Callable[[_Place], dict[str, Any]]] = {
    "overview": _overview,
    "fields": _fields,
    "definition": _definition,
    "relations": _relations,
    "timeline": _timeline,
    "diff": _difference,
    "policies": _policies,
}
