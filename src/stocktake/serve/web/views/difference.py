"""Two states of a resource side by side: the fields that differ, and the whole definitions line by line."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from stocktake.serve.telling.values import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stocktake.query.diff import Side
    from stocktake.store.edits import Change

_AROUND = 3
_MOST_LINES = 4_000
"""Longer definitions are compared by their fields alone."""


def edit_rows(edits: Iterable[Change]) -> list[dict[str, Any]]:
    """Return edits as rows: path, before and after as text, and what kind of edit it is."""
    return [
        {
            "path": one.path,
            "before": shown(one.before),
            "after": shown(one.after),
            "kind": "moved" if one.order else _kind(one.before, one.after),
        }
        for one in edits
    ]


def _kind(before: object, after: object) -> str:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def shown(value: object) -> str:
    """Return a value as text; structures as JSON over several lines."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return to_json(value, indent=isinstance(value, dict | list)).decode().strip('"')


def side_by_side(older: Side, newer: Side) -> list[dict[str, Any]]:
    """Return both definitions line by line: left, right, kind (same, changed, gap); only near changes."""
    left, right = _lines(older.fields), _lines(newer.fields)
    if len(left) + len(right) > _MOST_LINES:
        return []
    return list(_pairs(left, right))


def _lines(fields: Mapping[str, Any]) -> list[str]:
    set_ones = {name: value for name, value in fields.items() if value is not None}
    return to_json(set_ones, indent=True).decode().splitlines() if set_ones else []


def _pairs(left: Sequence[str], right: Sequence[str]) -> Iterator[dict[str, Any]]:
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for group in matcher.get_grouped_opcodes(_AROUND):
        if group[0][1] or group[0][3]:
            yield {"kind": "gap", "left": "", "right": ""}
        for tag, i, j, k, m in group:
            for offset in range(max(j - i, m - k)):
                before = left[i + offset] if i + offset < j else None
                after = right[k + offset] if k + offset < m else None
                yield {"kind": "same" if tag == "equal" else "changed", "left": before, "right": after}
