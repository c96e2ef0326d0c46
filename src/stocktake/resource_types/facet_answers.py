"""What of an operation's answer is a side of a resource, and which field it becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.resource_types.members import STRING, Names, plain
from stocktake.resource_types.pagination import UnclearPaginationError, derive_pagination, result_keys
from stocktake.resource_types.schema import is_answer_only, member_fields
from stocktake.resource_types.shapes import input_shape, is_structure, members, output_shape, shape_at, type_of
from stocktake.resource_types.spec import Field, Kind, ValueType

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Facet, Pagination, Path

_NOT_OFFERED = re.compile("Unsupported|NotSupported|NotEnabled|NotConfigured|NotAvailable|NotRegistered")
_IDENTIFIERS = ("arn", "id", "identifier", "name")


@dataclass(frozen=True, slots=True)
class FacetAnswer:
    """A side's place in an answer."""

    path: Path
    """To the side: to a member that is all of it, else ()."""
    omitted: tuple[str, ...]
    """See `spec.Facet`."""
    pagination: Pagination | None
    absent_codes: tuple[str, ...]
    """See `spec.Facet`."""


def facet_answer(
    model: ServiceModel, operation: str, document_shape: str, *, is_stated: bool = False
) -> FacetAnswer | None:
    """Return what an answer adds to a resource's document; None where that is nothing, or no whole.

    `is_stated`: that it adds something is known.
    """
    output = output_shape(model, operation)
    if not is_structure(model, output):
        return None
    keys = result_keys(model, operation)
    path: Path = keys[0] if len(keys) == 1 and len(keys[0]) == 1 else ()
    omitted: tuple[str, ...] = ()
    if not path:
        omitted = tuple(sorted(_omitted(model, operation, document_shape)))
        told = [name for name in members(model, output) if name not in omitted]
        if not told:
            return None
        path, omitted = ((told[0],), ()) if len(told) == 1 else ((), omitted)
    try:
        pagination = derive_pagination(model, operation, path)
    except UnclearPaginationError:
        return None
    shape = shape_at(model, output, path)
    if pagination is not None and (not path or shape is None or type_of(model, shape) != "list"):
        return None
    if not is_stated and _says_nothing_new(model, str(output), path, omitted, document_shape):
        return None
    return FacetAnswer(path, omitted, pagination, _absent_codes(model, operation))


def facet_field(model: ServiceModel, facet: Facet) -> Field:
    """Return the field that a side becomes. In documents it stands under its operation's name."""
    output = str(output_shape(model, facet.operation))
    fields, _ = member_fields(model, output)
    if facet.result_path:
        found = next(field for field in fields if (field.provider_name,) == facet.result_path)
        value, documentation = found.type, found.documentation
    else:
        told = tuple(field for field in fields if field.provider_name not in facet.omitted)
        value, documentation = ValueType(Kind.STRUCT, fields=told), ""
    return Field(facet.name, value, facet.operation, facet.operation, documentation)


def _omitted(model: ServiceModel, operation: str, document_shape: str) -> set[str]:
    """Return members that are of the call, or that name the resource once more, or that no field can hold."""
    fields, left_out = member_fields(model, str(output_shape(model, operation)))
    known = (Names(model, document_shape), Names(model, input_shape(model, operation)))
    omitted = set(left_out)
    for field in fields:
        name = str(field.provider_name)
        is_name = plain(name).endswith(_IDENTIFIERS) and any(names.find((name,), STRING) for names in known)
        if is_name or is_answer_only(name):
            omitted.add(name)
    return omitted


def _says_nothing_new(
    model: ServiceModel, output: str, path: Path, omitted: tuple[str, ...], document_shape: str
) -> bool:
    """Return whether an answer is, for the most part, what the document says already."""
    document = {plain(name) for name in members(model, document_shape)}
    if path and plain(path[0]) in document:
        return True
    shape = shape_at(model, output, path)
    told = [plain(name) for name in members(model, shape) if name not in omitted]
    return len(told) > 1 and sum(name in document for name in told) * 2 > len(told)


def _absent_codes(model: ServiceModel, operation: str) -> tuple[str, ...]:
    """Return the errors that an operation states for a resource that it does not apply to."""
    names = [str(error["shape"]) for error in model.operations[operation].get("errors", ())]
    codes = {str(model.shapes[name].get("error", {}).get("code", name)) for name in names if name in model.shapes}
    return tuple(sorted(code for code in codes if _NOT_OFFERED.search(code)))
