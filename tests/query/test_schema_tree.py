"""What can be asked in SQL, as a tree; every path in it can be asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sample_catalog import TYPE
from stocktake.core.errors import UserError
from stocktake.insights.names import named_in, names_of_ours
from stocktake.query.reach import Reach
from stocktake.query.runner import run_query
from stocktake.query.schema_tree import TreeColumn, quoted, read_columns, read_tables
from stocktake.store.catalog import Catalog


def leaves(columns: tuple[TreeColumn, ...]) -> Iterator[TreeColumn]:
    for column in columns:
        yield column
        yield from leaves(column.inside)


def test_tables_are_shared_ones_names_of_ours_and_types(catalog: Catalog) -> None:
    tables = {one.name: one for one in read_tables(catalog, names_of_ours())}
    assert tables[TYPE].kind == "type"
    assert tables[TYPE].service == "sagemaker"
    assert tables["resources"].kind == "shared"
    assert tables["job_costs"].kind == "derived"
    assert tables[f"{TYPE}_insights"].kind == "derived"


def test_every_path_of_a_column_can_be_asked(catalog: Catalog) -> None:
    columns = read_columns(catalog, TYPE)
    paths = [one.path for one in leaves(columns)]
    assert "resource_config.instance_groups[1].instance_type" in paths
    assert len(paths) > len(columns) > 20
    for first in range(0, len(paths), 100):
        part = paths[first : first + 100]
        [row] = run_query(catalog, f"SELECT {', '.join(part)} FROM {TYPE} LIMIT 1").rows()
        assert len(row) == len(part)


def test_every_table_of_the_tree_has_columns(catalog: Catalog) -> None:
    for table in read_tables(catalog, ("jobs", "job_costs", "lineage")):
        named = named_in(catalog, table.name) if table.kind == "derived" else {}
        assert read_columns(catalog, table.name, named), table


def test_out_of_reach_there_is_no_such_table(catalog: Catalog) -> None:
    elsewhere = Reach(types=("aws_ec2_*",))
    names = {one.name for one in read_tables(catalog, names_of_ours(), reach=elsewhere)}
    assert TYPE not in names
    assert f"{TYPE}_insights" not in names
    for name in (TYPE, "no_such_thing", 'x" UNION SELECT 1'):
        with pytest.raises(UserError) as told:
            read_columns(catalog, name, reach=elsewhere)
        assert told.value.code == "no_such_table"


@pytest.mark.parametrize(("name", "written"), [("team", "team"), ("Team", '"Team"'), ('a"b', '"a""b"'), ("1a", '"1a"')])
def test_names_are_quoted_where_they_need_it(name: str, written: str) -> None:
    assert quoted(name) == written
