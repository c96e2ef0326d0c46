"""What collecting yields: answers as they came, or a gap saying why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from stocktake.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NO_LISTING: Mapping[str, object] = MappingProxyType({})
"""Of a resource that a plain list names."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One account, region and type: the unit of coverage."""

    account_id: str
    partition: str
    region: str
    """`global` for a type that every region answers the same."""
    type_name: str
    call_region: str = ""
    """The region that is asked, where `region` names none."""

    @property
    def asked_region(self) -> str:
        """Return the region that calls go to."""
        return self.call_region or self.region


@dataclass(frozen=True, slots=True)
class FacetAnswers:
    """What calls for single sides of a resource answered (see `spec.Facet`)."""

    plain: bytes
    """The answer's body without them."""
    known: dict[str, bytes]
    """Facet -> its JSON; `null` where the resource has no such side."""
    unknown: tuple[str, ...]
    """Facets that could not be read."""


@dataclass(slots=True)  # not frozen: there is one a call, and freezing doubles what making it costs
class Answer:
    """One answer of the provider.

    The body is JSON in the member names of the provider's model. For the JSON protocols it is the very bytes that came,
    save where the model renames a member on the wire; XML is read by our own reader, which keeps what the model does
    not know, and CBOR by botocore's parser. Times and blobs are left as the text (CBOR: the number) that they were.
    """

    body: bytes
    server_time: datetime
    """From the answer's Date header, aware, UTC; our own clock where there is none."""
    facets: FacetAnswers | None = None
    """Of a resource that is read by several calls: what the others answered; the body has it already."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list call."""

    items: list[dict[str, object]] | list[str]
    """The list's elements, parsed, in the provider's names."""
    number: int
    server_time: datetime
    last: bool
    """Of its list: a type under parents or with loops has several."""
    listing: Mapping[str, object] = field(default_factory=lambda: NO_LISTING)
    """What the list was asked for, by request member: the parent's values and those of the loops."""


class BrokenAnswerError(DataError):
    """The answer for one resource came broken every time it was asked for; what came is kept aside."""

    def __init__(self, message: str, *, code: str, hint: str = "", where: str = "", body: bytes = b"") -> None:
        super().__init__(message, code=code, hint=hint, where=where)
        self.body = body


@dataclass(slots=True)
class CallCounts:
    """What collecting cost so far: filled while it goes on."""

    calls: dict[str, int] = field(default_factory=dict)
    """Operation -> requests sent, repeated ones included."""
    throttles: int = 0
    retries: int = 0
    """Repeated requests that no throttling caused."""
    errors: int = 0
    """Calls that ended in an error after all; that a resource is gone is none."""

    @property
    def total(self) -> int:
        """Requests sent."""
        return sum(self.calls.values())
