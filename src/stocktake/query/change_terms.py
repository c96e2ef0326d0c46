"""The words of a search in changes: which of them came, changed or went, and in which field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.query.errors import SqlError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TERM = re.compile(r'(?P<minus>-)?(?:(?P<key>[A-Za-z_][\w.]*):)?(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]+)')
_COLUMNS = {"change": "change", "type": "type", "account_id": "account_id", "account": "account_id"}
_COLUMNS |= {"region": "region", "id": "id", "sweep": "CAST(sweep_id AS VARCHAR)"}


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a search: `-key:value`."""

    negated: bool
    key: str
    """'' for a free word."""
    value: str
    text: str
    """As it was written."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search comes to."""

    conditions: list[str]
    """Over `change_log`; all must hold."""
    values: dict[str, object]
    """Of their parameters."""
    of_resources: str
    """The words that the log knows nothing of: a search for resources."""


def read_search(search: str) -> Searched:
    """Return what a search asks of changes, and what of resources. Raises: SqlError where a quote is not closed."""
    conditions: list[str] = []
    values: dict[str, object] = {}
    others: list[str] = []
    for number, term in enumerate(parse_terms(search)):
        name = f"term_{number}"
        condition = _condition(term, f"${name}")
        if not condition:
            others.append(term.text)
            continue
        values[name] = _like(term.value)
        conditions.append(f"NOT coalesce({condition}, false)" if term.negated else condition)
    return Searched(conditions, values, " ".join(others))


def parse_terms(search: str) -> Iterator[Term]:
    """Yield the words of a search. Raises: SqlError where a quote is not closed."""
    at = 0
    while at < len(search):
        if search[at].isspace():
            at += 1
            continue
        found = _TERM.match(search, at)
        if found is None or (found.end() < len(search) and not search[found.end()].isspace()):
            raise _error(search, at, len(search) - at, "A quote is not closed", 'Write "two words" with both quotes.')
        value = found["value"]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        yield Term(bool(found["minus"]), found["key"] or "", value, found[0])
        at = found.end()


def _condition(term: Term, parameter: str) -> str:
    """Return a condition over `change_log`; '' where it has no such key."""
    like = f"ILIKE {parameter} ESCAPE '\\'"
    match key := term.key.lower():
        case "":
            return f"(id ILIKE '%' || {parameter} || '%' ESCAPE '\\' OR type {like})"
        case "changed":
            # A field, or anything inside of it.
            path = "regexp_replace(e.path, '\\[[^\\]]*\\]', '', 'g')"
            inside = f"{path} {like} OR {path} ILIKE {parameter} || '.%' ESCAPE '\\'"
            return f"list_bool_or([{inside} FOR e IN edits])"
        case "before" | "after":
            value = f"coalesce(json_extract_string(e.{key}, '$'), '')"
            return f"list_bool_or([{value} {like} FOR e IN edits])"
        case _ if key in _COLUMNS:
            return f"{_COLUMNS[key]} {like}"
        case _:
            return ""


def _like(value: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", value)
    return escaped.replace("*", "%").replace("?", "_")


def _error(search: str, at: int, length: int, message: str, hint: str) -> SqlError:
    excerpt = f"{search}\n{' ' * at}{'^' * max(1, length)}" if "\n" not in search else ""
    return SqlError(message, code="bad_search", hint=hint, where=f"column {at + 1}", excerpt=excerpt)
