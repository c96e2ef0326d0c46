"""Judge what the catalog holds by rules: verdicts counted by rule, account and owner, and every finding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError
from stocktake.insights.held import held_types
from stocktake.policies.conditions import Conditions
from stocktake.policies.statement import FAIL, NOT_JUDGED, NOT_MEANT, PASS, Judged, Source, judging_sql
from stocktake.query.apart import fetched
from stocktake.query.errors import SqlError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import run_query
from stocktake.query.within import is_within, within
from stocktake.store.resource_rows import HeldType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from stocktake.policies.exceptions import PolicyException
    from stocktake.policies.rules import Pack, Rule
    from stocktake.query.result import Row
    from stocktake.store.catalog import Catalog

_VERDICTS = (PASS, FAIL, NOT_JUDGED)
_BITS = 40
_READ_WHOLE = frozenset({"complete", "elsewhere"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A resource that breaks a rule, or of which that cannot be said."""

    rule: Rule
    resource: str
    name: str
    account: str
    region: str
    owner: str | None
    seen_from: datetime
    """Since when the resource is known as it is."""
    is_judged: bool = True
    exception: PolicyException | None = None


@dataclass(slots=True)
class Tally:
    """How many verdicts there are of each kind."""

    passed: int = 0
    failed: int = 0
    excepted: int = 0
    not_judged: int = 0

    def add(self, other: Tally) -> None:
        """Count another one's in."""
        self.passed += other.passed
        self.failed += other.failed
        self.excepted += other.excepted
        self.not_judged += other.not_judged


@dataclass(slots=True)
class Report:
    """What judging came to."""

    tallies: dict[tuple[str, str, str | None], Tally] = field(default_factory=dict)
    """By rule, account and owner."""
    findings: list[Finding] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    """Those whose type is held."""
    not_held: list[Rule] = field(default_factory=list)
    cannot: dict[str, str] = field(default_factory=dict)
    """Rule -> why nothing at all can be judged by it."""
    unread: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Type, account, region and status of scopes that were not read whole."""
    expired: list[PolicyException] = field(default_factory=list)
    resources: int = 0

    def open_findings(self) -> Iterator[Finding]:
        """Yield what breaks a rule without an exception."""
        return (one for one in self.findings if one.is_judged and one.exception is None)


def judge(
    catalog: Catalog,
    packs: Sequence[Pack],
    rules: Iterable[Rule],
    now: datetime,
    exceptions: Sequence[PolicyException] = (),
    *,
    with_not_judged: bool = False,
    reach: Reach = EVERYTHING,
) -> Report:
    """Judge all resources of the rules' types; one statement, and so one look at each resource, for a type.

    `with_not_judged`: tell which resources could not be judged, too.
    Raises: UserError for a rule of a file that is no condition of its type.
    """
    catalog = within(catalog, reach)
    report = Report(expired=[one for one in exceptions if one.is_over(now.date())])
    holding = [one for one in exceptions if not one.is_over(now.date())]
    held = held_as_searched(catalog)
    lets = {pack.name: pack.lets for pack in packs}
    own = {pack.name for pack in packs if pack.is_own}
    by_type: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.type in held:
            by_type.setdefault(rule.type, []).append(rule)
        else:
            report.not_held.append(rule)
    scopes = read_scopes(catalog)
    for type_name, some in sorted(by_type.items()):
        report.rules += some
        report.unread += [(type_name, *scope) for scope in scopes.get(type_name, ()) if scope[2] not in _READ_WHOLE]
        for of_history in (False, True):
            group = [rule for rule in some if (rule.scope == "history") is of_history]
            judging = TypeJudging(catalog, held[type_name], group, lets, own, now, scopes, of_history=of_history)
            _read_verdicts(judging, report, holding, with_not_judged=with_not_judged)
            report.cannot |= judging.cannot
    return report


class TypeJudging:
    """The rules of one type, those that can be asked of the table that the catalog has."""

    def __init__(  # noqa: PLR0913 - all of what judging a type takes
        self,
        catalog: Catalog,
        held: HeldType,
        rules: Sequence[Rule],
        lets: Mapping[str, Mapping[str, str]],
        own: Iterable[str],
        now: datetime,
        scopes: Mapping[str, Sequence[tuple[str, str, str]]],
        *,
        rows: str = "",
        only: str = "",
        of_history: bool = False,
    ) -> None:
        self.catalog = catalog
        self.cannot: dict[str, str] = {}
        self.judged: list[Judged] = []
        self._own = set(own)
        self._conditions = Conditions(catalog, held, now)
        self._lets = {name: sql for rule in rules for name, sql in lets.get(rule.pack, {}).items()}
        facets, has_facets = ((), False) if rows else _unknown_facets(catalog, held.name)
        stale = {scope[:2] for scope in scopes.get(held.name, ()) if scope[2] not in _READ_WHOLE}
        self.source = Source(held, facets, has_facets, now, () if of_history else stale, of_history, rows, only)
        for rule in rules:
            self._admit(rule, scopes)

    def ask(self, select: Callable[[int], str]) -> Iterator[Row]:
        """Return the rows of a statement over `_judged`; `select` makes it from the number of rules.

        A first try with all rules is what costs least: planning a hundred of them takes longer than judging a
        thousand jobs. Only where it fails is each rule looked at.
        """
        try:
            return self._rows(select(len(self.judged)), self.judged)
        except SqlError:
            before = len(self.judged)
            self.drop_what_does_not_bind()
            if len(self.judged) == before:
                raise
            return self._rows(select(len(self.judged)), self.judged) if self.judged else iter(())

    def _rows(self, select: str, judged: Sequence[Judged]) -> Iterator[Row]:
        sql = f"{judging_sql(self.source, judged, self._lets)} {select}"
        used = {key: value for key, value in self._conditions.parameters.values.items() if f"${key}" in sql}
        if not is_within(self.catalog) or all(one.rule.pack in self._own for one in judged):
            return run_query(self.catalog, sql, used or None).rows()
        # What others wrote may say anything in SQL; so it is judged on copies of what is within reach.
        with fetched(self.catalog, sql, all_columns=False) as copies:
            return iter(list(run_query(copies, sql, used or None).rows()))

    def _admit(self, rule: Rule, scopes: Mapping[str, Sequence[tuple[str, str, str]]]) -> None:
        missing = [name for name in rule.needs if name not in scopes]
        if missing:
            self.cannot[rule.id] = f"{missing[0]} is not held"
            return
        closed = {account for name in rule.needs for account, _, status in scopes[name] if status not in _READ_WHOLE}
        try:
            sql = self._conditions.sql(rule)
            fields = self._conditions.fields_of(rule)
        except UserError as error:
            if rule.pack not in self._own:
                raise
            self.cannot[rule.id] = error.message
            return
        self.judged.append(Judged(rule, sql, fields, closed))

    def drop_what_does_not_bind(self) -> None:
        """Leave out rules about fields that the table does not have: it was made from another model.

        Raises: UserError where such a rule is none of ours.
        """
        kept = []
        for one in self.judged:
            problem = self._problem([one])
            if problem is None:
                kept.append(one)
                continue
            if one.rule.pack not in self._own:
                raise UserError(
                    f"The rule {one.rule.id} is no condition of {one.rule.type}: {problem.message}",
                    code="policy_condition",
                    hint=f"`stocktake schema {one.rule.type}` shows its fields. {problem.hint}".strip(),
                    where=one.rule.id,
                )
            self.cannot[one.rule.id] = problem.message
        self.judged = kept

    def _problem(self, judged: Sequence[Judged]) -> SqlError | None:
        try:
            list(self._rows("SELECT 1 FROM _judged WHERE false LIMIT 0", judged))
        except SqlError as error:
            return error
        return None


def held_as_searched(catalog: Catalog) -> dict[str, HeldType]:
    """Return the types that are held, as searches know them."""
    return {
        name: HeldType(name, name.split("_")[0], name.split("_")[1], one.name_column, one.schema)
        for name, one in held_types(catalog).items()
    }


def read_scopes(catalog: Catalog) -> dict[str, list[tuple[str, str, str]]]:
    """Return account, region and newest status of every scope that is known, by type."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    sql = "SELECT type, account_id, region, status FROM coverage_now ORDER BY ALL"
    for type_name, account, region, status in run_query(catalog, sql).rows():
        if status != "unsupported":
            found.setdefault(str(type_name), []).append((str(account), str(region), str(status)))
    return found


def _unknown_facets(catalog: Catalog, type_name: str) -> tuple[tuple[str, ...], bool]:
    sql = "SELECT 1 FROM duckdb_columns() WHERE table_name = $name AND column_name = '_unknown_facets'"
    if not list(run_query(catalog, sql, {"name": f"{type_name}_history"}).rows()):
        return (), False
    sql = f'SELECT DISTINCT unnest(_unknown_facets) FROM "{type_name}_history"'
    return tuple(str(row[0]) for row in run_query(catalog, sql).rows()), True


def _read_verdicts(
    judging: TypeJudging, report: Report, exceptions: Sequence[PolicyException], *, with_not_judged: bool
) -> None:
    if not judging.judged:
        return
    is_count_of_resources = not judging.source.of_history

    def select(rules: int) -> str:
        source = "_judged" if is_count_of_resources else of_resources_sql(rules)
        return _report_sql(rules, source, with_not_judged=with_not_judged)

    rows = judging.ask(select)
    judged = judging.judged
    for row in rows:
        resource, account, region, owner, name, seen_from, failing, unjudged, counts = row
        owned = None if owner is None else str(owner)
        if resource is None:
            _count(report, judged, str(account), owned, counts)
            report.resources += counts[0] * is_count_of_resources
            continue
        where = (str(resource), str(name), str(account), str(region), owned, seen_from)
        for number in failing or ():
            rule = judged[number - 1].rule
            fitting = (one for one in exceptions if one.covers(rule.id, where[0], where[2], where[3]))
            found = Finding(rule, *where, exception=next(fitting, None))
            report.findings.append(found)
            if found.exception is not None:
                tally = report.tallies[rule.id, where[2], owned]
                tally.failed -= 1
                tally.excepted += 1
        for number in unjudged or ():
            report.findings.append(Finding(judged[number - 1].rule, *where, is_judged=False))


def _report_sql(rules: int, source: str, *, with_not_judged: bool) -> str:
    """Return what is asked of the verdicts: first the counts by account and owner, then the resources with findings."""
    numbers = range(1, rules + 1)
    # One sum for a rule, in which each verdict has its own bits: three counts for each take a second to plan.
    cases = " ".join(f"WHEN {verdict} THEN {1 << _BITS * place}::HUGEINT" for place, verdict in enumerate(_VERDICTS))
    counts = ", ".join(f"sum(CASE _v{number} {cases} ELSE 0::HUGEINT END)" for number in numbers)

    def having(verdict: int) -> str:
        codes = ", ".join(f"CASE WHEN _v{number} = {verdict} THEN {number} END" for number in numbers)
        return f"list_filter([{codes}], lambda _n: _n IS NOT NULL)"

    unjudged = having(NOT_JUDGED) if with_not_judged else "[]::INTEGER[]"
    return (
        f"SELECT NULL::VARCHAR, _account, NULL::VARCHAR, _owner, NULL::VARCHAR, NULL::TIMESTAMP, NULL::INTEGER[], "
        f"NULL::INTEGER[], [count(*)::HUGEINT, {counts}] FROM {source} GROUP BY _account, _owner UNION ALL "
        f"SELECT * FROM (SELECT _id, _account, _region, _owner, _name, _from, {having(FAIL)} AS _failing, "
        f"{unjudged} AS _unjudged, NULL::HUGEINT[] FROM {source}) WHERE len(_failing) + len(_unjudged) > 0"
    )


def of_resources_sql(rules: int) -> str:
    """Return the verdicts on versions as verdicts on resources that still exist: one that breaks a rule is enough."""
    verdicts = ", ".join(
        f"CASE WHEN bool_or(_v{number} = {FAIL}) THEN {FAIL} WHEN bool_or(_v{number} = {NOT_JUDGED}) THEN {NOT_JUDGED} "
        f"WHEN bool_or(_v{number} = {PASS}) THEN {PASS} ELSE {NOT_MEANT} END AS _v{number}"
        for number in range(1, rules + 1)
    )
    return (
        "(SELECT _id, _account, _region, arg_max(_owner, _from) AS _owner, any_value(_name) AS _name, "
        f"max(_from) AS _from, {verdicts} FROM _judged GROUP BY _id, _account, _region HAVING bool_or(_to IS NULL))"
    )


def _count(report: Report, judged: Sequence[Judged], account: str, owner: str | None, counts: Sequence[int]) -> None:
    for number, one in enumerate(judged):
        passed, failed, unknown = (counts[number + 1] >> _BITS * place & (1 << _BITS) - 1 for place in range(3))
        tally = report.tallies.setdefault((one.rule.id, account, owner), Tally())
        tally.add(Tally(passed, failed, 0, unknown))


def count_severities(findings: Iterable[Finding]) -> Counter[str]:
    """Return how many findings there are of each severity."""
    return Counter(one.rule.severity for one in findings)
