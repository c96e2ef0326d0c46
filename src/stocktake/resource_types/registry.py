"""Types by name: which service a name belongs to, and all names there are."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError
from stocktake.resource_types.generated import TypeName, read_names
from stocktake.resource_types.names import plain_name, resolve_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from stocktake.providers.aws.models import Models
    from stocktake.resource_types.spec import ResourceType

_PREFIX = "aws"
DEFAULT_TIERS = "AB"
"""Types with good evidence (see `spec.ResourceType.tier`)."""


def load_type(name: str, models: Models) -> ResourceType:
    """Return the type of a name, reading only the model of the service that it belongs to.

    Case and punctuation do not matter; other names for the same (`names.resolve_name`) do as well. What a reader must
    be able to do is in `ResourceType.needs`.
    Raises: UserError where there is no such type; the nearest names are in the hint.
    """
    resolved = resolve_name(name)
    wanted = plain_name(resolved).removeprefix(_PREFIX)
    for service in _services_of(wanted, resolved, models):
        found: ResourceType | None = _deriving().find_type(
            models.load(service), wanted.removeprefix(plain_name(service))
        )
        if found is not None:
            return found
    for service in _services_of(wanted, resolved, models):
        if _deriving().is_made(models.load(service), wanted.removeprefix(plain_name(service))):
            raise UserError(
                f"The resource type {name!r} cannot be read: nothing derivable lists it.",
                code="type_not_readable",
                hint="`stocktake types` lists the types that can be read.",
            )
    raise _unknown(name, models)


def list_type_names(models: Models, tiers: str = DEFAULT_TIERS) -> tuple[str, ...]:
    """Return the names of all types of the tiers, sorted."""
    return tuple(one.name for one in list_types(models, tiers))


def list_types(models: Models, tiers: str = DEFAULT_TIERS) -> tuple[TypeName, ...]:
    """Return all types of the tiers with service, noun and tier, sorted by name.

    For the models that Stocktake was released with this costs milliseconds. For others, what differs is derived, which
    takes seconds and is kept in the user's cache folder until a model or Stocktake changes.
    """
    known = read_names()
    if set(tiers) <= set(DEFAULT_TIERS) and models.version == known.model_version:
        return tuple(one for one in known.types if one.tier in tiers)
    everything: list[TypeName] = _deriving().all_types(models)
    return tuple(one for one in everything if one.tier in tiers)


def _deriving() -> ModuleType:
    from stocktake.resource_types import service_types  # noqa: PLC0415 - listing names need not wait for what derives

    return service_types


def _services_of(wanted: str, resolved: str, models: Models) -> Iterator[str]:
    """Yield the services that a name may belong to: the one that the index says, then those that it begins with."""
    known = next((one.service for one in read_names().types if one.name == resolved), None)
    if known is not None and models.has_service(known):
        yield known
    begins = [
        service
        for service in models.folder_names
        if wanted.startswith(plain_name(service)) and wanted != plain_name(service) and service != known
    ]
    for service in sorted(begins, key=lambda one: (-len(one), one)):
        if models.has_service(service):
            yield service


def _unknown(name: str, models: Models) -> UserError:
    wanted = plain_name(name)
    by_plain = {plain_name(known): known for known in list_type_names(models)}
    nearest = [by_plain[match] for match in difflib.get_close_matches(wanted, by_plain, n=5, cutoff=0.6)]
    hint = f"Did you mean {', '.join(nearest)}?" if nearest else "`stocktake types` lists the names there are."
    return UserError(f"There is no resource type {name!r}.", code="unknown_type", hint=hint)
