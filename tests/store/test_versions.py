"""Laws of history: what was seen is what is shown, now and as of any time; a gap deletes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from small_types import string_field, thing_type, with_part_fields
from stocktake.resource_types.spec import Field, Kind, ValueType
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.ledger import Aside, Coverage, Ledger
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import ScopeVersions

T0 = datetime(2026, 1, 1, tzinfo=UTC)
THING = thing_type()
ACCOUNT, REGION = "111122223333", "eu-west-1"


def arn(name: str) -> str:
    return f"arn:aws:test:{REGION}:{ACCOUNT}:thing/{name}"


def fresh(things: dict[str, dict[str, Any]], server_time: datetime = T0) -> pa.Table:
    """Return a typed batch as normalize and sync make it; a thing's `v` stands in for its content."""
    naive = server_time.replace(tzinfo=None)
    rows = [
        {
            "account_id": ACCOUNT,
            "name": name,
            "thing_arn": arn(name),
            "state": t.get("state", "Running"),
            "created_at": t.get("created", datetime(2025, 1, 1)),  # noqa: DTZ001 - the catalog's times are naive UTC
            "ended_at": t.get("ended"),
            "modified_at": t.get("modified"),
            "part": {"color": t.get("color", "red"), "size": t["v"]},
            "tags": t.get("tags", []),
            "_id": arn(name),
            "_hash": t["v"],
            "_summary": t.get("summary", t["v"]),
            "_unknown": None,
            "_server_time": naive,
        }
        for name, t in things.items()
    ]
    fields: dict[str, pa.DataType] = {
        "account_id": pa.string(),
        "name": pa.string(),
        "thing_arn": pa.string(),
        "state": pa.string(),
        "created_at": pa.timestamp("us"),
        "ended_at": pa.timestamp("us"),
        "modified_at": pa.timestamp("us"),
        "part": pa.struct([pa.field("color", pa.string()), pa.field("size", pa.int32())]),
        "tags": pa.list_(pa.string()),
        "_id": pa.string(),
        "_hash": pa.uint64(),
        "_summary": pa.uint64(),
        "_unknown": pa.string(),
        "_server_time": pa.timestamp("us"),
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def sweep(catalog: Catalog, estate: dict[str, int], at: datetime, *, complete: bool = True) -> None:
    """Do what a sweep does: see all, write what changed, close what is gone if the list was complete."""
    ledger = Ledger(catalog, at)
    versions = ScopeVersions(catalog, THING, ACCOUNT, REGION, ledger.sweep_id)
    ids = [arn(name) for name in estate]
    versions.saw(ids, [None] * len(ids))
    held = versions.held(ids)
    changed = {n: {"v": v} for n, v in estate.items() if arn(n) not in held or held[arn(n)].hash != v}
    if changed:
        versions.apply(fresh(changed), ledger.moment(at))
    if complete:
        versions.close_unseen(ledger.moment(at))
    versions.close()
    ledger.finish("complete" if complete else "gaps", 0, at)


def shown(catalog: Catalog, source: str = "aws_test_thing") -> dict[str, int]:
    return dict(run(catalog.connection, f"SELECT name, part.size FROM {source}"))


estates = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=6)


@settings(max_examples=30, deadline=None)
@given(history=st.lists(estates, min_size=1, max_size=6))
def test_now_is_the_last_estate_and_as_of_is_each_one_before(
    tmp_path_factory: Any, history: list[dict[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("law") / "c.duckdb"
    with open_catalog(path) as catalog:
        ensure_tables(catalog, THING, T0)
        for day, estate in enumerate(history):
            sweep(catalog, estate, T0 + timedelta(days=day))
        assert shown(catalog) == history[-1]
        assert shown(catalog, "aws.test_thing") == history[-1]
        for day, estate in enumerate(history):
            moment = (T0 + timedelta(days=day, hours=1)).replace(tzinfo=None).isoformat()
            assert shown(catalog, f"aws_test_thing_as_of('{moment}')") == estate
        versions = run(catalog.connection, "SELECT _id, _from, _to FROM aws_test_thing_history ORDER BY _id, _from")
        for (id_, _, end), (other, start, _) in pairwise(versions):
            assert id_ != other or (end is not None and end <= start)


@settings(max_examples=30, deadline=None)
@given(before=estates, seen=estates)
def test_an_incomplete_scope_deletes_nothing(
    tmp_path_factory: Any, before: dict[str, int], seen: dict[str, int]
) -> None:
    path = tmp_path_factory.mktemp("gap") / "c.duckdb"
    with open_catalog(path) as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, before, T0)
        sweep(catalog, seen, T0 + timedelta(days=1), complete=False)
        assert shown(catalog) == before | seen
        assert run(catalog.connection, "SELECT count(*) FROM aws_test_thing_history WHERE _gone") == [(0,)]


def test_an_unchanged_estate_writes_nothing(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, {"a": 1, "b": 2}, T0)
        before = run(catalog.connection, "FROM aws_test_thing_history ORDER BY _id")
        sweep(catalog, {"a": 1, "b": 2}, T0 + timedelta(days=1))
        assert run(catalog.connection, "FROM aws_test_thing_history ORDER BY _id") == before


def test_two_accounts_and_regions_do_not_close_each_other(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, {"a": 1}, T0)
        other = ScopeVersions(catalog, THING, ACCOUNT, "us-east-1", 2)
        assert other.close_unseen(T0 + timedelta(days=1)) == 0
        other.close()
        other = ScopeVersions(catalog, THING, "999999999999", REGION, 2)
        assert other.close_unseen(T0 + timedelta(days=1)) == 0
        other.close()
        assert shown(catalog) == {"a": 1}


def test_a_deleted_and_a_changed_version_end_differently(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, {"a": 1, "b": 1}, T0)
        sweep(catalog, {"a": 2}, T0 + timedelta(days=1))
        rows = run(
            catalog.connection,
            "SELECT name, _gone, _end_sweep FROM aws_test_thing_history WHERE _to IS NOT NULL ORDER BY 1",
        )
        assert rows == [("a", False, 2), ("b", True, 2)]


def test_time_never_runs_backwards_in_the_ledger(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, {"a": 1}, T0)
        sweep(catalog, {"a": 2}, T0 - timedelta(days=5))
        assert run(catalog.connection, "SELECT count(*) FROM aws_test_thing_history WHERE _to < _from") == [(0,)]
        assert shown(catalog) == {"a": 2}


def test_settled_is_final_and_past_the_window_in_the_providers_time(tmp_path: Path) -> None:
    ended = datetime(2026, 1, 1)  # noqa: DTZ001 - the catalog's times are naive UTC
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        versions = ScopeVersions(catalog, THING, ACCOUNT, REGION, 1)
        things: dict[str, dict[str, Any]] = {
            "running": {"v": 1},
            "just": {"v": 1, "state": "Done", "ended": ended},
            "long": {"v": 1, "state": "Done", "ended": ended - timedelta(hours=1)},
            "late": {"v": 1, "state": "Done", "ended": ended - timedelta(hours=1), "modified": ended},
        }
        versions.apply(fresh(things, T0 + timedelta(minutes=1)), T0)
        settled = dict(run(catalog.connection, "SELECT name, _settled FROM aws_test_thing_history"))
        assert settled == {"running": False, "just": False, "long": True, "late": False}
        ids = [arn(name) for name in things]
        versions.confirm(ids, [1, 1, 1, 7], T0 + timedelta(minutes=16))
        assert dict(run(catalog.connection, "SELECT name, _settled FROM aws_test_thing_history")) == {
            "running": False,
            "just": True,
            "long": True,
            "late": True,
        }
        assert {h.summary for h in versions.held([arn("late")]).values()} == {7}
        versions.close()


def test_tags_that_differ_or_vanished_are_found_among_the_skipped(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        versions = ScopeVersions(catalog, THING, ACCOUNT, REGION, 1)
        things = {
            n: {"v": 1, "tags": t} for n, t in {"same": ["a:1"], "moved": ["a:1"], "lost": ["a:1"], "none": []}.items()
        }
        versions.apply(fresh(things | {"read": {"v": 1, "tags": ["a:1"]}}), T0)
        names = [*things, "read"]
        versions.saw([arn(n) for n in names], [None if n == "read" else f'"{n}"' for n in names])
        told: dict[str, tuple[str, ...]] = {
            arn("same"): ("a:1",),
            arn("moved"): ("a:2",),
            arn("read"): ("a:9",),
            "arn:other": ("x:y",),
        }
        assert versions.differing_tags(told) == [(arn("moved"), '"moved"')]
        assert versions.vanished_tags() == [(arn("lost"), '"lost"')]
        assert versions.skipped()[0] == 4
        versions.close()


def test_a_wider_model_widens_the_tables_and_keeps_history(tmp_path: Path) -> None:
    color = Field("weight", ValueType(Kind.DOUBLE), "Weight", "Weight")
    wider = with_part_fields(thing_type(string_field("owner", "Owner"), model_version="test 2"), color)
    path = tmp_path / "c.duckdb"
    with open_catalog(path) as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, {"a": 1}, T0)
    with open_catalog(path) as catalog:
        ensure_tables(catalog, wider, T0 + timedelta(days=1))
        versions = ScopeVersions(catalog, wider, ACCOUNT, REGION, 2)
        table = fresh({"b": {"v": 2}})
        part = pa.array([{"color": "blue", "size": 2, "weight": 1.5}])
        table = table.set_column(table.column_names.index("part"), "part", part).append_column(
            "owner", pa.array(["me"])
        )
        versions.apply(table, T0 + timedelta(days=1))
        # A batch of an older model still fits.
        versions.apply(fresh({"c": {"v": 3}}), T0 + timedelta(days=1))
        versions.close()
    with open_catalog(path) as catalog:
        rows = run(
            catalog.connection, "SELECT name, owner, part.size, part.weight, part.color FROM aws_test_thing ORDER BY 1"
        )
        assert rows == [("a", None, 1, None, "red"), ("b", "me", 2, 1.5, "blue"), ("c", None, 3, None, "red")]
        assert run(catalog.connection, "SELECT len(parts) FROM aws_test_thing WHERE parts[1].weight IS NOT NULL") == []
        [(model,)] = run(catalog.connection, "SELECT model_version FROM resource_types")
        assert model == "test 2"


def test_the_view_shows_the_pages_fields_in_page_order(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        names = [row[0] for row in run(catalog.connection, "DESCRIBE aws_test_thing")]
        assert names[: len(THING.fields)] == [f.name for f in THING.fields]
        assert all(name.startswith("_") for name in names[len(THING.fields) :])


def test_the_ledger_tells_the_newest_word_and_since_when_a_scope_is_whole(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        for day, status in enumerate(["complete", "denied"]):
            at = T0 + timedelta(days=day)
            ledger = Ledger(catalog, at)
            coverage = Coverage(ACCOUNT, REGION, "aws_test_thing", at, status=status, finished_at=at, drift={"B", "A"})
            ledger.write_coverage(coverage)
            ledger.write_asides(ACCOUNT, REGION, "aws_test_thing", [Aside("x", f"P{day}", "r", "v")], at)
        rows = run(catalog.connection, "SELECT status, stale, complete_at, drift FROM coverage_now")
        assert rows == [("denied", True, T0.replace(tzinfo=None), ["A", "B"])]
        assert run(catalog.connection, "SELECT path FROM aside") == [("P1",)]
        assert run(catalog.connection, "SELECT status FROM sweeps ORDER BY 1") == [("interrupted",), ("running",)]


def test_the_tag_macro(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        rows = run(
            catalog.connection,
            "SELECT tag(['team:a:b', 'teams:x'], 'team'), tag(['team:a'], 'tea'), tag(['no:'], 'no'), "
            "tag(CAST(NULL AS VARCHAR[]), 'x')",
        )
        assert rows == [("a:b", None, "", None)]
