"""The fields of a type that may refer to something, and SQL that reads them all from a row at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stocktake.relations.forms import id_rest_sql
from stocktake.relations.known_types import known_types
from stocktake.relations.proposals import claimed_type, edge_word, is_own_name, proposed_types
from stocktake.resource_types.schema import field_name
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]
"""Name -> page type, or [page type, members]: what the store remembers of a type."""

_LIST = "UNORDERED_LIST_"
_MAP = "MAP_STRING_"
_TEXT = "STRING"
_ID = "_id"
_CATALOG_OWN = frozenset({"account_id", "tags"})


@dataclass(frozen=True, slots=True)
class TextField:
    """A field that holds text, at any depth."""

    number: int
    path: str
    """Dotted, without marks for lists."""
    types: tuple[str, ...]
    """What its name proposes."""
    claimed: str | None
    """What an id in it is, even where nothing held has it."""
    edge: str
    """What an edge of it is called."""
    own: bool = False
    """It tells the resource's own ARN; only another service's ARN in it refers to something."""


@dataclass(slots=True)
class Column:
    """A column, and the fields in it that hold text."""

    fields: list[TextField] = field(default_factory=list)
    said_sql: str = ""
    """What they say in one row, as a list of structures: `n`, the number of the field, and `v`, a value."""


def text_columns(type_name: str, schema: Schema) -> Iterator[Column]:
    """Yield every column of a type that holds text, but for the catalog's own and for the type's own names.

    The last is the id itself, where only that says under which resource this one is.
    """
    first = 1
    proposed: set[str] = set()
    for name, entry in schema.items():
        own = is_own_name(type_name, name)
        if name in _CATALOG_OWN or (own and not (name.endswith("arn") and entry == _TEXT)):
            continue
        builder = _Builder(type_name, first, own=own)
        parts = builder.parts((name,), entry, quote(name))
        if builder.fields:
            first += len(builder.fields)
            proposed.update(*(one.types for one in builder.fields))
            yield Column(builder.fields, _joined(parts))
    parent = known_types().parents.get(type_name)
    if parent is not None and parent not in proposed:
        edge = field_name(known_types().nouns[parent])
        rest = id_rest_sql(_ID)
        told = f"CASE WHEN regexp_matches({rest}, '[/:]') THEN {rest} END"
        yield Column([TextField(first, _ID, (parent,), None, edge)], f"[{_said(first, told)}]")


class _Builder:
    """Builds an expression that goes through each list only once, however many fields its elements have."""

    def __init__(self, type_name: str, first: int, *, own: bool) -> None:
        self.fields: list[TextField] = []
        self._own = own
        self._type_name = type_name
        self._first = first

    def parts(self, path: tuple[str, ...], entry: Any, value: str) -> list[str]:  # noqa: ANN401 - JSON
        """Return lists of what the fields at and below a path say."""
        page_type, members = entry if isinstance(entry, list) else (entry, None)
        depth = 0
        while page_type.startswith(_LIST):
            page_type, depth = page_type.removeprefix(_LIST), depth + 1
        for _ in range(depth - 1):
            value = f"flatten({value})"
        if members is not None:
            return self._of_members(path, members, value, is_list=depth > 0)
        if page_type == _TEXT:
            number = self._add(path, () if self._own else proposed_types(self._type_name, path))
            return [_listed(number, value) if depth else f"[{_said(number, value)}]"]
        if page_type == _MAP + _TEXT:
            values = f"flatten(list_transform({value}, lambda m: map_values(m)))" if depth else f"map_values({value})"
            return [_listed(self._add(path, ()), values)]
        return []

    def _of_members(self, path: tuple[str, ...], members: Schema, value: str, *, is_list: bool) -> list[str]:
        variable = f"x{len(path)}" if is_list else value
        parts = [
            part
            for name, entry in members.items()
            for part in self.parts((*path, name), entry, f"{variable}.{quote(name)}")
        ]
        if not is_list or not parts:
            return parts
        return [f"flatten(list_transform({value}, lambda {variable}: {_joined(parts)}))"]

    def _add(self, path: tuple[str, ...], types: tuple[str, ...]) -> int:
        number = self._first + len(self.fields)
        claimed = claimed_type(self._type_name, path, types)
        self.fields.append(TextField(number, ".".join(path), types, claimed, edge_word(path), self._own))
        return number


def _said(number: int, value: str) -> str:
    return f"{{'n': {number}, 'v': {value}}}"


def _listed(number: int, values: str) -> str:
    return f"list_transform({values}, lambda v: {_said(number, 'v')})"


def _joined(parts: list[str]) -> str:
    """Return one list of several; single values need no list of their own."""
    single = ", ".join(part[1:-1] for part in parts if part.startswith("[{"))
    lists = [part for part in parts if not part.startswith("[{")]
    if single:
        lists.insert(0, f"[{single}]")
    return lists[0] if len(lists) == 1 else f"flatten([{', '.join(lists)}])"
