"""Which way a scope is read: the cheapest that is still right, chosen by what is known of the type, not by its name.

- `full`: the whole list; what its items show as changed is read, or everything, where they show nothing.
- `bulk`: the whole list, and it, or a call for many, gives whole resources: nothing is read one by one.
- `open_set`: only what was created since the last time, and what is held that may still change. What has ended does not
  change any more, so that a long history costs nothing. It cannot see deletions, nor other changes to what has ended.
- `reconcile`: the whole list against everything held, and all tags in bulk: it finds what the open set cannot see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from stocktake.resource_types.spec import Kind

if TYPE_CHECKING:
    from stocktake.resource_types.spec import Path, ResourceType

OVERLAP = timedelta(minutes=10)
"""Creations are asked for from so long before the newest one known: times may be equal, and indexes late."""
GROWTH = 1.2
"""What is open and looks unchanged in its list is read again each time its age has grown by a fifth, …"""
SOONEST = timedelta(minutes=30)
"""… though not sooner than after this time."""
RECONCILE_EVERY = timedelta(hours=24)


class Strategy(StrEnum):
    """A way to read a scope."""

    FULL = "full"
    BULK = "bulk"
    OPEN_SET = "open_set"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class ScopeMemory:
    """What earlier sweeps left behind of a scope."""

    whole_at: datetime | None = None
    """When the whole list was last read to its end and everything in it is known; aware, UTC, our clock."""
    watermark: datetime | None = None
    """The newest creation up to which everything is known; aware, UTC, the provider's clock."""
    looked_at: datetime | None = None
    """When it was last listed by a sweep that left nothing open; aware, UTC, the provider's clock."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    full: bool = False
    reconcile: bool = False
    reconcile_every: timedelta = RECONCILE_EVERY


@dataclass(frozen=True, slots=True)
class ScopePlan:
    """How a scope is read, and why so."""

    strategy: Strategy
    why: str
    created_after: datetime | None = None
    """Open set: only what was created after that is listed."""
    newest_first: bool = False
    """A first load, where the list can be turned round: what is newest is of use first."""
    read_all: bool = False
    """Read every resource again, whatever the list says."""


def plan_scope(
    resource_type: ResourceType, memory: ScopeMemory, wish: Wish, now: datetime, *, is_parent: bool = False
) -> ScopePlan:
    """Choose the cheapest right strategy; `now` is our clock, aware.

    `is_parent`: other types are listed under each of its resources, in the same sweep.
    """
    obstacle = "others are listed under each of it" if is_parent else open_set_obstacle(resource_type)
    if wish.full:
        return ScopePlan(Strategy.FULL, "asked for", read_all=True)
    if obstacle:
        describe = resource_type.describe_call
        if (describe is None or describe.batch is not None) and not resource_type.facets:
            told = "its list gives whole resources" if describe is None else "one call reads many"
            return ScopePlan(Strategy.BULK, told)
        return ScopePlan(Strategy.FULL, obstacle)
    if memory.whole_at is None:
        return ScopePlan(Strategy.FULL, "first load", newest_first=reversed_order(resource_type) is not None)
    if wish.reconcile:
        return ScopePlan(Strategy.RECONCILE, "asked for")
    if now - memory.whole_at >= wish.reconcile_every or memory.whole_at > now:
        return ScopePlan(Strategy.RECONCILE, f"the last one is {_hours(now - memory.whole_at)} ago")
    # Nothing was ever there: then everything that comes is new.
    since = (memory.watermark or memory.whole_at - timedelta(days=1)) - OVERLAP
    return ScopePlan(Strategy.OPEN_SET, "what has ended does not change any more", created_after=since)


def tells_changes(resource_type: ResourceType) -> bool:
    """Return whether a list item shows both the state and a time that moves with it.

    An item that has not changed then means that nothing happened to the resource, but for what is measured while it
    runs.
    """
    life = resource_type.life_cycle
    return life.item_state_path is not None and life.item_modified_path is not None


def is_due(created: datetime, looked_at: datetime | None, now: datetime) -> bool:
    """Return whether what was open and unchanged is to be read again all the same, for what is measured while it runs.

    True each time its age has passed another step since it was last looked at: often for what is young, seldom for what
    has been running for days. Without a memory of its own of each resource.
    """
    if looked_at is None or looked_at < created or now < created:
        return True
    return _steps(now - created) != _steps(looked_at - created)


def _steps(age: timedelta) -> int:
    """Return how many steps an age has behind it: of `SOONEST` at first, then of a fifth of itself."""
    even = SOONEST / (GROWTH - 1)
    if age < even:
        return age // SOONEST
    return math.floor(even / SOONEST + math.log(age / even, GROWTH))


def open_set_obstacle(resource_type: ResourceType) -> str:
    """Return why a type's changes cannot be found from its creations and what is still open; '' where they can."""
    listing, describe, life = resource_type.list_call, resource_type.describe_call, resource_type.life_cycle
    if not life.final_states:
        return "no final states are known"
    if describe is None or describe.batch is not None:
        return "resources are not read one by one"
    if listing.parent is not None or listing.loops:
        return "there are many lists of it"
    if listing.time_filter is None or listing.time_filter.of not in {"created", "started"}:
        return "its list cannot be limited to new ones"
    if resource_type.identity.created_path is None or resource_type.identity.item_created_path is None:
        return "nothing says when it was created"
    if resource_type.facets or held_item_columns(resource_type) is None:
        return "reading it again takes what only its list tells"
    return ""


def held_item_columns(resource_type: ResourceType) -> dict[str, str] | None:
    """Return the members of a list item that reading takes, by the columns that hold the same; None where some do not.

    Shape: list item's member -> column name.
    """
    describe, tags = resource_type.describe_call, resource_type.tags_call
    paths: list[Path] = []
    for call in (describe, tags):
        if call is not None:
            if call.inherited:
                return None
            paths += call.bindings.values()
    paths += resource_type.identity.item_key_paths
    if resource_type.identity.item_arn_path:
        paths.append(resource_type.identity.item_arn_path)
    by_member = {one.provider_name: one for one in resource_type.fields if one.provider_name}
    columns: dict[str, str] = {}
    for path in paths:
        field = by_member.get(path[0]) if len(path) == 1 else None
        if field is None or field.type.kind is not Kind.STRING:
            return None
        columns[path[0]] = field.name
    return columns


def reversed_order(resource_type: ResourceType) -> dict[str, object] | None:
    """Return the arguments that turn the list round, newest first; None where it cannot be turned."""
    turned = {name: _TURNED[value] for name, value in resource_type.list_call.arguments.items() if value in _TURNED}
    return dict(turned) or None


_TURNED: dict[object, object] = {"Ascending": "Descending", "ASCENDING": "DESCENDING", "ASC": "DESC", "asc": "desc"}


def _hours(passed: timedelta) -> str:
    hours = passed.total_seconds() / 3600
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
