"""A table follows its model: fields come, go, move and change their type, and no version is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from small_types import STRING, string_field, thing_type, with_part_fields
from stocktake.resource_types.spec import Field, Kind, ResourceType, ValueType
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.type_tables import ensure_tables
from thing_sweeps import COLUMNS, T0, THING, day, sweep, thing

INT32, INT64, DOUBLE = ValueType(Kind.INT32), ValueType(Kind.INT64), ValueType(Kind.DOUBLE)


def field(name: str, value: ValueType) -> Field:
    title = "".join(part.title() for part in name.split("_"))
    return Field(name, value, title, title)


def model(number: int, *extra: Field) -> ResourceType:
    return thing_type(*extra, model_version=f"model {number}")


def without(resource_type: ResourceType, *names: str) -> ResourceType:
    return replace(resource_type, fields=tuple(f for f in resource_type.fields if f.name not in names))


def in_part(number: int, *members: Field) -> ResourceType:
    """Return the type with these members in `part`, and in the elements of `parts`, beside color and size."""
    return with_part_fields(model(number), *members)


def schema_changes(catalog: Catalog) -> list[Any]:
    return run(
        catalog.connection,
        "SELECT change, path, was, is_certain FROM schema_changes WHERE change <> 'first' ORDER BY changed_at, path",
    )


def column(catalog: Catalog, expression: str, source: str = "aws_test_thing") -> list[Any]:
    return [row[0] for row in run(catalog.connection, f"SELECT {expression} FROM {source} ORDER BY name")]


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    with open_catalog(tmp_path / "c.duckdb") as opened:
        ensure_tables(opened, THING, T0)
        yield opened


def test_what_went_and_came_again_never_lost_its_values(catalog: Catalog) -> None:
    ensure_tables(catalog, model(1, field("owner", STRING)), day(0))
    sweep(
        catalog, day(1), [thing("a", owner="me")], columns={"owner": pa.string()}, of=model(1, field("owner", STRING))
    )
    ensure_tables(catalog, model(2), day(2))
    sweep(catalog, day(2), [thing("b")], listed=["a", "b"])
    ensure_tables(catalog, model(3, field("owner", STRING)), day(3))
    sweep(
        catalog,
        day(3),
        [thing("c", owner="you")],
        listed=["a", "b", "c"],
        columns={"owner": pa.string()},
        of=model(1, field("owner", STRING)),
    )
    assert column(catalog, "owner") == ["me", None, "you"]
    assert schema_changes(catalog) == [
        ("added", "owner", None, True),
        ("dropped", "owner", None, True),
        ("added", "owner", None, True),
    ]


def test_members_that_went_and_came_again(catalog: Catalog) -> None:
    wide = {"part": pa.struct([("color", pa.string()), ("size", pa.int32()), ("weight", pa.float64())])}
    ensure_tables(catalog, in_part(1, field("weight", DOUBLE)), day(0))
    sweep(catalog, day(1), [thing("a", part={"color": "red", "weight": 1.5})], columns=wide)
    ensure_tables(catalog, model(2), day(2))
    sweep(catalog, day(2), [thing("b", part={"color": "blue"})], listed=["a", "b"])
    ensure_tables(catalog, in_part(3, field("weight", DOUBLE)), day(3))
    sweep(catalog, day(3), [thing("c", part={"weight": 2.5})], listed=["a", "b", "c"], columns=wide)
    assert column(catalog, "part.weight") == [1.5, None, 2.5]
    assert column(catalog, "part.color") == ["red", "blue", None]


@pytest.mark.parametrize(
    ("before", "after", "old", "new", "arrow"),
    [(INT32, INT64, 7, 2**40, pa.int64()), (ValueType(Kind.FLOAT), DOUBLE, 1.5, 1e300, pa.float64())],
)
def test_a_wider_type_takes_the_values_along(
    catalog: Catalog, before: ValueType, after: ValueType, old: Any, new: Any, arrow: pa.DataType
) -> None:
    narrow = pa.int32() if before is INT32 else pa.float32()
    ensure_tables(catalog, in_part(1, field("n", before)), day(0))
    part = {"part": pa.struct([("n", narrow)]), "parts": pa.list_(pa.struct([("n", narrow)]))}
    sweep(catalog, day(1), [thing("a", part={"n": old}, parts=[{"n": old}])], columns=part)
    ensure_tables(catalog, in_part(2, field("n", after)), day(2))
    part = {"part": pa.struct([("n", arrow)]), "parts": pa.list_(pa.struct([("n", arrow)]))}
    sweep(catalog, day(2), [thing("b", part={"n": new}, parts=[{"n": new}])], listed=["a", "b"], columns=part)
    assert column(catalog, "part.n") == column(catalog, "parts[1].n") == [old, new]
    assert schema_changes(catalog)[-2:] == [
        ("retyped", "part.n", "part.n", True),
        ("retyped", "parts.n", "parts.n", True),
    ]


def test_a_type_that_does_not_fit_keeps_older_values_under_another_name(catalog: Catalog) -> None:
    label = ValueType(Kind.STRUCT, fields=(field("text", STRING),))
    ensure_tables(catalog, in_part(1, field("label", STRING)), day(0))
    part = {"part": pa.struct([("label", pa.string())])}
    sweep(catalog, day(1), [thing("a", part={"label": "old"})], columns=part)
    ensure_tables(catalog, in_part(2, field("label", label)), day(2))
    part = {"part": pa.struct([("label", pa.struct([("text", pa.string())]))])}
    sweep(catalog, day(2), [thing("b", part={"label": {"text": "new"}})], listed=["a", "b"], columns=part)
    assert column(catalog, "part.label.text") == [None, "new"]
    assert column(catalog, "part.label_was_varchar") == ["old", None]
    assert ("retyped", "part.label", "part.label_was_varchar", True) in schema_changes(catalog)
    ensure_tables(catalog, in_part(3, field("label", STRING)), day(3))
    assert column(catalog, "part.label_was_struct.text") == [None, "new"]


def test_a_list_of_other_things_is_another_list(catalog: Catalog) -> None:
    ensure_tables(catalog, model(1, field("ids", ValueType(Kind.LIST, element=INT32))), day(0))
    sweep(
        catalog,
        day(1),
        [thing("a", ids=[1, 2])],
        columns={"ids": pa.list_(pa.int32())},
        of=model(1, field("ids", STRING)),
    )
    ensure_tables(catalog, model(2, field("ids", ValueType(Kind.LIST, element=STRING))), day(2))
    sweep(
        catalog,
        day(2),
        [thing("b", ids=["x"])],
        listed=["a", "b"],
        columns={"ids": pa.list_(pa.string())},
        of=model(2, field("ids", STRING)),
    )
    assert column(catalog, "ids") == [None, ["x"]]
    assert column(catalog, "ids_was_list") == [[1, 2], None]


OWNER_OUT = {"owner": pa.string()}
OWNER_IN = {"part": pa.struct([("color", pa.string()), ("owner", pa.string())])}


def moved(catalog: Catalog, after: dict[str, str]) -> None:
    """Have `owner` go from outside into `part`; the things that are read again have these owners there."""
    ensure_tables(catalog, model(1, field("owner", STRING)), day(0))
    sweep(
        catalog,
        day(1),
        [thing(name, owner=f"own {name}") for name in "abc"],
        columns=OWNER_OUT,
        of=model(1, field("owner", STRING)),
    )
    ensure_tables(catalog, in_part(2, field("owner", STRING)), day(2))
    rows = [thing(name, part={"color": "red", "owner": owner}) for name, owner in after.items()]
    sweep(catalog, day(2), rows, listed=["a", "b", "c"], columns=OWNER_IN)


def test_a_move_that_values_confirm_shows_older_values_at_their_new_place(catalog: Catalog) -> None:
    moved(catalog, {"a": "own a", "b": "own b"})
    assert ("moved", "part.owner", "owner", True) in schema_changes(catalog)
    assert column(catalog, "part.owner") == ["own a", "own b", "own c"]
    assert column(catalog, "part.color") == ["red", "red", None]
    then = (day(1) + timedelta(hours=1)).replace(tzinfo=None)
    assert column(catalog, "part.owner", f"aws_test_thing_as_of(TIMESTAMP '{then}')") == ["own a", "own b", "own c"]
    # The versions themselves are as they were written.
    assert column(catalog, "owner", "aws_test_thing_history WHERE _to IS NOT NULL") == ["own a", "own b"]


def test_a_move_that_values_deny_was_none(catalog: Catalog) -> None:
    moved(catalog, {"a": "somebody else"})
    changes = schema_changes(catalog)
    assert ("added", "part.owner", None, True) in changes
    assert ("dropped", "owner", None, True) in changes
    assert column(catalog, "part.owner") == ["somebody else", None, None]


def test_a_move_that_no_value_speaks_of_stays_a_proposal(catalog: Catalog) -> None:
    moved(catalog, {})
    assert ("moved", "part.owner", "owner", False) in schema_changes(catalog)
    assert column(catalog, "part.owner") == [None, None, None]


def test_two_of_one_name_propose_no_move(catalog: Catalog) -> None:
    ensure_tables(catalog, model(1, field("owner", STRING)), day(0))
    two = with_part_fields(model(2), field("owner", STRING))
    other = Field("box", ValueType(Kind.STRUCT, fields=(field("owner", STRING),)), "Box", "Box")
    ensure_tables(catalog, replace(two, fields=tuple(sorted((*two.fields, other), key=lambda f: f.name))), day(1))
    assert not [change for change in schema_changes(catalog) if change[0] == "moved"]


def test_nothing_is_rewritten_by_a_wider_model(catalog: Catalog) -> None:
    sweep(catalog, day(0), [thing("a", part={"color": "red", "size": 1})])
    before = run(catalog.connection, "SELECT name, part.color, _from, _hash FROM aws_test_thing_history")
    ensure_tables(catalog, in_part(1, field("weight", DOUBLE), string_field("owner", "Owner")), day(1))
    assert run(catalog.connection, "SELECT name, part.color, _from, _hash FROM aws_test_thing_history") == before
    assert set(COLUMNS) >= {"part", "parts"}
