"""A scope's way into the catalog, opened only where there is something to keep: an empty type leaves no table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.normalize.redact import Redactor
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import held_places
from stocktake.sync.normalizers import Normalizers
from stocktake.sync.writer import ScopeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.ledger import Coverage
    from stocktake.store.shared_sweep import SharedSweep
    from stocktake.store.versions import ScopeVersions
    from stocktake.sync.access import CatalogAccess


class Keeper:
    """Knows the catalog that a sweep writes, wherever it is open, and which types it has tables of."""

    def __init__(self, access: CatalogAccess, redaction_key: bytes, now: Callable[[], datetime]) -> None:
        self.access = access
        self.redaction_key = redaction_key
        self.now = now
        self.redactor = Redactor(redaction_key)
        self.normalizers = Normalizers(self.redactor)
        self._ready: set[str] = set()
        self._places: dict[str, set[tuple[str, str]]] = {}

    @property
    def ledger(self) -> SharedSweep:
        """The sweep's ledger, where the catalog is open now."""
        return self.access.ledger

    @property
    def held(self) -> set[str]:
        """Types with tables."""
        return self.access.held

    def close(self) -> None:
        """Free what typing answers took."""
        self.normalizers.close()

    def note_places(self, types: Iterable[ResourceType]) -> None:
        """Take note of where resources of these types are held, before their scopes are read."""
        door = self.access.door
        for one in types:
            self._places[one.name] = door.call(held_places, door.catalog, one.name) if one.name in self.held else set()

    def holds(self, type_name: str, account_id: str, region: str) -> bool:
        """Say whether the catalog held resources of a type in an account and region when the sweep came to them."""
        return (account_id, region) in self._places.get(type_name, ())

    def ensure(self, resource_type: ResourceType) -> None:
        """Make or widen a type's tables, once in a sweep."""
        if resource_type.name not in self._ready:
            door = self.access.door
            door.call(ensure_tables, door.catalog, resource_type, self.now())
            self._ready.add(resource_type.name)
            self.held.add(resource_type.name)

    def moment(self) -> datetime:
        """Return a time for what is seen now."""
        return self.ledger.moment(self.now())


class ScopeKeeping:
    """What is held and written of one scope. Its methods run in the catalog's own thread."""

    def __init__(self, keeper: Keeper, resource_type: ResourceType, coverage: Coverage) -> None:
        self._keeper = keeper
        self._type = resource_type
        self._coverage = coverage
        # This scope's, to its end: where its owner goes away, the scope is read anew.
        self._ledger = keeper.ledger
        self._versions: ScopeVersions | None = None
        self._writer: ScopeWriter | None = None

    @property
    def is_open(self) -> bool:
        """Whether there was anything to keep yet."""
        return self._versions is not None

    @property
    def may_hold(self) -> bool:
        """Whether the catalog may hold resources of the scope."""
        c = self._coverage
        return self.is_open or self._keeper.holds(self._type.name, c.account_id, c.region)

    @property
    def versions(self) -> ScopeVersions:
        """The scope's versions; makes the type's tables where there are none."""
        if self._versions is None:
            self._keeper.ensure(self._type)
            c = self._coverage
            self._versions = self._ledger.open_scope(self._type, c.account_id, c.region)
        return self._versions

    @property
    def writer(self) -> ScopeWriter:
        """Writes the scope's answers."""
        if self._writer is None:
            keeper = self._keeper
            self._writer = ScopeWriter(
                self._type,
                self.versions,
                self._ledger,
                self._coverage,
                keeper.normalizers.borrow(self._type),
                keeper.redactor,
                keeper.redaction_key,
                keeper.now,
            )
        return self._writer

    def safe_text(self, body: bytes) -> str:
        """Return an unreadable answer as it is kept aside: as text, with what looks like a secret redacted."""
        return self._keeper.redactor.raw(body.decode(errors="replace"))

    def memory(self) -> tuple[datetime | None, ...]:
        """Return when the scope was last whole, up to which creation it is known, and when it was last listed."""
        c = self._coverage
        return self._ledger.memory(c.account_id, c.region, c.type)

    def moment(self) -> datetime:
        """Return a time for what is seen now."""
        return self._keeper.moment()

    def doubt_unsupported(self) -> None:
        """Turn "not there" into a failure where resources are held: the service was there before.

        Why: what is unsupported is no gap, and a name that cannot be resolved for a moment looks the same.
        """
        coverage = self._coverage
        if coverage.status == "unsupported" and self.may_hold and self.versions.held_count():
            coverage.status = "failed"
            coverage.reason = f"not there any more, though resources are held: {coverage.reason}"

    def close(self) -> None:
        """Forget what was seen."""
        if self._writer is not None:
            self._keeper.normalizers.give_back(self._type.name)
        if self._versions is not None:
            self._ledger.close_scope(self._versions, was_written=self._writer is not None)
