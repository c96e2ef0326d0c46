"""What is new since the last time: findings that opened, and changes that a search finds."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.notices.state import Waiting
from stocktake.policies.judging import judge
from stocktake.policies.packs import pick_rules
from stocktake.policies.rules import SEVERITIES
from stocktake.query.changes import read_changes
from stocktake.query.runner import run_query
from stocktake.store.change_log import known_sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stocktake.notices.config import Notice, NoticeConfig
    from stocktake.notices.state import State
    from stocktake.policies.exceptions import PolicyException
    from stocktake.policies.judging import Finding, Report
    from stocktake.policies.rules import Pack
    from stocktake.query.changes import ChangeRecord
    from stocktake.store.catalog import Catalog

_AT_ONCE = 100
"""Findings or changes in one message."""
_EDITS = 50


def take_news(
    catalog: Catalog,
    config: NoticeConfig,
    packs: Sequence[Pack],
    state: State,
    now: datetime,
    exceptions: Sequence[PolicyException] = (),
    *,
    from_the_start: bool = False,
) -> int:
    """Put what is new into `state`, to be told, and remember it as taken; return how many messages came of it.

    What a notice finds open, or changed, the first time is only remembered; `from_the_start`: told, too.
    """
    before = len(state.waiting)
    for notice in config.notices:
        if notice.findings is not None:
            _take_findings(catalog, notice, packs, state, now, exceptions, tell_first=from_the_start)
        else:
            _take_changes(catalog, notice, state, now, tell_first=from_the_start)
    return len(state.waiting) - before


def _take_findings(
    catalog: Catalog,
    notice: Notice,
    packs: Sequence[Pack],
    state: State,
    now: datetime,
    exceptions: Sequence[PolicyException],
    *,
    tell_first: bool,
) -> None:
    asked = notice.findings
    assert asked is not None  # noqa: S101 - asked only for those
    rules = pick_rules(packs, ids=asked.policies, names=asked.packs, types=asked.types, severity=asked.severity)
    report = judge(catalog, packs, rules, now, exceptions, with_not_judged=True)
    open_now = {_key(one): one for one in report.open_findings()}
    told = state.findings.get(notice.name)
    if told is not None or tell_first:
        fresh = [one for key, one in open_now.items() if key not in set(told or ())]
        fresh.sort(key=lambda one: (-SEVERITIES.index(one.rule.severity), one.rule.id, one.resource))
        documents = [_finding_document(one) for one in fresh]
        _put(state, notice, "findings.opened", "findings", documents, now)
    state.findings[notice.name] = sorted({*open_now, *_unsure(told or (), report)})


def _unsure(told: Sequence[str], report: Report) -> Iterator[str]:
    """Yield what was told and cannot be judged now: it may still be open, and is not to be told again."""
    unknown = {_key(one) for one in report.findings if not one.is_judged}
    asleep = {*report.cannot, *(rule.id for rule in report.not_held)}
    for key in told:
        if key in unknown or key.split(" ", 1)[0] in asleep:
            yield key


def _key(finding: Finding) -> str:
    return f"{finding.rule.id} {finding.account} {finding.region} {finding.resource}"


def _take_changes(catalog: Catalog, notice: Notice, state: State, now: datetime, *, tell_first: bool) -> None:
    known = state.sweeps.get(notice.name, 0 if tell_first else None)
    newest = known_sweep(catalog.connection)
    if known is not None and newest > known:
        [(since,)] = run_query(catalog, "SELECT min(started_at) FROM sweeps WHERE sweep_id > " + str(int(known))).rows()  # noqa: S608 - a number
        start = since.replace(tzinfo=UTC) if since else datetime(1970, 1, 1, tzinfo=UTC)
        found = read_changes(catalog, start, search=notice.changes or "", limit=0)
        fresh = [one for one in reversed(found.records) if known < one.sweep_id <= newest]
        _put(state, notice, "resources.changed", "changes", [_change_document(one) for one in fresh], now)
    state.sweeps[notice.name] = newest


def _put(state: State, notice: Notice, kind: str, member: str, documents: list[dict[str, Any]], now: datetime) -> None:
    for start in range(0, len(documents), _AT_ONCE):
        part = documents[start : start + _AT_ONCE]
        data = {"notice": notice.name, member: part, "count": len(part)}
        payload = {"type": kind, "timestamp": now.isoformat(), "data": data}
        for channel in notice.channels:
            state.waiting.append(Waiting(f"msg_{uuid.uuid4().hex}", channel, notice.name, payload))


def _finding_document(one: Finding) -> dict[str, Any]:
    return {
        "policy": one.rule.id,
        "title": one.rule.title,
        "severity": one.rule.severity,
        "type": one.rule.type,
        "resource": one.resource,
        "name": one.name,
        "account_id": one.account,
        "region": one.region,
        "owner": one.owner,
        "why": one.rule.why,
        "remedy": one.rule.remedy,
    }


def _change_document(one: ChangeRecord) -> dict[str, Any]:
    edits = [{"path": edit.path, "before": edit.before, "after": edit.after} for edit in one.edits[:_EDITS]]
    return {
        "change": one.change,
        "type": one.type,
        "resource": one.id,
        "account_id": one.account_id,
        "region": one.region,
        "changed_at": one.changed_at.replace(tzinfo=UTC).isoformat(),
        "edits": edits,
        "more_edits": max(0, len(one.edits) - _EDITS),
    }


def check_channels(config: NoticeConfig, state: State) -> None:
    """Raise UserError where a message waits for a channel that is not in the file any more."""
    missing = sorted({one.channel for one in state.waiting} - set(config.channels))
    if missing:
        raise UserError(
            f"Messages wait for the channel {missing[0]!r}, which is not in the file any more.",
            code="no_channel",
            hint="Put it back until they are told, or forget them with --forget-waiting.",
            where=missing[0],
        )
