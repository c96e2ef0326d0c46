"""What collecting yields: answers as they came, or a gap saying why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """One account, region and type: the unit of coverage."""

    account_id: str
    partition: str
    region: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the provider, bytes untouched."""

    body: bytes
    server_time: datetime
    """From the answer's Date header, aware, UTC; our own clock where there is none."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list call."""

    items: list[dict[str, object]] | list[str]
    """The list's elements, parsed, in the provider's names."""
    number: int
    server_time: datetime
    last: bool
