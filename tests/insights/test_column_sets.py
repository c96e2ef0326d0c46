"""Derived columns of types: every example that their declaration gives, on a table as the store makes it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sample_catalog import TYPE, job, training_job, write_sweep
from stocktake.insights.column_sets import ColumnSet, column_sets
from stocktake.insights.held import has_field, held_types, widened_columns
from stocktake.insights.names import ask
from stocktake.query.connection import open_reading
from stocktake.resource_types.spec import Kind, ValueType
from stocktake.store.catalog import open_catalog, run
from stocktake.store.type_tables import ensure_tables

SET = column_sets()[TYPE]
CASES = [(column.name, example) for column in SET.shown for example in column.examples]


def arrow_value(value: Any, kind: ValueType) -> Any:
    """Return a value of the declaration as the batches of the tests take it: maps as pairs."""
    if isinstance(value, dict) and kind.kind is Kind.MAP:
        return list(value.items())
    if isinstance(value, dict):
        by_name = {field.name: field.type for field in kind.fields}
        return {name: arrow_value(inner, by_name[name]) for name, inner in value.items()}
    if isinstance(value, list) and kind.element is not None:
        return [arrow_value(one, kind.element) for one in value]
    return value


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with one job for each example, called after its number."""
    path = tmp_path_factory.mktemp("columns") / "catalog.duckdb"
    empty: dict[str, Any] = dict.fromkeys(field.name for field in training_job().fields)
    fields = {field.name: field.type for field in training_job().fields}
    rows = []
    for number, (_, example) in enumerate(CASES):
        given = {name: arrow_value(value, fields[name]) for name, value in example.given.items()}
        arn = job(f"case-{number}")["training_job_arn"]
        rows.append(job(f"case-{number}") | empty | {"training_job_arn": arn, "account_id": "111122223333"} | given)
    with open_catalog(path) as catalog:
        moment = datetime.now(UTC)
        ensure_tables(catalog, training_job(), moment)
        write_sweep(catalog, moment, [f"case-{number}" for number in range(len(CASES))], rows, [])
    return path


def without_unset(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_unset(inner) for name, inner in value.items() if inner is not None and inner != ""}
    if isinstance(value, list):
        return [without_unset(one) for one in value]
    return value


@pytest.fixture(scope="module")
def derived(examples: Path) -> dict[str, dict[str, Any]]:
    with open_reading(examples) as catalog:
        result = ask(catalog, f"FROM {SET.view}")
        names = [column.name for column in result.columns]
        rows = [dict(zip(names, row, strict=True)) for row in result.rows()]
    return {row["_id"].rpartition("/")[2]: row for row in rows}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_every_example_of_every_column(derived: dict[str, dict[str, Any]], number: int) -> None:
    name, example = CASES[number]
    assert without_unset(derived[f"case-{number}"][name]) == without_unset(example.want)


def test_the_columns_have_the_types_that_are_declared(examples: Path) -> None:
    with open_reading(examples) as catalog:
        columns = {column.name: column.type for column in ask(catalog, f"FROM {SET.view} LIMIT 0").columns}
        declared = {}
        for column in SET.shown:
            [one] = ask(catalog, f"SELECT CAST(NULL AS {column.type}) AS c").columns
            declared[column.name] = one.type
        fields = {field.name for field in training_job().fields}
    assert {name: columns[name] for name in declared} == declared
    assert fields <= columns.keys()
    assert not {column.name for column in SET.columns} & fields, "a derived column hides the provider's own"
    assert not {column.name for column in SET.columns if column.hidden} & columns.keys()


def test_every_formula_of_the_reference_page_has_an_example() -> None:
    formulas = {
        "billed_instance_seconds", "spot_savings_pct", "warm_pool_instance_seconds", "billed_window_seconds",
        "max_runtime_seconds", "profiling_interval_ms", "checkpoint_path", "tensors_path", "rule_paths",
        "tensorboard_path", "output_compression", "keeps_time_series", "outlasted_grace", "phases", "retries",
        "channels",
    }  # fmt: skip
    assert formulas <= {name for name, _ in CASES}
    percent = next(example for name, example in CASES if name == "spot_savings_pct")
    assert (percent.given["billable_time_in_seconds"], percent.given["training_time_in_seconds"]) == (100, 500)
    assert percent.want == 80


@pytest.mark.parametrize("column", SET.columns, ids=lambda column: column.name)
def test_every_column_says_what_it_is_and_where_that_is_from(column: Any) -> None:
    assert column.about.endswith((".", "…"))
    assert column.source
    assert "{" not in column.name + column.about


def test_the_last_ones_may_use_the_first_ones_only() -> None:
    columns = SET.columns
    names = [column.name for column in columns]
    assert len(names) == len(set(names))
    levels = SET._levels()
    place = {column.name: number for number, level in enumerate(levels) for column in level}
    assert place["phases"] > place["steps"]
    assert place["retries"] > place["phases"]
    assert sum(map(len, levels)) == len(columns)


def test_a_table_made_from_an_older_model_lacks_only_values(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_catalog(path) as catalog:
        moment = datetime.now(UTC)
        ensure_tables(catalog, training_job(), moment)
        write_sweep(catalog, moment, ["a"], [job("a")], [])
        history = f"{TYPE}_history"
        run(catalog.connection, f"ALTER TABLE {history} DROP COLUMN resource_config.selected_instance_type")
        run(
            catalog.connection,
            f"ALTER TABLE {history} DROP COLUMN input_data_config.element.data_source.dataset_source",
        )
        [(schema,)] = run(catalog.connection, "SELECT schema_json FROM resource_types")
        older = schema.replace('"selected_instance_type":"STRING",', "").replace(
            '"dataset_source":["STRUCT",{"dataset_arn":"STRING"}],', ""
        )
        assert len(schema) - len(older) > 60
        run(catalog.connection, "UPDATE resource_types SET schema_json = ?", [older])
    with open_reading(path) as catalog:
        held = held_types(catalog)[TYPE]
        assert not has_field(held.schema, "resource_config.selected_instance_type")
        [row] = list(ask(catalog, f"SELECT instance_type, instance_count, data_path FROM {SET.view}").rows())
    assert row == ("ml.m5.xlarge", 2, "none")


def test_nothing_is_widened_where_nothing_is_missing() -> None:
    schema = {"a": ["STRUCT", {"b": "STRING"}]}
    assert widened_columns(schema, {"a.b": "STRING"}) == ""
    assert widened_columns(schema, {"c.b": "STRING"}) == "", "a column that is not there is not made"
    assert widened_columns(schema, {"a.c": "INT32", "a.d.e": "STRING"}) == (
        'CAST("a" AS STRUCT("b" VARCHAR, "c" INTEGER, "d" STRUCT("e" VARCHAR))) AS "a"'
    )


def test_a_set_may_stand_for_any_type() -> None:
    one = ColumnSet("aws_a_b", ())
    assert one.view_sql({}) == 'SELECT * FROM "aws_a_b"'
