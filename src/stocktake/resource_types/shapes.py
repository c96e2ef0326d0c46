"""Questions about the shapes of a service's model, which `schema` and the derivation of calls both ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.providers.aws.models import Json, ServiceModel

_EMPTY: Json = {}


def shape_of(model: ServiceModel, name: str) -> Json:
    """Return a shape by its name."""
    return model.shapes[name]


def type_of(model: ServiceModel, name: str) -> str:
    """Return a shape's type, such as `structure`."""
    return str(model.shapes[name]["type"])


def members(model: ServiceModel, name: str | None) -> Mapping[str, Json]:
    """Return a structure's members by provider name; none for anything else."""
    if name is None:
        return _EMPTY
    found: Mapping[str, Json] = model.shapes[name].get("members", _EMPTY)
    return found


def required(model: ServiceModel, name: str | None) -> tuple[str, ...]:
    """Return the members that a structure must have."""
    return () if name is None else tuple(model.shapes[name].get("required", ()))


def input_shape(model: ServiceModel, operation: str) -> str | None:
    """Return the name of an operation's request shape."""
    return _side(model, operation, "input")


def output_shape(model: ServiceModel, operation: str) -> str | None:
    """Return the name of an operation's answer shape."""
    return _side(model, operation, "output")


def element_shape(model: ServiceModel, name: str) -> str | None:
    """Return the name of a list's element shape; None for anything else."""
    shape = model.shapes[name]
    return str(shape["member"]["shape"]) if shape["type"] == "list" else None


def shape_at(model: ServiceModel, name: str | None, path: tuple[str, ...]) -> str | None:
    """Return the shape at the end of a path of members; a list on the way stands for its elements."""
    for part in path:
        while name is not None and type_of(model, name) == "list":
            name = element_shape(model, name)
        member = members(model, name).get(part)
        if member is None:
            return None
        name = str(member["shape"])
    return name


def is_structure(model: ServiceModel, name: str | None) -> bool:
    """Return whether a shape is a structure."""
    return name is not None and type_of(model, name) == "structure"


def is_in_body(member: Json) -> bool:
    """Return whether an answer's member is part of the body, not a header or the status code."""
    return member.get("location") not in {"header", "headers", "statusCode"}


def _side(model: ServiceModel, operation: str, side: str) -> str | None:
    part = model.operations[operation].get(side)
    return None if part is None else str(part["shape"])
