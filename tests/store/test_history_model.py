"""Any sequence of syncs, gaps, deletions, returns, crashes, prunings and new models answers as a plain model does."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from small_types import STRING, thing_type
from stocktake.query.runner import run_query
from stocktake.resource_types.spec import Field, Kind, ResourceType, ValueType
from stocktake.store.catalog import open_catalog, run
from stocktake.store.change_log import update_changes
from stocktake.store.ledger import Ledger
from stocktake.store.retention import prune
from stocktake.store.type_tables import ensure_tables
from thing_sweeps import THING, day, sweep, thing

OWNER = Field("owner", STRING, "Owner", "Owner")
WEIGHTS = (
    Field("weight", ValueType(Kind.INT32), "Weight", "Weight"),
    Field("weight", ValueType(Kind.INT64), "Weight", "Weight"),
)
NAMES = "abcd"
Row = tuple[str, str, int | None, str | None, int | None]
things_seen = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(["on", "off"]), st.integers(0, 2), st.sampled_from(["me", "you"]), st.integers(0, 2)),
    max_size=4,
)


class History(RuleBasedStateMachine):
    """The store, and beside it what was there at each look, in plain Python."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.catalog = open_catalog(self.folder / "c.duckdb")
        self.day = 0
        self.extra: dict[str, Field] = {}
        self.columns: set[str] = set()
        self.held: dict[str, Row] = {}
        self.seen: list[tuple[datetime, dict[str, Row]]] = []
        self.changes: list[tuple[int, str, str]] = []
        self.untold: list[tuple[int, str, str]] = []
        self.looked = False
        self.horizon = day(-1)

    def teardown(self) -> None:
        self.catalog.close()
        shutil.rmtree(self.folder)

    @property
    def type(self) -> ResourceType:
        fields = tuple(self.extra.values())
        return thing_type(*fields, model_version=f"model {self.day}")

    @initialize()
    def begin(self) -> None:
        ensure_tables(self.catalog, THING, day(0))

    @rule(there=things_seen, complete=st.booleans(), cut=st.sampled_from(["", "", "", "scope", "sweep"]))
    def look(self, there: dict[str, tuple[str, int, str, int]], complete: bool, cut: str) -> None:
        """A sweep sees these; what it does not see is gone, if the list was complete."""
        self.day += 1
        now = {name: self._row(name, *values) for name, values in there.items()}
        changed = [name for name, row in now.items() if self.held.get(name) != row]
        gone = [name for name in self.held if name not in now] if complete else []
        self.untold += [(self.day, "updated" if name in self.held else "created", name) for name in changed]
        self.untold += [(self.day, "deleted", name) for name in gone]
        if not self.looked:
            self.untold = [one for one in self.untold if one[1] != "created"]
        self._sweep([now[name] for name in changed], list(there), complete=complete, cut=cut)
        self.held = {name: row for name, row in self.held.items() if name not in gone} | now
        self.seen.append((day(self.day) + timedelta(hours=1), dict(self.held)))
        self.looked |= cut != "scope"
        if not cut:
            self._tell()

    def _tell(self) -> None:
        self.changes += self.untold
        self.untold = []

    def _row(self, name: str, state: str, size: int, owner: str, weight: int) -> Row:
        return (name, state, size, owner if "owner" in self.extra else None, weight if "weight" in self.extra else None)

    def _sweep(self, rows: list[Row], listed: list[str], *, complete: bool, cut: str) -> None:
        weight = self.extra.get("weight")
        columns: dict[str, pa.DataType] = {"owner": pa.string()} if "owner" in self.extra else {}
        if weight is not None:
            columns["weight"] = pa.int32() if weight.type.kind is Kind.INT32 else pa.int64()
        things = [
            thing(name, state=state, part={"color": "red", "size": size}, owner=owner, weight=weight)
            for name, state, size, owner, weight in rows
        ]
        sweep(
            self.catalog,
            day(self.day),
            things,
            listed=listed,
            complete=complete,
            cut=cut,
            of=self.type,
            columns=columns,
        )

    @precondition(lambda self: "weight" not in self.extra)
    @rule(wide=st.booleans())
    def model_gains_weight(self, wide: bool) -> None:
        # Once it was wide it never is narrow again: that would be another type.
        self.wide = getattr(self, "wide", False) or wide
        self._follow(self.extra | {"weight": WEIGHTS[self.wide]})

    @precondition(lambda self: "weight" in self.extra)
    @rule()
    def model_widens_weight(self) -> None:
        self.wide = True
        self._follow(self.extra | {"weight": WEIGHTS[1]})

    @rule()
    def model_gains_owner(self) -> None:
        self._follow(self.extra | {"owner": OWNER})

    @rule(name=st.sampled_from(["owner", "weight"]))
    def model_drops(self, name: str) -> None:
        self._follow({other: field for other, field in self.extra.items() if other != name})

    def _follow(self, extra: dict[str, Field]) -> None:
        self.extra = extra
        self.columns |= set(extra)
        ensure_tables(self.catalog, self.type, day(self.day) + timedelta(hours=2))

    @rule()
    def reopen(self) -> None:
        self.catalog.close()
        self.catalog = open_catalog(self.folder / "c.duckdb")

    @precondition(lambda self: self.day > 2)
    @rule(days=st.integers(0, 3))
    def forget(self, days: int) -> None:
        # A sweep that ends well first, so that nothing is left to be told.
        self.day += 1
        Ledger(self.catalog, day(self.day)).finish("complete", 0, day(self.day))
        update_changes(self.catalog)
        self._tell()
        self.horizon = max(self.horizon, day(self.day - days))
        prune(self.catalog, lambda _: self.horizon)

    @invariant()
    def every_moment_is_as_it_was(self) -> None:
        owner, weight = (name if name in self.columns else "NULL" for name in ("owner", "weight"))
        sql = f"SELECT name, state, part.size, {owner}, {weight} FROM aws_test_thing ORDER BY name"
        for moment, rows in self.seen:
            if moment >= self.horizon:
                assert list(run_query(self.catalog, sql, as_of=moment).rows()) == sorted(rows.values())
        assert list(run_query(self.catalog, sql).rows()) == sorted(self.held.values())

    @invariant()
    def every_change_is_told_once(self) -> None:
        rows: list[Any] = run(self.catalog.connection, "SELECT changed_at, change, id FROM changes")
        told = sorted(((at - day(0).replace(tzinfo=None)).days, change, name[-1:]) for at, change, name in rows)
        assert told == sorted(one for one in self.changes if day(one[0]) >= self.horizon)

    @invariant()
    def versions_of_a_thing_do_not_overlap(self) -> None:
        assert run(
            self.catalog.connection,
            "SELECT count(*) FROM (SELECT _from, lag(_to, 1, _from) OVER (PARTITION BY _id ORDER BY _from) AS before "
            "FROM aws_test_thing_history) WHERE before IS NULL OR before > _from",
        ) == [(0,)]


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=10, stateful_step_count=14, deadline=None)
