"""The fields of a type that may refer to something, as SQL over its table of versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktake.relations.proposals import proposed_types
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]
"""Name -> page type, or [page type, members]: what the store remembers of a type."""

_LIST = "UNORDERED_LIST_"
_MAP = "MAP_STRING_"
_TEXT = "STRING"


@dataclass(frozen=True, slots=True)
class TextField:
    """A field that holds text, at any depth."""

    path: str
    """Dotted, without marks for lists."""
    values_sql: str
    """All its values in one row, as a list of texts."""
    types: tuple[str, ...]
    """What its name proposes."""


def text_fields(type_name: str, schema: Schema) -> Iterator[TextField]:
    """Yield every field of a type that holds text, but for what belongs to the catalog."""
    for name, entry in schema.items():
        if name not in {"account_id", "tags"}:
            yield from _of_entry(type_name, (name,), entry, quote(name))


def _of_entry(type_name: str, path: tuple[str, ...], entry: Any, value: str) -> Iterator[TextField]:  # noqa: ANN401 - JSON
    page_type, members = entry if isinstance(entry, list) else (entry, None)
    depth = 0
    while page_type.startswith(_LIST):
        page_type, depth = page_type.removeprefix(_LIST), depth + 1
    flat = value if depth else f"[{value}]"
    for _ in range(depth - 1):
        flat = f"flatten({flat})"
    if members is not None:
        # One level at a time: an element's own lists are flattened into one.
        variable = f"x{len(path)}"
        for name, inner in members.items():
            for below in _of_entry(type_name, (*path, name), inner, f"{variable}.{quote(name)}"):
                inside = f"flatten(list_transform({flat}, lambda {variable}: {below.values_sql}))"
                yield TextField(below.path, inside, below.types)
    elif page_type == _TEXT:
        yield TextField(".".join(path), flat, proposed_types(type_name, path))
    elif page_type == _MAP + _TEXT:
        yield TextField(".".join(path), f"flatten(list_transform({flat}, lambda m: map_values(m)))", ())
