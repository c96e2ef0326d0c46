"""How a list item, and what it was listed with, supply the inputs of a call for one resource."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stocktake.resource_types.members import GENERIC_PARAMETERS, IDENTIFIER_SUFFIXES, STRING, Names, noun_forms, plain
from stocktake.resource_types.shapes import is_structure, members, required, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

_GENERIC_SHAPE = re.compile(
    r"_*(non_?empty|nonblank|min|max|\d|_|len|length|long|short|sensitive|generic)*string.*", re.IGNORECASE
)
_VAGUE_SHAPES = frozenset({*GENERIC_PARAMETERS, "uuid", "idstring", "namestring", "arnstring", "shortname", "longname"})
_ACCOUNT = frozenset({"accountid", "awsaccountid"})


@dataclass(slots=True)
class Bindings:
    """What each input of a call gets, and by which rule."""

    paths: dict[str, Path] = field(default_factory=dict)
    """Request member, dotted where it lies in a structure -> path in the list item."""
    inherited: dict[str, str] = field(default_factory=dict)
    """Request member -> member of the resource's listing."""
    context: dict[str, str] = field(default_factory=dict)
    """Request member -> what of the scope it asks for."""
    rules: list[str] = field(default_factory=list)


def is_generic_shape(shape: str) -> bool:
    """Return whether a shape's name says nothing of what it holds: two such members need not be the same."""
    return _GENERIC_SHAPE.fullmatch(shape) is not None


def is_telling_shape(shape: str) -> bool:
    """Return whether a shape's name says which kind of resource it identifies: such members are the same anywhere."""
    return not is_generic_shape(shape) and plain(shape) not in _VAGUE_SHAPES


def bind_all(
    model: ServiceModel, request: str | None, needed: Iterable[str], item: tuple[str, str], listing: dict[str, str]
) -> Bindings | None:
    """Return what every needed member of a request gets; None where one gets nothing.

    `item` is the noun and the shape of the list item. Two inputs never share a value.
    """
    found = Bindings()
    for parameter in needed:
        shape = str(members(model, request)[parameter]["shape"])
        if type_of(model, shape) == "structure":
            parameter, shape = _within(model, parameter, shape, item)  # noqa: PLW2901 - one level deeper
        if type_of(model, shape) != "string" or not _bind_one(model, parameter, shape, item, listing, found):
            return None
    return found


def _bind_one(
    model: ServiceModel,
    parameter: str,
    shape: str,
    item: tuple[str, str],
    listing: dict[str, str],
    found: Bindings,
) -> bool:
    noun, item_shape = item
    word = parameter.rsplit(".", 1)[-1]
    listed = next((key for key in listing if plain(key) == plain(word)), None)
    in_item = is_structure(model, item_shape) and Names(model, item_shape).find((word,), STRING) is not None
    if listed is not None and not in_item:
        found.inherited[parameter] = listed
        found.rules.append(f"{parameter} as listed")
        return True
    bound = bind(model, word, shape, noun, item_shape)
    if plain(word) in _ACCOUNT and bound is not None and bound[1] == "same shape":
        bound = None  # another account that plays a part (`BucketAccountId`); the scope's own is meant
    if bound is not None and bound[0] not in found.paths.values():
        found.paths[parameter] = bound[0]
        found.rules.append(f"binds {parameter} by {bound[1]}")
        return True
    same_shape = [key for key, its_shape in listing.items() if its_shape == shape and is_telling_shape(shape)]
    if len(same_shape) == 1:
        found.inherited[parameter] = same_shape[0]
        found.rules.append(f"{parameter} as listed")
        return True
    if plain(word) in _ACCOUNT:
        found.context[parameter] = "account_id"
        return True
    return False


def _within(model: ServiceModel, parameter: str, shape: str, item: tuple[str, str]) -> tuple[str, str]:
    """Return the one identifier in a structure that an item binds: what it requires, else an ARN, an id or a name."""
    inner = members(model, shape)
    needed = required(model, shape)
    if len(needed) > 1:
        return parameter, shape
    endings = ("arn", "id", "identifier", "name")
    candidates = needed or sorted(
        (name for name in inner if plain(name).endswith(endings)),
        key=lambda name: next(at for at, ending in enumerate(endings) if plain(name).endswith(ending)),
    )
    for name in candidates:
        its_shape = str(inner[name]["shape"])
        if type_of(model, its_shape) == "string" and bind(model, name, its_shape, *item) is not None:
            return f"{parameter}.{name}", its_shape
    return parameter, shape


def bind(model: ServiceModel, parameter: str, shape: str, noun: str, item_shape: str) -> tuple[Path, str] | None:
    """Return where a list item holds the value of a request member, and by which rule."""
    if type_of(model, item_shape) == "string":
        return (), "the item itself"
    names = Names(model, item_shape)
    same = names.find((parameter,), STRING)
    if same is not None:
        return (same,), "same name"
    exact = _same_ending(names, parameter, noun)
    if exact is not None:
        return (exact,), "identifier of the noun"
    if plain(parameter) in IDENTIFIER_SUFFIXES:
        # An `Id` is another one's `WindowId` rather than its name.
        ending = names.find([f"{form}{parameter}" for form in noun_forms(noun)], STRING)
        if ending is not None:
            return (ending,), "identifier of the noun"
    same_shape = [name for name in names.all(STRING) if names.shape(name) == shape]
    if len(same_shape) == 1 and not is_generic_shape(shape):
        return (same_shape[0],), "same shape"
    for form in noun_forms(noun):
        if plain(parameter).startswith(plain(form)) or plain(parameter) in {"resourcearn", *IDENTIFIER_SUFFIXES}:
            suffix = plain(parameter).removeprefix(plain(form)).removeprefix("resource")
            found = names.find((*_identifiers(form, suffix), *_identifiers(noun, suffix)), STRING)
            if found is not None:
                return (found,), "identifier of the noun"
    return None


def _same_ending(names: Names, parameter: str, noun: str) -> str | None:
    """Return the member that is the noun's identifier of the same kind: `Id` for `ConfigurationProfileId`."""
    for form in noun_forms(noun):
        suffix = plain(parameter).removeprefix(plain(form))
        if suffix in IDENTIFIER_SUFFIXES and suffix != plain(parameter):
            found = names.find((f"{noun}{suffix}", f"{form}{suffix}", suffix), STRING)
            if found is not None:
                return found
    return None


def _identifiers(form: str, suffix: str) -> list[str]:
    """Return names under which an item may hold what a parameter `<noun><suffix>` asks for."""
    suffixes = dict.fromkeys((suffix, *IDENTIFIER_SUFFIXES)) if suffix != "arn" else {"arn": None}
    return [name for ending in suffixes for name in (f"{form}{ending}", ending) if name]
