"""All rules of one type as one statement: each rule a column, its verdict; every resource is looked at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.insights.column_sets import column_sets
from stocktake.insights.sql_text import quoted, text
from stocktake.policies.conditions import ROW
from stocktake.query.covering import words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from stocktake.policies.rules import Rule
    from stocktake.store.resource_rows import HeldType

PASS, FAIL, NOT_JUDGED, NOT_MEANT = 0, 1, 2, 3
"""The verdicts, as the statement has them; the last: the rule is not about the resource."""
_BEFORE = re.compile(r"\bbefore\.([a-z_][a-z0-9_]*)")
_UNKNOWN = "_unknown_facets"


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule and its condition on the rows of its type."""

    rule: Rule
    sql: str
    fields: Collection[str]
    """The type's fields that it looks at."""
    closed_to: Collection[str] = ()
    """Accounts in which not all of what it needs was read: there it cannot be judged."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is judged: the resources as they are, or all their versions."""

    held: HeldType
    facets: Collection[str]
    """Facets of the type that are unknown of some resource."""
    has_facets: bool
    now: datetime
    stale: Collection[tuple[str, str]] = ()
    """Account and region that the newest sweep did not read whole."""
    of_history: bool = False
    rows: str = ""
    """SQL of rows to judge instead of those of the table: for examples."""
    only: str = ""
    """SQL over the rows: which of them; what a rule asks of others still sees all."""


def judging_sql(source: Source, judged: Sequence[Judged], lets: Mapping[str, str]) -> str:
    """Return the common tables of the statement, the last `_judged`.

    Shape: _id, _account, _region, _owner, _name, of versions also _created, _from, _to, _gone, _end_sweep; then
    `_v1` and so on, the verdict of each rule.
    """
    name = source.held.name
    tables = []
    if source.rows:
        tables.append(f"{quoted(name)} AS NOT MATERIALIZED ({source.rows})")
    elif source.of_history:
        tables.append(f"{quoted(name)} AS NOT MATERIALIZED (SELECT * FROM {quoted(name + '_history')})")
    used = set().union(
        *(words_of(f"{one.sql}, {one.rule.when or 'true'}") for one in judged), *map(words_of, lets.values())
    )
    sets = column_sets().get(name)
    base = quoted(name)
    if sets is not None and used & {column.name for column in sets.shown}:
        base = quoted(sets.view)
        tables.append(f"{base} AS NOT MATERIALIZED ({sets.view_sql(source.held.schema)})")
    moment = f"TIMESTAMP {text(source.now.replace(tzinfo=None).isoformat(sep=' '))}"
    seen_at = f"coalesce(_to, {moment})" if source.of_history else moment
    before = _before_sql(judged)
    only = f" WHERE {source.only}" if source.only else ""
    rows = f"SELECT *, {seen_at} AS _now{before[0]} FROM {base}{only}{before[1]}"
    for let, sql in lets.items():
        if let in used:
            rows = f"SELECT *, {sql} AS {quoted(let)} FROM ({rows})"
    tables.append(f"_rows AS NOT MATERIALIZED ({rows})")
    tables.append(f"_judged AS MATERIALIZED ({_verdicts_sql(source, judged)})")
    return f"WITH {', '.join(tables)}"


def _verdicts_sql(source: Source, judged: Sequence[Judged]) -> str:
    has_tags = "tags" in source.held.schema
    owners = list(dict.fromkeys(one.rule.owner for one in judged))
    owner = f"coalesce({', '.join(f'tag(tags, {text(key)})' for key in owners)})" if has_tags else "NULL"
    label = f"CAST({source.held.name_column} AS VARCHAR)" if source.held.name_column else "NULL::VARCHAR"
    columns = [
        "_id", "account_id AS _account", "_region", f"CAST({owner} AS VARCHAR) AS _owner",
        f"coalesce({label}, regexp_extract(_id, '[^/:]+$')) AS _name", "_created", "_from",
    ]  # fmt: skip
    if source.of_history:
        columns += ["_to", "_gone", "_end_sweep", "_sweep"]
    passed = str(PASS)
    if source.stale:
        pairs = ", ".join(f"({text(account)}, {text(region)})" for account, region in sorted(source.stale))
        columns.append(f"CASE WHEN (account_id, _region) IN ({pairs}) THEN {NOT_JUDGED} ELSE {PASS} END AS _passed")
        passed = "_passed"
    columns += [f"{_verdict_sql(source, one, passed)} AS _v{number}" for number, one in enumerate(judged, 1)]
    return f"SELECT {', '.join(columns)} FROM _rows AS {ROW}"


def _verdict_sql(source: Source, judged: Judged, passed: str) -> str:
    condition = f"CAST(({judged.sql}) AS BOOLEAN)"
    verdict = f"CASE {condition} WHEN true THEN {FAIL} WHEN false THEN {passed} ELSE {NOT_JUDGED} END"
    if judged.closed_to:
        listed = ", ".join(map(text, sorted(judged.closed_to)))
        verdict = f"CASE WHEN account_id IN ({listed}) THEN {NOT_JUDGED} ELSE {verdict} END"
    if judged.rule.scope == "history":
        verdict = f"CASE WHEN before IS NULL THEN {NOT_MEANT} ELSE {verdict} END"
    if judged.rule.when:
        when = f"CAST(({judged.rule.when}) AS BOOLEAN)"
        verdict = f"CASE WHEN {when} THEN {verdict} ELSE {NOT_MEANT} END"
    facets = sorted(set(judged.fields) & set(source.facets))
    if facets and source.has_facets:
        listed = ", ".join(map(text, facets))
        verdict = f"CASE WHEN list_has_any({_UNKNOWN}, [{listed}]) THEN {NOT_JUDGED} ELSE {verdict} END"
    return f"CAST({verdict} AS UTINYINT)"


def _before_sql(judged: Sequence[Judged]) -> tuple[str, str]:
    """Return a structure of the fields of the version before, as far as rules ask for them."""
    asked = sorted({name for one in judged for said in (one.sql, one.rule.when) for name in _BEFORE.findall(said)})
    if not asked:
        return "", ""
    window = " WINDOW _versions AS (PARTITION BY _id, _created ORDER BY _from)"
    lagged = ", ".join(f"{text(name)}: lag({quoted(name)}) OVER _versions" for name in asked)
    return f", CASE WHEN row_number() OVER _versions > 1 THEN {{{lagged}}} END AS before", window
