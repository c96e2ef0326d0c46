"""Which resources an event names: by their ARNs, and by members that are called like what identifies a type.

Nothing here knows a type or a kind of event: what identifies a type, and how its ARNs look, is in the derived index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from stocktake.relations.known_types import known_types
from stocktake.resource_types.generated import read_names, read_service
from stocktake.resource_types.names import plain_name, resolve_name

if TYPE_CHECKING:
    from stocktake.events.envelope import Event
    from stocktake.relations.known_types import ArnForm

_MOST_TARGETS = 200
"""Of one event; more are named by a call that concerns a whole service."""
_OWN_NAMES = ("name", "id", "arn", "identifier")
_BARE_NAMES = ("resourcename", "resourceid")


@dataclass(frozen=True, slots=True)
class Target:
    """A resource that an event names."""

    type: str
    account_id: str
    region: str
    """Of the event."""
    arn: str
    """'' where only its name is known."""
    name: str
    """What identifies it beside the values; '' where the ARN does."""
    values: tuple[tuple[str, str], ...] = ()
    """What the calls that read it, or list it, take: plain member name and value."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What events may call a type's resources."""

    type: str
    noun: str
    """Plain."""
    keys: frozenset[str]
    """Plain names of members that alone name a resource."""
    taken: frozenset[str]
    """Plain names of members that its calls take."""


@dataclass(frozen=True, slots=True)
class _Named:
    kind: _Kind
    arn: str = ""
    name: str = ""
    values: dict[str, str] = field(default_factory=dict)


def find_targets(event: Event) -> list[Target]:
    """Return the resources that a change event is about, as far as they are of known types."""
    if not event.is_change:
        return []
    own = [one for arn in event.resources if (one := _by_arn(arn)) is not None]
    if not own:
        own = _by_cloudformation(event) or _about(event, [*_by_arns(event), *_by_members(event)])
    found = {_target(event, one): None for one in own}
    return list(found)[:_MOST_TARGETS]


def type_of_arn(arn: str) -> str | None:
    """Return the type whose ARNs look so; None where none is known to."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5]:
        return None
    first = plain_name(re.split(r"[/:]", parts[5], maxsplit=1)[0])
    services = known_types().services
    fitting = [
        # Several services may have ARNs of one service's; those of that name have most.
        (form.weight, bool(form.head), services[form.type] == parts[2], form.type)
        for form, pattern in _forms().get(parts[2], ())
        if form.head in {"", first} and pattern.fullmatch(parts[5])
    ]
    return max(fitting, key=lambda one: one[:3])[3] if fitting else None


@cache
def _forms() -> dict[str, list[tuple[ArnForm, re.Pattern[str]]]]:
    found: dict[str, list[tuple[ArnForm, re.Pattern[str]]]] = {}
    for form in known_types().arn_forms:
        found.setdefault(form.service, []).append((form, re.compile(form.pattern)))
    return found


def _by_arn(arn: str) -> _Named | None:
    name = type_of_arn(arn)
    kind = None if name is None else _kinds(known_types().services[name]).get(name)
    return None if kind is None else _Named(kind, arn=arn)


def _by_arns(event: Event) -> list[_Named]:
    """Return what the event's own service owns of what it names by ARNs."""
    services = set(_services(event.service))
    found = [one for arn in event.arns if (one := _by_arn(arn)) is not None]
    return [one for one in found if known_types().services[one.kind.type] in services]


def _by_cloudformation(event: Event) -> list[_Named]:
    """Return what a change of AWS Config is about, where it names no ARN."""
    name = resolve_name(event.cloudformation) if event.cloudformation else ""
    service = known_types().services.get(name)
    kind = _kinds(service).get(name) if service else None
    if kind is None:
        return []
    texts = [text for member in _BARE_NAMES for text in event.values.get(member, ())]
    return [_Named(kind, name=text) for text in texts[:1]]


def _by_members(event: Event) -> list[_Named]:
    found = []
    for service in _services(event.service):
        for kind in _kinds(service).values():
            for key in kind.keys & event.values.keys():
                found += [_Named(kind, name=text, values={key: text}) for text in event.values[key]]
    return found


def _about(event: Event, named: list[_Named]) -> list[_Named]:
    """Return those whose noun the event's action says; all, where it says none."""
    action = plain_name(event.action)
    nouns = {one.kind.noun for one in named if one.kind.noun in action}
    if nouns:
        # An instance is no DBInstance.
        nouns = {noun for noun in nouns if not any(noun != other and noun in other for other in nouns)}
        named = [one for one in named if one.kind.noun in nouns]
    by_arn = {one.kind.type for one in named if one.arn}
    # Where the ARN is there, the name is the same resource's.
    return [one for one in named if one.arn or one.kind.type not in by_arn]


def _target(event: Event, named: _Named) -> Target:
    values = {name: texts[0] for name, texts in event.values.items() if name in named.kind.taken and len(texts) == 1}
    values |= named.values
    parts = named.arn.split(":", 5) if named.arn else []
    return Target(
        type=named.kind.type,
        account_id=(parts[4] if parts and parts[4].isdigit() else "") or event.account_id,
        region=(parts[3] if parts else "") or event.region,
        arn=named.arn,
        name=named.name,
        # An ARN says it all but for what a list is asked for.
        values=tuple(sorted(values.items())),
    )


@cache
def _services(word: str) -> tuple[str, ...]:
    """Return the services that a source may mean."""
    own = [service for service in set(known_types().services.values()) if plain_name(service) == word]
    return tuple(dict.fromkeys([*own, *read_names().prefixes.get(word, ())]))


@cache
def _kinds(service: str) -> dict[str, _Kind]:
    index = read_service(service)
    types: dict[str, dict[str, Any]] = index["types"] if index is not None else {}
    return {name: _kind(name, entry) for name, entry in types.items()}


def _kind(name: str, entry: dict[str, Any]) -> _Kind:
    noun = plain_name(entry["noun"])
    describe, listing = entry.get("describe") or {}, entry.get("list") or {}
    parent = listing.get("parent") or {}
    members = [path.rsplit(".", 1)[-1] for path in entry["identity"].get("keys", ()) if path]
    asked = [*describe.get("bindings", {}), *members]
    above = [*describe.get("inherited", {}), *parent.get("bindings", {}), *parent.get("inherited", {})]
    own = {plain_name(one) for one in asked[:1]} if len(describe.get("bindings", {})) <= 1 else set()
    own |= {plain_name(one) for one in members if len(members) == 1}
    # What is called only `Name` or `Id` may be anything's.
    keys = {one for one in own if one not in _OWN_NAMES} | {noun + word for word in _OWN_NAMES} | {noun}
    taken = {plain_name(one).removesuffix("s") for one in asked} | {plain_name(one) for one in (*asked, *above)}
    for one in above:
        taken |= {plain_name(one) + word for word in _OWN_NAMES}
    return _Kind(name, noun, frozenset(keys), frozenset(taken | keys))
