"""Reads the pieces of XML elements whose content no structure describes: scalars, and what no model knows.

Every reader takes the text before an element's first child, the name of the piece that ends the element, and the pieces
that follow, which it reads up to that end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from stocktake.collect.xml_pieces import ATTRIBUTE, MARK, SPACED_ATTRIBUTE, IrregularError, Pieces, XmlError, closing

MAX_DEPTH = 100
"""Elements that the model does not know are followed so far; what it knows is 20 deep at most."""

Reader = Callable[[str, str, Pieces], Any]

LIST_ITEMS = frozenset({"item", "member"})
"""The names of list elements in the ec2 and in the query protocol."""
NOTHING = (("", ""),)
"""The pieces of an element without content (`<name/>`): an end that is none."""
LOST = ("/", "")
"""Ends no element: what comes after the last piece."""


def read_text(text: str, end: str, pieces: Pieces) -> object:
    """Return an element's text."""
    piece = next(pieces, LOST)
    return text if piece[0] == end else more_than_text(read_text, text, end, piece, pieces)


def read_boolean(text: str, end: str, pieces: Pieces) -> object:
    """Return whether an element says `true`; like botocore, whatever else it says is false."""
    piece = next(pieces, LOST)
    return text == "true" if piece[0] == end else more_than_text(read_boolean, text, end, piece, pieces)


def read_integer(text: str, end: str, pieces: Pieces) -> object:
    """Return the whole number in an element, or its text where none is, or one that JSON's 64 bits do not hold."""
    piece = next(pieces, LOST)
    if piece[0] != end:
        return more_than_text(read_integer, text, end, piece, pieces)
    try:
        value = int(text)
    except ValueError:
        return text
    return value if -(2**63) <= value < 2**64 else text


def read_number(text: str, end: str, pieces: Pieces) -> object:
    """Return the number in an element, or its text where none is, or one that JSON does not have (`NaN`)."""
    piece = next(pieces, LOST)
    if piece[0] != end:
        return more_than_text(read_number, text, end, piece, pieces)
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def plain(text: str, end: str, pieces: Pieces, depth: int = 0) -> object:
    """Return an element that no model describes: its text, or its attributes and children by name.

    Shape: what comes more than once is a list; an element with nothing but `item`s or `member`s is itself a list.
    Attributes are named `@name`, text beside attributes or children `#text`.
    """
    if depth > MAX_DEPTH:
        raise XmlError(f"elements are nested more than {MAX_DEPTH} deep")
    beneath: dict[str, list[object]] = {}
    for name, inner_text, inner_end, inner in children(end, pieces, attributes=True):
        beneath.setdefault(shown_as(name), []).append(plain(inner_text, inner_end, inner, depth + 1))
    if not beneath:
        return text
    if len(beneath) == 1:
        [(name, values)] = beneath.items()
        if name in LIST_ITEMS:
            return values
    found: dict[str, object] = {"#text": text} if text.strip() else {}
    for name, values in beneath.items():
        found[name] = values if len(values) > 1 else values[0]
    return found


def children(end: str, pieces: Pieces, *, attributes: bool = False) -> Iterator[tuple[str, str, str, Pieces]]:
    """Yield each child's name, and what reads it takes: text, end, pieces."""
    for tag, text in pieces:
        if tag == end:
            return
        if tag.endswith("/"):
            name = tag[:-1]
            closing(name)
            yield name, "", "", iter(NOTHING)
        elif attributes or not tag.startswith(ATTRIBUTE):
            yield tag, text, closing(tag), pieces
        else:
            next(pieces)
    raise IrregularError


def more_than_text(read: Reader, text: str, end: str, piece: tuple[str, str], pieces: Pieces) -> object:
    """Return what is in an element that should hold a text alone, and has attributes or children."""
    while piece[0].startswith(ATTRIBUTE):
        next(pieces)
        piece = next(pieces, LOST)
    if piece[0] == end:
        return read(text, "", iter(NOTHING))
    return plain(text, end, chain((piece,), pieces))


def of_nothing(read: Reader) -> Reader:
    """Return what reads an element without content as `read` reads one with some."""
    return lambda *_: read("", "", iter(NOTHING))


def shown_as(name: str) -> str:
    """Return the name that an element or attribute has in JSON where the model has none for it."""
    if not name.startswith(MARK):
        return name
    return f"@{name.removeprefix(SPACED_ATTRIBUTE)}" if name.startswith(SPACED_ATTRIBUTE) else name.removeprefix(MARK)


def said(text: str, nothing: object) -> Any:  # noqa: ANN401 - what it is, is for typing to say
    """Return the text of an element that should have children, or `nothing` if that, too, is missing."""
    return text if text and not text.isspace() else nothing


SCALARS: dict[str, Reader] = {
    "boolean": read_boolean,
    "integer": read_integer,
    "long": read_integer,
    "float": read_number,
    "double": read_number,
}
