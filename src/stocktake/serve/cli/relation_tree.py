"""The edges around a resource, as a tree on a terminal and as rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from stocktake.query.result import Column
from stocktake.serve.cli.tables import make_console
from stocktake.serve.telling.readable import count
from stocktake.serve.telling.values import iso_time, to_visible

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.relations.walk import Node, Step, Walk

COLUMNS = tuple(
    Column(name, "VARCHAR")
    for name in (
        "depth", "direction", "source_type", "source_id", "edge", "path", "value", "target_type", "target_id",
        "target_account_id", "target_region", "resolved", "seen_from",
    )
)  # fmt: skip


def relation_rows(walk: Walk) -> list[tuple[object, ...]]:
    """Return a row for each step. Shape: as `COLUMNS`."""
    rows: list[tuple[object, ...]] = []
    for step in walk.steps:
        edge, target = step.edge, step.edge.target
        place = (None, None, None) if target is None else (target.id, target.account_id, target.region)
        rows.append(
            (
                step.depth,
                step.direction,
                edge.source.type,
                edge.source.id,
                edge.edge,
                edge.path,
                edge.value,
                edge.target_type,
                *place,
                target is not None,
                edge.seen_from,
            )
        )
    return rows


def relation_document(walk: Walk, as_of: datetime | None) -> dict[str, object]:
    """Return what `relations -o json` prints."""
    names = [column.name for column in COLUMNS]
    return {
        "id": walk.start.id,
        "type": walk.start.type,
        "account_id": walk.start.account_id,
        "region": walk.start.region,
        "as_of": as_of,
        "relations": [dict(zip(names, row, strict=True)) for row in relation_rows(walk)],
        "more": walk.more,
    }


def print_relations(walk: Walk, stream: IO[str], *, as_of: datetime | None, on_terminal: bool) -> None:
    """Print the tree, and under it what was left out."""
    console = make_console(stream, on_terminal=on_terminal)
    tree = Tree(_node(walk.start, None))
    branches: list[Tree] = []
    for step in walk.steps:
        above = tree if step.parent is None else branches[step.parent]
        branches.append(above.add(_line(step)))
    console.print(tree, soft_wrap=True)
    unresolved = sum(step.edge.target is None for step in walk.steps)
    notes = [count(len(walk.steps), "relation")]
    if unresolved:
        notes.append(f"{unresolved:,} to what the catalog does not hold")
    if walk.more:
        notes.append("there are more: --limit")
    if as_of is not None:
        notes.append(f"as of {iso_time(as_of)}")
    console.print(Text(f"({'; '.join(notes)})"), style="dim", soft_wrap=True)


def _line(step: Step) -> Text:
    arrow = "→" if step.direction == "out" else "←"
    line = Text(f"{arrow} ") + Text(to_visible(step.edge.path), style="cyan") + Text(" ")
    if step.reached is not None:
        line += _node(step.reached, step.edge.value if step.direction == "out" else None)
        return line
    line += Text(to_visible(step.edge.value), style="yellow")
    what = step.edge.target_type or "of no known type"
    return line + Text(f"  {what}, not held", style="dim")


def _node(node: Node, said: str | None) -> Text:
    text = Text(to_visible(node.id), style="bold") + Text(f"  {node.type}", style="dim")
    return text if said in {None, node.id} else text + Text(f"  as {to_visible(said)}", style="dim")
