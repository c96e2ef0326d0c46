"""Where a resource comes from and what came from it, step by step."""

from __future__ import annotations

from dataclasses import dataclass
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
    steps: list[Step] = []
    more = False
    for direction in directions:
        begun = len(steps)
        seen = {start}
        level: list[tuple[Node, int | None]] = [(start, None)]
        for far in range(1, (1 if direction == "context" else depth) + 1):
            edges = edges_of(catalog, [node for node, _ in level])
            following: list[tuple[Node, int | None]] = []
            for node, parent in level:
                for edge, reached in _along(edges, node, direction):
                    if reached in seen:
                        continue
                    if len(steps) - begun >= limit:
                        more = True
                        break
                    seen.add(reached)
                    following.append((reached, len(steps)))
                    steps.append(Step(far, direction, edge, reached, parent))
            level = following
            if not level:
                break
    return Lineage(start, tuple(steps), more)


def _along(edges: Iterable[Edge], node: Node, direction: str) -> Iterable[tuple[Edge, Node]]:
    """Yield the edges that lead from a node in a direction, and where to."""
    against = {"upstream": "downstream", "downstream": "upstream"}.get(direction)
    for edge in edges:
        if edge.source == node and edge.flow == direction:
            yield edge, edge.target
        elif edge.target == node and edge.flow == against:
            yield edge, edge.source
