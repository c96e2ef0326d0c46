"""A scope's way into the catalog for single resources: each write is done only where no sync reads the scope.

Why no lease: a sync leaves a leased scope alone, and one resource is no reason to. So whoever writes here looks, in the
same step at the owner of the catalog, whether a sync has the scope now, or has written of the resources since they were
asked for; then nothing is written, and they are asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.store.ledger import Coverage
from stocktake.sync.writer import ScopeWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import pyarrow as pa

    from stocktake.collect.answers import Scope
    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.shared_sweep import SharedSweep
    from stocktake.store.versions import Applied, Held, ScopeVersions
    from stocktake.sync.keeping import Keeper
    from stocktake.sync.writer import Fetched


class NamedKeeping:
    """What is held and written of some resources of a scope. Its methods run in the catalog's own thread."""

    def __init__(self, keeper: Keeper, resource_type: ResourceType, scope: Scope, read_at: datetime) -> None:
        """`read_at`: before any of them was asked for."""
        keeper.ensure(resource_type)
        self._keeper = keeper
        self._type = resource_type
        self._door = keeper.access.door
        self._ledger = keeper.ledger
        self._read_at = read_at
        self._is_writing = False
        self.coverage = Coverage(scope.account_id, scope.region, resource_type.name, read_at)
        """Counts what was written; it is not for the ledger."""
        self.versions = self._ledger.open_scope(resource_type, scope.account_id, scope.region)

    def write(self, batch: Sequence[Fetched]) -> None:
        """Keep answers. Raises: ScopeBusyError."""
        keeper = self._keeper
        self._is_writing = True
        writer = ScopeWriter(
            self._type,
            self,
            self._ledger,
            self.coverage,
            keeper.normalizers.borrow(self._type),
            keeper.redactor,
            keeper.redaction_key,
            keeper.now,
        )
        writer.write(batch)

    def close_gone(self, ids: Sequence[str]) -> list[str]:
        """End what the provider said does not exist; return what of it was held. Raises: ScopeBusyError."""
        at = self._keeper.moment()
        gone = self._door.call(_close_gone, self._ledger, self.versions, list(ids), self._read_at, at)
        self.coverage.deleted += len(gone)
        return gone

    def close(self) -> None:
        """Forget what was seen."""
        if self._is_writing:
            self._keeper.normalizers.give_back(self._type.name)
        self._ledger.close_scope(self.versions, was_written=self._is_writing)

    # What the writer needs of the versions.

    def held(self, ids: Iterable[str]) -> dict[str, Held]:
        """Return what is held of these resources."""
        return self.versions.held(list(ids))

    def apply(self, fresh: pa.Table, observed_at: datetime) -> Applied:
        """Close held versions and open fresh ones, if the scope is free."""
        return self._door.call(_apply, self._ledger, self.versions, fresh, self._read_at, observed_at)

    def confirm(self, ids: Sequence[str], summaries: Sequence[int], server_time: datetime) -> None:
        """Note that these are unchanged, if the scope is free."""
        self._door.call(_confirm, self._ledger, self.versions, list(ids), list(summaries), server_time, self._read_at)


# Steps at the owner of the catalog.


def _apply(ledger: SharedSweep, versions: ScopeVersions, fresh: pa.Table, read_at: datetime, at: datetime) -> Applied:
    ledger.check_free(versions, [str(one) for one in fresh["_id"].to_pylist()], read_at)
    applied = versions.apply(fresh, at)
    ledger.note_read(versions, applied.new, applied.changed, 0, at)
    return applied


def _confirm(
    ledger: SharedSweep,
    versions: ScopeVersions,
    ids: list[str],
    summaries: list[int],
    server_time: datetime,
    read_at: datetime,
) -> None:
    ledger.check_free(versions, ids, read_at)
    versions.confirm(ids, summaries, server_time)


def _close_gone(
    ledger: SharedSweep, versions: ScopeVersions, ids: list[str], read_at: datetime, at: datetime
) -> list[str]:
    ledger.check_free(versions, ids, read_at)
    held = list(versions.held(ids))
    if held:
        versions.close_gone(held, at)
        ledger.note_read(versions, 0, 0, len(held), at)
    return held
