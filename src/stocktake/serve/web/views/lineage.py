"""Lineage as a graph, and as lists for those who do not see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.serve.web.pictures.graph import Edge, Node, graph
from stocktake.serve.web.views.job import job_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.insights.lineage import Lineage, Step

_KEY_PARTS = 3
_MOST = 60
"""Steps that the picture has; the lists have all."""


def lineage_view(walk: Lineage, job_types: Sequence[str]) -> dict[str, Any]:
    """Return the picture, the steps upstream and downstream, and what the job ran in."""
    flow = [step for step in walk.steps if step.direction != "context"]
    drawn = _drawn(walk)
    return {
        "picture": _picture(walk, drawn, job_types),
        "hidden": len(flow) - len(drawn),
        "upstream": [_row(step, job_types) for step in flow if step.direction == "upstream"],
        "downstream": [_row(step, job_types) for step in flow if step.direction == "downstream"],
        "context": [_row(step, job_types) for step in walk.steps if step.direction == "context"],
        "more": walk.more,
    }


def _drawn(walk: Lineage) -> list[int]:
    """Return the numbers of the steps that are drawn: the nearest first, each only where what led there is."""
    order = sorted(range(len(walk.steps)), key=lambda number: (walk.steps[number].depth, number))
    kept: list[int] = []
    for number in order:
        step = walk.steps[number]
        if step.direction != "context" and len(kept) < _MOST and (step.parent is None or step.parent in kept):
            kept.append(number)
    return kept


def _picture(walk: Lineage, drawn: Sequence[int], job_types: Sequence[str]) -> str:
    if not drawn:
        return ""
    start_type, start_id = walk.start
    nodes = [Node("start", 0, _kind_word(start_type), last_part(start_id), "start")]
    edges = []
    for number in drawn:
        step = walk.steps[number]
        is_up = step.direction == "upstream"
        node_type, node_id = step.node
        held = is_held(step)
        address = job_address(node_type, node_id, job_types) if held else ""
        layer = -step.depth if is_up else step.depth
        kind = "held" if held else "outside"
        nodes.append(Node(str(number), layer, _kind_word(node_type), last_part(node_id), kind, address))
        above = "start" if step.parent is None else str(step.parent)
        pair = (str(number), above) if is_up else (above, str(number))
        edges.append(Edge(*pair, edge_words(step.edge.name)))
    return graph(f"Lineage of {last_part(start_id)}", nodes, edges)


def is_held(step: Step) -> bool:
    """Return whether the catalog has what the walk came to."""
    return step.edge.held if step.edge.target == step.node else True


def edge_words(name: str) -> str:
    """Return the name of an edge as words: `WARM_POOL_PASSED_TO` as `warm pool passed to`."""
    return name.replace("_", " ").lower()


def last_part(key: str) -> str:
    """Return the name at the end of an ARN, or of a key of ours (`type:account:region:name`); else all of it."""
    if key.startswith("aws_") and key.count(":") >= _KEY_PARTS:
        return key.split(":", _KEY_PARTS)[_KEY_PARTS]
    return key.rsplit("/", 1)[-1].rsplit(":", 1)[-1] if key.startswith("arn:") else key


def _kind_word(type_name: str) -> str:
    """Return a type without its provider: `sagemaker trainingjob`."""
    return type_name.removeprefix("aws_").replace("_", " ") or "outside"


def _row(step: Step, job_types: Sequence[str]) -> dict[str, Any]:
    node_type, node_id = step.node
    return {
        "depth": step.depth,
        "edge": edge_words(step.edge.name),
        "type": node_type,
        "id": node_id,
        "name": last_part(node_id),
        "address": job_address(node_type, node_id, job_types) if is_held(step) else "",
        "detail": step.edge.detail if step.edge.detail != node_id else "",
    }
