"""The sweep: collect, normalize, store, start to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.core.progress import Progress
    from stocktake.store.ledger import Coverage


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What to sync, from where, into which catalog."""

    catalog: Path
    types: tuple[str, ...]
    """Type names; empty: every type the catalog holds already."""
    regions: tuple[str, ...] = ()
    """Empty: the profile's own region."""
    profiles: tuple[str | None, ...] = (None,)
    """None: botocore's own chain."""
    endpoint_url: str | None = None
    models: Path | None = None
    full: bool = False
    """Read every resource again, whatever the list says."""
    concurrency: int = 32
    """Calls under way at once."""
    lock_wait_seconds: float = 0.0


@dataclass(slots=True)
class SyncReport:
    """What a sweep came to."""

    sweep_id: int
    status: str
    """complete, gaps or failed."""
    calls: int
    seconds: float
    scopes: list[Coverage] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: everything asked for is known; 3: finished with gaps."""
        return 0 if self.status == "complete" else 3


def run_sync(request: SyncRequest, progress: Progress) -> SyncReport:
    """Run one sweep."""
    raise NotImplementedError(request, progress)
