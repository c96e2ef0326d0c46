"""Which member of a resource's structure means what: ARN, identifier, times, state."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.nouns import words_of
from stocktake.resource_types.shapes import members, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

IDENTIFIER_SUFFIXES = ("id", "identifier", "name", "arn", "key", "url", "alias")
"""What an identifier's name ends in; also the order in which one stands for another."""

_NAMING = ("name", "id", "identifier")

GENERIC_PARAMETERS = frozenset(
    {"name", "id", "arn", "identifier", "key", "url", "alias"}
    | {f"resource{suffix}" for suffix in ("", "arn", "id", "identifier", "name", "arns", "ids")}
)
"""Names of inputs that do not say which kind of resource they name."""


def plain(name: str) -> str:
    """Return a name as names are compared: without punctuation and case."""
    return name.replace("_", "").replace("-", "").lower()


class Names:
    """A structure's members, found by name without regard to punctuation and case."""

    def __init__(self, model: ServiceModel, shape: str | None) -> None:
        self.model = model
        self._members = members(model, shape)
        self._by_name = {plain(name): name for name in self._members}

    def find(self, names: Iterable[str], types: frozenset[str]) -> str | None:
        """Return the first of several names that is a member of one of the types."""
        for name in names:
            found = self._by_name.get(plain(name))
            if found is not None and type_of(self.model, self._members[found]["shape"]) in types:
                return found
        return None

    def match(self, stem: str, noun: str) -> str | None:
        """Return the time member whose name is a stem, alone or after the noun or a part of it."""
        times = [name for name, member in self._members.items() if type_of(self.model, member["shape"]) in TIMESTAMP]
        forms = "|".join(plain(form) for form in (*noun_forms(noun), *leading_words(noun)))
        for pattern in (stem, f"({forms}){stem}"):
            found = next((name for name in times if re.fullmatch(pattern, plain(name))), None)
            if found is not None:
                return found
        return None

    def shape(self, member: str) -> str:
        """Return the shape name of a member."""
        return str(self._members[member]["shape"])

    def all(self, types: frozenset[str]) -> tuple[str, ...]:
        """Return the members of one of the types, in the model's order."""
        return tuple(n for n, member in self._members.items() if type_of(self.model, member["shape"]) in types)


STRING = frozenset({"string"})
TIMESTAMP = frozenset({"timestamp"})
STRUCTURE = frozenset({"structure"})
_WHEN = "(time|date|at|on|datetime|timestamp|timestamputc)"
_CREATED = f"(creation|created|create){_WHEN}"
_ASKED = f"(submit|submitted|requested|request){_WHEN}"
"""Not a start: what waits to start has none yet, and identity must not change."""
_MODIFIED = f"((last)?(modified|updated|update|modification|changed|change){_WHEN}|lastmodified|lastupdated)"
_ENDED = f"(end|ended|stop|stopped|completion|completed|complete|finish|finished){_WHEN}"


def noun_forms(noun: str) -> tuple[str, ...]:
    """Return the noun, then its shorter forms: `DBInstance`, `Instance`; what members of it are called after."""
    words = words_of(noun)
    return tuple("".join(words[at:]) for at in range(len(words))) or (noun,)


def find_path(model: ServiceModel, shape: str, noun: str, find: Callable[[Names, str], str | None]) -> Path | None:
    """Return the path of a member: in the structure itself, else in a part of it that is called after the noun."""
    for above, names in _holders(model, shape, noun):
        found = find(names, noun)
        if found is not None:
            return (*above, found)
    return None


def arn_member(names: Names, noun: str) -> str | None:
    """Return the member that holds the resource's own ARN."""
    forms = [f"{form}Arn" for form in noun_forms(noun)]
    # What is called resource may be another one: what a rule applies to (X-Ray), what a resource policy is for (Logs).
    last = () if plain(noun).startswith("resource") and plain(noun) != "resource" else ("ResourceArn",)
    return names.find((forms[0], "Arn", f"{noun}sArn", *forms[1:], *last), STRING)


def name_member(names: Names, noun: str) -> str | None:
    """Return the member that names the resource: its name, else its id."""
    return names.find(_identifiers(noun, ("Name", "Id", "Identifier")), STRING)


def id_member(names: Names, noun: str) -> str | None:
    """Return the member that identifies the resource: its id, else its name."""
    return names.find(_identifiers(noun, ("Id", "Identifier", "Name")), STRING)


def created_member(names: Names, noun: str) -> str | None:
    """Return the member that holds when the resource was created."""
    return names.match(_CREATED, noun) or names.match(_ASKED, noun)


def modified_member(names: Names, noun: str) -> str | None:
    """Return the member that holds when the resource was last changed."""
    return names.match(_MODIFIED, noun)


def ended_member(names: Names, noun: str) -> str | None:
    """Return the member that holds when the resource ended: what has one runs to an end."""
    return names.match(_ENDED, noun)


def state_path(model: ServiceModel, shape: str, noun: str) -> Path | None:
    """Return the path of the resource's state: a string, or the word in a structure of code and message."""
    for above, names in _holders(model, shape, noun):
        found = names.find(_state_names(noun), STRING | STRUCTURE)
        if found is None:
            continue
        if type_of(model, names.shape(found)) == "string":
            return (*above, found)
        word = Names(model, names.shape(found)).find(("Name", "Code", "State", "Status", "Value"), STRING)
        if word is not None:
            return (*above, found, word)
    return None


def _holders(model: ServiceModel, shape: str, noun: str) -> Iterator[tuple[Path, Names]]:
    names = Names(model, shape)
    yield (), names
    for name in names.all(STRUCTURE):
        if plain(name).startswith(plain(noun)):
            yield (name,), Names(model, names.shape(name))


def _identifiers(noun: str, suffixes: tuple[str, ...]) -> list[str]:
    own, *shorter = [[f"{form}{suffix}" for suffix in suffixes] for form in noun_forms(noun)]
    if plain(noun).endswith(_NAMING):
        own.insert(0, noun)  # it is called after its name (`DomainName`); an id beside that may be missing
    return [*own, *suffixes, *(name for names in shorter for name in names), noun]


def _state_names(noun: str) -> list[str]:
    own, *shorter = [[f"{form}Status", f"{form}State"] for form in noun_forms(noun)]
    return [*own, "Status", "State", *(name for names in shorter for name in names), "LifecycleState"]


def leading_words(noun: str) -> tuple[str, ...]:
    """Return the noun without its last words: `TrainingJob` gives `Training` (as in `TrainingEndTime`)."""
    words = words_of(noun)
    return tuple("".join(words[:at]) for at in range(len(words) - 1, 0, -1))
