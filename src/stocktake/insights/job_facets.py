"""Which types are jobs, and where a job of each says its state, its times, its parent, its means: one rule for all.

A type is a job if its state is one of words of which some say that it goes on and some that it has ended (see
`job_words`), and if it has a time at which it began (or was asked for) and one at which it ended.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from stocktake.insights.job_words import ENDED, LIVE, plain_word, read_words
from stocktake.resource_types.members import noun_forms, plain
from stocktake.resource_types.nouns import words_of
from stocktake.resource_types.shapes import output_shape, shape_at, shape_of, type_of
from stocktake.resource_types.spec import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Field, Path, ResourceType, ValueType

_FILE = files(__package__) / "job_fields.toml"
_MESSAGE = "errormessage|message|reason|failurereason|errorreason|cause|details?|description|errorcode|code"
_REASON_HOLDER = re.compile(r"status|state|error|failure|fault|result|detail|reason")
_DEPTH = 3
_EPOCH = re.compile(r"epoch|unix|milliseconds|seconds since|1970", re.IGNORECASE)


@cache
def _names() -> dict[str, Any]:
    """Return what fields are called."""
    return tomllib.loads(_FILE.read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class JobFacet:
    """Where a type says what every job has. Paths are dotted names of fields, `[]` behind a list's."""

    state: str
    words: dict[str, str] = field(default_factory=dict)
    """The words that the provider may use -> one of the ten states; a word that says none is left out."""
    detail: str = ""
    """A second, finer status; '' where there is none."""
    late_words: tuple[str, ...] = ()
    """Its words that mean that the job took too long, which the state itself does not tell from other ends."""
    created: str = ""
    started: str = ""
    ended: str = ""
    """'' where the type does not say it. `ms:` and `s:` before a path: a number since 1970; `text:`: a written time."""
    parent: tuple[str, ...] = ()
    principal: tuple[str, ...] = ()
    compute: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    """The first that has a value counts."""


def derive_job_facet(model: ServiceModel, resource_type: ResourceType) -> JobFacet | None:
    """Return the facet of a type; None for a type that is no job."""
    words = state_words(model, resource_type)
    if not set(words.values()) & LIVE or not set(words.values()) & ENDED:
        return None
    fields = list(_walk(resource_type.fields))
    times: dict[str, Any] = {what: _time(fields, resource_type, stems) for what, stems in _names()["times"].items()}
    state = _dotted(resource_type.fields, resource_type.life_cycle.state_path or ())
    if not times["ended"] or not (times["started"] or times["created"]) or not state:
        return None
    texts = _names()["texts"]
    said = [place for place in fields if place.path != state]
    compute = list(dict.fromkeys(_texts(said, texts["compute"])))
    return JobFacet(
        state, words, **_detail(model, resource_type), **times,
        parent=_parents(fields, resource_type),
        principal=_single(_texts(said, texts["principal"]))[:3],
        # A rule's or a debugger's own machine is not the job's: what is said elsewhere than the first is left out.
        compute=tuple(one for one in compute if one.split(".")[0] == compute[0].split(".")[0])[:2],
        reason=_single(one for one in _texts(said, texts["reason"]) if _is_own_reason(one))[:3],
    )  # fmt: skip


def _detail(model: ServiceModel, resource_type: ResourceType) -> dict[str, Any]:
    """Return the finer status and those of its words that say more than the state."""
    found = next((one for one in resource_type.fields if plain(one.name).endswith("secondarystatus")), None)
    shape = shape_at(model, document_shape(model, resource_type), (found.provider_name or "",)) if found else None
    if found is None or shape is None:
        return {}
    stated = (str(word) for word in shape_of(model, shape).get("enum", ()))
    late = tuple(word for word in stated if read_words().state_of(word) == "timed_out")
    return {"detail": found.name, "late_words": late}


def _single(paths: Iterable[str]) -> tuple[str, ...]:
    """Return paths without those through lists, if there are others."""
    found = tuple(dict.fromkeys(paths))
    return tuple(one for one in found if "[]" not in one) or found


def _is_own_reason(path: str) -> bool:
    """Return whether a path says why this very job ended: its own field, or one in what it says of its state."""
    *above, _ = path.replace("[]", "").split(".")
    return all(_REASON_HOLDER.search(name) for name in above)


def document_shape(model: ServiceModel, resource_type: ResourceType) -> str | None:
    """Return the shape that a resource of the type comes in."""
    call = resource_type.describe_call
    if call is not None:
        shape = shape_at(model, output_shape(model, call.operation), call.result_path)
    else:
        listing = resource_type.list_call
        shape = shape_at(model, output_shape(model, listing.operation), listing.result_path)
    while shape is not None and type_of(model, shape) == "list":
        shape = str(shape_of(model, shape)["member"]["shape"])
    return shape


def state_words(model: ServiceModel, resource_type: ResourceType) -> dict[str, str]:
    """Return the words of the type's state -> what they mean; none for what stands and serves."""
    path = resource_type.life_cycle.state_path
    shape = shape_at(model, document_shape(model, resource_type), path) if path else None
    stated = [str(word) for word in shape_of(model, shape).get("enum", ())] if shape is not None else []
    table = read_words()
    if any(plain_word(word) in table.standing for word in stated):
        return {}
    found = {word: table.state_of(word, resource_type.name) for word in stated}
    return {word: state for word, state in found.items() if state is not None}


@dataclass(frozen=True, slots=True)
class _Place:
    """A field at any depth."""

    path: str
    name: str
    """Plain."""
    field: Field
    depth: int
    value: ValueType


def _walk(fields: tuple[Field, ...], above: str = "", depth: int = 0) -> Iterator[_Place]:
    """Yield the fields, the outer ones first."""
    below: list[tuple[tuple[Field, ...], str]] = []
    for one in fields:
        if one.provider_name is None:
            continue
        path, value = f"{above}{one.name}", one.type
        if value.kind is Kind.LIST and value.element is not None:
            path, value = f"{path}[]", value.element
        yield _Place(path, plain(one.provider_name), one, depth, value)
        if value.kind is Kind.STRUCT and depth < _DEPTH - 1:
            below.append((value.fields, f"{path}."))
    for inner, start in below:
        yield from _walk(inner, start, depth + 1)


def _dotted(fields: tuple[Field, ...], path: Path) -> str:
    names: list[str] = []
    for member in path:
        found = next((one for one in fields if member in {one.provider_name, one.wire_name}), None)
        if found is None:
            return ""
        names.append(found.name)
        fields = found.type.fields
    return ".".join(names)


def _time(fields: list[_Place], resource_type: ResourceType, stems: list[str]) -> str:
    words = words_of(resource_type.noun)
    leading = ["".join(words[:at]) for at in range(len(words) - 1, 0, -1)]
    prefixes = {plain(form) for form in (*noun_forms(resource_type.noun), *leading)} | set(_names()["before"])
    for stem in stems:
        pattern = re.compile(f"(.*?){stem.replace('WHEN', _names()['when'])}")
        for place in fields:
            found = pattern.fullmatch(place.name)
            if found is None or found[1] not in prefixes or "[]" in place.path or place.depth > 2:
                continue
            form = _time_form(place)
            if form is not None:
                return f"{form}{place.path}"
    return ""


def _time_form(place: _Place) -> str | None:
    match place.value.kind:
        case Kind.TIMESTAMP:
            return ""
        case Kind.INT64 | Kind.DOUBLE if _EPOCH.search(place.field.documentation):
            return "ms:" if "millisecond" in place.field.documentation.lower() else "s:"
        case Kind.STRING:
            return "text:"
        case _:
            return None


def _texts(fields: list[_Place], patterns: list[str]) -> Iterator[str]:
    """Yield the paths of texts whose names fit, by pattern, the outer ones first."""
    ordered = sorted(fields, key=lambda place: "[]" in place.path)
    for pattern in patterns:
        for place in ordered:
            if not re.fullmatch(pattern, place.name):
                continue
            if place.value.kind is Kind.STRING:
                yield place.path
            elif place.value.kind is Kind.STRUCT:
                inner = [one for one in place.value.fields if one.type.kind is Kind.STRING]
                said = [one for word in _MESSAGE.split("|") for one in inner if re.fullmatch(word, plain(one.name))]
                yield from (f"{place.path}.{one.name}" for one in said[:1])


def _parents(fields: list[_Place], resource_type: ResourceType) -> tuple[str, ...]:
    """Return the fields that name what a job belongs to: what it was listed by, a parent, another job."""
    own = {plain(form) for form in noun_forms(resource_type.noun)}
    texts = [place for place in fields if place.depth == 0 and place.value.kind is Kind.STRING]
    parent = resource_type.list_call.parent
    listed = [] if parent is None else [plain(member) for member in (*parent.bindings, *parent.inherited)]
    found = [place.path for place in texts if place.name in listed]
    for pattern in _names()["parents"]["names"]:
        for place in texts:
            stem = re.sub(r"(arn|id|name|identifier)$", "", place.name)
            if re.fullmatch(pattern, place.name) and stem and stem not in own and stem != place.name:
                found.append(place.path)
    identity = {_last(path) for path in (resource_type.identity.arn_path, *resource_type.identity.key_paths) if path}
    return tuple(dict.fromkeys(path for path in found if plain(path) not in identity))[:4]


def _last(path: Path) -> str:
    return plain(path[-1])
