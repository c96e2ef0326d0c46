"""Inputs of a list operation that leave out what is older: they make the list incremental."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.members import plain
from stocktake.resource_types.shapes import input_shape, members, type_of
from stocktake.resource_types.spec import TimeFilter

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel

_WHEN = "(time|date|at|on|timestamp)?"
_AFTER = "(after|since|from|greaterthan|greaterthanorequalto)"
# Creation first: filters on modification are applied after a page is cut (see docs/collecting.md), so that they go
# through the whole history all the same, and what is created does not move in the list.
_STEMS = {
    "created": f"(creation|created|create){_WHEN}",
    "started": f"(start|started|submit|submitted|submission|request|requested){_WHEN}",
    "modified": f"(last)?(modified|modification|updated|update){_WHEN}",
}
_PATTERNS = {of: re.compile(f"(filter(by)?)?({stem}{_AFTER}|{_AFTER}{stem})") for of, stem in _STEMS.items()}


def time_filter(model: ServiceModel, operation: str) -> TimeFilter | None:
    """Return the member that takes the earliest time, of creation before start before modification."""
    times = [
        name
        for name, member in members(model, input_shape(model, operation)).items()
        if type_of(model, member["shape"]) == "timestamp"
    ]
    for of, pattern in _PATTERNS.items():
        found = next((name for name in times if pattern.fullmatch(plain(name))), None)
        if found is not None:
            return TimeFilter(found, of)
    return None
