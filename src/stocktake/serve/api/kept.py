"""What people keep: views of the catalog, and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset
from stocktake.serve.gate.visitor import require

if TYPE_CHECKING:
    from stocktake.serve.gate.own_store import Document

router = APIRouter(prefix="/api/v1")

_MOST = 1_000
_Id = Annotated[str, Path(min_length=1, max_length=64)]


class Kept(BaseModel):
    """Something to keep: a name, and what it stands for."""

    name: str = Field(min_length=1, max_length=200, examples=["GPU jobs of my team"])
    address: str = Field("", max_length=16_000, description="Of a view: the page's address, with all of its state.")
    sql: str = Field("", max_length=100_000, description="Of a query.")


def _requests(name: str, kind: str) -> APIRouter:
    """Return the requests for one kind of document; `name` is what several of them are called."""
    of_kind = APIRouter(prefix=f"/{name}", tags=[name])

    @of_kind.get("", summary=f"Your {name}", openapi_extra=answers("kept_list"))
    def list_kept(house: HouseHere, visitor: Asking, limit: Limit = 100, offset: Offset = 0) -> JsonAnswer:
        """Return what you keep, newest first; others do not see it."""
        rows = house.own.list(kind, owner=visitor.name, limit=limit, offset=offset)
        total = house.own.count(kind, owner=visitor.name)
        return JsonAnswer({"total": total, name: [_told(one) for one in rows]})

    @of_kind.post("", status_code=201, summary=f"Keep a {kind}", openapi_extra=answers("kept"))
    def keep(house: HouseHere, visitor: Asking, kept: Kept) -> JsonAnswer:
        """Keep something under a name."""
        require(visitor.can_edit, f"keep {name}")
        if house.own.count(kind, owner=visitor.name) >= _MOST:
            raise UserError(f"You keep {_MOST:,} {name} already", code="too_many_kept", hint="Remove some first.")
        document = house.own.put(kind, kept.model_dump(), owner=visitor.name)
        house.audit.write("edit", visitor.name, kind=kind, name=kept.name)
        return JsonAnswer(_told(document), 201)

    @of_kind.get("/{id}", summary=f"One {kind}", openapi_extra=answers("kept"))
    def show_kept(house: HouseHere, visitor: Asking, id: _Id) -> JsonAnswer:  # noqa: A002 - its name in the address
        """Return one that you keep."""
        return JsonAnswer(_told(_find(house, visitor, kind, id)))

    @of_kind.delete("/{id}", summary=f"Remove a {kind}", openapi_extra=answers("removed"))
    def remove(house: HouseHere, visitor: Asking, id: _Id) -> JsonAnswer:  # noqa: A002 - its name in the address
        """Remove one that you keep."""
        require(visitor.can_edit, f"remove {name}")
        _find(house, visitor, kind, id)
        house.own.remove(kind, id)
        return JsonAnswer({"removed": id})

    return of_kind


def _find(house: HouseHere, visitor: Asking, kind: str, document_id: str) -> Document:
    found = house.own.get(kind, document_id)
    if found is None or found.owner != visitor.name:
        raise UserError(
            f"You keep no {kind} {document_id!r}",
            code="unknown_document",
            hint="The list of what you keep has its id.",
            where=document_id,
        )
    return found


def _told(document: Document) -> dict[str, Any]:
    return {"id": document.id, "made_at": document.made_at, "changed_at": document.changed_at, **document.body}


for _name, _kind in (("views", "view"), ("queries", "query")):
    router.include_router(_requests(_name, _kind))
