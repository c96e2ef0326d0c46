"""Statuses beside the state that move on once it is final: a warm pool that outlives its job, late evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.members import plain
from stocktake.resource_types.shapes import element_shape, is_structure, members, type_of
from stocktake.resource_types.spec import MovingStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

_DEPTH = 3
_MOVING = frozenset(
    {
        "pending",
        "queued",
        "submitted",
        "scheduled",
        "starting",
        "running",
        "inprogress",
        "stopping",
        "creating",
        "updating",
        "deleting",
        "terminating",
        "provisioning",
        "initializing",
        "waiting",
        "evaluating",
    }
)
_HELD = frozenset({"available", "inuse"})
"""Steady by themselves; where the same status may be over as well, what is held is not over."""
_OVER = frozenset({"terminated", "released", "reused", "expired"})


def moving_statuses(model: ServiceModel, document_shape: str, state: Path | None) -> tuple[MovingStatus, ...]:
    """Return the statuses below a document's top that may still move, with the words that say so.

    A list of past states (of the same words as a status at the top) is history, and moves no more.
    """
    top = {
        str(member["shape"])
        for name, member in members(model, document_shape).items()
        if _is_status(model, name, str(member["shape"]))
    }
    found = _below(model, document_shape, (), top, frozenset())
    return tuple(one for one in found if one.path != state)


def _below(model: ServiceModel, shape: str, path: Path, top: set[str], above: frozenset[str]) -> Iterator[MovingStatus]:
    if len(path) >= _DEPTH or shape in above:
        return
    for name, member in members(model, shape).items():
        inner = str(member["shape"])
        step = (*path, name)
        inner = element_shape(model, inner) or inner
        if is_structure(model, inner):
            yield from _below(model, inner, step, top, above | {shape})
        elif path and inner not in top and _is_status(model, name, inner):
            words = _words(model, inner)
            if words:
                yield MovingStatus(step, words)


def _is_status(model: ServiceModel, name: str, shape: str) -> bool:
    return (
        name.endswith(("Status", "State", "status", "state"))
        and type_of(model, shape) == "string"
        and bool(model.shapes[shape].get("enum"))
    )


def _words(model: ServiceModel, shape: str) -> frozenset[str]:
    known = {value: plain(value) for value in model.shapes[shape].get("enum", ())}
    moving = _MOVING | (_HELD if _OVER & set(known.values()) else frozenset())
    return frozenset(value for value, word in known.items() if word in moving)
