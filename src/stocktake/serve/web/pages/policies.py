"""`/policies`: scores, findings, rules, exceptions; one rule with its past; a rule of one's own, tried first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from stocktake.core.errors import UserError
from stocktake.policies.conditions import OPERATORS
from stocktake.policies.drafting import FORMS, Draft, check_pack, draft_text, try_draft
from stocktake.policies.history import read_episodes
from stocktake.policies.rules import SEVERITIES
from stocktake.serve.gate.house import POLICY
from stocktake.serve.gate.visitor import require
from stocktake.serve.web.given import TheHouse, TheVisitor
from stocktake.serve.web.judged import judged
from stocktake.serve.web.rendering import render, url
from stocktake.serve.web.views.policies import (
    STATUSES,
    WORST_FIRST,
    FindingFilter,
    finding_key,
    overview,
    pick_findings,
    rule_rows,
    rule_view,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stocktake.policies.rules import Pack, Rule
    from stocktake.serve.gate.visitor import Visitor

router = APIRouter()

_PAGE = 25
_TESTS = 4
"""Tests that the form has room for."""

Word = Annotated[str, Query(max_length=300)]
Page = Annotated[int, Query(ge=1, le=10_000)]


@router.get("/policies")
def show_scores(request: Request, house: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Show scores by team, account and pack, and the rules that are broken most."""
    packs, report = judged(house, who)
    return render(request, "policies.html", here_is="scores", report=report, packs=packs, **overview(report))


@router.get("/policies/findings")
def show_findings(
    request: Request,
    house: TheHouse,
    who: TheVisitor,
    policy: Word = "",
    pack: Word = "",
    type: Word = "",  # noqa: A002 - its name in the address
    account: Word = "",
    owner: Word = "",
    severity: Word = "",
    status: Word = "open",
    q: Word = "",
    page: Page = 1,
) -> HTMLResponse:
    """Show what breaks a rule, the most severe first."""
    chosen = status if status in STATUSES else "open"
    wanted = FindingFilter(policy, pack, type, account, owner, severity, chosen, q.strip())
    packs, report = judged(house, who)
    found = pick_findings(report, wanted)
    house.audit.write("query", who.name, kind="policies")
    return render(
        request,
        "policy_findings.html",
        here_is="findings",
        wanted=wanted,
        total=len(found),
        rows=[(one, finding_key(one)) for one in found[(page - 1) * _PAGE : page * _PAGE]],
        page=page,
        more=len(found) > page * _PAGE,
        severities=WORST_FIRST,
        statuses=STATUSES,
        packs=[one.name for one in packs],
        types=sorted({one.type for one in report.rules}),
        owners=sorted({owner for _, _, owner in report.tallies if owner}),
        accounts=sorted({name for _, name, _ in report.tallies}),
    )


@router.get("/policies/rules")
def show_rules(request: Request, house: TheHouse, who: TheVisitor, q: Word = "") -> HTMLResponse:
    """Show all rules, with how many resources keep and break each."""
    packs, report = judged(house, who)
    rows = rule_rows(_rules(packs, who), report, q.strip())
    return render(request, "policy_rules.html", here_is="rules", rows=rows, q=q, packs=packs)


@router.get("/policies/exceptions")
def show_exceptions(request: Request, house: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Show who answers for what, and until when."""
    _, report = judged(house, who)
    covered = Counter(one.exception for one in report.findings if one.exception is not None)
    today = house.now().date()
    rows = [
        {"exception": one, "covers": covered[one], "is_over": one.is_over(today)}
        for one in sorted(house.exceptions(), key=lambda one: one.expires)
    ]
    return render(
        request, "policy_exceptions.html", here_is="exceptions", rows=rows, path=house.config.exceptions is not None
    )


@router.get("/policies/new")
def show_form(request: Request, house: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Show the form for a rule of one's own; with `try`, what the rule would say of all that the visitor may see."""
    given = request.query_params
    return _form(request, house, who, draft_of(given), is_tried=bool(given.get("try")))


@router.post("/policies/new")
async def keep(request: Request) -> Response:
    """Keep a rule for all, once it is known that it is a condition of its type."""
    from starlette.concurrency import run_in_threadpool

    from stocktake.serve.gate.house import house
    from stocktake.serve.gate.visitor import visitor

    given = await request.form()
    texts = {name: value for name, value in given.multi_items() if isinstance(value, str)}
    return await run_in_threadpool(_keep, request, house(request), visitor(request), texts)


def _keep(request: Request, house: TheHouse, who: TheVisitor, given: Mapping[str, str]) -> Response:
    require(who.is_admin, "keep policies for all")
    draft = draft_of(given)
    try:
        text = draft_text(draft)
        check_pack(draft.id, text, house.rules(), house.now())
    except UserError as error:
        return _form(request, house, who, draft, is_tried=False, problem=error)
    house.own.put(POLICY, {"name": draft.id, "text": text}, owner=who.name, id=draft.id)
    house.audit.write("edit", who.name, kind="policy", name=draft.id)
    return RedirectResponse(url(f"/policies/{draft.id}"), 303)


@router.post("/policies/{policy}/remove")
def remove(house: TheHouse, who: TheVisitor, policy: str) -> Response:
    """Remove a rule that was made here."""
    require(who.is_admin, "remove policies for all")
    made = _made_here(house.rules(), house, policy)
    if made is None or not house.own.remove(POLICY, made):
        raise _unknown(policy)
    house.audit.write("edit", who.name, kind="policy", name=made, removed=True)
    return RedirectResponse("/policies/rules", 303)


@router.get("/policies/{policy}")
def show_rule(request: Request, house: TheHouse, who: TheVisitor, policy: str, page: Page = 1) -> HTMLResponse:
    """Show one rule: what it asks, what breaks it, and when findings opened and closed."""
    packs, report = judged(house, who)
    rule = next((one for one in _rules(packs, who) if one.id == policy), None)
    if rule is None:
        raise _unknown(policy)
    with house.reading() as catalog:
        episodes = list(read_episodes(catalog, packs, [rule], house.now(), reach=who.reach))
    found = pick_findings(report, FindingFilter(policy=rule.id))
    excepted = pick_findings(report, FindingFilter(policy=rule.id, status="excepted"))
    return render(
        request,
        "policy.html",
        here_is="rules",
        rows=[(one, finding_key(one)) for one in found[(page - 1) * _PAGE : page * _PAGE]],
        excepted=[(one, finding_key(one)) for one in excepted[:_PAGE]],
        total=len(found),
        page=page,
        more=len(found) > page * _PAGE,
        made_here=_made_here(packs, house, rule.id),
        **rule_view(rule, report, episodes, house.now()),
    )


def draft_of(given: Mapping[str, str]) -> Draft:
    """Return the draft that an address or a form states."""
    tests = tuple(
        (given.get(f"attribute{number}", ""), given.get(f"operator{number}", ""), given.get(f"value{number}", ""))
        for number in range(1, _TESTS + 1)
    )
    names = ("id", "title", "type", "why", "remedy", "required", "allowed", "search", "violates", "when")
    texts: dict[str, Any] = {name: given.get(name, "")[:4_000] for name in names}
    return Draft(
        **texts,
        severity=given.get("severity") or "medium",
        form=given.get("form") or "tags",
        owner=given.get("owner") or "team",
        tests=tests,
        any_of=bool(given.get("any")),
    )


def _form(
    request: Request,
    house: TheHouse,
    who: Visitor,
    draft: Draft,
    *,
    is_tried: bool,
    problem: UserError | None = None,
) -> HTMLResponse:
    from stocktake.insights.held import held_types

    trial = None
    with house.reading() as catalog:
        held = list(held_types(catalog, reach=who.reach))
        if is_tried:
            # SQL of people is for those alone who may keep policies for all: it runs beside everything else.
            require(who.can_edit, "try policies")
            if draft.form == "violates" or draft.when.strip():
                require(who.is_admin, "write conditions in SQL")
            try:
                trial = try_draft(catalog, draft, house.rules(), house.now(), reach=who.reach)
            except UserError as error:
                problem = error
    findings = [one for one in trial.report.findings if one.is_judged] if trial and trial.report else []
    return render(
        request,
        "policy_new.html",
        status_code=400 if problem else 200,
        here_is="new",
        draft=draft,
        held=held,
        forms=FORMS if who.is_admin else FORMS[:-1],
        severities=SEVERITIES,
        operators=OPERATORS,
        problem=problem,
        trial=trial,
        tally=sum_tallies(trial.report.tallies.values()) if trial and trial.report else None,
        findings=[(one, finding_key(one)) for one in findings[:20]],
        finding_count=len(findings),
    )


def sum_tallies(tallies: Any) -> dict[str, int]:  # noqa: ANN401 - policies.judging.Tally
    """Return verdicts of all accounts and owners together."""
    return {name: sum(getattr(one, name) for one in tallies) for name in ("passed", "failed", "excepted", "not_judged")}


def _rules(packs: Sequence[Pack], who: Visitor) -> list[Rule]:
    return [rule for pack in packs for rule in pack.rules if who.reach.has_type(rule.type)]


def _made_here(packs: Sequence[Pack], house: TheHouse, policy: str) -> str | None:
    """Return the name of the kept pack that a rule is in; None where it was not made here."""
    pack = next((one for one in packs if any(rule.id == policy for rule in one.rules)), None)
    return pack.name if pack is not None and house.own.get(POLICY, pack.name) is not None else None


def _unknown(policy: str) -> UserError:
    hint = "/policies/rules lists them."
    return UserError(f"There is no policy {policy!r}", code="unknown_policy", hint=hint, where=policy)
