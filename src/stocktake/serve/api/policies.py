"""Policies: rules, findings, scores; and rules of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query

from stocktake.core.errors import UserError
from stocktake.serve.api.answers import JsonAnswer, answers
from stocktake.serve.api.parameters import Asking, HouseHere, Limit, Offset, Types, page_of
from stocktake.serve.gate.house import POLICY
from stocktake.serve.gate.visitor import require

if TYPE_CHECKING:
    from stocktake.policies.judging import Report
    from stocktake.policies.rules import Rule

router = APIRouter(prefix="/api/v1/policies", tags=["policies"])

_Packs = Annotated[list[str] | None, Query(alias="pack", max_length=50, description="Of these packs.")]
_Ids = Annotated[
    list[str] | None, Query(alias="policy", max_length=50, description="Rules by id; * stands for any text.")
]
_Severity = Annotated[Literal["info", "low", "medium", "high", "critical"], Query(description="At least so severe.")]


@dataclass(frozen=True, slots=True)
class _Rules:
    """Which rules are meant; by default all."""

    packs: _Packs = None
    ids: _Ids = None
    types: Types = None
    severity: _Severity = "info"


_WhichRules = Annotated[_Rules, Depends()]


@router.get("", summary="The rules there are", openapi_extra=answers("rules"))
def list_rules(
    house: HouseHere,
    visitor: Asking,
    which: _WhichRules,
    limit: Limit = 100,
    offset: Offset = 0,
) -> JsonAnswer:
    """Return the rules of all packs: those that come with Stocktake, and those of this server."""
    rules = [_rule_document(one) for one in _pick(house, which)[1] if visitor.reach.has_type(one.type)]
    return JsonAnswer(page_of("rules", rows=rules, offset=offset, limit=limit))


@router.get("/findings", summary="What breaks a rule", openapi_extra=answers("findings"))
def list_findings(
    house: HouseHere,
    visitor: Asking,
    which: _WhichRules,
    status: Annotated[Literal["open", "excepted", "not judged", "all"], Query(description="Of this status.")] = "open",
    limit: Limit = 100,
    offset: Offset = 0,
) -> JsonAnswer:
    """Judge what the catalog holds within your reach, and return findings, each with why it matters and a remedy."""
    from stocktake.policies.reports import finding_row

    report = _judge(house, visitor, which, with_not_judged=status in {"not judged", "all"})
    rows = [row for row in map(finding_row, report.findings) if status in {"all", row["status"]}]
    return JsonAnswer(
        page_of("findings", rows, offset, limit)
        | {
            "resources": report.resources,
            "cannot": report.cannot,
            "not_held": sorted({one.type for one in report.not_held}),
            "unread": [
                {"type": name, "account_id": account, "region": region, "status": word}
                for name, account, region, word in report.unread
            ],
        }
    )


@router.get("/scores", summary="How much is as it should be", openapi_extra=answers("scores"))
def list_scores(
    house: HouseHere,
    visitor: Asking,
    which: _WhichRules,
    by: Literal["policy", "pack", "owner", "account"] = "owner",
    limit: Limit = 100,
    offset: Offset = 0,
) -> JsonAnswer:
    """Return scores from 0 to 100, the lowest first; null where nothing that counts could be judged."""
    from stocktake.policies.scores import score_by

    report = _judge(house, visitor, which)
    rows = [
        {
            "name": one.name,
            "percent": one.percent,
            "passed": one.tally.passed,
            "failed": one.tally.failed,
            "excepted": one.tally.excepted,
            "not_judged": one.tally.not_judged,
        }
        for one in score_by(report, by)
    ]
    return JsonAnswer({"by": by} | page_of("scores", rows, offset, limit))


@router.get("/own", summary="Packs of rules that were made here", openapi_extra=answers("packs"))
def list_own(house: HouseHere, visitor: Asking, limit: Limit = 100, offset: Offset = 0) -> JsonAnswer:
    """Return the packs of rules that this server keeps."""
    del visitor
    rows = [
        {"name": one.id, "owner": one.owner, "changed_at": one.changed_at, "text": one.body["text"]}
        for one in house.own.list(POLICY, limit=limit, offset=offset)
    ]
    return JsonAnswer({"total": house.own.count(POLICY), "packs": rows})


@router.put("/own/{name}", summary="Keep a pack of rules", openapi_extra=answers("pack"))
def keep_pack(
    house: HouseHere,
    visitor: Asking,
    name: str,
    text: Annotated[str, Body(embed=True, max_length=200_000, description="TOML, as docs/policies.md has it.")],
) -> JsonAnswer:
    """Keep a pack of rules under a name, once it is known that each is a condition of its type."""
    from stocktake.policies.packs import pick_rules
    from stocktake.policies.rules import parse_pack
    from stocktake.policies.trials import try_rules

    require(visitor.is_admin, "keep policies for all")
    _check_name(name)
    pack = parse_pack(name, text, f"policy {name}")
    others = {rule.id for one in house.rules() if one.name != name for rule in one.rules}
    taken = [rule.id for rule in pack.rules if rule.id in others]
    if taken:
        raise UserError(
            f"There is a rule {taken[0]} already", code="bad_policy", hint="Rename one of them.", where=taken[0]
        )
    wrong = [one for one in try_rules([pack], pick_rules([pack]), house.now()) if one.outcome != "ok"]
    if wrong:
        raise UserError(
            f"The rule {wrong[0].rule.id} is not as it should be: {wrong[0].outcome}",
            code="bad_policy",
            hint="docs/policies.md says what a rule is; its examples have to hold.",
            where=wrong[0].rule.id,
        )
    kept = house.own.put(POLICY, {"name": name, "text": text}, owner=visitor.name, id=name)
    house.audit.write("edit", visitor.name, kind="policy", name=name)
    return JsonAnswer({"name": kept.id, "changed_at": kept.changed_at, "rules": [one.id for one in pack.rules]})


@router.delete("/own/{name}", summary="Remove a pack of rules", openapi_extra=answers("removed"))
def remove_pack(house: HouseHere, visitor: Asking, name: str) -> JsonAnswer:
    """Remove a pack that was made here."""
    require(visitor.is_admin, "remove policies for all")
    if not house.own.remove(POLICY, name):
        raise UserError(
            f"There is no pack {name!r} that was made here",
            code="unknown_policy",
            hint="/api/v1/policies/own lists them.",
            where=name,
        )
    house.audit.write("edit", visitor.name, kind="policy", name=name, removed=True)
    return JsonAnswer({"removed": name})


def _pick(house: HouseHere, which: _Rules) -> tuple[Any, list[Rule]]:
    from stocktake.policies.packs import pick_rules

    there = house.rules()
    return there, pick_rules(
        there, names=which.packs or (), ids=which.ids or (), types=which.types or (), severity=which.severity
    )


def _judge(house: HouseHere, visitor: Asking, which: _Rules, *, with_not_judged: bool = False) -> Report:
    from stocktake.policies.judging import judge

    there, rules = _pick(house, which)
    with house.reading() as catalog:
        report = judge(
            catalog,
            there,
            [one for one in rules if visitor.reach.has_type(one.type)],
            house.now(),
            house.exceptions(),
            with_not_judged=with_not_judged,
            reach=visitor.reach,
        )
    house.audit.write("query", visitor.name, kind="policies")
    return report


def _rule_document(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": rule.title,
        "type": rule.type,
        "severity": rule.severity,
        "pack": rule.pack,
        "why": rule.why,
        "remedy": rule.remedy,
    }


def _check_name(name: str) -> None:
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 100:
        raise UserError(
            f"{name!r} is no name for a pack",
            code="bad_name",
            hint="Take letters, digits, - and _; at most 100.",
            where=name,
        )
