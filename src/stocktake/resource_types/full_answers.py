"""Inputs that ask for more of an answer than it holds by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.members import plain
from stocktake.resource_types.shapes import element_shape, input_shape, members

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel


def ask_for_all(model: ServiceModel, operation: str) -> dict[str, object]:
    """Return arguments that make an answer whole: every value of `include`, or the enum's own word for all."""
    arguments: dict[str, object] = {}
    for name, member in members(model, input_shape(model, operation)).items():
        element = element_shape(model, member["shape"])
        allowed = () if element is None else model.shapes[element].get("enum", ())
        if plain(name) == "include" and allowed:
            arguments[name] = list(allowed)
        elif plain(name).startswith("attribute") and "All" in allowed:
            arguments[name] = ["All"]
    return arguments
