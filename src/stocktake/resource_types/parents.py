"""Which type's resources a child type is listed under, and how one of them names itself to the child's list call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.resource_types.bindings import bind, is_telling_shape
from stocktake.resource_types.members import (
    GENERIC_PARAMETERS,
    IDENTIFIER_SUFFIXES,
    STRING,
    Names,
    arn_member,
    find_path,
    noun_forms,
    plain,
)
from stocktake.resource_types.nouns import split_operation
from stocktake.resource_types.overrides import stated_parent
from stocktake.resource_types.shapes import input_shape, is_structure, members, required
from stocktake.resource_types.spec import ParentCall

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.facts import Facts
    from stocktake.resource_types.list_calls import ListCandidate
    from stocktake.resource_types.spec import Path, ResourceType


_OWN_VERBS = ("Describe", "Get", "Delete", "Update")
_ACCOUNT = {"accountid", "awsaccountid"}
_SAME_WORDS = {"app": "application", "application": "app"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A type that can be read: a parent that others may be listed under."""

    candidate: ListCandidate
    type: ResourceType
    document_shape: str
    listing: dict[str, str]
    """The members of its listing (see `spec.ParentCall`), each with its shape."""
    depth: int
    """How many parents are above it."""


@dataclass(frozen=True, slots=True)
class _Bound:
    path: Path
    score: tuple[int, ...]
    """Smaller is better."""
    rule: str


def find_parent(
    model: ServiceModel, candidate: ListCandidate, resolved: Iterable[Resolved], facts: Facts
) -> tuple[ParentCall, Resolved, str] | None:
    """Return the parent that supplies every open input of a list operation, the parent's type, and the rule."""
    found = []
    for parent in resolved:
        if plain(parent.candidate.noun) == plain(candidate.noun):
            continue
        supplied = _supply(model, candidate, parent, facts)
        if supplied is not None:
            call, score, rule = supplied
            found.append((score, call, parent, rule))
    if not found:
        return None
    _, call, parent, rule = min(found, key=lambda one: (one[0], one[2].depth, len(one[2].candidate.noun), one[1].type))
    return call, parent, f"under {parent.candidate.noun}; {rule}"


def _supply(
    model: ServiceModel, candidate: ListCandidate, parent: Resolved, facts: Facts
) -> tuple[ParentCall, tuple[int, ...], str] | None:
    stated = stated_parent(model.name, candidate.noun)
    if stated is not None and plain(stated["parent"]) != plain(parent.candidate.noun):
        return None
    shapes = {name: str(one["shape"]) for name, one in members(model, input_shape(model, candidate.operation)).items()}
    inputs = candidate.inputs.open
    anchors = {}
    told = {} if stated is None else stated.get("bindings", {})
    for name in inputs:
        if name in told:
            anchors[name] = _Bound(tuple(told[name].split(".")), (0,), "a stated binding")
            continue
        bound = _anchor(model, candidate, name, shapes[name], parent, facts, is_stated=stated is not None)
        if bound is not None:
            anchors[name] = bound
    if not anchors:
        return None
    bindings: dict[str, Path] = {}
    inherited: dict[str, str] = {}
    rules = []
    for name in inputs:
        if name in anchors and anchors[name].path not in bindings.values():
            bindings[name] = anchors[name].path
            rules.append(f"binds {name} by {anchors[name].rule}")
            continue
        key = _inherited(name, shapes[name], parent.listing)
        if key is not None and key not in inherited.values():
            inherited[name] = key
            rules.append(f"inherits {name}")
            continue
        path = _beside(model, name, shapes[name], parent)
        if path is None or path in bindings.values():
            return None
        bindings[name] = path
        rules.append(f"binds {name} by same name")
    if not bindings:
        return None
    score = max(anchors[name].score for name in anchors)
    return ParentCall(parent.type.name, bindings, inherited), score, "; ".join(rules)


def _anchor(
    model: ServiceModel,
    candidate: ListCandidate,
    name: str,
    shape: str,
    parent: Resolved,
    facts: Facts,
    *,
    is_stated: bool,
) -> _Bound | None:
    """Return where a parent holds an input that names it; None where the input does not name this parent."""
    wanted, noun = plain(name), parent.candidate.noun
    handle = _handle(model, name, shape, parent)
    own = _own_identifiers(model, parent)
    level: int | None = None
    rule = ""
    forms = noun_forms(noun)
    if wanted in GENERIC_PARAMETERS:
        if is_stated or _is_meant(candidate, parent, facts):
            level, rule = 4, "what the operation acts on"
    else:
        for at, form in enumerate(forms):
            if _names(wanted, plain(form)) or _names(wanted, _SAME_WORDS.get(plain(form), plain(form))):
                level, rule = at, "the parent's noun"
                break
        if level is None and (wanted in own or (is_stated and handle is not None)):
            level, rule = 2, "what the parent's own operations are asked with"
    if level is None:
        return None
    path = handle or _identifier_path(model, name, shape, parent)
    return None if path is None else _Bound(path, (level,), rule)


def _names(parameter: str, form: str) -> bool:
    """Return whether an input is called like a noun, with an ending of identifiers or none."""
    return parameter.startswith(form) and parameter[len(form) :] in {"", *IDENTIFIER_SUFFIXES, "resourceid", "code"}


def _is_meant(candidate: ListCandidate, parent: Resolved, facts: Facts) -> bool:
    """Return whether an operation whose input is only called `name` or `arn` acts on a parent."""
    noun = plain(parent.candidate.noun)
    condition = plain(split_operation(candidate.operation).condition)
    if condition and condition in {f"{word}{noun}" for word in ("for", "by", "in", "of", "from", "to", "with")}:
        return True
    known = facts.nouns.get(noun)
    acted = facts.acts_on.get(candidate.operation)
    if acted is not None and acted in {noun, plain(known.iam) if known is not None else noun}:
        return True
    asked = facts.nouns.get(plain(candidate.noun))
    return asked is not None and any(_names(plain(one), noun) for one in asked.list_inputs)


def _handle(model: ServiceModel, name: str, shape: str, parent: Resolved) -> Path | None:
    """Return what the parent's own describe call binds to an input of the same name or shape."""
    describe = parent.type.describe_call
    if describe is None:
        return None
    stated = members(model, input_shape(model, describe.operation))
    for parameter, path in describe.bindings.items():
        if plain(parameter) == plain(name):
            return path
    for parameter, path in describe.bindings.items():
        same = parameter in stated and stated[parameter]["shape"] == shape
        if same and is_telling_shape(shape):
            return path
    return None


def _own_identifiers(model: ServiceModel, parent: Resolved) -> set[str]:
    """Return what the parent's own operations call it: the one input that they ask for."""
    found = set()
    for verb in _OWN_VERBS:
        operation = f"{verb}{parent.candidate.noun}"
        if operation not in model.operations:
            continue
        request = input_shape(model, operation)
        listed = {plain(key) for key in parent.listing} | _ACCOUNT
        asked = [one for one in required(model, request) if plain(one) not in listed]
        if len(asked) == 1 and plain(asked[0]) not in GENERIC_PARAMETERS:
            found.add(plain(asked[0]))
    return found


def _identifier_path(model: ServiceModel, name: str, shape: str, parent: Resolved) -> Path | None:
    noun, item = parent.candidate.noun, parent.candidate.item_shape
    wanted = plain(name)
    for holder in dict.fromkeys((item, parent.document_shape)):
        if not is_structure(model, holder):
            if not wanted.endswith("arn") or parent.candidate.holds_arns(model):
                return ()
            continue
        if wanted.endswith("arn"):
            arn = find_path(model, holder, noun, arn_member)
            if arn is not None:
                return arn
            continue
        found = bind(model, name, shape, noun, holder)
        if found is not None:
            return found[0]
    keys = parent.type.identity.item_key_paths or parent.type.identity.key_paths
    if len(keys) == 1 and not wanted.endswith("arn") and wanted.endswith(("name", "id", "identifier")):
        ending = plain(keys[0][-1]) if keys[0] else ""
        if not ending or ending.endswith(wanted[-2:]) or wanted.endswith("identifier"):
            return keys[0]
    return None


def _inherited(name: str, shape: str, listing: dict[str, str]) -> str | None:
    """Return the member of the parent's listing that is the same as an input."""
    for member, its_shape in listing.items():
        if plain(member) == plain(name) or (its_shape == shape and is_telling_shape(shape)):
            return member
    return None


def _beside(model: ServiceModel, name: str, shape: str, parent: Resolved) -> Path | None:
    """Return where the parent holds another input by the same name or shape."""
    for holder in dict.fromkeys((parent.candidate.item_shape, parent.document_shape)):
        if not is_structure(model, holder):
            continue
        names = Names(model, holder)
        stem = plain(name).removesuffix("identifier").removesuffix("id")
        found = names.find((name, f"{stem}id", f"{stem}identifier") if stem else (name,), STRING)
        if found is not None:
            return (found,)
        same = [one for one in names.all(STRING) if names.shape(one) == shape]
        if len(same) == 1 and is_telling_shape(shape):
            return (same[0],)
    return None
