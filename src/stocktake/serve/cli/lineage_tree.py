"""Where something comes from and what came from it, as trees on a terminal and as rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from stocktake.query.result import Column
from stocktake.serve.cli.tables import make_console
from stocktake.serve.telling.readable import count
from stocktake.serve.telling.values import to_visible

if TYPE_CHECKING:
    from rich.console import Console

    from stocktake.insights.lineage import Lineage, Node, Step

COLUMNS = tuple(
    Column(name, "INTEGER" if name == "depth" else "BOOLEAN" if name == "held" else "VARCHAR")
    for name in ("direction", "depth", "edge", "type", "id", "held", "detail", "from_type", "from_id")
)
_TITLES = {"upstream": "what went into it", "downstream": "what came out of it", "context": "what it ran in and with"}


def lineage_rows(walk: Lineage) -> list[tuple[object, ...]]:
    """Return a row for each step. Shape: as `COLUMNS`."""
    rows: list[tuple[object, ...]] = []
    for step in walk.steps:
        before = walk.start if step.parent is None else walk.steps[step.parent].node
        rows.append((step.direction, step.depth, step.edge.name, *step.node, _is_held(step), step.edge.detail, *before))
    return rows


def print_lineage(walk: Lineage, stream: IO[str], *, on_terminal: bool) -> None:
    """Print a tree for each direction, and under them what was left out."""
    console = make_console(stream, on_terminal=on_terminal)
    console.print(_node(walk.start), soft_wrap=True)
    print_trees(walk, console)
    notes = [count(len(walk.steps), "step")]
    if walk.more:
        notes.append("there are more: --limit")
    console.print(Text(f"({'; '.join(notes)})"), style="dim", soft_wrap=True)


def print_trees(walk: Lineage, console: Console) -> None:
    """Print the trees alone."""
    for direction in dict.fromkeys(step.direction for step in walk.steps):
        tree = Tree(Text(_TITLES[direction], style="bold"))
        branches: dict[int, Tree] = {}
        for number, step in enumerate(walk.steps):
            if step.direction == direction:
                above = tree if step.parent is None else branches[step.parent]
                branches[number] = above.add(_line(step))
        console.print(tree, soft_wrap=True)


def _is_held(step: Step) -> bool:
    return step.edge.held or step.node != step.edge.target


def _line(step: Step) -> Text:
    line = Text(f"{step.edge.name} ", style="cyan") + _node(step.node)
    detail = step.edge.detail
    if detail and detail not in step.node[1] and step.node[1] not in detail:
        line += Text(f"  {to_visible(detail)}", style="dim")
    return line


def _node(node: Node) -> Text:
    return Text(to_visible(node[1]), style="default") + Text(f"  {node[0]}", style="dim")
