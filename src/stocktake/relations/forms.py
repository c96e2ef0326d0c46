"""Forms of values that name a resource by themselves: an ARN, an S3 URI, an image, an id. `forms.toml` lists them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stocktake.relations.known_types import known_types
from stocktake.resource_types.names import plain_name

_FILE = Path(__file__).with_name("forms.toml")
NAME = "name"
"""The form of what is only a name: an edge only where a resource is held that is called so."""
PART = "part"
"""The form of what is the last part of an ARN: `alias/models`."""
ARN = "arn"
ID = "id"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of values; see `forms.toml`."""

    name: str
    pattern: str
    key: int | None
    account: int | None
    region: int | None
    anywhere: bool
    type: str | None


@cache
def value_forms() -> tuple[Form, ...]:
    """Return the forms, the most telling first."""
    return tuple(
        Form(
            name=entry["name"],
            pattern=entry["pattern"],
            key=entry.get("key"),
            account=entry.get("account"),
            region=entry.get("region"),
            anywhere=entry.get("anywhere", False),
            type=_type_of(entry["service"], entry["noun"]) if "service" in entry else None,
        )
        for entry in tomllib.loads(_FILE.read_text())["form"]
    )


def _type_of(service: str, noun: str) -> str | None:
    found = known_types().by_service_noun.get(plain_name(service + noun), ())
    return found[0] if found else None


def any_form_sql(value: str) -> str:
    """Return the condition that a value has one of the forms."""
    return f"regexp_matches({value}, {text('|'.join(f'(?:{form.pattern})' for form in value_forms()))})"


def form_sql(value: str) -> str:
    """Return the name of a value's form; a mere name has none of those that are listed."""
    cases = " ".join(f"WHEN regexp_matches({value}, {text(f.pattern)}) THEN {text(f.name)}" for f in value_forms())
    return f"CASE {cases} ELSE {text(NAME)} END"


def group_sql(form: str, value: str, part: str, usual: str) -> str:
    """Return what a part (`key`, `account`, `region`) of a value is; `usual` where its form does not say."""
    cases = [
        f"WHEN {text(f.name)} THEN regexp_extract({value}, {text(f.pattern)}, {number})"
        for f in value_forms()
        if (number := getattr(f, part)) is not None
    ]
    if part != "key":
        cases += [f"WHEN {text(f.name)} THEN NULL" for f in value_forms() if f.anywhere]
    return f"CASE {form} {' '.join(cases)} ELSE {usual} END"


def type_sql(form: str, usual: str) -> str:
    """Return the type that a value's form says; `usual` where it does not."""
    cases = [f"WHEN {text(f.name)} THEN {text(f.type)}" for f in value_forms() if f.type is not None]
    return f"CASE {form} {' '.join(cases)} ELSE {usual} END"


def id_rest_sql(value: str) -> str:
    """Return what follows the kind of a resource in its id: `resize:live` of `arn:…:function:resize:live`."""
    resource = f"regexp_extract({value}, '^(?:[^:]*:){{5}}(.*)$', 1)"
    return (
        f"CASE WHEN starts_with({value}, 'arn:') THEN regexp_replace({resource}, '^[^/:]*[/:]', '') "
        f"ELSE regexp_extract({value}, '^(?:[^:]*:){{3}}(.*)$', 1) END"
    )


def text(value: str) -> str:
    """Return an SQL text."""
    return "'" + value.replace("'", "''") + "'"
