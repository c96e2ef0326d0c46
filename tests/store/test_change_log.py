"""The log of changes says what versions say: nothing missing, nothing twice, whatever was cut short."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.change_log import update_changes
from stocktake.store.type_tables import ensure_tables
from thing_sweeps import T0, THING, day, sweep, thing


def changes(catalog: Catalog, columns: str = "change, split_part(id, '/', 2), fields") -> list[Any]:
    return run(catalog.connection, f"SELECT {columns} FROM changes ORDER BY changed_at, change, id")


def test_what_a_scope_is_first_seen_with_is_no_change(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a"), thing("b")])
        assert changes(catalog) == []
        sweep(catalog, day(1), [thing("c")], listed=["a", "c"])
        assert changes(catalog) == [("created", "c", []), ("deleted", "b", [])]
        assert changes(catalog, "sweep_id, looked_before") == [(2, day(0).replace(tzinfo=None))] * 2


def test_paths_and_values_of_what_changed(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        red, blue = {"color": "red", "size": 1}, {"color": "blue", "size": 2}
        sweep(catalog, day(0), [thing("a", part=red, parts=[red], tags=["x:1"])])
        later = datetime(2025, 1, 1, 1)  # noqa: DTZ001 - naive UTC
        sweep(
            catalog,
            day(1),
            [thing("a", part=blue, parts=[blue, red], tags=["x:2"], _unknown='{"New":{"A":1}}', ended_at=later)],
        )
        [(fields, edits)] = changes(catalog, "fields, edits")
        assert sorted(fields) == ["_unknown", "ended_at", "part.color", "part.size", "parts", "tags"]
        assert {(e["path"], e["before"], e["after"]) for e in edits} == {
            ("_unknown", None, '{"New":{"A":1}}'),
            ("ended_at", None, "2025-01-01T01:00:00Z"),
            ("part.color", "red", "blue"),
            ("part.size", "1", "2"),
            ("parts[]", None, '{"color":"blue","size":2}'),
            ("tags[]", "x:1", None),
            ("tags[]", None, "x:2"),
        }


def test_a_resource_that_took_another_ones_name_came_as_the_other_went(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a")])
        sweep(catalog, day(1), [thing("a", created_at=datetime(2025, 6, 1))])  # noqa: DTZ001 - naive UTC
        assert changes(catalog) == [("created", "a", []), ("deleted", "a", [])]


def test_what_comes_back_is_created_again(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a"), thing("b")])
        sweep(catalog, day(1), [], listed=["a"])
        sweep(catalog, day(2), [thing("b")], listed=["a", "b"])
        assert changes(catalog) == [("deleted", "b", []), ("created", "b", [])]


def test_sweeps_that_were_cut_short_are_made_up_for_once(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a"), thing("b")])
        sweep(catalog, day(1), [thing("a", state="Stopping")], listed=["a", "b"], cut="sweep")
        sweep(catalog, day(2), [thing("a", state="Done"), thing("c")], listed=["a", "b", "c"], cut="scope")
        assert changes(catalog) == []
        sweep(catalog, day(3), [], listed=["a", "c"])
        expected = [
            ("updated", "a", ["state"]),
            ("created", "c", []),
            ("updated", "a", ["state"]),
            ("deleted", "b", []),
        ]
        assert changes(catalog) == expected
        assert update_changes(catalog) == 0
        sweep(catalog, day(4), [], listed=["a", "c"])
        assert changes(catalog) == expected


def test_more_changes_than_fit_one_portion(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(12_000)]
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing(name) for name in names])
        sweep(catalog, day(1), [thing(name, state="Done") for name in names])
        assert run(catalog.connection, "SELECT count(*), count(DISTINCT id), any_value(fields) FROM changes") == [
            (12_000, 12_000, ["state"])
        ]


def test_a_very_long_value_is_cut_and_still_json(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a")])
        sweep(catalog, day(1), [thing("a", state='"' * 50_000)])
        [(after,)] = run(catalog.connection, "SELECT edits[1].after FROM change_log")
        assert json.loads(after).endswith("…")
        assert len(after) < 10_000
