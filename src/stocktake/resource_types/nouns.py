"""The verb and the noun in an operation's name, and the singular of a noun."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stocktake.resource_types.overrides import compounds

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+s?|[0-9]+")
_DATE = re.compile(r"\d{4}_?\d{2}_?\d{2}$")
_VERSION = re.compile(r"V(\d+)$")
_CONNECTORS = frozenset({"For", "By", "In", "With", "From", "On", "Of", "To", "Under", "Within", "Associated", "As"})
_LIFE_VERBS = re.compile(
    "Create|Delete|Put|Start|Stop|Register|Deregister|Run|Import|Launch|Allocate|Request|Release|Terminate|"
    "Cancel|Publish|Submit|Restore|Copy|Provision|Add|Remove"
)
"""Verbs that make, start or end: only what exists by somebody's act is the object of them."""
_NOUN_VERBS = re.compile(
    f"{_LIFE_VERBS.pattern}|Update|Modify|Describe|Get|Enable|Disable|Associate|Disassociate|Reboot|Deprovision|Set|Batch|Invoke|"
    "Attach|Detach|Tag|Untag|Send|Accept|Reject|Execute|Deploy"
)


_ONE_VERBS = ("Create", "Update", "Delete")
"""What has operations with all of these is one thing, even if it looks like a plural (`BrowserSettings`)."""


@dataclass(frozen=True, slots=True)
class OperationName:
    """An operation's name, taken apart: `ListTrainingJobsForTuningJobV2`."""

    verb: str
    """`List`"""
    noun: str
    """`TrainingJobs`"""
    condition: str
    """`ForTuningJob`; '' where there is none."""
    version: int
    """2; 1 where the name states none."""


def words_of(name: str) -> list[str]:
    """Return the words of a camel-case name."""
    return _WORD.findall(name)


def split_operation(name: str) -> OperationName:
    """Take an operation's name apart."""
    name = _DATE.sub("", name)
    stated = _VERSION.search(name)
    words = _WORD.findall(_VERSION.sub("", name))
    cut = next((at for at in range(2, len(words) - 1) if _cuts(words, at)), len(words))
    return OperationName(
        verb=words[0] if words else "",
        noun="".join(words[1:cut]),
        condition="".join(words[cut:]),
        version=int(stated[1]) if stated else 1,
    )


def _cuts(words: list[str], at: int) -> bool:
    """Return whether a condition begins at a word: at the end of a name it is a part of the noun (`OptIn`)."""
    if words[at] not in _CONNECTORS:
        return False
    following = "".join(words[at - 1 : at + 2])
    return not any(following in (whole, f"{whole}s") for whole in compounds())


class Vocabulary:
    """The singular nouns that a service's own operations use."""

    def __init__(self, operations: Iterable[str]) -> None:
        self._names = [split_operation(name) for name in operations]
        self._names += [split_operation(name.removeprefix("Batch")) for name in operations if name.startswith("Batch")]

    @cached_property
    def _nouns(self) -> frozenset[str]:
        return frozenset(name.noun for name in self._names if name.noun and _NOUN_VERBS.fullmatch(name.verb))

    @cached_property
    def plain_nouns(self) -> frozenset[str]:
        """Return what the service's own operations act on, without punctuation and case."""
        return frozenset(noun.lower() for noun in self._nouns)

    @cached_property
    def _made_nouns(self) -> frozenset[str]:
        by_verb = [{name.noun for name in self._names if name.verb == verb} for verb in _ONE_VERBS]
        return frozenset.intersection(*map(frozenset, by_verb)) - {""}

    @cached_property
    def _last_words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(noun)[-1] for noun in self._nouns)

    @cached_property
    def _verbs(self) -> dict[str, set[str]]:
        verbs: dict[str, set[str]] = {}
        for name in self._names:
            verbs.setdefault(name.noun.lower(), set()).add(name.verb)
        return verbs

    def is_made(self, noun: str) -> bool:
        """Return whether an operation makes, starts or ends what the noun names."""
        forms = (noun.lower(), f"{noun.lower()}s")
        return any(_LIFE_VERBS.fullmatch(verb) for form in forms for verb in self._verbs.get(form, ())) or any(
            f"{form}offering" in self._purchased for form in forms
        )

    @cached_property
    def _purchased(self) -> frozenset[str]:
        """What is bought: `PurchaseReservedNodeOffering` makes reserved nodes."""
        return frozenset(name.noun.lower() for name in self._names if name.verb == "Purchase")

    def listed(self, plural: str) -> str:
        """Return the noun that an operation lists: the singular; of a list of names (`DomainNames`), what is named."""
        noun = self.singular(plural)
        stem = next((noun.removesuffix(end) for end in ("Name", "Arn", "Id", "Identifier") if noun.endswith(end)), noun)
        if stem == noun or noun in self._nouns:
            return noun
        longer = [one for one in self._nouns if one.endswith(stem)]
        return stem if stem in self._nouns else longer[0] if len(longer) == 1 else noun

    def singular(self, noun: str) -> str:
        """Return the singular of a noun: the form that the service uses, else by the rules of English spelling."""
        if not noun.endswith("s"):
            return noun
        forms = _singular_forms(noun)
        for form in forms:
            if form in self._nouns:
                return form
        if noun in self._made_nouns:
            return noun
        words = _WORD.findall(noun)
        for form in _singular_forms(words[-1]):
            if form in self._last_words:
                return "".join(words[:-1]) + form
        return noun if noun.endswith(("ss", "us", "is", "ias", "eries", "Cors")) else forms[0]


def _singular_forms(noun: str) -> list[str]:
    """Return what the singular of a plural may be, likeliest first."""
    if noun.endswith("ies"):
        return [f"{noun[:-3]}y", noun[:-1]]
    if noun.endswith("yses"):
        return [f"{noun[:-2]}is", noun[:-1]]
    if noun.endswith("ices"):
        return [noun[:-1], f"{noun[:-4]}ex", f"{noun[:-4]}ix"]
    if noun.endswith(("sses", "shes", "ches", "xes", "zes", "uses")):
        return [noun[:-2], noun[:-1]]
    if noun.endswith("ses"):
        return [noun[:-1], noun[:-2]]
    return [noun[:-1]]
