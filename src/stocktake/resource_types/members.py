"""Which member of a structure means what: identifiers, ARNs, times, states."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.shapes import members, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

IDENTIFIER_SUFFIXES = ("arn", "name", "id", "identifier", "key", "url", "alias")
"""What an identifier's name ends in; also the order in which one stands for another."""


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
        forms = "|".join(plain(form) for form in (*noun_forms(noun), *_leading_words(noun)))
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
_WHEN = "(time|date|at|on|datetime|timestamp|timestamputc)"
_CREATED = f"(creation|created|create|launch){_WHEN}"
_STARTED = f"(start|started|submit|submitted|requested|request){_WHEN}"
_MODIFIED = f"((last)?(modified|updated|update|modification|changed|change){_WHEN}|lastmodified|lastupdated)"
_ENDED = f"(end|ended|stop|stopped|completion|completed|complete|finish|finished){_WHEN}"


def noun_forms(noun: str) -> tuple[str, ...]:
    """Return the noun, then its shorter forms: `DBInstance`, `Instance`; what members of it are called after."""
    words = [noun[at:] for at in range(1, len(noun)) if noun[at].isupper() and noun[at - 1].islower()]
    return (noun, *words)


def arn_member(names: Names, noun: str) -> str | None:
    """Return the member that holds the resource's own ARN."""
    forms = [f"{form}Arn" for form in noun_forms(noun)]
    found = names.find((forms[0], "Arn", "ResourceArn", *forms[1:]), STRING)
    if found is not None:
        return found
    arns = [name for name in names.all(STRING) if plain(name).endswith("arn")]
    return next((name for name in arns if plain(noun) in plain(name)), None)


def created_member(names: Names, noun: str) -> str | None:
    """Return the member that holds when the resource was created."""
    return names.match(_CREATED, noun) or names.match(_STARTED, noun)


def modified_member(names: Names, noun: str) -> str | None:
    """Return the member that holds when the resource was last changed."""
    return names.match(_MODIFIED, noun)


def ended_member(names: Names, noun: str) -> str | None:
    """Return the member that holds when the resource ended: what has one runs to an end."""
    return names.match(_ENDED, noun)


def state_member(names: Names, noun: str) -> str | None:
    """Return the member that holds the resource's state."""
    forms = [f"{form}{word}" for form in noun_forms(noun) for word in ("Status", "State")]
    return names.find((*forms[:2], "Status", "State", *forms[2:], "LifecycleState", "LifeCycleState"), STRING)


def identifier_paths(names: Names, noun: str) -> tuple[Path, ...]:
    """Return where the resource's identifier is: its name or id."""
    forms = [f"{form}{suffix}" for form in noun_forms(noun) for suffix in ("Name", "Id", "Identifier")]
    found = names.find((*forms[:3], "Name", "Id", "Identifier", *forms[3:], noun), STRING)
    return () if found is None else ((found,),)


def _leading_words(noun: str) -> tuple[str, ...]:
    """Return the noun without its last words: `TrainingJob` gives `Training` (as in `TrainingEndTime`)."""
    ends = [at for at in range(1, len(noun)) if noun[at].isupper() and noun[at - 1].islower()]
    return tuple(noun[:at] for at in reversed(ends))
