"""Laws of the difference: applied, it gives the newer row; over values as models shape them."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from model_values import expected, parsed_by_botocore, wire_value
from stocktake.store.edits import Change, apply_changes, diff_fields, plain_path, same

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.5, float("nan"), datetime(2026, 1, 1)])  # noqa: DTZ001 - the catalog's times are naive UTC
    | st.sampled_from(["a", "b", "", "a.b", "[]", 'q"'])
)
NAMED = st.fixed_dictionaries({"channel_name": st.sampled_from(["train", "test", "x"]), "v": SCALARS})
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(NAMED, max_size=5)
        | st.dictionaries(st.sampled_from(["x", "y", "z", "a.b", 'q"', "name"]), inner, max_size=4)
    ),
    max_leaves=14,
)
FIELDS = st.dictionaries(st.sampled_from(["f", "g", "h"]), VALUES, max_size=3)


@settings(max_examples=400, deadline=None)
@given(FIELDS, FIELDS)
def test_diff_then_apply_gives_the_newer_row(old: dict[str, Any], new: dict[str, Any]) -> None:
    changes = diff_fields(old, new)
    assert same(apply_changes(old, changes), new)
    assert bool(changes) != same(old, new)


@settings(max_examples=200, deadline=None)
@given(FIELDS, FIELDS)
def test_the_way_back_is_the_way_there_reversed(old: dict[str, Any], new: dict[str, Any]) -> None:
    there = sorted((c.path, repr(c.before), repr(c.after)) for c in diff_fields(old, new))
    back = sorted((c.path, repr(c.after), repr(c.before)) for c in diff_fields(new, old))
    assert there == back


@given(FIELDS)
def test_nothing_differs_from_itself(fields: dict[str, Any]) -> None:
    assert diff_fields(fields, dict(reversed(fields.items()))) == ()


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sagemaker", "DescribeTrainingJob"),
        ("lambda", "GetFunction"),
        ("ecs", "DescribeServices"),
        ("glue", "GetJob"),
        ("athena", "GetWorkGroup"),
    ],
)
def test_rows_of_real_models(service: str, operation: str) -> None:
    shape = Session().get_service_model(service).operation_model(operation)
    assert shape.output_shape is not None
    random = Random(7)
    rows: list[dict[str, Any]] = []
    for _ in range(12):
        body = _json(wire_value(shape.output_shape, random, density=0.5))
        rows.append(_plain(expected(shape.output_shape, parsed_by_botocore(shape, body))))
    for old, new in pairwise(rows):
        # A later version of the same resource shares most of the former.
        mixed = {name: (new if random.random() < 0.3 else old).get(name) for name in {*old, *new}}
        for one, other in ((old, new), (old, mixed), (mixed, new)):
            assert same(apply_changes(one, diff_fields(one, other)), other)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value.value) if hasattr(value, "value") else value


def shown(changes: tuple[Change, ...]) -> list[tuple[str, Any, Any]]:
    return [(change.path, change.before, change.after) for change in changes]


def test_nested_fields_have_dotted_paths_and_lists_have_no_order() -> None:
    old = {"a": {"b": 1, "c": 2}, "l": [1, 2], "m": ["x"], "n": [1, 1]}
    new = {"a": {"b": 1, "c": 3}, "l": [1, 2, 3], "m": ["y"], "n": [1]}
    assert shown(diff_fields(old, new)) == [
        ("a.c", 2, 3),
        ("l[]", None, 3),
        ("m[]", "x", None),
        ("m[]", None, "y"),
        ("n[]", 1, None),
    ]


def test_an_entry_that_changed_inside_is_found_by_its_name() -> None:
    old = {"channels": [{"channel_name": "train", "uri": "s3://a"}, {"channel_name": "test", "uri": "s3://b"}]}
    new = {"channels": [{"channel_name": "test", "uri": "s3://c"}, {"channel_name": "train", "uri": "s3://a"}]}
    changes = diff_fields(old, new)
    assert shown(changes) == [("channels[test].uri", "s3://b", "s3://c"), ("channels[]", None, None)]
    assert changes[0].field_path == "channels.uri"
    assert changes[1].order == (1, 0)


def test_a_key_that_is_no_word_is_quoted() -> None:
    [change] = diff_fields({"environment": {"a.b": "1"}}, {"environment": {"a.b": "2"}})
    assert change.path == 'environment."a.b"'
    assert plain_path("a[x].b[]") == "a.b"
