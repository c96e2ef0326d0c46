"""Pruned history: from the horizon on every answer is as it was, before it as little as was wanted."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.core.errors import CatalogAccessError, CatalogLockedError
from stocktake.query.connection import open_reading
from stocktake.query.pruned import pruned_notes
from stocktake.query.runner import run_query
from stocktake.store import compaction
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.compaction import compact
from stocktake.store.retention import PrunedType, open_alone, prune
from stocktake.store.type_tables import ensure_tables
from thing_sweeps import T0, THING, day, sweep, thing

AS_OF = "SELECT name, state FROM aws_test_thing_as_of(TIMESTAMP '{}') ORDER BY ALL"


def as_of(catalog: Catalog, moment: datetime) -> list[Any]:
    return run(catalog.connection, AS_OF.format(moment.replace(tzinfo=None)))


def pruned_at(catalog: Catalog, horizon: datetime, **options: Any) -> PrunedType:
    [found] = prune(catalog, lambda _: horizon, **options)
    return found


estates = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["x", "y"]), max_size=4)


@settings(max_examples=25, deadline=None)
@given(history=st.lists(estates, min_size=2, max_size=6), horizon=st.integers(0, 6), hours=st.integers(0, 23))
def test_from_the_horizon_on_nothing_changes(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, str]], horizon: int, hours: int
) -> None:
    with open_catalog(tmp_path_factory.mktemp("prune") / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        before: dict[str, str] = {}
        for number, estate in enumerate(history):
            changed = [thing(name, state=state) for name, state in estate.items() if before.get(name) != state]
            sweep(catalog, day(number), changed, listed=list(estate))
            before = estate
        at = day(horizon) + timedelta(hours=hours)
        moments = [at, *(day(number) + timedelta(hours=1) for number in range(len(history)) if day(number) >= at)]
        told = {moment: as_of(catalog, moment) for moment in moments}
        log = run(catalog.connection, f"FROM changes WHERE changed_at >= '{at.replace(tzinfo=None)}' ORDER BY ALL")
        dry = pruned_at(catalog, at, dry_run=True)
        assert pruned_at(catalog, at) == dry
        assert {moment: as_of(catalog, moment) for moment in moments} == told
        assert run(
            catalog.connection, "SELECT count(*) FROM aws_test_thing_history WHERE _to <= ?", [at.replace(tzinfo=None)]
        ) == [(0,)]
        assert run(catalog.connection, "FROM changes ORDER BY ALL") == log
        assert run(catalog.connection, "SELECT count(*) FROM aws_test_thing_history") == [(dry.kept,)]
        assert pruned_at(catalog, at).rows == 0
        # A sync goes on as before.
        sweep(catalog, day(10), [thing("z")], listed=["z"])
        assert as_of(catalog, day(11)) == [("z", "Running")]
        assert run(
            catalog.connection,
            "SELECT count(*) FROM changes WHERE change = 'created' AND changed_at >= ?",
            [day(10).replace(tzinfo=None)],
        ) == [(1,)]


def write_history(path: Path, days: int = 5) -> None:
    with open_catalog(path) as catalog:
        ensure_tables(catalog, THING, T0)
        for number in range(days):
            things = [thing("a", state=f"s{number}")] + ([thing("gone")] if number == 0 else [])
            sweep(catalog, day(number), things)


def test_what_is_counted(tmp_path: Path) -> None:
    write_history(tmp_path / "c.duckdb")
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        found = pruned_at(catalog, day(3))
        assert (found.versions, found.kept, found.forgotten) == (4, 2, 1)
        assert found.changes == 3
        # Of five looks three stay: the first, and the last two that are not older.
        assert found.coverage == 2
        assert run(catalog.connection, "SELECT value FROM catalog_meta WHERE key LIKE 'pruned_before/%'") == [
            ("2026-01-04T00:00:00",)
        ]


def test_a_type_may_keep_everything(tmp_path: Path) -> None:
    write_history(tmp_path / "c.duckdb")
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        assert prune(catalog, lambda _: None) == []
        assert prune(catalog, lambda _: day(9), ["aws_other_thing"]) == []


def test_compaction_makes_the_file_smaller_and_keeps_every_row(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    names = [f"n{number}" for number in range(4_000)]
    with open_catalog(path) as catalog:
        ensure_tables(catalog, THING, T0)
        for number in range(8):
            sweep(catalog, day(number), [thing(name, state=f"s{number}{name}" * 4) for name in names])
    path.chmod(0o640)
    with open_alone(path, 1) as catalog:
        pruned_at(catalog, day(7))
        rows = run(catalog.connection, "FROM aws_test_thing_history ORDER BY _id")
        before, after = compact(catalog)
    assert after == path.stat().st_size < before * 0.7
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["c.duckdb"]
    with open_catalog(path) as catalog:
        assert run(catalog.connection, "FROM aws_test_thing_history ORDER BY _id") == rows
        assert len(as_of(catalog, day(8))) == 4_000
        assert run(catalog.connection, "SELECT count(*) FROM aws.test_thing WHERE tag(tags, 'x') IS NULL") == [(4_000,)]
        sweep(catalog, day(9), [thing("z")], listed=["z"])
        assert as_of(catalog, day(10)) == [("z", "Running")]


def test_the_file_is_free_once_it_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    write_history(path)
    with open_reading(path) as before:
        assert list(run_query(before, "SELECT count(*) FROM aws_test_thing").rows()) == [(1,)]
    with open_alone(path, 1) as catalog:
        compact(catalog)
        with open_reading(path) as after:
            assert list(run_query(after, "SELECT count(*) FROM aws_test_thing").rows()) == [(1,)]


def test_a_full_disk_or_a_fault_leaves_the_catalog_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.duckdb"
    write_history(path)
    content = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compaction, "_write_through", fail)
    with open_alone(path, 1) as catalog, pytest.raises(CatalogAccessError) as caught:
        compact(catalog)
    assert caught.value.code == "disk_full"
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["c.duckdb"]


def test_a_catalog_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    write_history(path)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the process that writes
        with open_catalog(path):
            (tmp_path / "open").touch()
            time.sleep(20)
        os._exit(0)
    try:
        while not (tmp_path / "open").exists():
            pass
        with pytest.raises(CatalogLockedError), open_alone(path, 0.2):
            pass
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_answers_of_before_the_horizon_say_so(tmp_path: Path) -> None:
    write_history(tmp_path / "c.duckdb")
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        pruned_at(catalog, day(3))
        for sql in ("FROM aws_test_thing", "FROM aws.test_thing", "FROM resources"):
            [note] = pruned_notes(catalog, sql, day(2))
            assert "aws_test_thing was pruned up to 2026-01-04T00:00:00Z" in note
            assert pruned_notes(catalog, sql, day(3)) == []
        assert pruned_notes(catalog, "FROM sweeps", day(2)) == []


def test_utc_is_meant(tmp_path: Path) -> None:
    write_history(tmp_path / "c.duckdb")
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        assert pruned_at(catalog, datetime(2026, 1, 4, tzinfo=UTC), dry_run=True).horizon == datetime(2026, 1, 4)  # noqa: DTZ001
