"""Fields of a type by their path, at any depth: `resource_config.instance_type`, through lists and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.resource_rows import Schema, members_of, page_type_of
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stocktake.query.search.values import Sql

_LIST, _MAP = "UNORDERED_LIST_", "MAP_STRING_"
Leaf = tuple[str, str]


def plain(name: str) -> str:
    """Return a name as paths are compared: `InstanceType` is `instance_type`."""
    return name.replace("_", "").lower()


def test_path(
    schema: Schema, row: str, path: str, add: Callable[[object], str], leaf: Callable[[str, str], Sql]
) -> Sql | None:
    """Return a condition on the values at a path as SQL; None where the type has no such path.

    `leaf` makes the condition from page type and SQL of a value. Of a list or a map, one value is enough.
    """
    found = _first_step(schema, row, path)
    if found is None:
        return None
    value, entry, steps = found
    return _test(value, entry, steps, add, leaf, 0)


def _first_step(schema: Schema, row: str, path: str) -> tuple[str, object, list[str]] | None:
    first, *rest = path.split(".")
    name = next((name for name in schema if plain(name) == plain(first)), None)
    return None if name is None else (f"{row}.{quote(name)}", schema[name], rest)


def _test(
    value: str,
    entry: object,
    steps: Sequence[str],
    add: Callable[[object], str],
    leaf: Callable[[str, str], Sql],
    depth: int,
) -> Sql | None:
    kind = page_type_of(entry)
    if kind.startswith(_LIST):
        element: object = [kind.removeprefix(_LIST), members_of(entry)]
        inner = _test(f"_x{depth}", element, steps, add, leaf, depth + 1)
        return _any_of(value, inner, depth)
    if kind.startswith(_MAP):
        below = kind.removeprefix(_MAP)
        if steps:
            return _test(f"{value}[{add('.'.join(steps))}]", below, (), add, leaf, depth)
        return _any_of(f"map_values({value})", _test(f"_x{depth}", below, (), add, leaf, depth + 1), depth)
    if not steps:
        return leaf(kind, value)
    members = members_of(entry)
    name = next((name for name in members if plain(name) == plain(steps[0])), None)
    if name is None:
        return None
    return _test(f"{value}.{quote(name)}", members[name], steps[1:], add, leaf, depth)


def _any_of(values: str, inner: Sql | None, depth: int) -> Sql | None:
    if inner is None or isinstance(inner, bool):
        return inner
    return f"len(list_filter({values}, lambda _x{depth}: {inner})) > 0"


def whole(schema: Schema, row: str, path: str, add: Callable[[object], str]) -> Leaf | None:
    """Return page type and SQL of what a path leads to as it is; None where the way there goes through a list."""
    found = _first_step(schema, row, path)
    if found is None:
        return None
    value, entry, steps = found
    for number, step in enumerate(steps):
        if page_type_of(entry).startswith(_MAP):
            return page_type_of(entry).removeprefix(_MAP), f"{value}[{add('.'.join(steps[number:]))}]"
        members = members_of(entry) if page_type_of(entry) == "STRUCT" else {}
        name = next((name for name in members if plain(name) == plain(step)), None)
        if name is None:
            return None
        value, entry = f"{value}.{quote(name)}", members[name]
    return page_type_of(entry), value


def values_at(schema: Schema, row: str, path: str, add: Callable[[object], str]) -> str | None:
    """Return the SQL of the texts at a path, as a list; None where the type has no such path."""
    found = _first_step(schema, row, path)
    if found is None:
        return None
    value, entry, steps = found
    return _values(value, entry, steps, add, 0)


def _values(value: str, entry: object, steps: Sequence[str], add: Callable[[object], str], depth: int) -> str | None:
    kind = page_type_of(entry)
    if kind.startswith(_LIST):
        element: object = [kind.removeprefix(_LIST), members_of(entry)]
        inner = _values(f"_x{depth}", element, steps, add, depth + 1)
        return inner and f"flatten(list_transform({value}, lambda _x{depth}: {inner}))"
    if kind.startswith(_MAP):
        below = kind.removeprefix(_MAP)
        if steps:
            return _values(f"{value}[{add('.'.join(steps))}]", below, (), add, depth)
        inner = _values(f"_x{depth}", below, (), add, depth + 1)
        return inner and f"flatten(list_transform(map_values({value}), lambda _x{depth}: {inner}))"
    if not steps:
        return f"list_filter([CAST({value} AS VARCHAR)], lambda _y{depth}: _y{depth} IS NOT NULL)"
    members = members_of(entry)
    name = next((name for name in members if plain(name) == plain(steps[0])), None)
    return None if name is None else _values(f"{value}.{quote(name)}", members[name], steps[1:], add, depth)


def has_path(schema: Schema, path: str) -> bool:
    """Return whether a type has a field of this path."""
    return values_at(schema, "_h", path, lambda _: "''") is not None


def all_paths(schema: Schema, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every path that a search may name, with its page type."""
    for name, entry in schema.items():
        path = f"{above}{name}"
        yield path, page_type_of(entry)
        yield from all_paths(members_of(entry), f"{path}.")
