"""What a sweep is asked for, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stocktake.collect.http import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from stocktake.sync.strategies import RECONCILE_EVERY

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from stocktake.collect.limits import Limit
    from stocktake.store.ledger import Coverage

_TAGS_FINE = frozenset({"complete", "none"})


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What to sync, from where, into which catalog."""

    catalog: Path
    types: tuple[str, ...] = ()
    """Types, services (`ec2`) or patterns (`aws_ec2_*`); empty: every type with good evidence."""
    regions: tuple[str, ...] = ()
    """Empty: the profile's own region, and of an organization all; `all`: those that are open in each account."""
    profiles: tuple[str | None, ...] = (None,)
    """None: botocore's own chain."""
    accounts: tuple[str, ...] = ()
    """Enter these accounts by assuming a role in each."""
    assume_role: str = ""
    """The role: an ARN with `{partition}` and `{account_id}`, or its name; by default StocktakeReader."""
    external_id: str = ""
    role_session_name: str = "stocktake"
    organization: bool = False
    """Enter every active account of the profile's organization."""
    limits: tuple[Limit, ...] = ()
    """The most that single operations may be called."""
    max_calls_per_second: float | None = None
    """Of an account, over all operations and regions."""
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS
    endpoint_url: str | None = None
    models: Path | None = None
    full: bool = False
    """Read every resource again, whatever the list says."""
    reconcile: bool = False
    """Compare the whole list with all that is held, where otherwise only new and open resources would be read."""
    reconcile_every: timedelta = RECONCILE_EVERY
    """Do so at least that often."""
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
    """Say whether a scope left nothing open: it was read whole, or there is nothing to read, or not for us."""
    if scope.status in {"unsupported", "elsewhere"}:
        return True
    return scope.status == "complete" and scope.tags_status in _TAGS_FINE and not scope.unknown_facets
