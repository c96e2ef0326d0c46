"""The types of one service: from the generated index where it was made from the same model, else derived afresh."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from stocktake.resource_types.derive import derive_types, type_name
from stocktake.resource_types.facts import NO_FACTS, Facts, NounFacts
from stocktake.resource_types.generated import TypeName, read_service
from stocktake.resource_types.iam import arn_service
from stocktake.resource_types.index import decode_type, encode_type
from stocktake.resource_types.nouns import Vocabulary
from stocktake.resource_types.type_cache import read_cache, write_cache

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Models, ServiceModel
    from stocktake.resource_types.spec import ResourceType

Index = dict[str, Any]
"""A service's file: `digest`, `arn_service`, `facts` and `types` (name -> entry)."""


def find_type(model: ServiceModel, noun: str) -> ResourceType | None:
    """Return the type of a noun (case and punctuation do not matter); None where it cannot be read.

    The index has the types that are listed by default; for another noun, everything is derived once.
    """
    name = type_name(model.name, noun)
    stated = read_service(model.name)
    for index in (stated, None):
        if index is not None and index["digest"] != model.digest:
            continue
        found = index if index is not None else _derived(model)
        if name in found["types"]:
            return decode_type(name, found["types"][name], model, found["arn_service"])
    return None


def is_made(model: ServiceModel, noun: str) -> bool:
    """Return whether a service makes what a noun says, even if it cannot be read."""
    return Vocabulary(model.operations).is_made(noun)


def all_types(models: Models) -> list[TypeName]:
    """Return the names of all types of all tiers, sorted. Deriving them takes seconds, so they are kept."""
    cached = read_cache("names", models.fingerprint)
    if isinstance(cached, list):
        return [TypeName(*row) for row in cached]
    found = [one for service in models.service_names for one in _names_of(models, service)]
    found.sort(key=lambda one: one.name)
    write_cache("names", models.fingerprint, [astuple(one) for one in found])
    return found


def _names_of(models: Models, service: str) -> list[TypeName]:
    types = _derived(models.load(service))["types"]
    models.forget(service)
    return [
        TypeName(name, service, entry["noun"], entry["tier"], entry.get("cloudformation", ""))
        for name, entry in types.items()
    ]


def facts_of(service: str) -> Facts:
    """Return what the index knows of a service's nouns beside the model itself."""
    stated = read_service(service)
    return NO_FACTS if stated is None else read_facts(stated["facts"])


def read_facts(entry: dict[str, Any]) -> Facts:
    """Return facts as the index writes them: of each noun CloudFormation's name, IAM's, its ARN, inputs to list it."""
    return Facts(
        nouns={
            noun: NounFacts(
                one.get("cloudformation", ""), one.get("iam", ""), one.get("arn", ""), tuple(one.get("list_inputs", ()))
            )
            for noun, one in entry["nouns"].items()
        },
        acts_on=entry["acts_on"],
    )


def _derived(model: ServiceModel) -> Index:
    key = f"{model.name} {model.digest}"
    cached = read_cache("service", key)
    if isinstance(cached, dict) and "types" in cached:
        return cached
    types = derive_types(model, facts_of(model.name))
    index = {
        "arn_service": arn_service(model),
        "types": {name: encode_type(types[name]) for name in sorted(types)},
    }
    write_cache("service", key, index)
    return index
