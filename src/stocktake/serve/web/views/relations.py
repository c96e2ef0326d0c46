"""Walks around resources as a picture and a table: many alike become one node that leads to a search."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from stocktake.query.search.syntax import literal_text
from stocktake.relations.walk import Node as Held
from stocktake.serve.web.pictures.graph import Edge, Node
from stocktake.serve.web.rendering import resource_url, with_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.relations.walk import Step, Walk

_ALIKE = 6
"""More neighbors of one type by one edge than this are drawn as one."""
_Near: TypeAlias = "tuple[Held, Step]"


@dataclass(frozen=True, slots=True)
class RelationsView:
    """What the template shows."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    rows: tuple[dict[str, Any], ...]
    types: tuple[tuple[str, int], ...]
    """Types among the neighbors, to filter by."""


def relations_view(walks: Sequence[Walk], *, only: str = "") -> RelationsView:
    """Return the nodes, edges and rows of walks: the first from the resource; `only` of a type."""
    start = walks[0].start
    steps = [one for walk in walks for one in _steps(walk)]
    types = Counter(_type_of(step) for _, step in steps)
    if only:
        steps = [(near, step) for near, step in steps if _type_of(step) == only]
    layers = _layers(start, steps)
    nodes = {node_key(start): Node(node_key(start), 0, _noun(start.type), _name(start.id), "start")}
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (near, direction, edge, kind), some in _grouped(steps).items():
        shown = [_many(some, near, kind, layers)] if len(some) > _ALIKE else [_node(step, layers) for step in some]
        for node in shown:
            nodes.setdefault(node.key, node)
            labels[(node_key(near), node.key) if direction == "out" else (node.key, node_key(near))].append(edge)
    if only:
        # What leads to a neighbor of another type is left out, and so is what hangs on it alone.
        labels = defaultdict(list, {pair: words for pair, words in labels.items() if set(pair) <= set(nodes)})
    edges = (Edge(left, right, _label(words)) for (left, right), words in labels.items())
    rows = (_row(near, step) for near, step in _distinct(steps))
    return RelationsView(tuple(nodes.values()), tuple(edges), tuple(rows), tuple(sorted(types.items())))


def node_key(node: Held) -> str:
    """Return a text that names a node; `node_of` reads it."""
    return f"{node.type} {node.account_id} {node.region} {node.id}"


def node_of(text: str) -> Held | None:
    """Return the node that a text names; None where it names none."""
    parts = text.split(" ", 3)
    return Held(parts[0], parts[3], parts[1], parts[2]) if len(parts) == 4 else None


def _label(words: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(words))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} and {len(distinct) - 1} more"


def _steps(walk: Walk) -> list[_Near]:
    """Return the steps, each with the node that it begins at."""
    found: list[_Near] = []
    for step in walk.steps:
        near = walk.start if step.parent is None else walk.steps[step.parent].reached
        if near is not None:
            found.append((near, step))
    return found


def _distinct(steps: Sequence[_Near]) -> list[_Near]:
    """Return the steps, each edge once: a walk from a neighbor comes back over the edge that led to it."""
    found: dict[object, _Near] = {}
    for near, step in steps:
        found.setdefault(step.edge, (near, step))
    return list(found.values())


def _grouped(steps: Sequence[_Near]) -> dict[tuple[Held, str, str, str], list[Step]]:
    found: dict[tuple[Held, str, str, str], list[Step]] = defaultdict(list)
    seen: set[tuple[str, str, str]] = set()
    for near, step in _distinct(steps):
        pair = (node_key(near), step.edge.edge, _target_key(step))
        if pair not in seen:
            seen.add(pair)
            found[near, step.direction, step.edge.edge, _type_of(step)].append(step)
    return found


def _layers(start: Held, steps: Sequence[_Near]) -> dict[str, int]:
    layers = {node_key(start): 0}
    for near, step in steps:
        own = layers.get(node_key(near), 0)
        layers.setdefault(_target_key(step), own + (1 if step.direction == "out" else -1))
    return layers


def _many(steps: Sequence[Step], near: Held, kind: str, layers: dict[str, int]) -> Node:
    step = steps[0]
    layer = layers.get(node_key(near), 0) + (1 if step.direction == "out" else -1)
    key = f"{node_key(near)} {step.direction} {step.edge.edge} {kind}"
    return Node(key, layer, f"{len(steps)} of {_noun(kind)}", "see them all", "many", _search_address(steps))


def _node(step: Step, layers: dict[str, int]) -> Node:
    key = _target_key(step)
    reached = step.reached
    if reached is None:
        return Node(key, layers[key], _noun(step.edge.target_type or "not held"), step.edge.value, "outside")
    address = resource_url(reached.id, type=reached.type, tab="relations")
    return Node(key, layers[key], _noun(reached.type), _name(reached.id), "held", address)


def _search_address(steps: Sequence[Step]) -> str:
    """Return the search that finds what is drawn as one node, by the field that refers."""
    step = steps[0]
    if step.direction == "out":
        return with_parameters("/", {"f.type": step.edge.target_type or ""})
    values = {one.edge.value for one in steps}
    value = literal_text(step.edge.value) if len(values) == 1 else "*"
    return with_parameters("/", {"q": f"{step.edge.path}:{value}", "f.type": step.edge.source.type})


def _row(near: Held, step: Step) -> dict[str, Any]:
    reached = step.reached
    return {
        "near": _name(near.id),
        "depth": step.depth,
        "direction": step.direction,
        "path": step.edge.path,
        "value": step.edge.value,
        "type": _type_of(step),
        "name": _name(reached.id) if reached is not None else step.edge.value,
        "key": reached.id if reached is not None else "",
        "node": node_key(reached) if reached is not None else "",
        "address": resource_url(reached.id, type=reached.type) if reached is not None else "",
        "seen_from": step.edge.seen_from,
    }


def _type_of(step: Step) -> str:
    reached = step.reached
    return reached.type if reached is not None else step.edge.target_type or "not held"


def _target_key(step: Step) -> str:
    return node_key(step.reached) if step.reached is not None else f"missing {step.edge.value}"


def _noun(type_name: str) -> str:
    return type_name.partition("_")[2].replace("_", " ", 1) if "_" in type_name else type_name


def _name(resource_id: str) -> str:
    """Return an id's last part, as people call a resource without a name."""
    return resource_id.rpartition("/")[2].rpartition(":")[2] or resource_id
