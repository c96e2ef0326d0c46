"""A resource type from a service's model and a noun, by general rules only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.describe_calls import derive_describe
from stocktake.resource_types.iam import arn_service
from stocktake.resource_types.identity import derive_identity, is_identified
from stocktake.resource_types.life_cycle import derive_life_cycle
from stocktake.resource_types.list_calls import derive_list_call, is_pageable, list_candidates
from stocktake.resource_types.members import plain
from stocktake.resource_types.nouns import Vocabulary
from stocktake.resource_types.schema import field_name, structure_fields
from stocktake.resource_types.shapes import is_structure
from stocktake.resource_types.spec import Field, Kind, ResourceType, ValueType
from stocktake.resource_types.tags_calls import derive_tags_call, inline_tags

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.list_calls import ListCandidate

_PROVIDER = "aws"


def type_name(service: str, noun: str) -> str:
    """Return the one name of a type: `aws_sagemaker_trainingjob`."""
    return f"{_PROVIDER}_{plain(service)}_{plain(noun)}"


def derive_types(model: ServiceModel) -> dict[str, ResourceType]:
    """Return all types of a service that can be read at top level, by name."""
    types = {}
    for candidates in nouns(model).values():
        derived = _first_type(model, candidates)
        if derived is not None:
            types[derived.name] = derived
    return types


def nouns(model: ServiceModel) -> dict[str, list[ListCandidate]]:
    """Return the nouns that the service lists and that somebody makes or describes, best list operation first."""
    vocabulary = Vocabulary(model.operations)
    found: dict[str, list[ListCandidate]] = {}
    for candidate in list_candidates(model, vocabulary):
        if vocabulary.is_made(candidate.noun) and is_pageable(model, candidate):
            found.setdefault(plain(candidate.noun), []).append(candidate)
    return {noun: sorted(candidates, key=lambda one: one.rank) for noun, candidates in found.items()}


def derive_type(model: ServiceModel, noun: str) -> ResourceType | None:
    """Return the type of a noun (case and punctuation do not matter); None where it cannot be read at top level."""
    return _first_type(model, nouns(model).get(plain(noun), []))


def _first_type(model: ServiceModel, candidates: list[ListCandidate]) -> ResourceType | None:
    return next((derived for one in candidates if (derived := _from_candidate(model, one)) is not None), None)


def _from_candidate(model: ServiceModel, candidate: ListCandidate) -> ResourceType | None:
    described = derive_describe(model, candidate)
    shape = candidate.item_shape if described is None else described.shape
    if not is_structure(model, shape):
        return None
    noun, item = candidate.noun, candidate.item_shape
    describe = None if described is None else described.call
    identity, identity_reason = derive_identity(model, candidate, shape, describe)
    if not is_identified(identity):
        return None
    inline = inline_tags(model, shape)
    tags = None if inline is not None else derive_tags_call(model, noun, item, shape)
    calls = (
        ((candidate.operation, candidate.result_path),)
        if describe is None
        else ((describe.operation, describe.result_path),)
    )
    life_cycle, final_reason = derive_life_cycle(model, noun, item, shape, calls)
    fields, omitted = structure_fields(model, shape)
    return ResourceType(
        name=type_name(model.name, noun),
        provider=_PROVIDER,
        service=model.name,
        api_version=model.api_version,
        model_version=model.model_version,
        protocol=model.protocol,
        noun=noun,
        fields=_with_catalog_fields(fields, noun, has_arn=identity.arn_path is not None),
        list_call=derive_list_call(model, candidate),
        describe_call=describe,
        tags_call=None if tags is None else tags[0],
        identity=identity,
        life_cycle=life_cycle,
        arn_service=arn_service(model),
        inline_tags=inline,
        omitted=omitted,
        reasons={
            "list_call": candidate.reason,
            "describe_call": "the list item is as full" if described is None else described.reason,
            "tags_call": "tags are in the document"
            if inline
            else "no tags operation binds"
            if tags is None
            else tags[1],
            "identity": identity_reason,
            "final_states": final_reason,
        },
    )


def _with_catalog_fields(fields: tuple[Field, ...], noun: str, *, has_arn: bool) -> tuple[Field, ...]:
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
