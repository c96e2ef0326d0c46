"""What all rules of its type say of one resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.insights.sql_text import text
from stocktake.policies.judging import TypeJudging, held_as_searched, of_resources_sql, read_scopes
from stocktake.policies.statement import FAIL, NOT_JUDGED, NOT_MEANT, PASS
from stocktake.query.reach import EVERYTHING
from stocktake.query.within import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from stocktake.policies.exceptions import PolicyException
    from stocktake.policies.rules import Pack, Rule
    from stocktake.query.reach import Reach
    from stocktake.query.resources import Resource
    from stocktake.store.catalog import Catalog

_WORDS = {PASS: "passed", FAIL: "failed", NOT_JUDGED: "not judged"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a resource."""

    rule: Rule
    outcome: str
    """failed, excepted, passed, or `not judged`."""
    exception: PolicyException | None = None


def judge_resource(
    catalog: Catalog,
    packs: Sequence[Pack],
    found: Resource,
    now: datetime,
    exceptions: Iterable[PolicyException] = (),
    *,
    reach: Reach = EVERYTHING,
) -> list[Verdict]:
    """Return the verdicts of all rules that are about a resource that exists, the worst first.

    Raises: UserError for a rule of a file that is no condition of its type.
    """
    catalog = within(catalog, reach)
    held = held_as_searched(catalog).get(found.type)
    if held is None:
        return []
    scopes = read_scopes(catalog)
    lets = {pack.name: pack.lets for pack in packs}
    own = {pack.name for pack in packs if pack.is_own}
    rules = [rule for pack in packs for rule in pack.rules if rule.type == found.type]
    only = f"_id = {text(found.id)} AND account_id = {text(found.account_id)} AND _region = {text(found.region)}"
    verdicts: list[Verdict] = []
    for of_history in (False, True):
        group = [rule for rule in rules if (rule.scope == "history") is of_history]
        judging = TypeJudging(catalog, held, group, lets, own, now, scopes, only=only, of_history=of_history)
        if judging.judged:
            verdicts += _verdicts(judging)
        # Last: asking may find rules that the table cannot be asked.
        verdicts += [Verdict(rule, "not judged") for rule in group if rule.id in judging.cannot]
    holding = [one for one in exceptions if not one.is_over(now.date())]
    told = {one.rule.id: _with_exception(one, found, holding) for one in verdicts}
    order = ("failed", "not judged", "excepted", "passed")
    return sorted(told.values(), key=lambda one: (order.index(one.outcome), -one.rule.rank, one.rule.id))


def _verdicts(judging: TypeJudging) -> Iterator[Verdict]:
    def select(rules: int) -> str:
        source = of_resources_sql(rules) if judging.source.of_history else "_judged"
        return f"SELECT {', '.join(f'_v{number}' for number in range(1, rules + 1))} FROM {source}"

    for row in judging.ask(select):
        for one, verdict in zip(judging.judged, row, strict=True):
            if verdict != NOT_MEANT:
                yield Verdict(one.rule, _WORDS[int(verdict)])


def _with_exception(one: Verdict, found: Resource, exceptions: Sequence[PolicyException]) -> Verdict:
    if one.outcome != "failed":
        return one
    covering = (each for each in exceptions if each.covers(one.rule.id, found.id, found.account_id, found.region))
    exception = next(covering, None)
    return one if exception is None else Verdict(one.rule, "excepted", exception)
