"""Who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.gate.visitor import Visitor, visitor

router = APIRouter(prefix="/api/v1", tags=["server"])


@router.get("/me", summary="Say who you are", openapi_extra=answers("me"))
def say_who(visitor: Annotated[Visitor, Depends(visitor)]) -> JsonAnswer:
    """Return your name, your roles, and what you may see and do."""
    return JsonAnswer(
        {
            "name": visitor.name,
            "roles": visitor.roles,
            "by": visitor.by,
            "reach": visitor.reach.as_dict(),
            "can_sync": visitor.can_sync,
            "can_edit": visitor.can_edit,
            "is_admin": visitor.is_admin,
            "scopes": sorted(visitor.scopes) if visitor.scopes is not None else None,
        }
    )
