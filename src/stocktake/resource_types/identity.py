"""What makes two answers the same resource."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.arn_templates import fill_template
from stocktake.resource_types.members import (
    STRING,
    Names,
    arn_member,
    created_member,
    find_path,
    id_member,
    name_member,
    plain,
)
from stocktake.resource_types.nouns import split_operation, words_of
from stocktake.resource_types.overrides import stated_keys
from stocktake.resource_types.shapes import input_shape, is_structure, members, required
from stocktake.resource_types.spec import Identity

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.list_calls import ListCandidate
    from stocktake.resource_types.spec import ArnTemplate, DescribeCall, Path

_ENDING_VERBS = re.compile("Delete|Deregister|Terminate|Release|Cancel|Stop|Deprovision|Remove|Update|Modify|Put")


def derive_identity(
    model: ServiceModel,
    listed: ListCandidate,
    document_shape: str,
    describe: DescribeCall | None,
    listing: dict[str, str],
    arn_template: str,
) -> tuple[Identity, str]:
    """Return ARN, identifying members and creation time, in document and list item; and by which rule."""
    noun, item = listed.noun, listed.item_shape if is_structure(model, listed.item_shape) else None
    arn = find_path(model, document_shape, noun, arn_member)
    if item is None:
        item_arn: Path | None = () if listed.holds_arns(model) else None
    else:
        item_arn = find_path(model, item, noun, arn_member)
    stated = stated_keys(model.name, noun)
    if stated:
        arn = item_arn = None
    keys, reason = _document_keys(model, noun, document_shape, arn, describe, listing)
    if stated:
        keys, reason = tuple((name,) for name in stated), "stated"
    item_keys = _item_keys(model, listed.item_shape, keys, document_shape, describe)
    if not keys and arn is None and item_arn is None and not item_keys:
        keys, reason = _all_identifiers(model, document_shape), "all members that identify something"
        item_keys = keys if item == document_shape else ()
    template: ArnTemplate | None = None
    inherited: tuple[str, ...] = ()
    if arn is None and item_arn is None:
        inherited = tuple(listing)
        if arn_template:
            shapes = (document_shape, listed.item_shape)
            template = fill_template(model, arn_template, noun, shapes, listing, keys)
            reason += "" if template is None else "; ARN by IAM's template"
    return (
        Identity(
            arn_path=arn,
            key_paths=keys,
            created_path=find_path(model, document_shape, noun, created_member),
            item_arn_path=item_arn,
            item_key_paths=item_keys,
            item_created_path=None if item is None else find_path(model, item, noun, created_member),
            arn_template=template,
            inherited_keys=inherited,
        ),
        reason,
    )


def is_identified(identity: Identity) -> bool:
    """Return whether anything tells one resource from another."""
    return any((identity.arn_path, identity.item_arn_path is not None, identity.key_paths, identity.item_key_paths))


def _document_keys(
    model: ServiceModel,
    noun: str,
    shape: str,
    arn: Path | None,
    describe: DescribeCall | None,
    listing: dict[str, str],
) -> tuple[tuple[Path, ...], str]:
    """Return what identifies the resource in its document, the name first where an ARN already identifies it."""
    named = find_path(model, shape, noun, id_member if arn is None else name_member)
    asked = _asked_with(model, shape, describe)
    if asked and not (named is not None and asked == (arn,)):
        return asked, "what the describe call is asked with"
    if named is not None:
        return (named,), "name or id of the noun"
    ending = _ending_inputs(model, noun, shape, listing)
    if ending:
        return ending, "what the operation that changes or ends it is asked with"
    return (), "the ARN alone" if arn is not None else "the list item alone"


def _all_identifiers(model: ServiceModel, shape: str) -> tuple[Path, ...]:
    names = Names(model, shape)
    return tuple((name,) for name in names.all(STRING) if plain(name).endswith(("id", "identifier", "name", "arn")))


def _asked_with(model: ServiceModel, shape: str, describe: DescribeCall | None) -> tuple[Path, ...]:
    """Return where the document repeats what the describe call was asked with."""
    if describe is None:
        return ()
    document = Names(model, shape)
    keys = []
    for parameter, item_path in describe.bindings.items():
        if parameter in describe.optional:
            continue
        found = document.find((*item_path[-1:], parameter.rsplit(".", 1)[-1]), STRING)
        if found is None:
            return ()
        keys.append((found,))
    return tuple(keys)


def _ending_inputs(model: ServiceModel, noun: str, shape: str, listing: dict[str, str]) -> tuple[Path, ...]:
    """Return the document's members that the noun's own Delete, Stop, Update … operation asks for.

    What the resource was listed with need not be in the document.
    """
    document = Names(model, shape)
    operations = [
        operation
        for operation in model.operations
        if (name := split_operation(operation)).noun == noun and _ENDING_VERBS.fullmatch(name.verb)
    ]
    for operation in sorted(operations, key=lambda one: _ENDING_VERBS.pattern.index(split_operation(one).verb)):
        request = input_shape(model, operation)
        needed = [one for one in required(model, request) if plain(one) not in {plain(key) for key in listing}]
        asked = needed or [one for one in members(model, request) if one not in required(model, request)]
        told = {one for one in asked if not model.shapes[members(model, request)[one]["shape"]].get("enum")}
        found = [
            document.find((one, *_last_word(one, noun)), STRING) for one in asked if one in told or len(asked) == 1
        ]
        present = tuple((name,) for name in found if name is not None)
        if present and (len(present) == len(needed) or not needed):
            return present if needed else present[:1]
    return ()


def _item_keys(
    model: ServiceModel,
    item_shape: str,
    keys: tuple[Path, ...],
    document_shape: str,
    describe: DescribeCall | None,
) -> tuple[Path, ...]:
    """Return the list item's members that hold the same as the document's keys."""
    if item_shape == document_shape:
        return keys
    if not is_structure(model, item_shape):
        return ((),)
    item = Names(model, item_shape)
    same = [item.find((path[-1],), STRING) for path in keys]
    if keys and all(same):
        return tuple((name,) for name in same if name is not None)
    if describe is None:
        return ()
    return tuple(path for parameter, path in describe.bindings.items() if parameter not in describe.optional)


def _last_word(parameter: str, noun: str) -> tuple[str, ...]:
    """Return the last word of a parameter that is called like the noun: `version` of a `DocumentationVersion`."""
    return (words_of(noun)[-1],) if plain(parameter) == plain(noun) else ()
