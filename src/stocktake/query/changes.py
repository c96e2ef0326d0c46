"""What differs between two versions of a resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs."""

    path: str
    """Dotted; a list or map with differing entries is one change for each entry that came or went."""
    before: Any
    after: Any


def diff_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs, in the order of the paths. An absent field equals a null one."""
    return tuple(_diff(before, after, ""))


def _diff(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        path = f"{prefix}{name}"
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _diff(old, new, f"{path}.")
        elif isinstance(old, list) and isinstance(new, list):
            yield from _diff_lists(old, new, path)
        else:
            yield Change(path, old, new)


def _diff_lists(old: list[Any], new: list[Any], path: str) -> Iterator[Change]:
    """Yield the entries that went and came: the provider promises no order, so positions mean nothing."""
    gone = [entry for entry in old if entry not in new]
    come = [entry for entry in new if entry not in old]
    yield from (Change(f"{path}[]", entry, None) for entry in gone)
    yield from (Change(f"{path}[]", None, entry) for entry in come)
    if not gone and not come and len(old) != len(new):
        yield Change(f"{path}[]", f"{len(old)} entries", f"{len(new)} entries")
