"""What a sync is to read: type names from what was asked for, and a service's types, parents before children."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from stocktake.core.errors import StocktakeError, UserError
from stocktake.resource_types.registry import list_types, load_type

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Models
    from stocktake.resource_types.spec import ResourceType

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class PlannedService:
    """Types of one service that are read together."""

    service: str
    names: tuple[str, ...]
    known: dict[str, ResourceType] = field(default_factory=dict)
    """Types that were named one by one: found already, and kept with a table even if there is no resource."""


def plan_services(asked: tuple[str, ...], models: Models) -> list[PlannedService]:
    """Return what is to be read, service by service.

    Shape: what is asked for is a type's name, a service's (`ec2`) or a pattern (`aws_ec2_*`); nothing: all types.
    Raises: UserError where a name or pattern fits nothing.
    """
    names: dict[str, str] = {}
    known: dict[str, ResourceType] = {}
    for one in asked:
        found = _fitting(one, models)
        if found is None:
            named = load_type(one, models)
            known[named.name] = named
            found = {named.name: named.service}
        names |= found
    if not asked:
        names = {one.name: one.service for one in list_types(models)}
    by_service: dict[str, list[str]] = {}
    for name, service in names.items():
        by_service.setdefault(service, []).append(name)
    return [
        PlannedService(service, tuple(of_it), {name: known[name] for name in of_it if name in known})
        for service, of_it in by_service.items()
    ]


def load_service_types(plan: PlannedService, models: Models) -> tuple[list[ResourceType], dict[str, StocktakeError]]:
    """Return a service's types, parents before children, and why others could not be found."""
    found: dict[str, ResourceType] = {}
    problems: dict[str, StocktakeError] = {}
    for name in plan.names:
        try:
            one = plan.known.get(name) or load_type(name, models)
        except StocktakeError as error:
            problems[name] = error
        else:
            found[one.name] = one
    return sorted(found.values(), key=lambda one: _depth(one, found)), problems


def _depth(one: ResourceType, types: dict[str, ResourceType]) -> int:
    depth, seen = 0, set[str]()
    parent = one.list_call.parent
    while parent is not None and parent.type in types and parent.type not in seen:
        seen.add(parent.type)
        depth += 1
        parent = types[parent.type].list_call.parent
    return depth


def _fitting(asked: str, models: Models) -> dict[str, str] | None:
    """Return type name -> service for a pattern or a service's name; None for what is neither."""
    plain = asked.strip().lower()
    if _WILD & set(plain):
        found = {one.name: one.service for one in list_types(models) if fnmatchcase(one.name, plain)}
        if not found:
            raise UserError(
                f"No resource type fits {asked!r}.",
                code="unknown_type",
                hint="`stocktake types` lists the names there are.",
            )
        return found
    found = {one.name: one.service for one in list_types(models) if one.service == plain}
    return found or None
