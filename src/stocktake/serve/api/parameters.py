"""Parameters that several requests take, as FastAPI describes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Query

from stocktake.serve.gate.house import House, house
from stocktake.serve.gate.visitor import Visitor, visitor

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROWS = 1_000
MOST_OFFSET = 100_000

HouseHere = Annotated[House, Depends(house)]
Asking = Annotated[Visitor, Depends(visitor)]
Limit = Annotated[int, Query(ge=0, le=MOST_ROWS, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=MOST_OFFSET, description="Leave out so many first.")]
Moment = Annotated[
    str | None,
    Query(
        max_length=64,
        description="A moment: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 2h ago.",
        examples=["yesterday"],
    ),
]
Types = Annotated[
    list[str] | None,
    Query(alias="type", max_length=100, description="Of these types.", examples=[["aws_sagemaker_trainingjob"]]),
]
Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Which:
    """Which resource is asked for."""

    key: Annotated[
        str,
        Query(
            min_length=1,
            max_length=2_048,
            description="The resource: its ARN, what `key` says in a search, or its name.",
            examples=["arn:aws:sagemaker:us-east-1:111122223333:training-job/example"],
        ),
    ]
    type: Annotated[str, Query(max_length=200, description="Where several are called so: its type.")] = ""
    account: Annotated[str, Query(max_length=64, description="Likewise: its account.")] = ""
    region: Annotated[str, Query(max_length=64, description="Likewise: its region.")] = ""


WhichHere = Annotated[Which, Depends()]


def moment_of(text: str | None, now: datetime) -> datetime | None:
    """Return the moment that a parameter names; None for none. Raises: UserError where it names none."""
    if not text:
        return None
    from stocktake.query.moments import parse_moment

    return parse_moment(text, now)


def page_of(name: str, rows: Sequence[Any], offset: int, limit: int) -> dict[str, Any]:
    """Return a page of a list that is whole."""
    return {"total": len(rows), name: list(rows[offset : offset + limit])}
