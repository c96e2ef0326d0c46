"""The edges around one resource, as a tree: what it refers to, and what refers to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within
from stocktake.store.catalog import run, translating

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.store.catalog import Catalog

_COLUMNS = (
    "source_type, source_id, account_id, region, edge, path, value, target_type, target_id, target_account_id, "
    "target_region, _from"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A resource that is held."""

    type: str
    id: str
    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Edge:
    """What a field of one resource says of another. Times are UTC without a zone, as the catalog keeps them."""

    source: Node
    edge: str
    """The field's word for it: `role_arn`."""
    path: str
    value: str
    """As the field says it."""
    target_type: str | None
    """None where the value does not say it, and nothing that is held is called so."""
    target: Node | None
    """None: nothing that is held is called so."""
    seen_from: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """An edge as the walk came to it."""

    depth: int
    """1: an edge of the resource that was asked for."""
    direction: str
    """out: along the edge; in: against it."""
    edge: Edge
    parent: int | None
    """The number of the step that led here."""

    @property
    def reached(self) -> Node | None:
        """Return the resource that this leads to; None where it is not held."""
        return self.edge.target if self.direction == "out" else self.edge.source


@dataclass(frozen=True, slots=True)
class Walk:
    """Steps, nearest first."""

    start: Node
    steps: tuple[Step, ...]
    more: bool
    """There are more than were asked for."""


def walk_relations(
    catalog: Catalog,
    start: Node,
    *,
    depth: int = 1,
    direction: str = "both",
    as_of: datetime | None = None,
    limit: int = 1_000,
    reach: Reach = EVERYTHING,
) -> Walk:
    """Follow edges from a resource, `depth` steps far. `direction` is out, in or both; a resource is entered once."""
    catalog = within(catalog, reach)
    directions = ("out", "in") if direction == "both" else (direction,)
    steps: list[Step] = []
    seen = {start}
    shown: set[Edge] = set()
    level: list[tuple[Node, int | None]] = [(start, None)]
    with translating(catalog.path):
        for far in range(1, depth + 1):
            following: list[tuple[Node, int | None]] = []
            for way in directions:
                edges = _edges(catalog, [node for node, _ in level], way, as_of)
                for node, parent in level:
                    for edge in edges.get(node, ()):
                        if edge in shown:
                            continue
                        if len(steps) >= limit > 0:
                            return Walk(start, tuple(steps), more=True)
                        shown.add(edge)
                        step = Step(far, way, edge, parent)
                        if step.reached is not None and step.reached not in seen:
                            seen.add(step.reached)
                            following.append((step.reached, len(steps)))
                        steps.append(step)
            level = following
    return Walk(start, tuple(steps), more=False)


def _edges(catalog: Catalog, nodes: list[Node], direction: str, as_of: datetime | None) -> dict[Node, list[Edge]]:
    """Return the edges that begin (out) or end (in) at each of the nodes."""
    end = "source_id" if direction == "out" else "target_id"
    table = "relations" if as_of is None else "relations_as_of($as_of)"
    parameters: dict[str, object] = {"ids": sorted({node.id for node in nodes})}
    if as_of is not None:
        parameters["as_of"] = as_of.replace(tzinfo=None)
    rows = run(
        catalog.connection,
        f"SELECT {_COLUMNS} FROM {table} WHERE {end} IN (SELECT unnest($ids)) ORDER BY ALL",
        parameters,
    )
    found: dict[Node, list[Edge]] = {node: [] for node in nodes}
    for kind, source_id, account, region, edge, path, value, target_type, target_id, *place, seen_from in rows:
        source = Node(kind, source_id, account, region)
        target = None if target_id is None else Node(target_type, target_id, *place)
        near = source if direction == "out" else target
        if near in found:
            found[near].append(Edge(source, edge, path, value, target_type, target, seen_from))
    return found
