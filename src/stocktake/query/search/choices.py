"""Choices of facets as a part of the search's text: so that what a page shows can be asked for by text alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.query.search.facets import ANY, NONE
from stocktake.query.search.parser import parse
from stocktake.query.search.syntax import (
    Everything,
    IsSet,
    Matches,
    Node,
    Not,
    Term,
    both,
    either,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def with_choices(text: str, chosen: Mapping[str, Sequence[str]]) -> str:
    """Return a search that finds what `text` finds with these values chosen.

    A text that is being typed is taken as far as it makes sense.
    """
    node = parse(text, half_typed=True)
    parts: list[Node] = [] if isinstance(node, Everything) else [node]
    parts += [either([_choice(key, value) for value in values]) for key, values in chosen.items() if values]
    return to_text(both(parts)) if parts else ""


def _choice(key: str, value: str) -> Node:
    match value:
        case _ if value == NONE:
            return Not(Term(key, IsSet()))
        case _ if value == ANY:
            return Term(key, IsSet())
        case _:
            return Term(key, Matches((value,)))
