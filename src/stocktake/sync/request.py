"""What a sweep is asked for, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.store.ledger import Coverage

_TAGS_FINE = frozenset({"complete", "none"})


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What to sync, from where, into which catalog."""

    catalog: Path
    types: tuple[str, ...] = ()
    """Types, services (`ec2`) or patterns (`aws_ec2_*`); empty: every type with good evidence."""
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
    scopes: list[Coverage] = field(default_factory=list)
    calls: int = 0
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """complete: everything that there is to know is known; gaps: something could not be read."""
        return "complete" if all(is_whole(scope) for scope in self.scopes) else "gaps"

    @property
    def exit_code(self) -> int:
        """0: everything that there is to know is known; 3: finished with gaps."""
        return 0 if self.status == "complete" else 3


def is_whole(scope: Coverage) -> bool:
    """Say whether a scope left nothing open: it was read whole, or there is nothing there that could be read."""
    if scope.status == "unsupported":
        return True
    return scope.status == "complete" and scope.tags_status in _TAGS_FINE
