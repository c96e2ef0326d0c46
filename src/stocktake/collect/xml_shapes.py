"""Reads the pieces of XML as botocore's shapes describe them: JSON in the model's names, with nothing left out.

Each shape is compiled once, when it is first met, into a function that reads its elements. It answers what botocore's
parser answers, with times and blobs as their text, save where that parser loses something or gives up:

- what the model does not know (an element, a structure's attribute) stays in its place under its own name;
- what does not fit the model (words for a number, children for a text, one thing twice) stays as it came, for whoever
  types it to find and keep aside.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from stocktake.collect.xml_pieces import SPACED_ATTRIBUTE, IrregularError, Pieces, XmlError, closing
from stocktake.collect.xml_values import (
    LIST_ITEMS,
    LOST,
    NOTHING,
    SCALARS,
    Reader,
    children,
    more_than_text,
    of_nothing,
    plain,
    read_text,
    said,
    shown_as,
)

_Adder = Callable[[dict[str, Any], str, str, Pieces], None]
_Member = tuple[str, str, Reader, _Adder | None]
"""A member's name, the end of its element, what reads the element and, where one element is not all of the member, what
adds it to what was read before."""

OUTSIDE_BODY = frozenset({"header", "headers", "statusCode"})


class ShapeReaders:
    """The compiled shapes of one service."""

    def __init__(self) -> None:
        self._structures: dict[str, Reader] = {}

    def reader(self, shape: Any) -> Reader:  # noqa: ANN401 - botocore has no types
        """Return what reads the elements of a shape."""
        match shape.type_name:
            case "structure":
                # One, wherever the structure occurs, itself included.
                reader = self._structures.get(shape.name)
                if reader is None:
                    reader = self._structures[shape.name] = _structure_reader(_Members(shape, self))
                return reader
            case "list":
                return self._list(shape)
            case "map":
                return self._map(shape)
            case other:
                return SCALARS.get(other, read_text)

    def entry(self, shape: Any) -> Callable[[str, Pieces], tuple[str, Any]]:  # noqa: ANN401 - botocore has no types
        """Return what reads one entry of a map: its key and value."""
        key_name = shape.key.serialization.get("name") or "key"
        value_name = shape.value.serialization.get("name") or "value"
        read = self.reader(shape.value)

        def read_entry(end: str, pieces: Pieces) -> tuple[str, Any]:
            found: dict[str, Any] = {}
            for name, text, inner_end, inner in children(end, pieces):
                if name not in {key_name, value_name}:
                    raise XmlError(f"an entry of {shape.name} holds {name}")
                found[name] = (read_text if name == key_name else read)(text, inner_end, inner)
            key = found.get(key_name)
            if not isinstance(key, str):
                raise XmlError(f"an entry of {shape.name} has no {key_name}")
            return key, found.get(value_name)

        return read_entry

    def _list(self, shape: Any) -> Reader:  # noqa: ANN401 - botocore has no types
        read = self.reader(shape.member)
        if shape.serialization.get("flattened"):
            return lambda text, end, pieces: [read(text, end, pieces)]
        # The elements' names say nothing: they differ between services, and from the model. These are the usual ones.
        usual = {shape.member.serialization.get("name", "member"), *LIST_ITEMS}
        ends: dict[str, str] = {name: closing(name) for name in usual}

        def read_list(text: str, end: str, pieces: Pieces) -> object:
            values: list[Any] = []
            for tag, inner_text in pieces:
                inner_end = ends.get(tag)
                if inner_end is not None:
                    values.append(read(inner_text, inner_end, pieces))
                elif tag == end:
                    return values or said(text, [])
                else:
                    again = chain(((tag, inner_text),), pieces)
                    return values + [read(*inner[1:]) for inner in children(end, again)]
            raise IrregularError

        return read_list

    def _map(self, shape: Any) -> Reader:  # noqa: ANN401 - botocore has no types
        entry = self.entry(shape)
        if shape.serialization.get("flattened"):
            return lambda _, end, pieces: dict([entry(end, pieces)])

        def read_map(text: str, end: str, pieces: Pieces) -> object:
            return dict(entry(end, inner) for _, _, end, inner in children(end, pieces)) or said(text, {})

        return read_map


def _structure_reader(of: _Members) -> Reader:
    """Return what reads a structure's elements; most of the time for an answer goes by here."""
    known = of.known

    def read(text: str, end: str, pieces: Pieces) -> dict[str, Any]:
        members: dict[str, Any] = {}
        again: list[tuple[str, Any]] = []
        for tag, inner_text in pieces:
            member = known.get(tag)
            if member is None:
                if tag == end:
                    break
                member = of.other(tag)
            name, inner_end, inner_read, add = member
            if add is not None:
                add(members, inner_text, inner_end, pieces)
                continue
            if inner_read is read_text:  # most are: a call less
                piece = next(pieces, LOST)
                plain_text = piece[0] == inner_end
                value = inner_text if plain_text else more_than_text(read_text, inner_text, inner_end, piece, pieces)
            else:
                value = inner_read(inner_text, inner_end, pieces)
            if name in members:
                again.append((name, value))
            else:
                members[name] = value
        else:
            raise IrregularError
        if again:
            _keep_repeated(members, again)
        if text and not text.isspace():
            members["#text"] = text
        return members

    return read


class _Members:
    """A structure's members by the names of their elements; compiled when the first element comes."""

    def __init__(self, shape: Any, readers: ShapeReaders) -> None:  # noqa: ANN401 - botocore has no types
        self._shape = shape
        self._readers = readers
        self.known: dict[str, _Member] = {}
        self._is_compiled = False

    def other(self, tag: str) -> _Member:
        """Return the member of an element that is not known, or not yet."""
        if not self._is_compiled:
            self.known.update(self._compiled())
            self._is_compiled = True
            if tag in self.known:
                return self.known[tag]
        name = tag.removesuffix("/")
        shown = shown_as(name)
        if shown in self._shape.members:
            shown = f"<{shown}>"  # it must not pass for the member of that name, which has another on the wire
        return shown, closing(name), plain if name == tag else of_nothing(plain), None

    def _compiled(self) -> dict[str, _Member]:
        known: dict[str, _Member] = {}
        for name, shape in self._shape.members.items():
            how = shape.serialization
            if how.get("location") in OUTSIDE_BODY or how.get("eventheader"):
                continue
            if how.get("xmlAttribute"):
                tag = SPACED_ATTRIBUTE + how["name"].rpartition(":")[2]
                known[tag] = name, closing(tag), read_text, None
                continue
            tag = _element_name(name, shape)
            for empty in (False, True):
                member = self._member(name, tag, shape, empty=empty)
                key = f"{tag}/" if empty else tag
                known[key] = _both(known[key], member, empty=empty) if key in known else member
        return known

    def _member(self, name: str, tag: str, shape: Any, *, empty: bool) -> _Member:  # noqa: ANN401 - botocore has no types
        end = closing(tag)
        if not shape.serialization.get("flattened"):
            read = self._readers.reader(shape)
            return name, end, of_nothing(read) if empty else read, None
        if shape.type_name == "list":
            read = self._readers.reader(shape.member)
            read = of_nothing(read) if empty else read

            def add_element(members: dict[str, Any], text: str, end: str, pieces: Pieces) -> None:
                members.setdefault(name, []).append(read(text, end, pieces))

            return name, end, read, add_element
        entry = self._readers.entry(shape)

        def add_entry(members: dict[str, Any], _: str, end: str, pieces: Pieces) -> None:
            key, value = entry("", iter(NOTHING)) if empty else entry(end, pieces)
            members.setdefault(name, {})[key] = value

        return name, end, plain, add_entry


def _element_name(name: str, shape: Any) -> str:  # noqa: ANN401 - botocore has no types
    own: str = shape.serialization.get("name", name)
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        own = shape.member.serialization.get("name") or own
    return own


def _both(one: _Member, other: _Member, *, empty: bool) -> _Member:
    """Return the member for an element that two members of the model claim: one its first, one the list of all."""

    def add(members: dict[str, Any], text: str, end: str, pieces: Pieces) -> None:
        seen = [] if empty else list(_whole(end, pieces))
        for name, _, read, add_one in (one, other):
            if add_one is not None:
                add_one(members, text, end, iter(seen))
            elif name not in members:
                members[name] = read(text, end, iter(seen))

    return one[0], one[1], plain, add


def _whole(end: str, pieces: Pieces) -> Pieces:
    """Yield the pieces up to the end of an element."""
    depth = 1
    for piece in pieces:
        yield piece
        depth += (piece[0] == end[1:]) - (piece[0] == end)
        if not depth:
            return
    raise IrregularError


def _keep_repeated(members: dict[str, Any], again: list[tuple[str, Any]]) -> None:
    """Turn what came more than once, though the model says it comes once, into lists."""
    values: dict[str, list[Any]] = {}
    for name, value in again:
        values.setdefault(name, [members[name]]).append(value)
    members.update(values)
