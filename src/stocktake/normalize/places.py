"""Where in a type's documents a name can announce a secret, and how to redact just there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.normalize.redact import is_secret_name
from stocktake.resource_types.spec import Kind

if TYPE_CHECKING:
    from stocktake.normalize.redact import Redactor
    from stocktake.resource_types.spec import Field, ValueType

Places = dict[str, Any]
"""Member -> what to look at there: a deeper `Places`, or one of the two words below."""
_ENTRIES = "entries"
_ALL = "all"


def secret_places(fields: tuple[Field, ...]) -> Places:
    """Return the members that lead to maps of strings, to free JSON, or to strings that the model marks as secret."""
    found = {}
    for field in fields:
        name = field.provider_name or field.name
        place = _place(field.type, name)
        if place is not None:
            found[name] = place
    return found


def redact_places(value: object, places: Places, redactor: Redactor) -> None:
    """Redact a document in place; what has another shape than the model says is left to the exact way."""
    if isinstance(value, list):
        for item in value:
            redact_places(item, places, redactor)
    elif isinstance(value, dict):
        for member, place in places.items():
            held = value.get(member)
            if held is None:
                continue
            if isinstance(place, dict):
                redact_places(held, place, redactor)
            elif place == _ALL:
                value[member] = redactor.tree(held, member)
            else:
                value[member] = _entries(held, redactor)


def _entries(held: object, redactor: Redactor) -> object:
    if isinstance(held, list):
        return [_entries(item, redactor) for item in held]
    if isinstance(held, dict):
        return {k: redactor.entry(k, v) if isinstance(v, str) else v for k, v in held.items()}
    return held


def _place(value: ValueType, name: str) -> Places | str | None:
    while value.kind is Kind.LIST and value.element is not None:
        value = value.element
    if value.kind is Kind.MAP:
        return _ENTRIES
    if value.kind is Kind.JSON or (value.kind is Kind.STRUCT and not value.fields):
        return _ALL
    if value.kind is Kind.STRUCT:
        return secret_places(value.fields) or None
    return _ALL if value.kind is Kind.STRING and value.sensitive and is_secret_name(name) else None
