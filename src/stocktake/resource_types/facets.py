"""Sides of a resource that calls of their own answer: a bucket's encryption, a key's rotation, a queue's policy.

A side is what somebody sets on a resource: an operation reads it, another one sets it, and both are told no more than
which resource. So what only happens to a resource (metrics, events, progress) is none, and a sync stays affordable.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stocktake.resource_types.bindings import Bindings, bind_all
from stocktake.resource_types.facet_answers import facet_answer
from stocktake.resource_types.full_answers import ask_for_all
from stocktake.resource_types.iam import iam_action
from stocktake.resource_types.members import GENERIC_PARAMETERS, IDENTIFIER_SUFFIXES, STRING, Names, noun_forms, plain
from stocktake.resource_types.nouns import Vocabulary, split_operation, words_of
from stocktake.resource_types.overrides import left_out_facets, stated_facets
from stocktake.resource_types.schema import RESERVED, field_name
from stocktake.resource_types.shapes import input_shape, is_structure, members, required
from stocktake.resource_types.spec import Facet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.nouns import OperationName
    from stocktake.resource_types.parents import Resolved

_READING = ("Get", "Describe")
_SETTING = ("Put", "Set", "Update", "Modify", "Enable", "Create", "Attach")
_OWN_VERBS = ("Describe", "Get", "Delete", "Update")
_NOT_SIDES = re.compile(
    "secret|password|credentials?|tokens?|url|certificate|report|summary|history|statistics|metrics|usage|preview|"
    "recommendation|label|tags?",
    re.IGNORECASE,
)
"""Words of what is secret, only for a moment, only happens, or has a place of its own."""
_TIERS = "AB"
_ASIDE = ("Status",)
"""A word that a reading operation has more than the one that sets: `GetKeyRotationStatus`, `EnableKeyRotation`."""
_OF_NOUN = ("for", "of", "to", "from", "on", "in", "by")
_CHOSEN = ("Default", "Current", "Latest")
"""What a member is called that says which of several parts counts: `DefaultVersionId`."""


@dataclass(frozen=True, slots=True)
class FoundFacet:
    """A side, and the rule that found it."""

    facet: Facet
    reason: str


@dataclass(frozen=True, slots=True)
class _Claim:
    """A type's claim to an operation; the longest noun has it."""

    type: str
    rank: tuple[int, ...]
    found: FoundFacet


def derive_facets(model: ServiceModel, resolved: Mapping[str, Resolved]) -> dict[str, tuple[FoundFacet, ...]]:
    """Return the sides of a service's types, by type name, each sorted by name."""
    return _Sides(model, tuple(resolved.values())).all()


class _Sides:
    def __init__(self, model: ServiceModel, resolved: tuple[Resolved, ...]) -> None:
        self._model = model
        self._resolved = resolved
        self._names = {operation: split_operation(operation) for operation in model.operations}

    def all(self) -> dict[str, tuple[FoundFacet, ...]]:
        found: dict[str, dict[str, FoundFacet]] = defaultdict(dict)
        owners = [one for one in self._resolved if one.type.tier in _TIERS]
        for operation in self._reading():
            claims = [claim for one in owners if (claim := self._claim(operation, one)) is not None]
            if claims:
                best = max(claims, key=lambda one: one.rank)
                found[best.type].setdefault(best.found.facet.name, best.found)
        for one in owners:
            for name, operation in stated_facets(self._model.name, one.type.noun).items():
                stated = self._stated(name, operation, one)
                if stated is not None:
                    found[one.type.name][name] = stated
        return {name: tuple(sides[side] for side in sorted(sides)) for name, sides in found.items()}

    def _reading(self) -> Iterator[str]:
        """Yield operations that may read a side: those that no type is read with, and that another one sets."""
        left_out = left_out_facets(self._model.name)
        for operation, name in self._names.items():
            if name.verb not in _READING or not name.noun or operation in left_out:
                continue
            if self._model.operations[operation].get("deprecated") or operation in self._used:
                continue
            is_other = any(_NOT_SIDES.fullmatch(word) for word in words_of(name.noun))
            if is_other or self._is_type(name) or not self._setters(name):
                continue
            yield operation

    @cached_property
    def _used(self) -> frozenset[str]:
        types = [one.type for one in self._resolved]
        calls = [call for one in types for call in (one.list_call, one.describe_call, one.tags_call)]
        return frozenset(call.operation for call in calls if call is not None)

    @cached_property
    def _nouns(self) -> frozenset[str]:
        return frozenset(plain(one.candidate.noun) for one in self._resolved)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._model.operations)

    @cached_property
    def _set_by(self) -> dict[str, list[str]]:
        """What is set -> the operations that set it."""
        found: dict[str, list[str]] = defaultdict(list)
        for operation, name in self._names.items():
            if name.verb in _SETTING:
                found[plain(name.noun)].append(operation)
        return found

    def _setters(self, name: OperationName) -> list[str]:
        nouns = [name.noun, *(name.noun.removesuffix(word) for word in _ASIDE if name.noun.endswith(word))]
        return [setter for noun in nouns for setter in self._set_by.get(plain(noun), ())]

    def _is_type(self, name: OperationName) -> bool:
        return plain(name.noun) in self._nouns or plain(self._vocabulary.listed(name.noun)) in self._nouns

    def _claim(self, operation: str, one: Resolved) -> _Claim | None:
        name, noun = self._names[operation], plain(one.candidate.noun)
        is_prefixed = plain(name.noun).startswith(noun) and plain(name.noun) != noun
        is_of_it = plain(name.condition) in {f"{word}{noun}" for word in _OF_NOUN}
        is_own_status = plain(name.noun) in {f"{noun}{plain(word)}" for word in _ASIDE}
        if is_own_status or (name.condition and not is_of_it):
            return None
        request = input_shape(self._model, operation)
        needed = required(self._model, request)
        if not needed or not self._name_it(needed, one, is_sure=is_prefixed or is_of_it):
            return None
        bound = self._bind(request, needed, one)
        if bound is None or not bound.paths or not self._is_set(operation, bound):
            return None
        found = self._facet(self._side_name(operation, one), operation, one, bound)
        if found is None:
            return None
        rule = "called after the noun" if is_prefixed or is_of_it else "asked with the noun alone"
        reason = "; ".join((rule, "another operation sets it", *bound.rules))
        return _Claim(one.type.name, (int(is_prefixed or is_of_it), len(noun)), FoundFacet(found, reason))

    def _stated(self, name: str, operation: str, one: Resolved) -> FoundFacet | None:
        """Return a side that is stated: what names the resource may then be optional, or chosen among parts."""
        if operation not in self._model.operations:
            return None
        request = input_shape(self._model, operation)
        needed = required(self._model, request)
        if not needed:
            noun = plain(one.candidate.noun)
            own = Names(self._model, request).find([f"{noun}{suffix}" for suffix in IDENTIFIER_SUFFIXES], STRING)
            needed = () if own is None else (own,)
        bound = self._bind(request, needed, one)
        if bound is None or not bound.paths:
            return None
        found = self._facet(name, operation, one, bound, is_stated=True)
        return None if found is None else FoundFacet(found, "; ".join(("stated", *bound.rules)))

    # -- inputs ----------------------------------------------------------------------------------------------------

    def _name_it(self, needed: Iterable[str], one: Resolved, *, is_sure: bool) -> bool:
        """Return whether what an operation needs are names of the resource, and of what it was listed under.

        `is_sure`: the operation says which kind of resource it is about, so an input may be called just `name`.
        """
        noun = one.candidate.noun
        own = {plain(noun) + suffix for suffix in ("", *IDENTIFIER_SUFFIXES)}
        if is_sure:
            own |= {plain(form) + suffix for form in noun_forms(noun) for suffix in ("", *IDENTIFIER_SUFFIXES)}
            own |= GENERIC_PARAMETERS | self._own_identifiers(one)
        above = {plain(key) for key in one.listing} | {"accountid", "awsaccountid"}
        asked = {plain(name) for name in needed}
        return bool(asked & own) and asked <= own | above

    def _own_identifiers(self, one: Resolved) -> set[str]:
        """Return what the resource's own operations ask for, beside what it was listed with."""
        above = {plain(key) for key in one.listing}
        asked = [
            {plain(name) for name in required(self._model, input_shape(self._model, operation))} - above
            for verb in _OWN_VERBS
            if (operation := f"{verb}{one.candidate.noun}") in self._model.operations
        ]
        return {name for names in asked if len(names) == 1 for name in names}

    def _bind(self, request: str | None, needed: tuple[str, ...], one: Resolved) -> Bindings | None:
        noun, chosen = one.candidate.noun, self._chosen(needed, one)
        rest = [name for name in needed if name not in chosen]
        is_named = not is_structure(self._model, one.candidate.item_shape) and not one.candidate.holds_arns(self._model)
        by_arn = any(plain(name).endswith("arn") for name in rest)
        shapes = dict.fromkeys((one.candidate.item_shape, one.document_shape))
        for shape in list(shapes)[int(is_named and by_arn) :]:
            bound = bind_all(self._model, request, rest, (noun, shape), one.listing)
            if bound is not None:
                for name, member in chosen.items():
                    bound.paths[name] = (member,)
                    bound.rules.append(f"binds {name} by the one that counts")
                return bound
        return None

    def _chosen(self, needed: tuple[str, ...], one: Resolved) -> dict[str, str]:
        """Return inputs whose value the resource itself chooses: `VersionId`, of a policy's `DefaultVersionId`."""
        if not is_structure(self._model, one.document_shape):
            return {}
        names = Names(self._model, one.document_shape)
        found = {name: names.find([f"{word}{name}" for word in _CHOSEN], STRING) for name in needed}
        return {name: member for name, member in found.items() if member is not None}

    def _is_set(self, operation: str, bound: Bindings) -> bool:
        """Return whether an operation sets for the same resource what this one reads, and needs no more to know what.

        Where one makes such a thing, it has to be told of which resource: else it makes a resource.
        """
        own = {plain(name) for name in bound.paths}
        given = {plain(name) for name in (*bound.paths, *bound.inherited, *bound.context)}
        read = {plain(name) for name in members(self._model, input_shape(self._model, operation))}
        is_set = False
        for setter in self._setters(self._names[operation]):
            request = input_shape(self._model, setter)
            takes_own = own <= {plain(name) for name in members(self._model, request)}
            if not takes_own and self._names[setter].verb == "Create":
                return False
            more = {plain(name) for name in required(self._model, request)} & read - given
            is_set = is_set or (takes_own and not more)
        return is_set

    # -- the facet -------------------------------------------------------------------------------------------------

    def _facet(
        self, name: str, operation: str, one: Resolved, bound: Bindings, *, is_stated: bool = False
    ) -> Facet | None:
        answer = facet_answer(self._model, operation, one.document_shape, is_stated=is_stated)
        if answer is None:
            return None
        return Facet(
            name=name,
            operation=operation,
            bindings=bound.paths,
            result_path=answer.path,
            pagination=answer.pagination,
            iam_action=iam_action(self._model, operation),
            arguments=ask_for_all(self._model, operation),
            inherited=bound.inherited,
            context=bound.context,
            omitted=answer.omitted,
            absent_codes=answer.absent_codes,
        )

    def _side_name(self, operation: str, one: Resolved) -> str:
        """Return a side's name: the operation's noun without the resource's, where no field is called so already."""
        name = self._names[operation]
        noun, words = plain(one.candidate.noun), words_of(name.noun)
        rest = [words[at:] for at in range(1, len(words)) if plain("".join(words[:at])) == noun]
        taken = {field.name for field in one.type.fields} | RESERVED
        for candidate in (*("".join(one) for one in rest), name.noun, operation):
            if field_name(candidate) not in taken:
                return field_name(candidate)
        return field_name(f"{operation}Facet")
