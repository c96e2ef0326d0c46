"""A rule as a form states it: written as a file of rules, tried on what the catalog holds, fit to be kept."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.policies.judging import judge
from stocktake.policies.packs import pick_rules
from stocktake.policies.rules import SEVERITIES, parse_pack
from stocktake.policies.trials import try_rules
from stocktake.query.reach import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from stocktake.policies.judging import Report
    from stocktake.policies.rules import Pack
    from stocktake.query.reach import Reach
    from stocktake.store.catalog import Catalog

FORMS = ("tags", "require", "search", "violates")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_LISTS = frozenset({"in", "not_in"})
_VALUELESS = frozenset({"exists", "absent", "empty", "not_empty"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form says."""

    id: str = ""
    title: str = ""
    type: str = ""
    severity: str = "medium"
    why: str = ""
    remedy: str = ""
    form: str = "tags"
    """One of `FORMS`."""
    required: str = ""
    """tags: keys that have to be there, with commas between them."""
    allowed: str = ""
    """tags: `key: value, value`, a line each."""
    tests: tuple[tuple[str, str, str], ...] = ()
    """require: attribute, operator, value."""
    any_of: bool = False
    """require: one of the tests is enough."""
    search: str = ""
    violates: str = ""
    when: str = ""
    """SQL: which resources it is about."""
    owner: str = "team"


@dataclass(frozen=True, slots=True)
class DraftTrial:
    """What trying a draft came to."""

    text: str
    """The file of rules."""
    pack: Pack
    problem: str = ""
    """Why it is no rule; '' where it is one."""
    report: Report | None = None
    """What it says of what is held; None where it is no rule, or nothing of its type is held."""


def draft_text(draft: Draft) -> str:
    """Return the draft as a file of rules in TOML. Raises: UserError for what a rule cannot do without."""
    for label, value in (("id", draft.id), ("title", draft.title), ("type", draft.type)):
        if not value.strip():
            raise _bad(f"The policy has no {label}", "Fill it in.", label)
    if not _NAME.fullmatch(draft.id):
        raise _bad(f"{draft.id!r} is no id", "Take letters, digits, - and _; at most 100.", "id")
    if draft.severity not in SEVERITIES:
        raise _bad(f"{draft.severity!r} is no severity", f"One of {', '.join(SEVERITIES)}.", "severity")
    stated: dict[str, Any] = {
        "id": draft.id,
        "title": draft.title,
        "type": draft.type,
        "severity": draft.severity,
        "owner": draft.owner.strip() or "team",
    }
    if draft.when.strip():
        stated["when"] = draft.when.strip()
    stated |= {
        **_condition(draft),
        "why": draft.why.strip() or "It was decided so.",
        "remedy": draft.remedy.strip() or "Change the resource so that the policy holds.",
        "source": "made in the browser",
    }
    lines = "\n".join(f"{key} = {_toml(value)}" for key, value in stated.items())
    return f"[pack]\nname = {_toml(draft.id)}\ntitle = {_toml(draft.title)}\n\n[[rule]]\n{lines}\n"


def check_pack(name: str, text: str, others: Iterable[Pack], now: datetime) -> Pack:
    """Return a pack that may be kept beside others.

    Raises: UserError where it cannot be read, has a rule that another one has, or one that is no condition of its type.
    """
    pack = parse_pack(name, text, f"policy {name}")
    there = {rule.id for one in others if one.name != name for rule in one.rules}
    taken = next((rule.id for rule in pack.rules if rule.id in there), None)
    if taken is not None:
        raise _bad(f"There is a policy {taken} already", "Give it another id.", "id")
    wrong = next((one for one in try_rules([pack], pick_rules([pack]), now) if one.outcome != "ok"), None)
    if wrong is not None:
        raise _bad(f"{wrong.rule.id} is not as it should be: {wrong.outcome}", "docs/policies.md says what a rule is.")
    return pack


def try_draft(
    catalog: Catalog, draft: Draft, others: Iterable[Pack], now: datetime, *, reach: Reach = EVERYTHING
) -> DraftTrial:
    """Return what a draft would say of all that is held within reach. Nothing is kept.

    Raises: UserError for what cannot be written as a rule at all.
    """
    text = draft_text(draft)
    pack = parse_pack(draft.id, text, "the policy")
    try:
        check_pack(draft.id, text, others, now)
        report = judge(catalog, [pack], pack.rules, now, with_not_judged=True, reach=reach)
    except UserError as error:
        return DraftTrial(text, pack, problem=f"{error.message} {error.hint}".strip())
    why = report.cannot.get(draft.id, "")
    return DraftTrial(text, pack, problem=why, report=report if report.rules and not why else None)


def _condition(draft: Draft) -> dict[str, Any]:
    match draft.form:
        case "tags":
            return {"tags": _tags(draft)}
        case "require":
            tests = [_test(*one) for one in draft.tests if one[0].strip()]
            if not tests:
                raise _bad("The policy tests nothing", "Name an attribute, an operator and a value.", "attribute")
            return {"require": {"any": tests} if draft.any_of else tests}
        case "search" | "violates":
            said = draft.search if draft.form == "search" else draft.violates
            if not said.strip():
                raise _bad("The condition is empty", "Write what is true of a resource that breaks it.", draft.form)
            return {draft.form: said.strip()}
        case _:
            raise _bad(f"{draft.form!r} is no form of condition", f"One of {', '.join(FORMS)}.", "form")


def _tags(draft: Draft) -> dict[str, Any]:
    required = _words(draft.required)
    allowed: dict[str, list[str]] = {}
    for line in filter(str.strip, draft.allowed.splitlines()):
        key, colon, values = line.partition(":")
        if not (colon and key.strip() and _words(values)):
            raise _bad(f"{line.strip()!r} allows nothing", "Write a line for each tag: env: prod, dev.", "allowed")
        allowed[key.strip()] = _words(values)
    if not required and not allowed:
        raise _bad("The policy asks for no tag", "Name keys that have to be there, or values that are allowed.", "tags")
    return {name: value for name, value in (("required", required), ("allowed", allowed)) if value}


def _test(attribute: str, operator: str, value: str) -> dict[str, Any]:
    test: dict[str, Any] = {"attribute": attribute.strip(), "operator": operator}
    if operator in _VALUELESS:
        return test
    return test | {"value": [_value(one) for one in _words(value)] if operator in _LISTS else _value(value.strip())}


def _value(said: str) -> bool | int | float | str:
    """Return a value as it is meant: `true`, `443`, `0.5`, else text; "443" in quotes is text."""
    try:
        value = json.loads(said)
    except ValueError:
        return said
    return value if isinstance(value, bool | int | float | str) else said


def _words(said: str) -> list[str]:
    return [one.strip() for one in said.split(",") if one.strip()]


def _toml(value: Any) -> str:  # noqa: ANN401 - any value that a rule has
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's strings are TOML's, but for one character that TOML wants escaped too.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{_toml(key)} = {_toml(one)}' for key, one in value.items())}}}"
        case _:
            return json.dumps(value)


def _bad(message: str, hint: str, where: str = "") -> UserError:
    return UserError(message, code="bad_policy", hint=hint, where=where)
