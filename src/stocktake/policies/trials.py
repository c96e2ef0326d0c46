"""Try rules without an estate: each against the schema of its type as derived, and its own two examples."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.insights.held import sql_type_of
from stocktake.insights.sql_text import quoted, text
from stocktake.policies.judging import TypeJudging, held_as_searched
from stocktake.policies.statement import FAIL, PASS
from stocktake.providers.aws.models import open_models
from stocktake.query.connection import open_reading
from stocktake.resource_types.registry import load_type
from stocktake.store.catalog import open_catalog
from stocktake.store.resource_rows import members_of, page_type_of
from stocktake.store.type_tables import ensure_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from stocktake.policies.rules import Pack, Rule
    from stocktake.store.catalog import Catalog
    from stocktake.store.resource_rows import HeldType

_OWN = {"_id": "VARCHAR", "_region": "VARCHAR", "_created": "TIMESTAMP", "_from": "TIMESTAMP"}
_LIST = "UNORDERED_LIST_"
_VERDICTS = {PASS: "keeps it", FAIL: "breaks it", 2: "cannot be judged", 3: "is not what it is about"}


@dataclass(frozen=True, slots=True)
class Trial:
    """What trying a rule came to."""

    rule: Rule
    outcome: str
    """ok; else what is wrong."""
    examples: int


def try_rules(
    packs: Sequence[Pack], rules: Iterable[Rule], now: datetime, models: Path | None = None
) -> Iterator[Trial]:
    """Yield a trial of each rule, in tables of their types that hold nothing.

    Raises: UserError for a type that is none.
    """
    by_type: dict[str, list[Rule]] = {}
    for rule in rules:
        by_type.setdefault(rule.type, []).append(rule)
    needed = {name for some in by_type.values() for rule in some for name in (rule.type, *rule.needs)}
    lets = {pack.name: pack.lets for pack in packs}
    known = open_models(models)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.duckdb"
        with open_catalog(path) as catalog:
            for name in sorted(needed):
                ensure_tables(catalog, load_type(name, known), now)
        with open_reading(path) as catalog:
            held = held_as_searched(catalog)
            for some in by_type.values():
                for rule in some:
                    yield _try(catalog, held[load_type(rule.type, known).name], rule, lets, now)


def _try(catalog: Catalog, held: HeldType, rule: Rule, lets: Mapping[str, Mapping[str, str]], now: datetime) -> Trial:
    examples = [(said, want) for said, want in ((rule.bad, FAIL), (rule.good, PASS)) if said is not None]
    scopes = dict.fromkeys(rule.needs, ())
    try:
        # As one of a file, so that what does not bind is told.
        judging = TypeJudging(catalog, held, [rule], lets, (), now, scopes, of_history=rule.scope == "history")
        judging.drop_what_does_not_bind()
        for said, want in examples:
            judging = TypeJudging(catalog, held, [rule], lets, (), now, scopes, rows=_row_sql(held, said))
            [(verdict,)] = judging.ask(lambda _: "SELECT _v1 FROM _judged")
            if verdict != want:
                which = "bad" if want == FAIL else "good"
                return Trial(rule, f"its {which} example {_VERDICTS[int(verdict)]}", len(examples))
    except UserError as error:
        return Trial(rule, error.message, len(examples))
    return Trial(rule, "ok", len(examples))


def _row_sql(held: HeldType, given: Mapping[str, object]) -> str:
    """Return a row with these fields, as JSON that the database casts to the columns' types."""
    unknown = sorted(set(given) - set(held.schema))
    if unknown:
        hint = f"`stocktake schema {held.name}` shows its fields."
        raise UserError(
            f"{held.name} has no field {unknown[0]!r}", code="policy_condition", hint=hint, where=unknown[0]
        )
    own = dict.fromkeys(_OWN) | {"_id": "example", "_region": "us-east-1"}
    row = own | {name: _whole(entry, given.get(name)) for name, entry in held.schema.items()}
    row["account_id"] = given.get("account_id", "111122223333")
    types = _OWN | {name: sql_type_of(entry) for name, entry in held.schema.items()}
    members = ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items())
    stated = text(json.dumps(row, default=str))
    return f"SELECT unnest(CAST(CAST({stated} AS JSON) AS STRUCT({members})))"


def _whole(entry: object, value: Any) -> Any:  # noqa: ANN401 - any value that TOML has
    """Return a value with all members that its type has, as the cast demands."""
    kind, members = page_type_of(entry), members_of(entry)
    if value is None or not members:
        return value
    if kind.startswith(_LIST):
        return [_whole([kind.removeprefix(_LIST), members], one) for one in value]
    unknown = sorted(set(value) - set(members))
    if unknown:
        raise UserError(
            f"an example has {unknown[0]!r}, which the field has not",
            code="policy_condition",
            hint=f"Its members: {', '.join(members)}.",
            where=unknown[0],
        )
    return {name: _whole(member, value.get(name)) for name, member in members.items()}
