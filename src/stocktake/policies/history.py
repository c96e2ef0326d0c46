"""When findings opened and closed, computed from the versions of resources and the time for which each held."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from stocktake.policies.judging import TypeJudging, held_as_searched, read_scopes
from stocktake.policies.statement import FAIL, NOT_JUDGED
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from stocktake.policies.rules import Pack, Rule
    from stocktake.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Episode:
    """A finding from when it opened until it closed. Times are UTC without a zone, when versions were first seen."""

    rule: Rule
    resource: str
    account: str
    region: str
    owner: str | None
    opened_at: datetime
    opened_by_sweep: int
    """The sweep that wrote the version that broke the rule."""
    closed_at: datetime | None
    closed_by_sweep: int | None
    ended: str
    """open, fixed, deleted, or `not judged` where the next version cannot be judged."""
    versions: int
    """How many versions in a row broke it."""


def read_episodes(
    catalog: Catalog, packs: Sequence[Pack], rules: Iterable[Rule], now: datetime, *, reach: Reach = EVERYTHING
) -> Iterator[Episode]:
    """Yield all findings that there ever were, by type and resource. Raises: as `judging.judge`."""
    catalog = within(catalog, reach)
    held = held_as_searched(catalog)
    lets = {pack.name: pack.lets for pack in packs}
    own = {pack.name for pack in packs if pack.is_own}
    by_type: dict[str, list[Rule]] = {}
    for rule in rules:
        by_type.setdefault(rule.type, []).append(rule)
    scopes = read_scopes(catalog)
    for type_name in sorted(set(by_type) & set(held)):
        judging = TypeJudging(catalog, held[type_name], by_type[type_name], lets, own, now, scopes, of_history=True)
        if judging.judged:
            yield from _episodes(judging)


def _episodes(judging: TypeJudging) -> Iterator[Episode]:
    rows = judging.ask(_versions_sql)
    for _, versions in groupby(rows, key=lambda row: (row[0], row[2], row[3])):
        of_resource = list(versions)
        for place, judged in enumerate(judging.judged):
            yield from _of_rule(judged.rule, place, of_resource)


def _versions_sql(rules: int) -> str:
    """Return what is asked: all versions of resources of which one broke a rule, in order."""
    numbers = range(1, rules + 1)
    fails = " OR ".join(f"_v{number} = {FAIL}" for number in numbers)
    verdicts = ", ".join(f"_v{number}" for number in numbers)
    return (
        "SELECT _id, _created, _account, _region, _owner, _from, _to, _gone, _sweep, _end_sweep, "
        f"[{verdicts}] FROM _judged WHERE (_id, _account, _region) IN (SELECT _id, _account, _region FROM _judged "
        f"WHERE {fails}) ORDER BY _id, _account, _region, _from"
    )


def _of_rule(rule: Rule, place: int, versions: Sequence[tuple[Any, ...]]) -> Iterator[Episode]:
    """Yield the episodes of one resource; versions that follow each other and fail are one."""
    first = count = 0
    for number, version in enumerate(versions):
        if version[10][place] != FAIL:
            continue
        count += 1
        if count == 1:
            first = number
        following = versions[number + 1] if number + 1 < len(versions) else None
        goes_on = following is not None and following[5] == version[6] and following[1] == version[1]
        if goes_on and following is not None and following[10][place] == FAIL:
            continue
        ended = "open" if version[6] is None else "deleted" if not goes_on else "fixed"
        if goes_on and following is not None and following[10][place] == NOT_JUDGED:
            ended = "not judged"
        opening = versions[first]
        yield Episode(
            rule, str(version[0]), str(version[2]), str(version[3]), version[4],
            opening[5], opening[8], version[6], version[9], ended, count,
        )  # fmt: skip
        count = 0
