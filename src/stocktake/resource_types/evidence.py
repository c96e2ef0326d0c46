"""Which nouns of a service CloudFormation and IAM know as resources. Runs only when types are generated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.facts import Facts, NounFacts
from stocktake.resource_types.iam import arn_service
from stocktake.resource_types.members import GENERIC_PARAMETERS, plain
from stocktake.resource_types.nouns import Vocabulary, split_operation
from stocktake.resource_types.shapes import input_shape, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stocktake.providers.aws.cloudformation import CloudFormationType
    from stocktake.providers.aws.iam_reference import IamService
    from stocktake.providers.aws.models import ServiceModel

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_SCOPE = {"Partition": "partition", "Region": "region", "Account": "account_id"}
_READING = ("List", "Describe", "Get", "Search")
_OWN_VERBS = ("Delete", "Describe", "Get", "Update", "Deregister", "Stop")
"""Verbs whose operations act on the noun itself; the first that there is decides."""


def derive_facts(model: ServiceModel, types: Iterable[CloudFormationType], iam: Mapping[str, IamService]) -> Facts:
    """Return what both sources say of a service's nouns."""
    vocabulary = Vocabulary(model.operations)
    listed = {
        plain(noun)
        for operation in model.operations
        if (name := split_operation(operation)).verb in _READING
        for noun in (vocabulary.listed(name.noun), vocabulary.singular(name.noun), name.noun)
    }
    nouns = listed | vocabulary.plain_nouns
    service = iam.get(arn_service(model))
    resources = {} if service is None else _iam_resources(model, vocabulary, nouns, service)
    formed = _cloudformation_types(model, vocabulary, (nouns, listed), types)
    return Facts(
        nouns={
            noun: NounFacts(
                cloudformation=formed[noun].name if noun in formed else "",
                list_inputs=formed[noun].list_inputs if noun in formed else (),
                iam=resources.get(noun, ""),
                arn="" if service is None or noun not in resources else _template(service.arns[resources[noun]]),
            )
            for noun in sorted({*formed, *resources})
        },
        acts_on={} if service is None else _acts_on(model, service),
    )


def _iam_resources(model: ServiceModel, vocabulary: Vocabulary, nouns: set[str], service: IamService) -> dict[str, str]:
    """Return noun -> IAM resource: called the same, or the one thing that the noun's own operations act on."""
    by_plain = {plain(name): name for name in service.arns}
    found = {noun: by_plain[form] for noun in nouns for form in (f"{noun}s", noun) if form in by_plain}
    for verbs, is_list in ((_OWN_VERBS, False), (_READING, True)):
        owned = set(found.values())
        for operation in sorted(model.operations, key=lambda one: _rank(one, verbs)):
            name = split_operation(operation)
            noun = plain(vocabulary.singular(name.noun) if is_list else name.noun)
            if name.verb not in verbs or name.condition or noun in found or noun not in nouns:
                continue
            if not is_list and vocabulary.singular(name.noun) != name.noun:
                continue
            acted = [one for one in service.actions.get(operation, ()) if one in service.arns]
            if len(acted) == 1 and acted[0] not in owned and plain(acted[0]) not in nouns | vocabulary.plain_nouns:
                found[noun] = acted[0]
    shortest: dict[str, str] = {}
    for noun, resource in sorted(
        found.items(), key=lambda one: (plain(one[1]) not in {one[0], f"{one[0]}s"}, len(one[0]))
    ):
        shortest.setdefault(resource, noun)
    return {noun: resource for noun, resource in found.items() if shortest[resource] == noun}


def _rank(operation: str, verbs: tuple[str, ...]) -> int:
    return next((at for at, verb in enumerate(verbs) if operation.startswith(verb)), len(verbs))


def _cloudformation_types(
    model: ServiceModel,
    vocabulary: Vocabulary,
    known_nouns: tuple[set[str], set[str]],
    types: Iterable[CloudFormationType],
) -> dict[str, CloudFormationType]:
    nouns, listed = known_nouns
    metadata = model.metadata
    prefix = arn_service(model)
    names = {plain(str(metadata.get("serviceId", model.name)).replace(" ", "")), plain(model.name)}
    wider = {*names, plain(prefix), plain(str(metadata.get("signingName") or metadata["endpointPrefix"]))}
    found: dict[str, tuple[int, CloudFormationType]] = {}
    for one in types:
        space = plain(one.namespace)
        reads = [
            permission.split(":", 1)[1]
            for permission in (*one.list_permissions, *one.read_permissions)
            if permission.startswith(f"{prefix}:") and permission.split(":", 1)[1] in model.operations
        ]
        if space not in wider and not reads:
            continue
        noun = plain(one.noun)
        close = 0 if space in names else 1 if space in wider else 2
        if noun not in nouns or close == 2:
            longer = {known for known in listed if known.endswith(noun) and known != noun}
            ending = longer.pop() if len(longer) == 1 and close < 2 else None
            close, noun = close + 3, _read_noun(vocabulary, reads) or ending or noun
        if noun in nouns and close < found.get(noun, (9,))[0]:
            found[noun] = (close, one)
    return {noun: one for noun, (_, one) in found.items()}


def _read_noun(vocabulary: Vocabulary, reads: list[str]) -> str | None:
    """Return the noun that the handlers read, where they read only one."""
    found = {plain(vocabulary.singular(split_operation(one).noun)) for one in reads if one.startswith(_READING)}
    found = {noun for noun in found if not noun.startswith("tag") and not noun.endswith(("tag", "tags"))}
    return found.pop() if len(found) == 1 else None


def _acts_on(model: ServiceModel, service: IamService) -> dict[str, str]:
    found = {
        operation: tuple({plain(one) for one in service.actions[operation] if one in service.arns})
        for operation in sorted(model.operations)
        if operation.startswith(_READING)
        and service.actions.get(operation)
        and any(plain(name) in GENERIC_PARAMETERS for name in members(model, input_shape(model, operation)))
    }
    return {operation: kinds[0] for operation, kinds in found.items() if len(kinds) == 1}


def _template(arn: str) -> str:
    return _PLACEHOLDER.sub(lambda found: "{" + _SCOPE.get(found[1], found[1]) + "}", arn)
