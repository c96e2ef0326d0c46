"""Tokens for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset, page_of
from stocktake.serve.gate.visitor import require

if TYPE_CHECKING:
    from stocktake.serve.gate.tokens import Token

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])

Scope = Literal["read", "sql", "export", "sync", "edit", "metrics"]


class TokenWish(BaseModel):
    """The token that is wanted; it sees and does what you may, no more."""

    name: str = Field(min_length=1, max_length=200, examples=["nightly report"])
    scopes: list[Scope] = Field(["read"], min_length=1, max_length=6)
    days: float = Field(30.0, gt=0, le=366, description="How long it is good.")


@router.get("", summary="Your tokens", openapi_extra=answers("tokens"))
def list_all(house: HouseHere, visitor: Asking, limit: Limit = 100, offset: Offset = 0) -> JsonAnswer:
    """Return your tokens, or everybody's to who may see them; never the secrets, which are not kept."""
    found = house.tokens.list("" if visitor.is_admin else visitor.name)
    return JsonAnswer(page_of("tokens", [_told(one) for one in found], offset, limit))


@router.post("", status_code=201, summary="Make a token", openapi_extra=answers("new_token"))
def make(house: HouseHere, visitor: Asking, wish: TokenWish) -> JsonAnswer:
    """Make a token, and tell it, this once."""
    require(visitor.can_edit and visitor.by != "token", "make a token")
    token, secret = house.tokens.create(
        wish.name, owner=visitor.name, role=visitor.roles[0], scopes=tuple(wish.scopes), days=wish.days
    )
    house.audit.write("token", visitor.name, id=token.id, name=token.name, scopes=token.scopes)
    return JsonAnswer(_told(token) | {"token": secret}, 201)


@router.delete("/{id}", summary="Revoke a token", openapi_extra=answers("removed"))
def revoke(
    house: HouseHere,
    visitor: Asking,
    id: Annotated[str, Path(min_length=1, max_length=64)],  # noqa: A002 - its name in the address
) -> JsonAnswer:
    """Let a token be used no more, at once."""
    require(visitor.can_edit, "revoke a token")
    if not house.tokens.revoke(id, "" if visitor.is_admin else visitor.name):
        raise UserError(f"You have no token {id!r}", code="unknown_token", hint="/api/v1/tokens lists them.", where=id)
    house.audit.write("token", visitor.name, id=id, revoked=True)
    return JsonAnswer({"removed": id})


def _told(token: Token) -> dict[str, Any]:
    said = asdict(token) | {"is_good": token.is_good}
    for name in ("made_at", "expires_at", "used_at", "revoked_at"):
        said[name] = None if said[name] is None else datetime.fromtimestamp(said[name], UTC)
    return said
