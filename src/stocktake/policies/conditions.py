"""A rule's condition as SQL: true of what breaks it, false of what keeps it, null where an input is missing."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.insights.sql_text import quoted, text
from stocktake.policies.packs import version_list
from stocktake.query.covering import words_of
from stocktake.query.search.compiler import Compiler
from stocktake.query.search.knowledge import Knowledge
from stocktake.query.search.meaning import meaning_of
from stocktake.query.search.parser import parse
from stocktake.query.search.paths import whole
from stocktake.query.search.sources import Moment, TypeSource
from stocktake.query.search.syntax import And, IsSet, Node, Not, Or, terms
from stocktake.query.search.values import Parameters
from stocktake.store.resource_rows import HeldType, members_of, page_type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.policies.rules import Rule
    from stocktake.store.catalog import Catalog

ROW = "_h"
"""The alias of the rows in a statement."""
_LIST, _MAP = "UNORDERED_LIST_", "MAP_STRING_"
_COMPARISONS = {
    "equals": "=", "not_equals": "<>", "greater_than": ">", "less_than": "<", "at_least": ">=", "at_most": "<=",
}  # fmt: skip
OPERATORS = (
    *_COMPARISONS, "in", "not_in", "matches", "not_matches", "contains", "exists", "absent", "empty", "not_empty",
    "older_than_days", "newer_than_days",
)  # fmt: skip


class Conditions:
    """Makes conditions for the rules of one type, with the values that their statement takes."""

    def __init__(self, catalog: Catalog, held: HeldType, now: datetime) -> None:
        self._held = held
        self._now = now
        self._catalog = catalog
        self.parameters = Parameters()

    def sql(self, rule: Rule) -> str:
        """Return a rule's condition. Raises: UserError where the type cannot be judged so."""
        match rule.form:
            case "violates":
                return str(rule.condition)
            case "search":
                return self._search(rule)
            case "require":
                return self._require(rule)
            case "tags":
                return _tags_sql(rule.condition)
            case _:
                return self._versions(rule)

    def fields_of(self, rule: Rule) -> set[str]:
        """Return the type's fields that a rule looks at; some too many, if names of members are those of fields."""
        if rule.form == "tags":
            return {"tags"}
        said = f"{self.sql(rule)}, {rule.when}" if rule.when else self.sql(rule)
        return words_of(said) & set(self._held.schema)

    def _require(self, rule: Rule) -> str:
        stated = rule.condition
        is_any = isinstance(stated, dict)
        tests = [self._test(rule, one) for one in (stated["any"] if is_any else stated)]
        return f"NOT ({(' OR ' if is_any else ' AND ').join(tests)})"

    def _test(self, rule: Rule, stated: Mapping[str, Any]) -> str:
        operator, value = stated["operator"], stated.get("value")
        if operator not in OPERATORS:
            raise _unfit(rule, f"there is no operator {operator!r}", f"One of {', '.join(OPERATORS)}.")
        steps = str(stated["attribute"]).split(".")
        found = _at_path(ROW, ["STRUCT", self._held.schema], steps, operator, value, 0)
        if found is None:
            hint = f"`stocktake schema {rule.type}` shows its fields."
            raise _unfit(rule, f"{rule.type} has no field {stated['attribute']}", hint)
        match stated.get("missing"):
            case "pass":
                return f"coalesce({found}, true)"
            case "fail":
                return f"coalesce({found}, false)"
            case _:
                return f"({found})"

    def _versions(self, rule: Rule) -> str:
        stated = rule.condition
        value = stated.get("sql")
        if value is None:
            found = whole(self._held.schema, ROW, str(stated["attribute"]), self.parameters.add)
            if found is None:
                hint = f"`stocktake schema {rule.type}` shows its fields."
                raise _unfit(rule, f"{rule.type} has no field {stated['attribute']}", hint)
            value = found[1]
        whens = " ".join(
            f"WHEN {text(name)} THEN {'false' if ends is None else f'_now >= DATE {text(ends.isoformat())}'}"
            for name, ends in version_list(str(stated["list"]))
        )
        return f"CASE {value} {whens} END"

    def _search(self, rule: Rule) -> str:
        """Return a search as a condition. A field without a value makes it null where the outcome hangs on it."""
        node = parse(str(rule.condition))
        moment = Moment()
        compiler = Compiler(Knowledge(self._catalog.connection, moment), self.parameters, self._now)
        found = compiler.compile(node, TypeSource(self._held, moment, "resource_scopes"))
        if isinstance(found, bool):
            unfit = next(iter(compiler.unfit.values()), "it says the same of every resource of the type")
            raise _unfit(rule, unfit, "Name a field of the type, or a tag.")
        if "_s." in found or "_f." in found:
            hint = "Leave account, region and first_seen to `when`."
            raise _unfit(rule, "it asks for more than the resource itself", hint)
        missing = [sql for term in terms(node) for sql in self._missing(term.key, isinstance(term.test, IsSet))]
        if not missing:
            return found
        lacking = " OR ".join(dict.fromkeys(missing))
        if _has_not(node):
            return f"CASE WHEN {lacking} THEN NULL ELSE coalesce({found}, false) END"
        return f"CASE WHEN {found} THEN true WHEN {lacking} THEN NULL ELSE false END"

    def _missing(self, key: str | None, is_set_asked: bool) -> list[str]:
        if key is None:
            return []
        meaning = meaning_of(key)
        first = meaning.path.partition(".")[0]
        if is_set_asked or not meaning.path:
            return [f"{ROW}.tags IS NULL"] if meaning.common == "tags" else []
        found = whole(self._held.schema, ROW, meaning.path, self.parameters.add)
        if found is not None:
            return [f"{found[1]} IS NULL"]
        if first in self._held.schema:
            return [f"{ROW}.{quoted(first)} IS NULL"]
        return [f"{ROW}.tags IS NULL"] if "tags" in self._held.schema else []


def _has_not(node: Node) -> bool:
    match node:
        case Not():
            return True
        case And(parts) | Or(parts):
            return any(_has_not(part) for part in parts)
        case _:
            return False


def _at_path(value: str, entry: object, steps: list[str], operator: str, wanted: object, depth: int) -> str | None:
    """Return the test at a path; of a list on the way, each element has to pass."""
    kind = page_type_of(entry)
    if kind.startswith(_LIST) and steps:
        element: object = [kind.removeprefix(_LIST), members_of(entry)]
        inner = _at_path(f"_e{depth}", element, steps, operator, wanted, depth + 1)
        return inner and f"coalesce(list_bool_and(list_transform({value}, lambda _e{depth}: {inner})), {value} = [])"
    if not steps:
        return _operation(value, kind, operator, wanted)
    if kind.startswith(_MAP):
        return _operation(f"{value}[{text('.'.join(steps))}]", kind.removeprefix(_MAP), operator, wanted)
    member = members_of(entry).get(steps[0])
    if member is None:
        return None
    return _at_path(f"{value}.{quoted(steps[0])}", member, steps[1:], operator, wanted, depth)


def _operation(value: str, kind: str, operator: str, wanted: object) -> str:
    is_many = kind.startswith((_LIST, _MAP))
    match operator:
        case "exists":
            return f"{value} IS NOT NULL"
        case "absent":
            return f"{value} IS NULL"
        case "empty" | "not_empty":
            size = (
                f"len({value})"
                if kind.startswith(_LIST)
                else f"cardinality({value})"
                if is_many
                else f"length({value})"
            )
            return f"{size} {'=' if operator == 'empty' else '>'} 0"
        case "contains":
            return (
                f"list_contains({value}, {_literal(wanted)})" if is_many else f"contains({value}, {_literal(wanted)})"
            )
        case "in" | "not_in":
            options = wanted if isinstance(wanted, list) else [wanted]
            return f"{value} {'IN' if operator == 'in' else 'NOT IN'} ({', '.join(map(_literal, options))})"
        case "matches" | "not_matches":
            return f"{'' if operator == 'matches' else 'NOT '}regexp_matches({value}, {_literal(wanted)})"
        case "older_than_days" | "newer_than_days":
            sign = "<" if operator == "older_than_days" else ">="
            return f"{value} {sign} _now - to_days(CAST({_literal(wanted)} AS INTEGER))"
        case _:
            return f"{value} {_COMPARISONS[operator]} {_literal(wanted)}"


def _literal(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime():
            return f"TIMESTAMP {text(value.replace(tzinfo=None).isoformat(sep=' '))}"
        case date():
            return f"DATE {text(value.isoformat())}"
        case _:
            return text(str(value))


def _tags_sql(stated: Mapping[str, Any]) -> str:
    parts = [f"tag(tags, {text(str(key))}) IS NULL" for key in stated.get("required", ())]
    for key, values in stated.get("allowed", {}).items():
        listed = ", ".join(text(str(value)) for value in values)
        parts.append(f"coalesce(tag(tags, {text(key)}) NOT IN ({listed}), false)")
    return f"CASE WHEN tags IS NOT NULL THEN {' OR '.join(parts)} END"


def _unfit(rule: Rule, what: str, hint: str) -> UserError:
    return UserError(f"The rule {rule.id}: {what}", code="policy_condition", hint=hint, where=rule.id)
