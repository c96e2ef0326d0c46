"""Laws of the difference between two versions."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stocktake.query.changes import Change, diff_fields

VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(["f", "g", "h"]), VALUES, max_size=3)


@given(FIELDS)
def test_nothing_differs_from_itself(fields: dict[str, Any]) -> None:
    assert diff_fields(fields, dict(reversed(fields.items()))) == ()


@given(FIELDS, FIELDS)
def test_the_way_back_is_the_way_there_reversed(old: dict[str, Any], new: dict[str, Any]) -> None:
    there = {(c.path, str(c.before), str(c.after)) for c in diff_fields(old, new)}
    back = {(c.path, str(c.after), str(c.before)) for c in diff_fields(new, old)}
    assert there == back


def test_nested_fields_have_dotted_paths_and_lists_have_no_order() -> None:
    old = {"a": {"b": 1, "c": 2}, "l": [1, 2], "m": ["x"], "n": [1, 1]}
    new = {"a": {"b": 1, "c": 3}, "l": [2, 1], "m": ["y"], "n": [1]}
    assert diff_fields(old, new) == (
        Change("a.c", 2, 3),
        Change("m[]", "x", None),
        Change("m[]", None, "y"),
        Change("n[]", "2 entries", "1 entries"),
    )
