"""What people keep: views of the catalog, and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset
from stocktake.serve.gate.visitor import require

if TYPE_CHECKING:
    from stocktake.serve.gate.own_store import Document

router = APIRouter(prefix="/api/v1", tags=["views"])

_KINDS = {"views": "view", "queries": "query"}
_MOST = 1_000
_Kind = Annotated[Literal["views", "queries"], Path()]
_Id = Annotated[str, Path(min_length=1, max_length=64)]


class Kept(BaseModel):
    """Something to keep: a name, and what it stands for."""

    name: str = Field(min_length=1, max_length=200, examples=["GPU jobs of my team"])
    address: str = Field("", max_length=16_000, description="Of a view: the page's address, with all of its state.")
    sql: str = Field("", max_length=100_000, description="Of a query.")


@router.get("/{kind}", summary="Your views, your queries", openapi_extra=answers("kept_list"))
def list_kept(house: HouseHere, visitor: Asking, kind: _Kind, limit: Limit = 100, offset: Offset = 0) -> JsonAnswer:
    """Return what you keep, newest first; others do not see it."""
    rows = house.own.list(_KINDS[kind], owner=visitor.name, limit=limit, offset=offset)
    total = house.own.count(_KINDS[kind], owner=visitor.name)
    return JsonAnswer({"total": total, kind: [_told(one) for one in rows]})


@router.post("/{kind}", status_code=201, summary="Keep one", openapi_extra=answers("kept"))
def keep(house: HouseHere, visitor: Asking, kind: _Kind, kept: Kept) -> JsonAnswer:
    """Keep a view or a query."""
    require(visitor.can_edit, f"keep {kind}")
    if house.own.count(_KINDS[kind], owner=visitor.name) >= _MOST:
        raise UserError(f"You keep {_MOST:,} {kind} already", code="too_many_kept", hint="Remove some first.")
    document = house.own.put(_KINDS[kind], kept.model_dump(), owner=visitor.name)
    house.audit.write("edit", visitor.name, kind=_KINDS[kind], name=kept.name)
    return JsonAnswer(_told(document), 201)


@router.get("/{kind}/{id}", summary="One of them", openapi_extra=answers("kept"))
def show_kept(house: HouseHere, visitor: Asking, kind: _Kind, id: _Id) -> JsonAnswer:  # noqa: A002 - in the address
    """Return one that you keep."""
    return JsonAnswer(_told(_find(house, visitor, kind, id)))


@router.delete("/{kind}/{id}", summary="Remove one", openapi_extra=answers("removed"))
def remove(house: HouseHere, visitor: Asking, kind: _Kind, id: _Id) -> JsonAnswer:  # noqa: A002 - in the address
    """Remove one that you keep."""
    require(visitor.can_edit, f"remove {kind}")
    _find(house, visitor, kind, id)
    house.own.remove(_KINDS[kind], id)
    return JsonAnswer({"removed": id})


def _find(house: HouseHere, visitor: Asking, kind: str, document_id: str) -> Document:
    found = house.own.get(_KINDS[kind], document_id)
    if found is None or found.owner != visitor.name:
        raise UserError(
            f"You keep no {kind} {document_id!r}",
            code="unknown_document",
            hint=f"/api/v1/{kind} lists them.",
            where=document_id,
        )
    return found


def _told(document: Document) -> dict[str, Any]:
    return {"id": document.id, "made_at": document.made_at, "changed_at": document.changed_at, **document.body}
