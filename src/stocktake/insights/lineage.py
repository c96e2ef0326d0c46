"""Where a resource comes from and what came from it, step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stocktake.insights.names import ask
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.store.catalog import Catalog

Node = tuple[str, str]
"""Type and id; a data set, a metric and the like have a type that is no resource type."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the view `lineage`."""

    source: Node
    name: str
    flow: str
    """upstream: the target went into the source; downstream: it came out of it; context: neither."""
    target: Node
    held: bool
    """The catalog holds the target."""
    detail: str


@dataclass(frozen=True, slots=True)
class Step:
    """A node as the walk came to it."""

    depth: int
    direction: str
    """upstream, downstream or context, seen from where the walk began."""
    edge: Edge
    node: Node
    parent: int | None
    """The number of the step that led here."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Steps from a start, each direction by itself."""

    start: Node
    steps: tuple[Step, ...]
    more: bool
    """There are more than were asked for."""


def edges_of(catalog: Catalog, nodes: Iterable[Node], *, reach: Reach = EVERYTHING) -> list[Edge]:
    """Return the edges that begin or end at these."""
    catalog = within(catalog, reach)
    wanted = set(nodes)
    ids = sorted({node[1] for node in wanted})
    sql = (
        "SELECT DISTINCT source_type, source_id, edge, flow, target_type, target_id, held, detail FROM lineage "
        "WHERE list_contains($ids, source_id) OR list_contains($ids, target_id) ORDER BY ALL"
    )
    found = []
    for source_type, source_id, name, flow, target_type, target_id, held, detail in ask(
        catalog, sql, {"ids": ids}
    ).rows():
        source, target = (source_type, source_id), (target_type or "", target_id)
        if source in wanted or target in wanted:
            found.append(Edge(source, name, flow, target, bool(held), detail or ""))
    return found


def walk_lineage(
    catalog: Catalog,
    start: Node,
    *,
    depth: int = 3,
    directions: Iterable[str] = ("upstream", "downstream"),
    limit: int = 200,
    reach: Reach = EVERYTHING,
) -> Lineage:
    """Follow edges from a resource, upstream and downstream each by itself; a node is entered once in each direction.

    The start's own surroundings (`context`) are told if asked for, and not followed. At most `limit` steps in each.
    """
    catalog = within(catalog, reach)
    walks = [_Walk(start, direction, limit) for direction in directions]
    for far in range(1, depth + 1):
        # All directions at once: what an answer costs is the statement's planning, not its rows.
        nodes = {node for walk in walks for node, _ in walk.level}
        if not nodes:
            break
        edges = edges_of(catalog, nodes)
        for walk in walks:
            walk.follow(edges, far)
    steps: list[Step] = []
    for walk in walks:
        first = len(steps)
        steps += [one if one.parent is None else replace(one, parent=one.parent + first) for one in walk.steps]
    return Lineage(start, tuple(steps), any(walk.more for walk in walks))


class _Walk:
    """The way in one direction; the parents of its steps are numbers among its own."""

    def __init__(self, start: Node, direction: str, limit: int) -> None:
        self.steps: list[Step] = []
        self.more = False
        self.level: list[tuple[Node, int | None]] = [(start, None)]
        """Nodes that it has come to last, each with the step that led there."""
        self._seen = {start}
        self._direction = direction
        self._limit = limit

    def follow(self, edges: Iterable[Edge], far: int) -> None:
        """Go one step further from where it is."""
        following: list[tuple[Node, int | None]] = []
        for node, parent in self.level:
            for edge, reached in _along(edges, node, self._direction):
                if reached in self._seen:
                    continue
                if len(self.steps) >= self._limit:
                    self.more = True
                    break
                self._seen.add(reached)
                following.append((reached, len(self.steps)))
                self.steps.append(Step(far, self._direction, edge, reached, parent))
        # The surroundings of what a job ran in are other jobs': they are not followed.
        self.level = [] if self._direction == "context" else following


def _along(edges: Iterable[Edge], node: Node, direction: str) -> Iterable[tuple[Edge, Node]]:
    """Yield the edges that lead from a node in a direction, and where to."""
    against = {"upstream": "downstream", "downstream": "upstream"}.get(direction)
    for edge in edges:
        if edge.source == node and edge.flow == direction:
            yield edge, edge.target
        elif edge.target == node and edge.flow == against:
            yield edge, edge.source
