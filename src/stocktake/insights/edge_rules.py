"""The edges of a type's lineage, declared as data: `edges/<type>.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("edges")
FLOWS = ("upstream", "downstream", "context")


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """How one kind of edge is found."""

    name: str
    flow: str
    """upstream: the target went into the source; downstream: it came out of it; context: neither."""
    about: str
    source: str
    paths: tuple[str, ...] = ()
    """Fields of the type whose relations are the edges."""
    inward: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Other type -> its fields whose relations, turned around, are the edges."""
    sql: str = ""
    """What finds the edges that no field says."""
    needs: tuple[str, ...] = ()
    """Types that the statement reads besides its own."""
    virtual: str = ""
    """What the target is, where it is no resource that is read."""


@cache
def edge_rules() -> dict[str, tuple[EdgeRule, ...]]:
    """Return the rules that there are, by type."""
    found = {}
    for file in sorted(_FOLDER.glob("*.toml")):
        stated = tomllib.loads(file.read_text("utf-8"))
        found[str(stated["type"])] = tuple(_rule(entry) for entry in stated["edge"])
    return found


def _rule(entry: dict[str, Any]) -> EdgeRule:
    return EdgeRule(
        name=entry["name"],
        flow=entry["flow"],
        about=entry["about"],
        source=entry["source"],
        paths=tuple(entry.get("paths", ())),
        inward={name: tuple(paths) for name, paths in entry.get("from", {}).items()},
        sql=entry.get("sql", ""),
        needs=tuple(entry.get("needs", ())),
        virtual=entry.get("virtual", ""),
    )
