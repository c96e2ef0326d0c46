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
_KEYS = ("changed", "before", "after", *_COLUMNS)


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a search: `-key:value`."""

    negated: bool
    key: str
    """'' for a free word."""
    value: str
    position: int


def condition_sql(search: str) -> tuple[list[str], dict[str, object]]:
    """Return conditions over `change_log` that must all hold, and the values of their parameters.

    Raises: SqlError, pointing at the word that makes no sense.
    """
    conditions: list[str] = []
    values: dict[str, object] = {}
    for number, term in enumerate(parse_terms(search)):
        name = f"term_{number}"
        values[name] = _like(term.value)
        condition = _condition(search, term, f"${name}")
        conditions.append(f"NOT coalesce({condition}, false)" if term.negated else condition)
    return conditions, values


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
        yield Term(bool(found["minus"]), (found["key"] or "").lower(), value, at)
        at = found.end()


def _condition(search: str, term: Term, parameter: str) -> str:
    like = f"ILIKE {parameter} ESCAPE '\\'"
    if not term.key:
        return f"(id ILIKE '%' || {parameter} || '%' ESCAPE '\\' OR type {like})"
    if term.key == "changed":
        # A field, or anything inside of it.
        path = "regexp_replace(e.path, '\\[[^\\]]*\\]', '', 'g')"
        inside = f"{path} {like} OR {path} ILIKE {parameter} || '.%' ESCAPE '\\'"
        return f"list_bool_or([{inside} FOR e IN edits])"
    if term.key in {"before", "after"}:
        value = f"coalesce(json_extract_string(e.{term.key}, '$'), '')"
        return f"list_bool_or([{value} {like} FOR e IN edits])"
    if term.key in _COLUMNS:
        return f"{_COLUMNS[term.key]} {like}"
    raise _error(
        search,
        term.position,
        len(term.key) + (1 if term.negated else 0),
        f"Changes have no {term.key!r}",
        f"They have {', '.join(_KEYS)}; for a field that changed write changed:{term.key}",
    )


def _like(value: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", value)
    return escaped.replace("*", "%").replace("?", "_")


def _error(search: str, at: int, length: int, message: str, hint: str) -> SqlError:
    excerpt = f"{search}\n{' ' * at}{'^' * max(1, length)}" if "\n" not in search else ""
    return SqlError(message, code="bad_search", hint=hint, where=f"column {at + 1}", excerpt=excerpt)
