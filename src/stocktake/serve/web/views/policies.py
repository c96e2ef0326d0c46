"""Scores, findings and rules, as their templates take them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stocktake.policies.judging import Finding, Tally, count_severities
from stocktake.policies.rules import SEVERITIES
from stocktake.policies.scores import WEIGHTS, score_by
from stocktake.serve.telling.values import to_json
from stocktake.serve.web.pictures.axes import seconds_of
from stocktake.serve.web.pictures.bars import Part, share_bar
from stocktake.serve.web.pictures.curves import Point, Series, curves

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stocktake.policies.history import Episode
    from stocktake.policies.judging import Report
    from stocktake.policies.rules import Rule

WORST_FIRST = tuple(reversed(SEVERITIES))
SEVERITY_KINDS = {"critical": "bad", "high": "bad", "medium": "warn", "low": "info", "info": "mute"}
STATUSES = ("open", "excepted")
_WORST_SHOWN, _EPISODES_SHOWN = 15, 20
NOBODY = "(nobody)"
"""How findings of resources that nobody owns are asked for."""


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings; what is empty leaves none out."""

    policy: str = ""
    pack: str = ""
    type: str = ""
    account: str = ""
    owner: str = ""
    severity: str = ""
    status: str = "open"
    q: str = ""

    def parameters(self, **other: Any) -> dict[str, Any]:  # noqa: ANN401 - values of an address
        """Return the address's parameters, some of them others."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return own | {"status": None if self.status == "open" else self.status} | other


def overview(report: Report) -> dict[str, Any]:
    """Return scores by team, account and pack, and how many findings are open."""
    open_findings = list(report.open_findings())
    severities = count_severities(open_findings)
    tally = Tally()
    for one in report.tallies.values():
        tally.add(one)
    return {
        "score": whole_score(report),
        "severities": [(word, severities[word], SEVERITY_KINDS[word]) for word in WORST_FIRST],
        "tally": tally,
        "open": len(open_findings),
        "sides": [
            {"title": title, "name": side, "rows": [_score(one, side) for one in score_by(report, side)]}
            for title, side in (("By team", "owner"), ("By account", "account"), ("By pack", "pack"))
        ],
        "worst": _worst_rules(open_findings, report),
    }


def whole_score(report: Report) -> float | None:
    """Return the score over everything; None where nothing that counts was judged."""
    kept = judged = 0
    ranks = {rule.id: WEIGHTS[rule.severity] for rule in report.rules}
    for (rule, _, _), one in report.tallies.items():
        kept += ranks[rule] * one.passed
        judged += ranks[rule] * (one.passed + one.failed)
    return round(100 * kept / judged, 1) if judged else None


def _score(one: Any, side: str) -> dict[str, Any]:  # noqa: ANN401 - policies.scores.Score
    tally = one.tally
    says = f"{tally.passed:,} passed, {tally.failed:,} failed, {tally.excepted:,} excepted"
    whole = tally.passed + tally.failed + tally.excepted
    parts = [Part(tally.passed, "passed"), Part(tally.excepted, "excepted"), Part(tally.failed, "failed")]
    return {
        "name": one.name,
        "filter": one.name or NOBODY,
        "label": one.name or ("nobody" if side == "owner" else "none"),
        "percent": one.percent,
        "tally": tally,
        "bar": share_bar(says, parts, whole),
    }


def _worst_rules(findings: Iterable[Finding], report: Report) -> list[dict[str, Any]]:
    counted = Counter(one.rule.id for one in findings)
    rules = {rule.id: rule for rule in report.rules}
    order = sorted(counted, key=lambda name: (-WEIGHTS[rules[name].severity] * counted[name], name))
    most = max(counted.values(), default=0)
    return [
        {
            "rule": rules[name],
            "open": counted[name],
            "bar": share_bar(f"{counted[name]} open", [Part(counted[name], "failed")], most),
        }
        for name in order[:_WORST_SHOWN]
    ]


def pick_findings(report: Report, wanted: FindingFilter) -> list[Finding]:
    """Return the findings that are asked for, the most severe first."""
    word = wanted.q.lower()
    found = [
        one
        for one in report.findings
        if one.is_judged
        and (one.exception is not None) is (wanted.status == "excepted")
        and wanted.policy in {"", one.rule.id}
        and wanted.pack in {"", one.rule.pack}
        and wanted.type in {"", one.rule.type}
        and wanted.account in {"", one.account}
        and wanted.owner in {"", one.owner or NOBODY}
        and wanted.severity in {"", one.rule.severity}
        and (not word or word in one.resource.lower() or word in one.rule.title.lower())
    ]
    return sorted(found, key=lambda one: (-one.rule.rank, one.rule.id, one.resource))


def finding_key(one: Finding) -> str:
    """Return what the resource's page is asked for by."""
    if one.resource.startswith("arn:"):
        return one.resource
    return f"{one.rule.type}/{one.account}/{one.region}/{one.resource}"


def rule_rows(rules: Iterable[Rule], report: Report, q: str) -> list[dict[str, Any]]:
    """Return rules with their verdicts; those that a word is in."""
    tallies: dict[str, Tally] = {}
    for (rule, _, _), one in report.tallies.items():
        tallies.setdefault(rule, Tally()).add(one)
    word = q.lower()
    held = {rule.id for rule in report.rules}
    return [
        {"rule": rule, "tally": tallies.get(rule.id), "held": rule.id in held, "cannot": report.cannot.get(rule.id)}
        for rule in rules
        if not word or word in f"{rule.id} {rule.title} {rule.type} {rule.pack}".lower()
    ]


def rule_view(rule: Rule, report: Report, episodes: Sequence[Episode], now: datetime) -> dict[str, Any]:
    """Return one rule whole: what it asks, its verdicts by team and account, its past."""
    tally = Tally()
    teams: dict[str, Tally] = {}
    for (name, _, owner), one in report.tallies.items():
        if name == rule.id:
            tally.add(one)
            teams.setdefault(owner or NOBODY, Tally()).add(one)
    judged = tally.passed + tally.failed
    examples = (("breaks it", rule.bad), ("keeps it", rule.good))
    newest = sorted(episodes, key=lambda one: (one.closed_at or one.opened_at, one.opened_at), reverse=True)
    return {
        "rule": rule,
        "condition": rule.condition if isinstance(rule.condition, str) else _json(rule.condition),
        "is_sql": rule.form == "violates",
        "tally": tally,
        "score": round(100 * tally.passed / judged, 1) if judged else None,
        "teams": sorted(teams.items(), key=lambda pair: (-pair[1].failed, pair[0])),
        "cannot": report.cannot.get(rule.id),
        "is_held": any(one.id == rule.id for one in report.rules),
        "examples": [(word, _json(value)) for word, value in examples if value is not None],
        "history": open_picture(rule, episodes, now),
        "episodes": newest[:_EPISODES_SHOWN],
        "episode_count": len(episodes),
    }


def _json(value: Any) -> str:  # noqa: ANN401 - what a rule's file states
    return to_json(value, indent=True).decode()


def open_picture(rule: Rule, episodes: Sequence[Episode], now: datetime) -> str:
    """Return how many findings were open along the time, at each moment at which that changed."""
    steps: Counter[datetime] = Counter()
    for one in episodes:
        steps[one.opened_at] += 1
        if one.closed_at is not None:
            steps[one.closed_at] -= 1
    if not steps:
        return ""
    points, count = [], 0
    for moment in sorted(steps):
        count += steps[moment]
        points.append(Point(seconds_of(moment), count, f"{count} open from {moment:%Y-%m-%d %H:%M}"))
    end = max(now.replace(tzinfo=None), max(steps) + timedelta(minutes=1))
    points.append(Point(seconds_of(end), count, f"{count} open now"))
    most = max(int(point.y) for point in points)
    says = f"{count} are open now, {most} at most"
    return curves(f"Open findings of {rule.id}", says, [Series("open", tuple(points))])
