"""What the sync page shows: coverage, what was lacking, sweeps, and the sync that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktake.query.coverage import WORST_FIRST, CoverageFilter
from stocktake.resource_types.permissions import policy_document
from stocktake.serve.telling.values import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.query.coverage import CoveragePage, MissingAction, ScopeCoverage, SweepSummary

PAGE = 100
KINDS = {
    "complete": "ok", "partial": "warn", "throttled": "warn", "denied": "bad", "failed": "bad", "unsupported": "mute",
    "elsewhere": "info", "running": "info", "gaps": "warn", "interrupted": "warn", "stopped": "warn",
}  # fmt: skip
"""A status's color; its word stands beside it in any case."""
MEANINGS = {
    "complete": "read whole",
    "partial": "some of it could not be read",
    "throttled": "the provider slowed it down until it gave up",
    "denied": "a permission is missing",
    "failed": "it could not be read",
    "unsupported": "the service does not exist there: there is nothing to know",
    "elsewhere": "another sync was reading it",
}
_STRATEGIES = {
    "full": "whole list, each read",
    "bulk": "in bulk",
    "open_set": "only new and open ones",
    "reconcile": "whole list, compared",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is in the page's address."""

    statuses: tuple[str, ...] = ()
    account: str = ""
    region: str = ""
    type: str = ""
    stale: bool = False
    first: int = 0
    before: int | None = None
    """Of the history of sweeps: those before this one."""

    @property
    def is_filtered(self) -> bool:
        """Return whether some scopes are left out."""
        return self.as_filter() != CoverageFilter()

    def as_filter(self) -> CoverageFilter:
        """Return it as the query wants it."""
        return CoverageFilter(self.statuses, self.account, self.region, self.type, self.stale)

    def parameters(self, **changed: object) -> dict[str, object]:
        """Return the address's parameters, with some changed; another filter begins at the first page."""
        now: dict[str, object] = {
            "status": list(self.statuses),
            "account": self.account,
            "region": self.region,
            "type": self.type,
            "stale": self.stale,
        }
        return now | changed


def status_links(page: CoveragePage, wanted: Wanted) -> list[dict[str, object]]:
    """Return a link for each status: it adds the status to what is wanted, or takes it away."""
    links: list[dict[str, object]] = []
    for status in (*WORST_FIRST, *(one for one in page.statuses if one not in WORST_FIRST)):
        number = page.statuses.get(status, 0)
        is_wanted = status in wanted.statuses
        if not number and not is_wanted:
            continue
        others = [one for one in wanted.statuses if one != status]
        links.append(
            {
                "status": status,
                "count": number,
                "kind": KINDS.get(status, "mute"),
                "meaning": MEANINGS.get(status, ""),
                "is_wanted": is_wanted,
                "parameters": wanted.parameters(status=others if is_wanted else [*others, status]),
            }
        )
    return links


def pages(page: CoveragePage, wanted: Wanted) -> dict[str, dict[str, object] | None]:
    """Return the addresses' parameters of the page before and the page after, where there are any."""
    before = wanted.parameters(first=max(0, wanted.first - PAGE) or None) if wanted.first else None
    last = wanted.first + len(page.scopes)
    return {"before": before, "after": wanted.parameters(first=last) if last < page.total else None}


def policy_of(missing: Iterable[MissingAction]) -> str:
    """Return the policy to add, as JSON to paste; '' where nothing was lacking."""
    actions = [one.action for one in missing]
    return to_json(policy_document(actions), indent=True).decode() if actions else ""


def how(scope: ScopeCoverage) -> str:
    """Return in words how a scope was read."""
    return _STRATEGIES.get(scope.strategy, scope.strategy)


def totals(sweeps: Iterable[SweepSummary]) -> dict[str, int]:
    """Return what the newest sweeps came to together."""
    found = list(sweeps)
    return {
        "calls": sum(one.calls for one in found),
        "throttled": sum(one.throttled_calls for one in found),
        "changed": sum(one.new + one.changed + one.deleted for one in found),
    }


def show_run(run: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a sync that was started here as the page tells of it: scopes under way first, and totals."""
    if run is None:
        return None
    scopes = sorted(run["scopes"], key=lambda one: (one["done"], one["type"], one["account_id"], one["region"]))
    return run | {
        "kind": KINDS.get(run["status"], "bad"),
        "scopes": scopes[:_SHOWN],
        "more": max(0, len(scopes) - _SHOWN),
        "done": sum(bool(one["done"]) for one in scopes),
        "all": len(scopes),
        "listed": sum(one["listed"] for one in scopes),
        "read": sum(one["read"] for one in scopes),
        "written": sum(one["written"] for one in scopes),
    }


_SHOWN = 40
