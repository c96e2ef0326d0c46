"""What came when, and how often a field is filled."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from sample_catalog import TYPE, SampleCatalog
from small_types import string_field, thing_type
from stocktake.core.errors import UserError
from stocktake.query.schema_facts import read_filled, read_schema_changes
from stocktake.store.catalog import Catalog, open_catalog
from stocktake.store.type_tables import ensure_tables
from thing_sweeps import T0, THING, day, sweep, thing


def test_how_often_fields_are_filled_at_any_depth(tmp_path: Path) -> None:
    one, two = {"color": "red"}, {"color": None, "size": 2}
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        things = [
            thing("a", part=one, parts=[one, two], tags=["a:b"]),
            thing("b", part=two, parts=[two, two]),
            thing("c", parts=[], state=""),
            thing("d", state=None),
        ]
        sweep(catalog, day(0), things)
        found = {one.path: (one.filled, one.rows, one.percent) for one in read_filled(catalog, "aws_test_thing")}
    assert found["name"] == (4, 4, 100.0)
    assert found["state"] == (3, 4, 75.0)
    assert found["part"] == (2, 4, 50.0)
    assert found["part.color"] == (1, 4, 25.0)
    assert found["parts"] == (2, 4, 50.0)
    assert found["parts.color"] == (1, 4, 25.0)
    assert found["parts.size"] == (2, 4, 50.0)
    assert found["tags"] == (1, 4, 25.0)
    assert found["ended_at"] == (0, 4, 0.0)


def test_the_widest_nesting(catalog: Catalog) -> None:
    found = {one.path: one.filled for one in read_filled(catalog, TYPE)}
    assert found["training_job_name"] == 3
    assert found["input_data_config.data_source.s3_data_source.s3_uri"] == 0
    assert found["environment"] == 2
    assert found["resource_config.instance_type"] == 3


def test_what_came_when(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        ensure_tables(catalog, thing_type(string_field("owner", "Owner"), model_version="test 2"), day(3))
        sweep(catalog, day(4), [thing("a")], columns={"owner": pa.string()})
        changes = read_schema_changes(catalog, "aws_test_thing")
        assert [(c.change, c.path, c.model_version) for c in changes] == [
            ("first", "", "test 1"),
            ("added", "owner", "test 2"),
        ]
        assert [c.path for c in read_schema_changes(catalog, "aws_test_thing", day(2))] == ["owner"]
        assert read_schema_changes(catalog, "aws_test_thing", day(3) + timedelta(seconds=1)) == []


def test_a_type_that_is_not_held(sample: SampleCatalog, catalog: Catalog) -> None:
    assert sample.path.exists()
    for ask in (read_filled, read_schema_changes):
        with pytest.raises(UserError) as caught:
            ask(catalog, "aws_iam_role")
        assert caught.value.code == "type_not_held"
