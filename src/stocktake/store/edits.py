"""What differs between two values, as edits that can be shown, kept, and applied."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

Pair = tuple[int | None, int | None]
"""Where a list's entry stood before, and where after; None: it was not there."""
Step = str | Pair
"""A member's or key's name, or an entry of a list."""

_WORD = re.compile(r"[\w-]+")
# What names an entry of a list among its like, the first that all entries have.
_NAMES = ("name", "key", "id", "arn")
_EXACTLY = "="


@dataclass(frozen=True, slots=True)
class Change:
    """One edit. Absent and null are the same."""

    path: str
    """For people: dotted; an entry of a list is `[]`, or `[train]` where its name says which."""
    before: Any
    after: Any
    steps: tuple[Step, ...] = field(default=(), compare=False)
    """The exact address; empty where nobody will apply it."""
    order: tuple[int, ...] = ()
    """Of a list whose entries moved: where those that stayed stood, in their new order. Then both values are None."""

    @property
    def field_path(self) -> str:
        """Return the path without saying which entry: `input_data_config.channel_name`."""
        return plain_path(self.path)


def plain_path(path: str) -> str:
    """Return a path as the schema has it, entries of lists left out."""
    return re.sub(r"\[[^\]]*\]", "", path)


def diff_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs, in the order of the paths.

    An entry of a list that stayed is not told, wherever it stands now, unless entries changed places among each other.
    One that changed inside is matched to itself by its name, or by its place.
    """
    return tuple(_diff_members(before, after, (), ""))


def apply_changes(before: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """Return what `after` was when the changes were made. Null members may be missing."""
    result = _applied(dict(before), list(changes), 0)
    return result if isinstance(result, dict) else {}


def same(one: object, other: object) -> bool:
    """Return whether two values are equal: a null member is an absent one, NaN is NaN."""
    return one is other or _frozen(one) == _frozen(other)


def _diff_members(
    before: Mapping[str, Any], after: Mapping[str, Any], steps: tuple[Step, ...], path: str
) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        shown = name if _WORD.fullmatch(name) else orjson.dumps(name).decode()
        yield from _diff(before.get(name), after.get(name), (*steps, name), f"{path}.{shown}" if path else shown)


def _diff(old: Any, new: Any, steps: tuple[Step, ...], path: str) -> Iterator[Change]:  # noqa: ANN401 - any value
    if old is new or (type(old) is type(new) and old == new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _diff_members(old, new, steps, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _diff_entries(old, new, steps, path)
    elif not same(old, new):
        yield Change(path, old, new, steps)


def _diff_entries(old: list[Any], new: list[Any], steps: tuple[Step, ...], path: str) -> Iterator[Change]:
    stayed, gone, come = _match_equal(old, new)
    inside: list[tuple[int, int, str]] = []
    for key in (_name_of(old, new), lambda index, _: index):
        if key is None:
            continue
        matched, gone, come = _match_by(key, old, new, gone, come)
        inside += [(i, j, "" if isinstance(word, int) else str(word)) for i, j, word in matched]
    for i in gone:
        yield Change(f"{path}[]", old[i], None, (*steps, (i, None)))
    for j in come:
        yield Change(f"{path}[]", None, new[j], (*steps, (None, j)))
    for i, j, word in sorted(inside):
        yield from _diff(old[i], new[j], (*steps, (i, j)), f"{path}[{word}]")
    kept = tuple(i for _, i in sorted((j, i) for i, j in [*stayed, *((i, j) for i, j, _ in inside)]))
    if list(kept) != sorted(kept):
        yield Change(f"{path}[]", None, None, steps, kept)


def _match_equal(old: list[Any], new: list[Any]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Return the entries that are in both, how often soever, and what is left of either."""
    places: dict[Hashable, deque[int]] = defaultdict(deque)
    for i, entry in enumerate(old):
        places[_frozen(entry)].append(i)
    stayed: list[tuple[int, int]] = []
    come: list[int] = []
    for j, entry in enumerate(new):
        found = places.get(_frozen(entry))
        if found:
            stayed.append((found.popleft(), j))
        else:
            come.append(j)
    return stayed, sorted(i for left in places.values() for i in left), come


def _match_by(
    key: Callable[[int, Any], Hashable], old: list[Any], new: list[Any], gone: list[int], come: list[int]
) -> tuple[list[tuple[int, int, Hashable]], list[int], list[int]]:
    """Match structures whose key only one of either side has."""
    left = {key(i, old[i]): i for i in _with_own_key(key, old, gone)}
    right = {key(j, new[j]): j for j in _with_own_key(key, new, come)}
    matched = [(i, right[word], word) for word, i in left.items() if word in right]
    taken, placed = {i for i, _, _ in matched}, {j for _, j, _ in matched}
    return matched, [i for i in gone if i not in taken], [j for j in come if j not in placed]


def _with_own_key(key: Callable[[int, Any], Hashable], entries: list[Any], places: list[int]) -> list[int]:
    keys = {i: key(i, entries[i]) for i in places if isinstance(entries[i], dict)}
    seen = Counter(keys.values())
    return [i for i, word in keys.items() if word is not None and seen[word] == 1]


def _name_of(old: list[Any], new: list[Any]) -> Callable[[int, Any], Hashable] | None:
    """Return what names an entry: the member called so in all entries, the shortest name first."""
    entries = [entry for entry in (*old, *new) if isinstance(entry, dict)]
    if not entries:
        return None
    members = {name for name, value in entries[0].items() if isinstance(value, str)}
    for entry in entries[1:]:
        members = {name for name in members if isinstance(entry.get(name), str)}
    for word in _NAMES:
        found = sorted((n for n in members if n == word or n.endswith(f"_{word}")), key=lambda n: (len(n), n))
        if found:
            return lambda _, entry: entry.get(found[0])
    return None


def _frozen(value: object) -> Hashable:
    if isinstance(value, dict):
        return frozenset((name, _frozen(item)) for name, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, bool):
        return (_EXACTLY, value)
    if isinstance(value, float) and math.isnan(value):
        return (_EXACTLY, "nan")
    return value


def _applied(value: Any, changes: list[Change], depth: int) -> Any:  # noqa: ANN401 - any value
    """Apply the changes below a value that stands `depth` steps down."""
    here = [change for change in changes if len(change.steps) == depth and not change.order]
    if here:
        return here[0].after
    if isinstance(value, list):
        return _applied_list(value, changes, depth)
    result = dict(value or {})
    for name, below in groupby(changes, key=lambda change: change.steps[depth]):
        result[str(name)] = _applied(result.get(str(name)), list(below), depth + 1)
    return result


def _applied_list(value: list[Any], changes: list[Change], depth: int) -> list[Any]:
    order = next((change.order for change in changes if len(change.steps) == depth and change.order), ())
    below = [change for change in changes if len(change.steps) > depth]
    inside: dict[int, list[Change]] = defaultdict(list)
    gone: set[int] = set()
    come: dict[int, Any] = {}
    for change in below:
        step = change.steps[depth]
        assert isinstance(step, tuple)  # noqa: S101 - below a list, every step is an entry of it
        if step[1] is None and step[0] is not None:
            gone.add(step[0])
        elif step[0] is None and step[1] is not None:
            come[step[1]] = change.after
        elif step[0] is not None:
            inside[step[0]].append(change)
    kept = iter(order or [i for i in range(len(value)) if i not in gone])
    length = len(value) - len(gone) + len(come)
    result: list[Any] = []
    for j in range(length):
        if j in come:
            result.append(come[j])
        else:
            i = next(kept)
            result.append(_applied(value[i], inside[i], depth + 1) if i in inside else value[i])
    return result
