"""How a long run tells what it is doing, without knowing who looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ScopeProgress:
    """How far one scope (account, region, type) is."""

    account_id: str
    region: str
    type: str
    listed: int = 0
    read: int = 0
    to_read: int = 0
    written: int = 0
    calls: int = 0
    aside: int = 0
    """Answers and values that could not be read."""
    expected: int = 0
    """About how many there will be, where that could be told beforehand."""
    expected_calls: int = 0
    note: str = ""
    done: bool = False


class Progress(Protocol):
    """Somebody who wants to know."""

    def update(self, scope: ScopeProgress) -> None:
        """Take the newest word on a scope; called often, so it must be quick."""
        ...


class Silent:
    """Nobody looks."""

    def update(self, scope: ScopeProgress) -> None:
        """Do nothing."""
