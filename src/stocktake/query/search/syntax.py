"""A search as a tree: what the parser makes of a text, and the text again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


class Wild(Enum):
    """What stands for characters that are not known."""

    ANY = "*"
    """Any number of them, also none."""
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the searched text, from its first character to just after its last, counted from 0."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Matches:
    """The value is this text, but for wildcards; without a key: it is found somewhere."""

    parts: tuple[str | Wild, ...]

    @property
    def literal(self) -> str | None:
        """Return the text where there is no wildcard in it."""
        return None if any(isinstance(part, Wild) for part in self.parts) else "".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Compares:
    """The value is greater or less."""

    operator: str
    """`>`, `>=`, `<` or `<=`."""
    value: str


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies in a range; None: it is open on that side."""

    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True)
class IsSet:
    """There is a value."""


Test: TypeAlias = Matches | Compares | Between | IsSet


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: on the value of a key, or, without one, on all text of a resource."""

    key: str | None
    test: Test
    key_span: Span = field(default=NOWHERE, compare=False)
    span: Span = field(default=NOWHERE, compare=False)
    """Of the value."""


@dataclass(frozen=True, slots=True)
class Everything:
    """No condition: an empty search, or `*`."""


@dataclass(frozen=True, slots=True)
class Not:
    """What its part does not hold of."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """What all parts hold of."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """What any part holds of."""

    parts: tuple[Node, ...]


Node: TypeAlias = Term | Everything | Not | And | Or

_PLAIN_KEY = re.compile(r"[A-Za-z_@][\w.@/-]*", re.ASCII)
_PLAIN_VALUE = re.compile(r"[\w./@%+,;~#&=$|'][\w./@%+,;~#&=$|'-]*")
_KEYWORDS = frozenset({"AND", "OR", "NOT", "TO"})


def both(parts: list[Node]) -> Node:
    """Return what holds where all parts hold; an And has no And in it."""
    flat = tuple(part for one in parts for part in (one.parts if isinstance(one, And) else (one,)))
    return flat[0] if len(flat) == 1 else And(flat)


def either(parts: list[Node]) -> Node:
    """Return what holds where any part holds; an Or has no Or in it."""
    flat = tuple(part for one in parts for part in (one.parts if isinstance(one, Or) else (one,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def terms(node: Node) -> Iterator[Term]:
    """Yield the conditions of a search."""
    match node:
        case Term():
            yield node
        case Not(part):
            yield from terms(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from terms(part)


def to_text(node: Node) -> str:
    """Return a text that is parsed to the same search."""
    match node:
        case Everything():
            return "*"
        case Term():
            return _term_text(node)
        case Not(part):
            return "-" + _inside(part, Not)
        case And(parts):
            return " ".join(_inside(part, And) for part in parts)
        case Or(parts):
            return " OR ".join(_inside(part, Or) for part in parts)


def _inside(node: Node, around: type[Not | And | Or]) -> str:
    text = to_text(node)
    if isinstance(node, And | Or) and not (isinstance(node, And) and around is Or):
        return f"({text})"
    return text


def _term_text(term: Term) -> str:
    value = _test_text(term.test, with_key=term.key is not None)
    if term.key is None:
        return value
    return f"{quoted(term.key) if value.startswith('//') else key_text(term.key)}:{value}"


def key_text(key: str) -> str:
    """Return a key as it stands in a search."""
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() != "arn" else quoted(key)


def _test_text(test: Test, *, with_key: bool) -> str:
    match test:
        case IsSet():
            return "*"
        case Compares(operator, value):
            return f"{operator}{_bound_text(value)}"
        case Between(low, high, with_low, with_high):
            open_, close = "[" if with_low else "{", "]" if with_high else "}"
            return f"{open_}{_bound_text(low)} TO {_bound_text(high)}{close}"
        case Matches(parts):
            literal = test.literal
            if literal is not None:
                return literal_text(literal)
            return "".join(
                part.value if isinstance(part, Wild) else _escaped(part, colon=not with_key) for part in parts
            )


def _bound_text(value: str | None) -> str:
    if value is None:
        return "*"
    # After > an = would belong to the operator.
    is_plain = _PLAIN_VALUE.fullmatch(value.replace(":", "")) and value[0] != "=" and value not in _KEYWORDS
    return value if is_plain else quoted(value)


def literal_text(value: str) -> str:
    """Return a text without wildcards as it stands in a search."""
    return value if _PLAIN_VALUE.fullmatch(value) and value not in _KEYWORDS else quoted(value)


def quoted(value: str) -> str:
    """Return a text in quotes, as it stands in a search."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(value: str, *, colon: bool) -> str:
    return "".join(
        char if char.isalnum() or char in "._/@%+,;~#&=$|'" or (char == ":" and not colon) else f"\\{char}"
        for char in value
    )
