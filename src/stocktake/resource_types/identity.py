"""What makes two answers the same resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.members import Names, arn_member, created_member, identifier_paths
from stocktake.resource_types.spec import Identity

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import DescribeCall, Path


def derive_identity(
    model: ServiceModel, noun: str, item_shape: str, document_shape: str, describe: DescribeCall | None
) -> Identity:
    """Return ARN, identifying members and creation time, in the document and in the list item."""
    item, document = Names(model, item_shape), Names(model, document_shape)
    item_keys = tuple(describe.bindings.values()) if describe is not None else identifier_paths(item, noun)
    keys = _document_keys(model, noun, document_shape, describe) or identifier_paths(document, noun)
    return Identity(
        arn_path=_path(arn_member(document, noun)),
        key_paths=keys,
        created_path=_path(created_member(document, noun)),
        item_arn_path=_path(arn_member(item, noun)),
        item_key_paths=item_keys,
        item_created_path=_path(created_member(item, noun)),
    )


def _document_keys(model: ServiceModel, noun: str, shape: str, describe: DescribeCall | None) -> tuple[Path, ...]:
    """Return where the document repeats what the describe call was asked with."""
    if describe is None:
        return ()
    document = Names(model, shape)
    keys = []
    for parameter, item_path in describe.bindings.items():
        wanted = (*item_path[-1:], parameter)
        found = document.find(wanted, frozenset({"string"}))
        if found is None:
            return ()
        keys.append((found,))
    arn = arn_member(document, noun)
    named = identifier_paths(document, noun)
    return named if keys == [(arn,)] and named else tuple(keys)


def _path(member: str | None) -> Path | None:
    return None if member is None else (member,)
