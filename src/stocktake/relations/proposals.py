"""What a field's name proposes: the types that it may refer to, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.relations.known_types import known_types
from stocktake.resource_types.generated import read_names

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDINGS = frozenset({"arn", "arns", "id", "ids", "name", "names", "identifier", "identifiers", "uri", "url"})
"""Words that say in which way a field names what it refers to."""
_NEVER = frozenset({"state", "status", "type"})
"""Last words of fields that hold one of the provider's own words, not a name that somebody gave."""
_MOST = 8
"""A noun that more types share says nothing of other services' (job, application, policy)."""
_MOST_OF_AN_END = 2
"""Likewise, for what is only the end of a field's words (`rule_configuration_name`)."""


def edge_word(path: tuple[str, ...]) -> str:
    """Return what an edge is called: the field, with what it belongs to where it only says `arn` or `name`."""
    leaf = path[-1]
    return f"{path[-2]}_{leaf}" if len(path) > 1 and leaf in _ENDINGS else leaf


def proposed_types(type_name: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the types that the field at this path of a type may refer to, by its name alone."""
    leaf, *above = (name.split("_") for name in reversed(path))
    if leaf[-1] in _NEVER:
        return ()
    noun = leaf[:-1] if leaf[-1] in _ENDINGS else leaf
    found: tuple[str, ...] = ()
    if above and (not noun or _is_end_of(noun, above[0])):
        found = _of_noun(type_name, above[0])
        if not noun and path[-1] == "name":
            # Many structures have a name of their own: only one whose whole noun is a type's names that.
            found = tuple(one for one in found if _noun_fits(one, above[0]))
    if not found and noun:
        if not above and _is_own(type_name, noun):
            return ()
        found = _of_noun(type_name, noun)
    known = known_types()
    service = known.services.get(type_name, "")
    by_key = known.by_key.get((service, path[-1]), ()) if noun else ()
    if not above:
        by_key = tuple(one for one in by_key if one != type_name) if type_name not in by_key else ()
    return tuple(dict.fromkeys((*found, *by_key[:_MOST])))


def claimed_type(type_name: str, path: tuple[str, ...], types: tuple[str, ...]) -> str | None:
    """Return the type of an id that nothing held has: the first proposed, where the name alone says it surely.

    That is: with its service in the name, or by a noun of the own service or of EC2.
    """
    known = known_types()
    near = {known.services.get(type_name), *read_names().alone}
    for name in path[-1:-3:-1]:
        words = [word for word in name.split("_") if word not in _ENDINGS]
        for start in range(len(words) if types else 0):
            for noun in _singulars("".join(words[start:-1]), words[-1]):
                if types[0] in known.by_service_noun.get(noun, ()):
                    return types[0]
                if types[0] in known.by_noun.get(noun, ()) and known.services[types[0]] in near:
                    return types[0]
    return None


def own_names(type_name: str, schema: dict[str, Any]) -> tuple[str, ...]:
    """Return the columns of a type that name the resource itself: `group_id`, `group_name` of a SecurityGroup."""
    known = known_types()
    service = known.services.get(type_name, "")
    nouns = dict(known.of_service.get(service, ()))
    own = next((noun for noun, name in nouns.items() if name == type_name), "")
    found = []
    for column, entry in schema.items():
        *noun, ending = column.split("_")
        plain = "".join(noun)
        # The id of a VPC in an endpoint of it is not the endpoint's own.
        begins = own.startswith(plain) and nouns.get(plain, type_name) == type_name
        if entry == "STRING" and ending in _ENDINGS and (begins or own.endswith(plain)):
            found.append(column)
    return tuple(found)


def is_own_name(type_name: str, column: str) -> bool:
    """Return whether a column only names the resource itself: `arn`, `training_job_name` of a TrainingJob."""
    *noun, ending = column.split("_")
    return ending in _ENDINGS - {"uri", "url"} and (not noun or _is_own(type_name, noun))


def _is_own(type_name: str, noun: list[str]) -> bool:
    """Return whether a field tells the type's own name, id or ARN: `group_id` of a SecurityGroup."""
    known = known_types()
    own = {name: of for of, name in known.of_service.get(known.services.get(type_name, ""), ())}
    return own.get(type_name, "").endswith("".join(noun))


def _of_others(shared: tuple[str, ...], *, has_own: bool, is_end: bool) -> tuple[str, ...]:
    """Return which types of other services a noun says; where the own service has the noun, only EC2's."""
    if shared and known_types().services[shared[0]] in read_names().alone:
        return shared[:1] if has_own else shared
    few = len(shared) <= (_MOST_OF_AN_END if is_end else _MOST)
    return shared if few and not has_own else ()


def _noun_fits(type_name: str, words: list[str]) -> bool:
    known = known_types()
    return any(
        type_name in (*known.by_noun.get(noun, ()), *known.by_service_noun.get(noun, ()))
        for noun in _singulars("".join(words[:-1]), words[-1])
    )


def _of_noun(type_name: str, words: list[str]) -> tuple[str, ...]:
    """Return the types of the longest end of these words that is a noun."""
    known = known_types()
    service = known.services.get(type_name, "")
    for start in range(len(words)):
        for noun in _singulars("".join(words[start:-1]), words[-1]):
            exact = known.by_service_noun.get(noun, ())
            shared = known.by_noun.get(noun, ())
            own = tuple(one for one in shared if known.services[one] == service)
            others = _of_others(shared, has_own=bool(own), is_end=start > 0)
            found = tuple(dict.fromkeys((*exact, *own, *others)))[:_MOST]
            longer = _longer(service, noun, type_name)
            if others and start == 0 and len(longer) > 1:
                longer = ()  # other services' nouns say it better than some end of several of its own
            if found or longer:
                return tuple(dict.fromkeys((*found, *longer)))
    return _of_service_word(words)


def _of_service_word(words: list[str]) -> tuple[str, ...]:
    """Return the one type of the service in the first word whose noun begins so: `ec2_key_name` is a KeyPair's."""
    known = known_types()
    of_service = known.of_service.get(known.called.get(words[0], ""), ()) if len(words) > 1 else ()
    found = tuple(name for noun, name in of_service if noun.startswith("".join(words[1:])))
    return found if len(found) == 1 else ()


def _longer(service: str, noun: str, type_name: str) -> tuple[str, ...]:
    """Return the service's types whose nouns end so (`tuning_job` is a HyperParameterTuningJob), own type first."""
    ending = [one for of, one in known_types().of_service.get(service, ()) if of.endswith(noun) and of != noun]
    own_first = sorted(ending, key=lambda one: one != type_name)
    return tuple(own_first) if len(ending) <= _MOST or type_name in ending else ()


def _singulars(before: str, word: str) -> Iterator[str]:
    yield before + word
    if word.endswith("ies"):
        yield before + word[:-3] + "y"
    if word.endswith("es"):
        yield before + word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        yield before + word[:-1]


def _is_end_of(noun: list[str], words: list[str]) -> bool:
    """Return whether a noun ends these words, as `group` does `security_groups`."""
    return len(words) > len(noun) and "".join(noun) in set(_singulars("".join(words[-len(noun) : -1]), words[-1]))
