"""What is known of all types that a field may refer to: nouns, key fields, and how their ARNs look.

Source: the generated index, so that nothing is derived here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from stocktake.resource_types.generated import read_names, read_service
from stocktake.resource_types.names import plain_name, stands_alone
from stocktake.resource_types.schema import field_name

_PLACE = re.compile(r"\{\w+\}")
_FIRST_TIER = "A"


@dataclass(frozen=True, slots=True)
class ArnForm:
    """How the ARNs of a type look, from the service part on."""

    service: str
    head: str
    """The resource part until its first `/` or `:`; '' where it begins with a name."""
    pattern: str
    """RE2, of the whole resource part."""
    weight: int
    """How much of it is literal: the more, the better it says the type."""
    type: str
    alone: bool = False
    """No other type of the service has ARNs that begin so."""


@dataclass(frozen=True, slots=True)
class KnownTypes:
    """Types by what a field's name or an ARN may say of them."""

    names: frozenset[str]
    by_noun: dict[str, tuple[str, ...]]
    """Plain noun -> types; those of services whose nouns are used without their names (EC2) first."""
    by_service_noun: dict[str, tuple[str, ...]]
    """Plain service (by any of its names) and noun -> types."""
    by_key: dict[tuple[str, str], tuple[str, ...]]
    """Service and name of a field that alone identifies -> types of the service."""
    arn_forms: tuple[ArnForm, ...]
    services: dict[str, str]
    """Type -> service."""
    of_service: dict[str, tuple[tuple[str, str], ...]]
    """Service -> plain noun and type."""
    called: dict[str, str]
    """What a service is called, in one word -> service."""
    parents: dict[str, str]
    """Type -> the type under whose resources its own are listed."""
    nouns: dict[str, str]
    """Type -> the provider's noun."""
    arn_services: dict[str, frozenset[str]]
    """Type -> the service parts that its own ARNs have."""


@cache
def known_types() -> KnownTypes:
    """Return what the generated index says of all types."""
    stated = read_names()
    by_noun: dict[str, list[str]] = {}
    by_service_noun: dict[str, list[str]] = {}
    by_key: dict[tuple[str, str], list[str]] = {}
    of_service: dict[str, list[tuple[str, str]]] = {}
    arn_forms: list[ArnForm] = []
    parents: dict[str, str] = {}
    arn_services: dict[str, frozenset[str]] = {}
    also_called = _other_names(stated.prefixes)
    ordered = sorted(stated.types, key=lambda one: (not stands_alone(one.service), one.tier != _FIRST_TIER, one.name))
    for one in ordered:
        noun = plain_name(one.noun)
        by_noun.setdefault(noun, []).append(one.name)
        of_service.setdefault(one.service, []).append((noun, one.name))
        for service in also_called.get(one.service, {plain_name(one.service)}):
            by_service_noun.setdefault(service + noun, []).append(one.name)
        index = read_service(one.service) or {}
        entry = index.get("types", {}).get(one.name)
        if entry is None:
            continue
        keys = entry["identity"].get("keys", ())
        if len(keys) == 1 and keys[0] and "." not in keys[0]:
            by_key.setdefault((one.service, field_name(keys[0])), []).append(one.name)
        forms = _arn_forms(one.name, one.noun, entry, index)
        arn_forms += forms
        arn_services[one.name] = frozenset({index["arn_service"], *(form.service for form in forms)})
        if "parent" in entry["list"]:
            parents[one.name] = entry["list"]["parent"]["type"]
    return KnownTypes(
        names=frozenset(one.name for one in stated.types),
        by_noun={noun: tuple(types) for noun, types in by_noun.items()},
        by_service_noun={noun: tuple(types) for noun, types in by_service_noun.items()},
        by_key={key: tuple(types) for key, types in by_key.items()},
        arn_forms=_with_alone(arn_forms),
        services={one.name: one.service for one in stated.types},
        of_service={service: tuple(types) for service, types in of_service.items()},
        called={word: service for service, words in also_called.items() for word in words}
        | {plain_name(service): service for service in of_service},
        parents=parents,
        nouns={one.name: one.noun for one in stated.types},
        arn_services=arn_services,
    )


def _other_names(prefixes: dict[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """Return service -> what it is called; of a name that several share only the likeliest has it."""
    found: dict[str, set[str]] = {}
    for prefix, services in prefixes.items():
        for service in services[:1]:
            found.setdefault(service, {plain_name(service)}).add(prefix)
    return found


def _with_alone(forms: list[ArnForm]) -> tuple[ArnForm, ...]:
    heads = Counter((form.service, form.head) for form in forms)
    bare = {form.service for form in forms if not form.head}
    return tuple(
        replace(form, alone=heads[form.service, form.head] == 1 and form.service not in bare) for form in forms
    )


def _arn_forms(name: str, noun: str, entry: dict[str, Any], index: dict[str, Any]) -> list[ArnForm]:
    stated = index["facts"]["nouns"].get(noun.lower(), {}).get("arn", "")
    made = entry["identity"].get("template", {}).get("text", "")
    forms = [_arn_form(name, text) for text in dict.fromkeys((stated, made)) if text.count(":") >= 5]
    # Where nothing is stated, the noun itself is what most services begin the resource part with.
    return forms or [ArnForm(index["arn_service"], plain_name(noun), ".+", 0, name)]


def _arn_form(name: str, template: str) -> ArnForm:
    _, _, service, _, _, resource = template.split(":", 5)
    first = re.split(r"[/:]", resource, maxsplit=1)[0]
    head = plain_name(first) if "{" not in first else ""
    parts = [re.escape(part) for part in _PLACE.split(resource)]
    pattern = "[^/:]+".join(parts[:-1]) + ".+" + parts[-1] if len(parts) > 1 else parts[0]
    return ArnForm(service, head, f"^{pattern}$", len(_PLACE.sub("", resource)), name)
