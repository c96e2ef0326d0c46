"""The search table says what the types' tables say, whatever sweeps went before, and however it came to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_types import string_field, thing_type
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.resource_index import RULES, is_complete, refresh_resources
from stocktake.store.resource_rows import HeldType, name_expression, read_held_types, state_expression
from stocktake.store.tag_columns import read_tag_columns
from stocktake.store.type_tables import column_of, ensure_tables
from stocktake.store.versions import ScopeVersions

T0 = datetime(2026, 1, 1, tzinfo=UTC)
THING = thing_type(string_field("description", "Description"))
ACCOUNTS = ("111122223333", "222233334444")
REGION = "eu-west-1"
BIRTHS = (datetime(2025, 1, 1), datetime(2025, 6, 1))  # noqa: DTZ001 - the catalog's times are naive UTC

Estate = dict[str, dict[str, Any]]


def thing_id(account: str, name: str) -> str:
    return f"arn:aws:test:{REGION}:{account}:thing/{name}"


def batch(account: str, things: Estate) -> pa.Table:
    kinds = {"created_at": pa.timestamp("us"), "tags": pa.list_(pa.string()), "_hash": pa.uint64()}
    kinds |= dict.fromkeys(("modified_at", "ended_at"), pa.timestamp("us"))
    kinds |= {"_summary": pa.uint64(), "_server_time": pa.timestamp("us")}
    rows = [
        {
            "account_id": account,
            "name": name,
            "thing_arn": thing_id(account, name),
            "state": t.get("state", "Running"),
            "description": t.get("description"),
            "created_at": BIRTHS[t.get("birth", 0)],
            "modified_at": None,
            "ended_at": None,
            "tags": t.get("tags", []),
            "_id": thing_id(account, name),
            "_hash": hash(repr(t)) % 2**63,
            "_summary": 0,
            "_unknown": None,
            "_server_time": BIRTHS[0],
        }
        for name, t in things.items()
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]]))


def sweep(catalog: Catalog, account: str, things: Estate, at: datetime, status: str = "complete") -> None:
    """Do what a sweep of one scope does, up to the refresh."""
    ledger = Ledger(catalog, at)
    versions = ScopeVersions(catalog, THING, account, REGION, ledger.sweep_id)
    ids = [thing_id(account, name) for name in things]
    versions.saw(ids, [None] * len(ids))
    held = versions.held(ids)
    coverage = Coverage(account, REGION, THING.name, at, status=status, finished_at=at)
    changed = {
        name: t
        for name, t in things.items()
        if (i := thing_id(account, name)) not in held or held[i].hash != hash(repr(t)) % 2**63
    }
    if changed:
        applied = versions.apply(batch(account, changed), ledger.moment(at))
        coverage.new, coverage.changed = applied.new, applied.changed
    if status == "complete":
        coverage.deleted = versions.close_unseen(ledger.moment(at))
    versions.close()
    ledger.write_coverage(coverage)
    ledger.finish("complete" if status == "complete" else "gaps", 1, at)


def rows(catalog: Catalog) -> list[tuple[Any, ...]]:
    return run(catalog.connection, "SELECT * FROM resources ORDER BY type, account_id, key")


def texts(catalog: Catalog) -> dict[str, str]:
    return dict(run(catalog.connection, "SELECT id, text FROM resource_index"))


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    with open_catalog(tmp_path / "catalog.duckdb") as opened:
        ensure_tables(opened, THING, T0)
        yield opened


def test_one_row_for_each_resource(catalog: Catalog) -> None:
    here = ACCOUNTS[0]
    things: Estate = {"a": {"tags": ["aws:cloudformation:stack-name:x:y", "team:ads"], "description": "My Thing"}}
    sweep(catalog, here, things | {"b": {"state": "Done"}}, T0)
    assert refresh_resources(catalog) == 2
    one, other = rows(catalog)
    naive = T0.replace(tzinfo=None)
    assert one == (
        thing_id(here, "a"),
        "aws_test_thing",
        "aws",
        "test",
        here,
        REGION,
        "a",
        {"aws:cloudformation:stack-name": "x:y", "team": "ads"},
        "Running",
        BIRTHS[0],
        naive,
        naive,
        naive,
        False,
    )
    assert (other[7], other[8]) == ({}, "Done")
    assert texts(catalog)[one[0]] == "thing/a\nmy thing\nx:y\nads"


def test_a_sweep_without_change_writes_no_row(catalog: Catalog) -> None:
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0)
    refresh_resources(catalog)
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0 + timedelta(days=1))
    assert refresh_resources(catalog) == 0
    [row] = rows(catalog)
    assert row[10:14] == (T0.replace(tzinfo=None), (T0 + timedelta(days=1)).replace(tzinfo=None), row[12], False)


def test_a_gap_keeps_rows_and_says_that_they_are_stale(catalog: Catalog) -> None:
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0)
    refresh_resources(catalog)
    sweep(catalog, ACCOUNTS[0], {}, T0 + timedelta(days=1), "denied")
    refresh_resources(catalog)
    [row] = rows(catalog)
    assert (row[11], row[13]) == (T0.replace(tzinfo=None), True)


def test_a_sweep_that_was_cut_short_is_made_up_for(catalog: Catalog) -> None:
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0)
    refresh_resources(catalog)
    cut = Ledger(catalog, T0 + timedelta(hours=1))
    versions = ScopeVersions(catalog, THING, ACCOUNTS[1], REGION, cut.sweep_id)
    versions.apply(batch(ACCOUNTS[1], {"b": {}}), T0 + timedelta(hours=1))
    versions.close()
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0 + timedelta(hours=2))
    refresh_resources(catalog)
    assert [row[6] for row in rows(catalog)] == ["a", "b"]


def test_readers_may_have_one_type_before_the_sweep_ends(catalog: Catalog) -> None:
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0)
    assert not is_complete(catalog.connection)
    assert refresh_resources(catalog, [THING.name]) == 1
    assert not is_complete(catalog.connection)
    assert refresh_resources(catalog) == 1
    assert is_complete(catalog.connection)
    assert [row[6] for row in rows(catalog)] == ["a"]


def test_rows_of_other_rules_are_made_anew(catalog: Catalog) -> None:
    sweep(catalog, ACCOUNTS[0], {"a": {}}, T0)
    refresh_resources(catalog)
    before = rows(catalog)
    run(catalog.connection, "UPDATE resource_index SET text = 'of yore'")
    run(catalog.connection, f"UPDATE catalog_meta SET value = '{RULES - 1}' WHERE key = 'resources_rules'")
    assert refresh_resources(catalog) == 1
    assert rows(catalog) == before
    assert list(texts(catalog).values()) == ["thing/a\n"]


def test_frequent_tags_get_columns_and_leave_the_text(catalog: Catalog) -> None:
    def tags(n: int) -> list[str]:
        return sorted([f"Name:n{n}", f"team:t{n % 7}", *(["rare:x"] if n < 5 else [])])

    sweep(catalog, ACCOUNTS[0], {f"t{n:04}": {"tags": tags(n)} for n in range(1_200)}, T0)
    refresh_resources(catalog)
    columns = read_tag_columns(catalog.connection)
    assert columns == {"team": "tag_1", "Name": None, "rare": None}
    found = run(catalog.connection, "SELECT tag_1, count(*) FROM resource_index GROUP BY ALL ORDER BY ALL")
    assert [value for value, _ in found] == [f"t{n}" for n in range(7)]
    assert texts(catalog)[thing_id(ACCOUNTS[0], "t0003")] == "thing/t0003\nn3\nx"
    # Then a value and a key that are new.
    sweep(catalog, ACCOUNTS[1], {"u": {"tags": ["fresh:y", "team:t99"]}}, T0 + timedelta(days=1))
    assert refresh_resources(catalog) == 1
    assert set(read_tag_columns(catalog.connection)) == {"team", "Name", "rare", "fresh"}
    [(count,)] = run(catalog.connection, "SELECT count(*) FROM resource_tag_values WHERE key = 'team'")
    assert count == 8


THINGS = st.dictionaries(
    st.sampled_from("abcd"),
    st.fixed_dictionaries(
        {"state": st.sampled_from(["Running", "Done"]), "birth": st.integers(0, 1)},
        optional={"tags": st.lists(st.sampled_from(["team:x", "team:y", "env:p"]), unique=True).map(sorted)},
    ),
    max_size=4,
)
SWEEPS = st.lists(
    st.tuples(st.sampled_from(ACCOUNTS), THINGS, st.sampled_from(["complete", "complete", "partial"]), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(sweeps=SWEEPS)
def test_step_by_step_comes_to_the_same_as_anew(
    tmp_path_factory: pytest.TempPathFactory, sweeps: list[tuple[str, Estate, str, bool]]
) -> None:
    """The oracle is the history itself, read in plain Python."""
    with open_catalog(tmp_path_factory.mktemp("c") / "catalog.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        for number, (account, things, status, refreshed) in enumerate(sweeps):
            sweep(catalog, account, things, T0 + timedelta(days=number), status)
            if refreshed or number == len(sweeps) - 1:
                refresh_resources(catalog)
        step_by_step = rows(catalog)
        assert [(row[0], *row[8:11], row[12]) for row in step_by_step] == expected(catalog)
        run(catalog.connection, "DELETE FROM catalog_meta WHERE key = 'resources_rules'")
        refresh_resources(catalog)
        assert rows(catalog) == step_by_step


def expected(catalog: Catalog) -> list[tuple[Any, ...]]:
    """Return id, state, birth, first seen and last change of what is there, from the versions one by one."""
    versions = run(
        catalog.connection, f"SELECT _id, _created, state, _from, _to FROM {THING.name}_history ORDER BY _from"
    )
    first: dict[tuple[str, datetime], datetime] = {}
    for i, born, _, begun, _ in versions:
        first.setdefault((i, born), begun)
    found = [(i, state, born, first[i, born], begun) for i, born, state, begun, end in versions if end is None]
    return sorted(found, key=lambda row: (row[0].split(":")[4], row[0]))


def held(schema: dict[str, object], name_column: str | None = '"name"', noun: str = "trainingjob") -> HeldType:
    return HeldType(f"aws_sagemaker_{noun}", "aws", "sagemaker", name_column, schema)


@pytest.mark.parametrize(
    ("schema", "state"),
    [
        ({"training_job_status": "STRING", "status": "STRING"}, '_h."training_job_status"'),
        ({"job_status": "STRING", "status": "STRING"}, '_h."status"'),
        ({"job_status": "STRING", "other_status": "STRING"}, '_h."job_status"'),
        ({"state": ["STRUCT", {"code": "INT32", "name": "STRING"}]}, '_h."state"."name"'),
        ({"status": ["UNORDERED_LIST_STRUCT", {"name": "STRING"}]}, "CAST(NULL AS VARCHAR)"),
        ({"training_job_details": ["STRUCT", {"status": "STRING"}]}, '_h."training_job_details"."status"'),
        ({"status": "INT32", "color": "STRING"}, "CAST(NULL AS VARCHAR)"),
    ],
)
def test_which_field_is_the_state(schema: dict[str, object], state: str) -> None:
    assert state_expression(held(schema), "_h") == state


def test_the_state_is_mostly_the_one_that_the_life_cycle_has(tmp_path: Path) -> None:
    """Two rules for the same, made apart: one of the model, one of the catalog alone."""
    names = [
        "trainingjob",
        "endpoint",
        "model",
        "pipeline",
        "featuregroup",
        "transformjob",
        "processingjob",
        "domain",
        "project",
    ]
    with open_catalog(tmp_path / "catalog.duckdb") as catalog:
        for name in names:
            ensure_tables(catalog, load_type(f"aws_sagemaker_{name}", open_models()), T0)
        for one in read_held_types(catalog.connection):
            known = load_type(one.name, open_models())
            path = column_of(known.fields, known.life_cycle.state_path)
            assert state_expression(one, "_h") == (f"_h.{path}" if path else "CAST(NULL AS VARCHAR)")


def test_what_has_only_an_id_is_called_by_its_tag_name() -> None:
    tagged: dict[str, object] = {"tags": "UNORDERED_LIST_STRING", "instance_id": "STRING"}
    assert "'Name'" in name_expression(held(tagged, '"instance_id"'), "_h")
    assert "'Name'" not in name_expression(held(tagged, '"instance_name"'), "_h")
    assert "tag(" not in name_expression(held({"instance_id": "STRING"}, '"instance_id"'), "_h")


def test_a_field_of_any_name_is_no_harm(tmp_path: Path) -> None:
    names = ("scope", "id", "type", "text", "tag_1", "changed_at", "region", "description")
    odd = thing_type(*(string_field(name, name) for name in names))
    with open_catalog(tmp_path / "catalog.duckdb") as catalog:
        ensure_tables(catalog, odd, T0)
        sweep(catalog, ACCOUNTS[0], {"a": {}}, T0)
        assert refresh_resources(catalog) == 1
