"""A rule as its file states it, and the file read with everything wrong in it named."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEVERITIES = ("info", "low", "medium", "high", "critical")
"""From the least to the most severe."""
SCOPES = ("record", "join", "history")
CONDITIONS = ("violates", "search", "require", "tags", "versions")
_TEXTS = ("id", "title", "type", "severity", "why", "remedy", "source")
_OPTIONAL = ("kind", "owner", "scope", "when", "needs", "missing", "bad", "good", *CONDITIONS)
_ID_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """What must not be true of a resource of a type."""

    id: str
    title: str
    type: str
    severity: str
    why: str
    remedy: str
    source: str
    pack: str
    form: str
    """Which of `CONDITIONS` it is written as."""
    condition: Any
    kind: str = ""
    owner: str = "team"
    """The tag that names whose resource it is."""
    scope: str = "record"
    when: str = ""
    """SQL: which resources it is about; '' for all of the type."""
    needs: tuple[str, ...] = ()
    """Other types whose resources it looks at."""
    bad: Mapping[str, Any] | None = None
    """Fields of a resource that breaks it."""
    good: Mapping[str, Any] | None = None
    """Fields of a resource that keeps it."""

    @property
    def rank(self) -> int:
        """Return the severity as a number: the greater the more severe."""
        return SEVERITIES.index(self.severity)


@dataclass(frozen=True, slots=True)
class Pack:
    """Rules that belong together."""

    name: str
    title: str
    about: str
    rules: tuple[Rule, ...]
    lets: Mapping[str, str] = field(default_factory=dict)
    """Name -> SQL, which rules of the pack may use like columns; one may use those before it."""
    is_data_quality: bool = False
    """What it finds is data that cannot be: no fault of whoever has the resource."""
    is_own: bool = True
    """It comes with Stocktake."""


def parse_pack(name: str, text: str, where: str, *, is_own: bool = False) -> Pack:
    """Return the pack of a file.

    Raises: UserError, which names the rule and the key that is wrong.
    """
    try:
        stated = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(where, str(error), "It has to be TOML: docs/policies.md shows a whole file.") from error
    unknown = sorted(set(stated) - {"pack", "defaults", "let", "rule"})
    if unknown:
        raise _bad(where, f"there is no key {unknown[0]!r} in a file of rules", "pack, defaults, let and rule are.")
    head = stated.get("pack", {})
    defaults = stated.get("defaults", {})
    entries = stated.get("rule", [])
    if not isinstance(entries, list) or not entries:
        raise _bad(where, "it has no rule", "Each rule begins with [[rule]].")
    pack = str(head.get("name", name))
    rules = tuple(_rule(defaults | one, pack, f"{where}, rule {number}") for number, one in enumerate(entries, 1))
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise _bad(where, f"two rules have the id {rule.id}", "Give each its own.")
        seen.add(rule.id)
    return Pack(
        pack,
        str(head.get("title", pack)),
        str(head.get("about", "")),
        rules,
        {str(key): str(sql) for key, sql in stated.get("let", {}).items()},
        bool(head.get("data_quality", False)),
        is_own,
    )


def _rule(stated: dict[str, Any], pack: str, where: str) -> Rule:
    place = f"{where} ({stated['id']})" if isinstance(stated.get("id"), str) else where
    unknown = sorted(set(stated) - {*_TEXTS, *_OPTIONAL})
    if unknown:
        raise _bad(place, f"a rule has no key {unknown[0]!r}", f"Keys: {', '.join((*_TEXTS, *_OPTIONAL))}.")
    for key in _TEXTS:
        if not isinstance(stated.get(key), str) or not stated[key].strip():
            raise _bad(place, f"{key} is missing, or no text", f'Write {key} = "…".')
    for key in ("kind", "owner", "scope", "when", "violates", "search"):
        if key in stated and not isinstance(stated[key], str):
            raise _bad(place, f"{key} is no text", f'Write {key} = "…".')
    for key, known in (("severity", SEVERITIES), ("scope", SCOPES)):
        if stated.get(key, known[0]) not in known:
            raise _bad(place, f"{stated[key]!r} is no {key}", f"One of {', '.join(known)}.")
    if len(stated["id"]) > _ID_LENGTH or any(character.isspace() for character in stated["id"]):
        raise _bad(place, "the id is too long, or has a space", "Write letters, digits, - and .")
    forms = [form for form in CONDITIONS if form in stated]
    if len(forms) != 1:
        raise _bad(place, f"it has {len(forms)} conditions", f"Give exactly one of {', '.join(CONDITIONS)}.")
    needs = stated.get("needs", [])
    if not isinstance(needs, list):
        raise _bad(place, "needs is no list", 'Write needs = ["aws_iam_role"].')
    _CHECKS[forms[0]](stated[forms[0]], place)
    return Rule(
        **{key: stated[key] for key in _TEXTS},
        pack=pack, form=forms[0], condition=stated[forms[0]], kind=stated.get("kind", ""),
        owner=stated.get("owner", "team"), scope=stated.get("scope", "record"), when=stated.get("when", ""),
        needs=tuple(map(str, needs)), bad=stated.get("bad"), good=stated.get("good"),
    )  # fmt: skip


def _check_text(value: object, place: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _bad(place, "the condition is empty", "Write what is true of a resource that breaks the rule.")


def _check_require(value: object, place: str) -> None:
    tests = value.get("any") if isinstance(value, dict) else value
    if not isinstance(tests, list) or not tests or not all(isinstance(one, dict) for one in tests):
        hint = 'Write require = [{attribute = "encrypted", operator = "equals", value = true}].'
        raise _bad(place, "require is no list of tests", hint)
    for test in tests:
        missing = {"attribute", "operator"} - set(test)
        if missing or set(test) - {"attribute", "operator", "value", "missing"}:
            raise _bad(place, "a test has other keys", "They are attribute, operator, value and missing.")
        if test.get("missing", "not judged") not in {"not judged", "pass", "fail"}:
            raise _bad(place, f"{test['missing']!r} is no verdict", "Write not judged, pass or fail.")


def _check_tags(value: object, place: str) -> None:
    if (
        not isinstance(value, dict)
        or not value
        or set(value) - {"required", "allowed"}
        or not isinstance(value.get("required", []), list)
        or not all(isinstance(one, list) for one in value.get("allowed", {}).values())
    ):
        hint = 'Write tags = {required = ["team"], allowed = {env = ["prod", "dev"]}}.'
        raise _bad(place, "tags are not stated as they should", hint)


def _check_versions(value: object, place: str) -> None:
    if not isinstance(value, dict) or "list" not in value or not ({"attribute", "sql"} & set(value)):
        raise _bad(place, "versions has no list or no attribute", "docs/policies.md shows one.")


_CHECKS: dict[str, Callable[[object, str], None]] = {
    "violates": _check_text,
    "search": _check_text,
    "require": _check_require,
    "tags": _check_tags,
    "versions": _check_versions,
}


def _bad(where: str, what: str, hint: str) -> UserError:
    return UserError(f"{where}: {what}", code="bad_policy", hint=hint, where=where)
