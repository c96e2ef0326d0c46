"""Gaps of many scopes, told by cause: the same cause once, and every scope that it concerns by name."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stocktake.serve.telling.readable import count
from stocktake.sync.request import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stocktake.store.ledger import Coverage

_SPREAD = 3
"""From that many types of a service on, one pattern stands for all of them."""
_TAGS_FINE = frozenset({"complete", "none"})
_UNBROKEN = "\xa0"
# What comes before the cause itself differs from scope to scope: which operation, under which parent.
_BEFORE_CAUSE = re.compile(
    r"^(?:\w+, under which these are listed, could not be listed: |some could not be listed: "
    r"|some resources could not be read: |\w+ failed(?: \(?\d+ times\)?)?: |\w+ is denied: )"
)
_DENIED_RESOURCE = re.compile(r" on resource: \S+")


@dataclass(slots=True)
class GapGroup:
    """Scopes of which the same is to be said."""

    status: str
    cause: str
    hint: str
    scopes: list[Coverage] = field(default_factory=list)

    @property
    def word(self) -> str:
        """Return how the group begins: a gap, or what is worth saying of scopes that leave nothing open."""
        return {"unsupported": "unsupported", "elsewhere": "elsewhere", "complete": "note"}.get(self.status, "gap")


def group_by_cause(scopes: Sequence[Coverage]) -> list[GapGroup]:
    """Return the scopes of which there is something to say, by cause: gaps first, and of these what concerns most."""
    groups: dict[tuple[str, str, str], GapGroup] = {}
    for scope in scopes:
        if scope.status == "complete" and is_whole(scope) and not scope.reason:
            continue
        cause = _cause(scope)
        # What is denied differs by its action only, and the missing permissions are told for all together.
        hint = "" if scope.missing_permission else scope.hint
        status = _status(scope)
        groups.setdefault((status, cause, hint), GapGroup(status, cause, hint)).scopes.append(scope)
    return sorted(groups.values(), key=lambda one: (one.word != "gap", -len(one.scopes), one.status, one.cause))


def told(group: GapGroup, scopes: Sequence[Coverage], width: int) -> Iterator[str]:
    """Yield the lines that tell of a group: cause, every scope, what to do. `scopes`: all of the sweep."""
    status = f" {group.status}" if group.word == "gap" else ""
    yield f"{group.word}: {count(len(group.scopes), 'scope')}{status}: {group.cause or 'no reason given'}"
    for text in _names(group.scopes, scopes):
        lines = textwrap.wrap(text, max(width, 40), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        yield from (line.replace(_UNBROKEN, " ") for line in lines)
    missing = sorted({one for scope in group.scopes for one in scope.missing_permission.split(", ") if one})
    if missing:
        yield f"  missing permission: {', '.join(missing)}"
    if group.hint:
        yield f"  next: {group.hint}"


def _status(scope: Coverage) -> str:
    if scope.status != "complete" or is_whole(scope):
        return scope.status
    return f"tags {scope.tags_status}" if scope.tags_status not in _TAGS_FINE else "with unknown fields"


def _cause(scope: Coverage) -> str:
    reason = scope.reason
    while (shorter := _BEFORE_CAUSE.sub("", reason)) != reason:
        reason = shorter
    for action in filter(None, scope.missing_permission.split(", ")):
        reason = reason.replace(action, "…")
    return _DENIED_RESOURCE.sub("", reason) if scope.missing_permission else reason


def _names(concerned: Sequence[Coverage], scopes: Sequence[Coverage]) -> Iterator[str]:
    """Yield the names of scopes, by place where the sweep had several; places with the same names together."""
    several = len({(one.account_id, one.region) for one in scopes if one.region != "global"}) > 1
    everything = Counter((_place(one, several=several), _service(one.type)) for one in scopes)
    by_place: dict[str, list[str]] = {}
    for one in concerned:
        by_place.setdefault(_place(one, several=several), []).append(one.type)
    places: dict[str, list[str]] = {}
    for place, types in by_place.items():
        of_service = Counter(_service(name) for name in types)
        whole = {s for s, n in of_service.items() if n >= _SPREAD and n == everything[place, s]}
        named = [name for name in types if _service(name) not in whole]
        named += [f"aws_{service}_*{_UNBROKEN}({of_service[service]})" for service in whole]
        places.setdefault(", ".join(sorted(named)), []).append(place)
    for names, found in places.items():
        yield f"in {', '.join(found)}: {names}" if several else names


def _place(scope: Coverage, *, several: bool) -> str:
    return f"{scope.account_id} {scope.region}" if several else ""


def _service(type_name: str) -> str:
    return type_name.removeprefix("aws_").partition("_")[0]
