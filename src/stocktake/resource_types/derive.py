"""Resource types from a service's model, by general rules only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stocktake.resource_types.describe_calls import derive_describe
from stocktake.resource_types.facet_answers import facet_field
from stocktake.resource_types.facets import derive_facets
from stocktake.resource_types.facts import NO_FACTS, NounFacts
from stocktake.resource_types.iam import arn_service
from stocktake.resource_types.identity import derive_identity, is_identified
from stocktake.resource_types.life_cycle import derive_life_cycle
from stocktake.resource_types.list_calls import derive_list_call, is_pageable, list_candidates, listing_shapes
from stocktake.resource_types.members import plain
from stocktake.resource_types.nouns import Vocabulary
from stocktake.resource_types.overrides import data_types, global_types, stated_keys
from stocktake.resource_types.parents import Resolved, find_parent
from stocktake.resource_types.schema import field_name, structure_fields
from stocktake.resource_types.shapes import is_structure
from stocktake.resource_types.spec import Field, Kind, ResourceType, ValueType
from stocktake.resource_types.tags_calls import Listed, derive_tags_call, inline_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.facets import FoundFacet
    from stocktake.resource_types.facts import Facts
    from stocktake.resource_types.list_calls import ListCandidate
    from stocktake.resource_types.spec import Facet, Identity, ParentCall

_PROVIDER = "aws"


def type_name(service: str, noun: str) -> str:
    """Return the one name of a type: `aws_sagemaker_trainingjob`."""
    return f"{_PROVIDER}_{plain(service)}_{plain(noun)}"


def derive_types(model: ServiceModel, facts: Facts = NO_FACTS) -> dict[str, ResourceType]:
    """Return all types of a service by name: those that nothing is above, then those under them, level by level."""
    resolved = _Service(model, facts).resolve()
    sides = derive_facets(model, resolved)
    return {one.type.name: _with_facets(model, one.type, sides.get(one.type.name, ())) for one in resolved.values()}


def derive_type(model: ServiceModel, noun: str, facts: Facts = NO_FACTS) -> ResourceType | None:
    """Return the type of a noun (case and punctuation do not matter); None where it cannot be read."""
    return derive_types(model, facts).get(type_name(model.name, noun))


class _Service:
    """One service's nouns on their way to becoming types."""

    def __init__(self, model: ServiceModel, facts: Facts) -> None:
        self._model = model
        self._facts = facts
        self._vocabulary = Vocabulary(model.operations)
        self._resolved: dict[str, Resolved] = {}

    def resolve(self) -> dict[str, Resolved]:
        """Return every noun that can be read."""
        open_nouns = self._candidates()

        def settle(choose: Callable[[ListCandidate], bool]) -> bool:
            found = {}
            for noun, candidates in open_nouns.items():
                derived = self._first(one for one in candidates if choose(one))
                if derived is not None:
                    found[noun] = derived
            for noun, derived in found.items():
                self._resolved[noun] = derived
                del open_nouns[noun]
            return bool(found)

        settle(lambda one: not one.inputs.open and not one.inputs.loops and not one.inputs.is_last_resort)
        settle(lambda one: not one.inputs.open and not one.inputs.is_last_resort)
        while settle(lambda one: not one.inputs.is_last_resort):
            pass
        while settle(lambda _: True):
            pass
        return self._resolved

    def _candidates(self) -> dict[str, list[ListCandidate]]:
        """Return the list operations of each noun, best first."""
        found: dict[str, list[ListCandidate]] = {}
        for candidate in list_candidates(self._model, self._vocabulary):
            if is_pageable(self._model, candidate):
                found.setdefault(plain(candidate.noun), []).append(candidate)
        return {noun: sorted(_direct(candidates), key=lambda one: one.rank) for noun, candidates in found.items()}

    def _first(self, candidates: Iterable[ListCandidate]) -> Resolved | None:
        return next((derived for one in candidates if (derived := self._derive(one)) is not None), None)

    def _derive(self, candidate: ListCandidate) -> Resolved | None:
        parent, depth, reason, is_global = None, 0, candidate.reason, False
        if candidate.inputs.open:
            found = find_parent(self._model, candidate, self._resolved.values(), self._facts)
            if found is None:
                return None
            parent, above, rule = found
            depth, reason = above.depth + 1, f"{reason}; {rule}"
            is_global = above.type.scope == "global"
        known = self._facts.nouns.get(plain(candidate.noun), NounFacts())
        derived = _from_candidate(self._model, candidate, parent, known, (self._vocabulary, reason, depth))
        if derived is None or not is_global:
            return derived
        # Listed under what every region answers the same, so the same itself.
        return replace(derived, type=replace(derived.type, scope="global"))


def _direct(candidates: list[ListCandidate]) -> list[ListCandidate]:
    """Return the operations called after the noun; where none is, those whose answers hold it beside others."""
    return [one for one in candidates if not one.is_beside] or candidates


def _from_candidate(
    model: ServiceModel,
    candidate: ListCandidate,
    parent: ParentCall | None,
    known: NounFacts,
    told: tuple[Vocabulary, str, int],
) -> Resolved | None:
    vocabulary, list_reason, depth = told
    listing = listing_shapes(model, candidate)
    described = derive_describe(model, candidate, listing)
    shape = candidate.item_shape if described is None else described.shape
    if not is_structure(model, shape):
        return None
    noun, item = candidate.noun, candidate.item_shape
    describe = None if described is None else described.call
    identity, identity_reason = derive_identity(model, candidate, shape, describe, listing, known.arn)
    if not is_identified(identity):
        return None
    tier, tier_reason = _tier(f"{model.name}:{noun}", vocabulary, known, identity)
    if tier == "D":
        return None
    inline = inline_tags(model, shape)
    listed = Listed(noun, item, shape, listing, has_arn_template=identity.arn_template is not None)
    # What an ARN of another resource's would tell are that one's tags.
    has_own_arn = not stated_keys(model.name, noun)
    tags = derive_tags_call(model, listed) if inline is None and has_own_arn else None
    calls = (
        ((candidate.operation, candidate.result_path),)
        if describe is None
        else ((describe.operation, describe.result_path),)
    )
    life_cycle, final_reason = derive_life_cycle(model, noun, item, shape, calls)
    fields, omitted = structure_fields(model, shape)
    derived = ResourceType(
        name=type_name(model.name, noun),
        provider=_PROVIDER,
        service=model.name,
        api_version=model.api_version,
        model_version=model.model_version,
        protocol=model.protocol,
        noun=noun,
        fields=with_catalog_fields(fields, noun, has_arn=identity.arn_path is not None),
        list_call=derive_list_call(model, candidate, parent),
        describe_call=describe,
        tags_call=None if tags is None else tags[0],
        identity=identity,
        life_cycle=life_cycle,
        arn_service=arn_service(model),
        inline_tags=inline,
        omitted=omitted,
        reasons={
            "list_call": list_reason,
            "describe_call": "the list item is as full" if described is None else described.reason,
            "tags_call": "tags are in the document"
            if inline
            else "no tags operation binds"
            if tags is None
            else tags[1],
            "identity": identity_reason,
            "final_states": final_reason,
            "tier": tier_reason,
        },
        tier=tier,
        scope="global" if model.is_global or f"{model.name}:{noun}".lower() in global_types() else "regional",
        cloudformation=known.cloudformation,
    )
    return Resolved(candidate, derived, shape, listing, depth)


def _tier(full_noun: str, vocabulary: Vocabulary, known: NounFacts, identity: Identity) -> tuple[str, str]:
    """Return how good the evidence is that a noun is a resource, and what it is (see `spec.ResourceType.tier`)."""
    if full_noun.lower() in data_types():
        return "C", "data that customers keep, not inventory"
    sources = [name for name, stated in (("CloudFormation", known.cloudformation), ("IAM", known.iam)) if stated]
    if sources:
        return "A", f"{' and '.join(sources)} {'know' if len(sources) > 1 else 'knows'} the noun"
    if vocabulary.is_made(full_noun.split(":")[1]):
        return "B", "an operation makes, starts or ends it"
    if identity.arn_path or identity.item_arn_path is not None or identity.key_paths:
        return "C", "it has an identifier of its own"
    return "D", "nothing says that it is a resource"


def _with_facets(model: ServiceModel, one: ResourceType, found: tuple[FoundFacet, ...]) -> ResourceType:
    facets = tuple(side.facet for side in found)
    if not facets:
        return one
    reasons = one.reasons | {f"facet {side.facet.name}": side.reason for side in found}
    return replace(one, fields=with_facet_fields(model, one.fields, facets), facets=facets, reasons=reasons)


def with_facet_fields(model: ServiceModel, fields: tuple[Field, ...], facets: tuple[Facet, ...]) -> tuple[Field, ...]:
    """Add the fields of sides that calls of their own answer, after all others."""
    return (*fields, *(facet_field(model, facet) for facet in facets))


def with_catalog_fields(fields: tuple[Field, ...], noun: str, *, has_arn: bool) -> tuple[Field, ...]:
    """Add what the catalog itself knows of every resource: account, tags, and an ARN where the provider gives none."""
    string = ValueType(Kind.STRING)
    added = [
        Field("account_id", string, None, None),
        Field("tags", ValueType(Kind.LIST, element=string), None, None),
    ]
    computed = f"{field_name(noun)}_arn"
    if not has_arn and all(field.name != computed for field in fields):
        added.append(Field(computed, string, None, None))
    return tuple(sorted((*fields, *added), key=lambda field: field.name))
