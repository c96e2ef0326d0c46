"""`/changes`: what came, changed and went, sweep by sweep, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from stocktake.core.errors import UserError
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.rendering import render
from stocktake.serve.web.views.changes import BADGES, KINDS, counts_view, sweeps_view

router = APIRouter()

_PAGE = 25
SPANS = (("1h", "last hour"), ("24h", "last day"), ("7d", "last 7 days"), ("30d", "last 30 days"),
         ("90d", "last 90 days"), ("3650d", "all"))  # fmt: skip

Word = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    q: str
    since: str
    until: str
    types: tuple[str, ...]
    kinds: tuple[str, ...]

    def parameters(self, **other: Any) -> dict[str, Any]:  # noqa: ANN401 - values of an address
        """Return the address's parameters, some of them others."""
        own = {"q": self.q, "since": self.since, "until": self.until, "type": self.types, "change": self.kinds}
        return own | other


@router.get("/changes")
def show_changes(
    request: Request,
    house: TheHouse,
    who: TheVisitor,
    q: Annotated[str, Query(max_length=8_000)] = "",
    since: Word = "",
    until: Word = "",
    type: Annotated[list[str] | None, Query(max_length=50)] = None,  # noqa: A002 - its name in the address
    change: Annotated[list[str] | None, Query(max_length=5)] = None,
    page: Annotated[int, Query(ge=1, le=2_000)] = 1,
) -> HTMLResponse:
    """Show changes, newest first; without `since`, those of the last seven days."""
    kinds = tuple(one for one in change or () if one in KINDS)
    wanted = _Wanted(q.strip(), since.strip() or "7d", until.strip(), tuple(one for one in type or () if one), kinds)
    context: dict[str, Any] = {
        "wanted": wanted, "spans": SPANS, "all_kinds": KINDS, "badges": BADGES, "page": page, "problem": None,
        "held": (), "counts": None, "sweeps": (), "found": None,
    }  # fmt: skip
    try:
        context |= _read(house, who, wanted, page)
    except UserError as error:
        # The form stays, so that what is wrong can be mended where it was written.
        context["problem"] = error
    return render(request, "changes.html", status_code=400 if context["problem"] else 200, **context)


def _read(house: TheHouse, who: TheVisitor, wanted: _Wanted, page: int) -> dict[str, Any]:
    from stocktake.insights.held import held_types
    from stocktake.query.changes import count_changes, read_changes
    from stocktake.query.moments import parse_moment

    now = house.now()
    start = parse_moment(wanted.since, now)
    end = parse_moment(wanted.until, now) if wanted.until else None
    narrowed: dict[str, Any] = {
        "search": wanted.q, "types": wanted.types, "kinds": wanted.kinds, "reach": who.reach,
    }  # fmt: skip
    with house.reading() as catalog:
        held = tuple(held_types(catalog, reach=who.reach))
        found = read_changes(catalog, start, end, limit=_PAGE, offset=(page - 1) * _PAGE, **narrowed)
        counted = count_changes(catalog, start, end, **narrowed)
    house.audit.write("query", who.name, kind="changes", text=wanted.q)
    return {
        "held": held,
        "found": found,
        "counts": counts_view(counted, start, end or now),
        "sweeps": sweeps_view(found.records, counted, wanted.q),
    }
