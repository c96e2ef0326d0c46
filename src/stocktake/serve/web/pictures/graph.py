"""A graph in layers: what came before to the left, what came after to the right."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from stocktake.serve.web.pictures.svg import element, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_WIDE, _HIGH = 200, 40
_BETWEEN, _APART = 96, 12
_EDGE = 8
_NAME_SHOWN, _EDGE_SHOWN = 22, 15
_SWEEPS = 6
"""How often layers are put in order by their neighbors; more hardly changes anything."""


@dataclass(frozen=True, slots=True)
class Node:
    """A thing in a layer."""

    key: str
    layer: int
    """0 is where one looks from; less is to the left."""
    above: str
    """The small line: what kind of thing it is."""
    name: str
    kind: str
    """Its class."""
    address: str = ""
    """Where its page is, if it has one."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from one node to another, drawn from left to right."""

    left: str
    right: str
    label: str


def graph(title: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> Markup:
    """Return the picture, in its own size: its place has to scroll where it is too narrow. Nodes may be links."""
    if not nodes:
        return Markup("")
    places = arrange(nodes, edges)
    right = max(x for x, _ in places.values()) + _WIDE + _EDGE
    bottom = max(y for _, y in places.values()) + _HIGH + _EDGE
    drawn = [edge for edge in edges if edge.left in places and edge.right in places]
    leaving, coming = Counter(edge.left for edge in drawn), Counter(edge.right for edge in drawn)
    parts = [_edge(edge, places, at_left=coming[edge.right] > leaving[edge.left]) for edge in drawn]
    parts += [_node(node, *places[node.key]) for node in nodes]
    return element(
        "svg", element("title", title), *parts, class_="drawn graph", role="group", aria_label=title,
        width=right, height=bottom, viewBox=f"0 0 {right:g} {bottom:g}",
    )  # fmt: skip


def arrange(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, tuple[float, float]]:
    """Return where each node stands: its left upper corner.

    Layers are columns; within one, nodes come in the order of where their neighbors are, so that few lines cross.
    """
    layers: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        layers[node.layer].append(node.key)
    near: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        near[edge.left].append(edge.right)
        near[edge.right].append(edge.left)
    order = sorted(layers)
    for sweep in range(_SWEEPS):
        ranks = {key: rank for layer in order for key, rank in _ranks(layers[layer])}
        for layer in order if sweep % 2 == 0 else reversed(order):
            layers[layer].sort(key=lambda key: _middle(near[key], ranks, key))
            ranks |= dict(_ranks(layers[layer]))
    tallest = max(map(len, layers.values()))
    step = _HIGH + _APART
    return {
        key: (_EDGE + place * (_WIDE + _BETWEEN), _EDGE + (rank + (tallest - len(layers[layer])) / 2) * step)
        for place, layer in enumerate(order)
        for rank, key in enumerate(layers[layer])
    }


def _ranks(layer: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield how far down each stands, as a share: layers of different lengths compare."""
    return ((key, (2 * rank + 1) / (2 * len(layer))) for rank, key in enumerate(layer))


def shortened(words: str, most: int) -> str:
    """Return words, cut in their middle where they are too long: both ends of a name tell the most."""
    if len(words) <= most:
        return words
    head = (most - 1) // 2
    return f"{words[:head]}…{words[len(words) - (most - 1 - head) :]}"


def _middle(neighbors: Iterable[str], ranks: Mapping[str, float], own: str) -> float:
    known = [ranks[one] for one in neighbors if one in ranks]
    return sum(known) / len(known) if known else ranks[own]


def _node(node: Node, x: float, y: float) -> Markup:
    drawn = [
        element("title", f"{node.above} {node.name}"),
        element("rect", x=x, y=y, width=_WIDE, height=_HIGH, rx=5),
        text(node.above, class_="above", x=x + 10, y=y + 15),
        text(shortened(node.name, _NAME_SHOWN), class_="name", x=x + 10, y=y + 31),
    ]
    kind = f"node kind-{node.kind}"
    if not node.address:
        return element("g", *drawn, class_=kind)
    return element("a", *drawn, class_=kind, href=node.address)


def _edge(edge: Edge, places: Mapping[str, tuple[float, float]], *, at_left: bool) -> Markup:
    """Return a line, with its label at the end where fewer meet."""
    x1, y1 = places[edge.left][0] + _WIDE, places[edge.left][1] + _HIGH / 2
    x2, y2 = places[edge.right][0], places[edge.right][1] + _HIGH / 2
    bend = (x2 - x1) / 2
    path = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    tip = f"M{x2 - 6:g} {y2 - 3.5:g} L{x2:g} {y2:g} L{x2 - 6:g} {y2 + 3.5:g}"
    return element(
        "g", element("path", class_="edge", d=path), element("path", class_="tip", d=tip),
        element("text", element("title", edge.label), shortened(edge.label, _EDGE_SHOWN), class_="edge-label",
                x=x1 + 6 if at_left else x2 - 8, y=(y1 if at_left else y2) - 5,
                text_anchor="start" if at_left else "end"),
    )  # fmt: skip
