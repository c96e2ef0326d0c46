"""How one resource that an event names is read: what to describe it by, or which list it is in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from stocktake.collect.paths import set_at, value_at
from stocktake.resource_types.generated import read_service
from stocktake.resource_types.names import plain_name
from stocktake.sync.candidates import resource_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.collect.answers import Scope
    from stocktake.collect.type_reader import Item
    from stocktake.events.targets import Target
    from stocktake.resource_types.spec import Path, ResourceType

_PLACE = re.compile(r"\{(\w+)\}")
_SCOPE_PLACES = frozenset({"partition", "region", "account_id"})
_WORDS = ("", "arn", "name", "id", "identifier")


@dataclass(frozen=True, slots=True)
class Address:
    """What reading one resource takes."""

    name: str
    """What it is called; '' where only values say it."""
    item: Item | None
    """As much of its list item as is known; None: it is looked for in its list."""
    listing: Mapping[str, object] = field(default_factory=dict)
    """What that list is asked for."""
    called: str = ""
    """The plain name of the member that holds `name`; '' where that is not known."""
    is_sure: bool = True
    """Whether it is surely this resource that is asked for: then its absence is proven where it is not found."""


@dataclass(frozen=True, slots=True)
class NoAddress:
    """Why a resource cannot be asked for by itself."""

    reason: str


def find_address(resource_type: ResourceType, target: Target) -> Address | NoAddress:
    """Return how a resource is read, by what an event says of it."""
    known = _Known(resource_type, target)
    describe = resource_type.describe_call
    plan = resource_type.list_call
    needed = [*resource_type.identity.inherited_keys]
    if describe is not None:
        needed += describe.inherited.values()
    elif plan.parent is not None or plan.loops:
        needed += [*(plan.parent.bindings if plan.parent else ()), *(plan.parent.inherited if plan.parent else ())]
        needed += plan.loops
    template = resource_type.identity.arn_template
    if template is not None:
        needed += template.inherited.values()
    listing = {key: known.value(key) for key in dict.fromkeys(needed)}
    missing = [key for key, value in listing.items() if value is None]
    if missing:
        return NoAddress(f"the event does not say the {', '.join(missing)} that {resource_type.noun} is listed by")
    if describe is None:
        return Address(known.name, None, listing, known.called)
    item = known.item({**describe.bindings}, describe.optional)
    if item is None:
        return NoAddress(f"the event does not say what {describe.operation} asks for")
    return Address(known.name, item, listing, known.called, not known.is_guess)


def complete_item(resource_type: ResourceType, item: Item, document: object) -> Item:
    """Return a list item with what identifies the resource, as its document says it."""
    if not isinstance(item, dict):
        return item
    whole: dict[str, Any] = {**item}
    identity = resource_type.identity
    pairs: list[tuple[Path | None, Path | None]] = [(identity.item_arn_path, identity.arn_path)]
    pairs += [(identity.item_created_path, identity.created_path)]
    pairs += [(path, path) for path in identity.item_key_paths]
    if len(identity.item_key_paths) == len(identity.key_paths):
        pairs += zip(identity.item_key_paths, identity.key_paths, strict=True)
    if identity.arn_template is not None:
        pairs += [(path, path) for path in identity.arn_template.bindings.values()]
    for inside, path in pairs:
        value = value_at(document, path) if path else None
        if inside and value is not None:
            set_at(whole, ".".join(inside), value)  # the document is newer than the event
    return whole


def expected_ids(resource_type: ResourceType, scope: Scope, target: Target, address: Address) -> list[str]:
    """Return what the catalog may call a resource that cannot be asked any more, the surest first."""
    found = [target.arn] if target.arn else []
    if address.item is not None:
        found.append(resource_id(resource_type, scope, address.item, address.listing))
    return list(dict.fromkeys(found))


class _Known:
    """What a target says, by any name."""

    def __init__(self, resource_type: ResourceType, target: Target) -> None:
        self._type = resource_type
        self._target = target
        self._values = dict(target.values)
        places, last, called = _places(resource_type, target.arn) if target.arn else ({}, "", "")
        self._values |= places
        self.name = target.name or last
        self.called = next((name for name, text in target.values if text == target.name), "") or called
        self.is_guess = False
        """A name was put where it may not belong."""

    def value(self, member: str) -> str | None:
        """Return the value that a request member, or the key of a listing, is to be given."""
        plain = plain_name(member)
        for word in _WORDS:
            if (value := self._values.get(plain + word)) is not None:
                return value
        return None

    def item(self, bindings: Mapping[str, Path], optional: tuple[str, ...]) -> Item | None:
        """Return as much of the list item as its calls take; None where that is not known."""
        identity = self._type.identity
        if () in bindings.values():
            if identity.item_arn_path == ():
                return self._target.arn or None
            return self._name_for(next(member for member, path in bindings.items() if path == ()))
        item: dict[str, Any] = {}
        for member, path in bindings.items():
            value = self._at(member, path, alone=len(bindings) == 1)
            if value is None and member not in optional:
                return None
            if value is not None:
                set_at(item, ".".join(path), value)
        if identity.item_arn_path and self._target.arn:
            set_at(item, ".".join(identity.item_arn_path), self._target.arn)
        for path in identity.item_key_paths:
            value = self._at(path[-1] if path else "", path, alone=len(identity.item_key_paths) == 1)
            if path and value is not None and value_at(item, path) is None:
                set_at(item, ".".join(path), value)
        return item

    def _at(self, member: str, path: Path, *, alone: bool) -> str | None:
        identity = self._type.identity
        if path == identity.item_arn_path or plain_name(path[-1]).endswith("arn"):
            return self._target.arn or self.value(path[-1])
        found = self.value(path[-1])
        if found is None:
            found = self.value(member)
        return self._name_for(member or path[-1]) if found is None and alone else found

    def _name_for(self, member: str) -> str | None:
        """Return the resource's name as a member's value, and take note where it may be another name than is asked."""
        plain = plain_name(member)
        fits = bool(self.called) and (plain.endswith(self.called) or self.called.endswith(plain))
        self.is_guess = self.is_guess or not fits or "/" in self.name
        return self.name or None


def _places(resource_type: ResourceType, arn: str) -> tuple[dict[str, str], str, str]:
    """Return what stands in the places of a type's ARN, by plain name; what in the last, and how that one is called."""
    resource = arn.split(":", 5)[5]
    for template in _templates(resource_type.service, resource_type.noun, resource_type.identity.arn_template):
        pattern, names = _pattern(template)
        match = pattern.fullmatch(resource)
        if match is not None and names:
            values = {plain_name(name): text for name, text in zip(names, match.groups(), strict=True)}
            return values, match.groups()[-1], plain_name(names[-1])
    return {}, re.split(r"[/:]", resource, maxsplit=1)[-1], ""


def _templates(service: str, noun: str, own: object) -> list[str]:
    index = read_service(service) or {"facts": {"nouns": {}}}
    stated = index["facts"]["nouns"].get(noun.lower(), {}).get("arn", "")
    made = getattr(own, "text", "")
    return [text for text in (stated, made) if text.count(":") >= 5]


@cache
def _pattern(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    resource = template.split(":", 5)[5]
    names = [name for name in _PLACE.findall(resource) if name not in _SCOPE_PLACES]
    written = ""
    for position, piece in enumerate(re.split(r"(\{\w+\})", resource)):
        place = _PLACE.fullmatch(piece)
        if place is None or position % 2 == 0:
            written += re.escape(piece)
        elif place[1] in _SCOPE_PLACES:
            written += "[^/:]*"
        else:
            # Only the last may hold what separates: a name may have a path before it.
            written += "(.+)" if place[1] == names[-1] else "([^/:]+)"
    return re.compile(written), tuple(names)
