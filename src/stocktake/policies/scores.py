"""Scores: how much of what could be judged is as it should be, by policy, owner or account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.policies.judging import Tally

if TYPE_CHECKING:
    from stocktake.policies.judging import Report

WEIGHTS = {"info": 0, "low": 1, "medium": 3, "high": 5, "critical": 10}
"""How much a verdict counts in a score over several rules."""
SIDES = ("policy", "pack", "owner", "account")


@dataclass(slots=True)
class Score:
    """The verdicts of one side together."""

    name: str
    tally: Tally
    kept: float = 0.0
    """Passed verdicts, each by its weight."""
    judged: float = 0.0
    """Passed and failed ones. What is excepted counts as neither."""

    @property
    def percent(self) -> float | None:
        """Return the score, from 0 to 100; None where nothing that counts was judged."""
        return round(100 * self.kept / self.judged, 1) if self.judged else None


def score_by(report: Report, side: str) -> list[Score]:
    """Return the scores by one of `SIDES`, the lowest first. Of a single policy every verdict counts the same."""
    rules = {rule.id: rule for rule in report.rules}
    scores: dict[str, Score] = {}
    for (rule_id, account, owner), tally in report.tallies.items():
        rule = rules[rule_id]
        name = {"policy": rule_id, "pack": rule.pack, "account": account}.get(side, owner or "")
        weight = 1 if side == "policy" else WEIGHTS[rule.severity]
        score = scores.setdefault(name, Score(name, Tally()))
        score.tally.add(tally)
        score.kept += weight * tally.passed
        score.judged += weight * (tally.passed + tally.failed)
    return sorted(scores.values(), key=lambda one: (one.percent is None, one.percent, one.name))
