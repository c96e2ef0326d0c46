"""Leases and the door of a catalog, step by step: what dead and silent processes leave, what travels between two."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest

import stocktake
from sample_catalog import training_job
from stocktake.core.errors import CatalogAccessError, FatalError, UserError
from stocktake.query.errors import SqlError
from stocktake.store import leases, shared_sweep
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.door import OwnerLostError
from stocktake.store.leases import Holder, new_holder
from stocktake.store.ledger import Coverage
from stocktake.store.owner import CatalogOwner, join_catalog
from stocktake.store.remote import WRITE, ElsewhereDoor, HereDoor, _Method, serve_writer
from stocktake.store.shared_sweep import LeaseLostError, SharedSweep, conclude, sweeps_of
from stocktake.store.type_tables import ensure_tables, held_types

T0 = datetime(2026, 3, 1, tzinfo=UTC)
ONE, TWO, THREE = (("111122223333", "us-east-1", name) for name in ("aws_a_one", "aws_a_two", "aws_a_three"))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with open_catalog(tmp_path / "catalog.duckdb") as opened:
        yield opened


def _another_process() -> Holder:
    """Return a holder of the test's own parent, which lives, and is not this process."""
    pid = os.getppid()
    return Holder("other", new_holder().host, pid, f"{leases._here()} {leases._started(pid)}")


def _sweep(catalog: Catalog, holder: Holder | None = None, at: datetime = T0) -> SharedSweep:
    return SharedSweep(catalog, at, holder or new_holder())


def _row(key: tuple[str, str, str], at: datetime, status: str = "complete") -> Coverage:
    return Coverage(*key, at, status=status, finished_at=at)


def _status(catalog: Catalog) -> dict[int, str]:
    return dict(run(catalog.connection, "SELECT sweep_id, status FROM sweeps ORDER BY 1"))


def test_what_one_has_leased_is_left_to_it(catalog: Catalog) -> None:
    first, second = _sweep(catalog), _sweep(catalog, _another_process())
    assert first.lease([ONE, TWO]) == {}
    assert first.lease([ONE]) == {}
    elsewhere = second.lease([TWO, THREE])
    assert list(elsewhere) == [TWO]
    assert elsewhere[TWO].reason == f"being read by process {os.getpid()} (sweep 1)"
    columns = "account_id, region, type, sweep_id, pid"
    assert run(catalog.connection, f"SELECT {columns} FROM leases ORDER BY ALL") == [
        (*ONE, 1, os.getpid()),
        (*THREE, 2, os.getppid()),
        (*TWO, 1, os.getpid()),
    ]


def test_what_was_read_since_is_not_read_again(catalog: Catalog) -> None:
    first, second = _sweep(catalog), _sweep(catalog, _another_process(), T0 + timedelta(seconds=1))
    first.lease([ONE, TWO])
    first.write_coverage(_row(ONE, T0 + timedelta(seconds=5)))
    first.write_coverage(_row(TWO, T0 + timedelta(seconds=6), "denied"))
    elsewhere = second.lease([ONE, TWO, THREE])
    # A gap is another one's; with other credentials it may be none.
    assert {key: one.reason for key, one in elsewhere.items()} == {
        ONE: "read by sweep 1 after this one began: complete"
    }
    assert second.lease([ONE], again=True) == {}
    assert set(second.lease([TWO], finished_too=True)) == {TWO}


def test_numbers_grow_with_time_in_each_scope(catalog: Catalog) -> None:
    first, second = _sweep(catalog), _sweep(catalog, _another_process())
    second.lease([ONE])
    second.write_coverage(_row(ONE, T0 + timedelta(seconds=5)))
    assert (first.sweep_id, second.sweep_id) == (1, 2)
    assert first.lease([ONE], again=True) == {}
    assert first.sweep_id == 3
    assert _status(catalog) == {1: "continued", 2: "running", 3: "running"}


def test_the_leases_of_a_dead_process_are_free(catalog: Catalog) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    dead = Holder("dead", new_holder().host, child.pid, f"{leases._here()} {leases._started(child.pid)}")
    _sweep(catalog, dead).lease([ONE])
    sweeps_of(catalog).clear()  # as if it had been another process's
    living = _sweep(catalog)
    if child.poll() is None:
        assert set(living.lease([ONE])) <= {ONE}
    child.wait()
    assert living.lease([ONE]) == {}
    assert _status(catalog)[1] == "interrupted"


def test_a_process_number_that_is_used_again_is_another_process(catalog: Catalog) -> None:
    _sweep(catalog, replace(_another_process(), born=f"{leases._here()} 1")).lease([ONE])
    sweeps_of(catalog).clear()
    assert _sweep(catalog).lease([ONE]) == {}


def test_a_sync_of_this_process_that_failed_holds_nothing(catalog: Catalog) -> None:
    failed = _sweep(catalog)
    failed.lease([ONE])
    sweeps_of(catalog).remove(failed)
    assert _sweep(catalog).lease([ONE]) == {}


def test_of_another_machine_only_time_tells(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    _sweep(catalog, replace(new_holder(), host="elsewhere", pid=1)).lease([ONE])
    sweeps_of(catalog).clear()
    second = _sweep(catalog)
    assert set(second.lease([ONE])) == {ONE}
    later = datetime.now(UTC) + timedelta(seconds=leases.LEASE_SECONDS + 1)
    monkeypatch.setattr(shared_sweep, "_wall", lambda: later)
    second.renew()
    assert second.lease([ONE]) == {}


def test_who_stood_still_for_too_long_is_told_so(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_tables(catalog, training_job(), T0)
    key = ("111122223333", "us-east-1", training_job().name)
    stopped, other = _sweep(catalog, _another_process()), _sweep(catalog)
    assert stopped.lease([key]) == {}
    scope = stopped.open_scope(training_job(), *key[:2])
    stopped.check_scope(scope)
    later = datetime.now(UTC) + timedelta(minutes=10)
    monkeypatch.setattr(shared_sweep, "_wall", lambda: later)
    other.renew()
    assert other.lease([key]) == {}
    with pytest.raises(LeaseLostError):
        stopped.check_scope(scope)
    # It goes on under a new number with what else it reads.
    stopped.renew()
    assert _status(catalog) == {1: "interrupted", 2: "running", 3: "running"}


def test_the_end_of_a_sweep_cuts_the_others(catalog: Catalog) -> None:
    ensure_tables(catalog, training_job(), T0)
    first, second = _sweep(catalog), _sweep(catalog, _another_process())
    scope = second.open_scope(training_job(), "111122223333", "us-east-1")
    first.write_coverage(_row(ONE, T0))
    seen: list[int] = []
    conclude(catalog, first, T0, [lambda _, newest: seen.append(newest)])
    assert seen == [2]
    assert (second.sweep_id, scope.sweep_id, second.numbers) == (3, 3, [2, 3])
    first.finish("complete", 1, T0)
    assert _status(catalog) == {1: "complete", 2: "continued", 3: "running"}
    # Who wrote nothing leaves it to who did.
    conclude(catalog, second, T0, [lambda _, newest: seen.append(newest)])
    assert seen == [2]


def test_a_lease_ends_with_its_scope_even_if_nobody_wrote_that_down(catalog: Catalog) -> None:
    holder = new_holder()
    first = _sweep(catalog, holder)
    first.lease([ONE, TWO])
    first.write_coverage(_row(ONE, T0))
    sweeps_of(catalog).clear()
    again = SharedSweep(catalog, T0, holder, first.numbers, first.began)
    sweeps_of(catalog).append(again)
    assert set(_sweep(catalog, _another_process()).lease([ONE, TWO], again=True)) == {TWO}


@contextmanager
def _served(path: Path) -> Iterator[tuple[ElsewhereDoor, Catalog]]:
    """Open a catalog, and yield the door to it as another process has it."""
    joined = join_catalog(path, WRITE, "0.0", wait_seconds=1)
    assert joined.catalog is not None
    with ThreadPoolExecutor(1) as thread:
        owner = CatalogOwner(joined.catalog, joined.turn, {WRITE: partial(serve_writer, thread=thread)})
        here = HereDoor(joined.catalog, owner)
        try:
            other = join_catalog(path, WRITE, stocktake.__version__)
            assert other.channel is not None
            yield ElsewhereDoor(path, other.channel), joined.catalog
        finally:
            here.leave()
            thread.submit(here.close).result()


def _count(catalog: Catalog, added: int) -> int:
    [(count,)] = run(catalog.connection, "SELECT count(*) FROM sweeps")
    return int(count) + added


def _fail(catalog: Catalog, how: str) -> None:
    errors: dict[str, Exception] = {
        "ours": CatalogAccessError("full", code="disk_full", hint="free some", where=str(catalog.path)),
        "sql": SqlError("bad", code="sql_syntax", excerpt="^^^"),
        "bug": ZeroDivisionError("oops"),
    }
    if how == "driver":
        run(catalog.connection, "SELECT nope")
    raise errors[how]


def _echo(catalog: Catalog, value: Any) -> Any:
    del catalog
    return value


def test_a_function_runs_where_the_catalog_is_open(tmp_path: Path) -> None:
    with _served(tmp_path / "c.duckdb") as (door, catalog):
        assert door.call(_count, door.catalog, 5) == 5
        assert door.call(held_types, door.catalog) == ()
        assert door.catalog.redaction_key() == catalog.redaction_key()
        table = pa.table({"a": [1, 2], "b": [["x"], None]})
        assert door.call(_echo, door.catalog, table).equals(table)
        told = {"at": T0, "set": {1}, "view": MappingProxyType({"a": 1}), "type": training_job()}
        assert door.call(_echo, door.catalog, told) == told | {"view": {"a": 1}}


def test_errors_travel(tmp_path: Path) -> None:
    with _served(tmp_path / "c.duckdb") as (door, _):
        with pytest.raises(CatalogAccessError) as ours:
            door.call(_fail, door.catalog, "ours")
        assert ours.value.as_dict()["hint"] == "free some"
        assert ours.value.exit_code == 7
        with pytest.raises(SqlError) as sql:
            door.call(_fail, door.catalog, "sql")
        assert sql.value.excerpt == "^^^"
        with pytest.raises(Exception, match="nope"):
            door.call(_fail, door.catalog, "driver")
        with pytest.raises(FatalError, match="ZeroDivisionError: oops") as bug:
            door.call(_fail, door.catalog, "bug")
        assert bug.value.code == "owner_failed"
        with pytest.raises(FatalError, match="Not to be called"):
            door.ask(_Method(door.catalog, "close"), ((), {}))
        # And the door is as good as before.
        assert door.call(_count, door.catalog, 0) == 0
        with pytest.raises(UserError):
            door.call(_refuse, door.catalog)


def _refuse(catalog: Catalog) -> None:
    raise UserError(f"not {catalog.path.name}", code="x")


def test_a_second_sync_writes_through_the_first(tmp_path: Path) -> None:
    kind = training_job()
    with _served(tmp_path / "c.duckdb") as (door, catalog):
        now = datetime.now(UTC)
        ledger = door.call(SharedSweep, door.catalog, now, _another_process())
        assert ledger.sweep_id == 1
        door.call(ensure_tables, door.catalog, kind, now)
        assert ledger.lease([("1", "r", kind.name)]) == {}
        scope = ledger.open_scope(kind, "1", "r")
        scope.saw(["a", "b"], [None, "[]"])
        assert scope.skipped() == (1, "b")
        assert scope.held(["a"]) == {}
        first, second = ledger.moment(now), ledger.moment(now)
        assert first < second
        ledger.write_coverage(Coverage("1", "r", kind.name, now, finished_at=now))
        # With every call, either side learns how far the other has come.
        third = catalog.moments.next(now)
        assert third > second
        assert ledger.lease([]) == {}
        assert ledger.moment(now) > third
        # A second sync of the owner's own process ends: the first goes on under a new number, and knows.
        own = _sweep(catalog, at=now)
        own.write_coverage(_row(TWO, now))
        conclude(catalog, own, now, [])
        assert ledger.lease([ONE]) == {}
        assert ledger.sweep_id == 3
        ledger.close_scope(scope, was_written=False)
        ledger.finish("complete", 3, now)
        assert _status(catalog)[3] == "complete"
        temporary = "SELECT count(*) FROM duckdb_tables() WHERE temporary"
        assert run(catalog.connection, temporary) == [(0,)]


def test_what_a_visitor_left_open_is_closed(tmp_path: Path) -> None:
    with _served(tmp_path / "c.duckdb") as (door, catalog):
        now = datetime.now(UTC)
        ledger = door.call(SharedSweep, door.catalog, now, _another_process())
        door.call(ensure_tables, door.catalog, training_job(), now)
        ledger.open_scope(training_job(), "1", "r").saw(["a"], [None])
        door.close()
        left = threading.Event()
        for _ in range(100):
            if not sweeps_of(catalog):
                break
            left.wait(0.05)
        assert sweeps_of(catalog) == []
        with pytest.raises(OwnerLostError):
            door.call(_count, door.catalog, 0)


def test_another_version_is_turned_away(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    with _served(path):
        channel = join_catalog(path, WRITE, "0.0.1").channel
        assert channel is not None
        door = ElsewhereDoor(path, channel)
        with pytest.raises(FatalError, match="is Stocktake") as caught:
            door.call(_count, door.catalog, 0)
        assert caught.value.code == "owner_version"
