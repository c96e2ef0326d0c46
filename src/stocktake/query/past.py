"""A statement about now, made to be about a moment: every table in it that has a past is read as it was then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from stocktake.store.catalog import run, translating
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stocktake.store.catalog import Catalog

_AS_OF = "_as_of"
# They take no WITH before them, but one after.
_BEFORE_WITH = frozenset({"summarize", "describe", "desc", "explain", "analyze", "analyse"})
_QUERY_WORDS = frozenset({"select", "from", "with", "values", "table", "pivot", "unpivot", "("})


@dataclass(frozen=True, slots=True)
class PastStatement:
    """A statement as it runs, and how far its text stands from where it was given."""

    sql: str
    shift: int
    """What to add to a place in it, in bytes, for the place in the text as it was given."""


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    word: str
    """As it names something: lower case, without quotes."""


def as_of_statement(catalog: Catalog, sql: str, moment: datetime) -> PastStatement:
    """Return the statement about a moment. What has no past (sweeps, coverage) is read as it is.

    Names are covered by common tables of the same name, so that errors still point into the given text.
    """
    at = f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"
    data = bytearray(sql.encode())
    tokens = list(_tokens(sql))
    known = {name: f"{quote(macro)}({at})" for name, macro in _known(catalog).items()}
    known["changes"] = f"main.changes WHERE changed_at <= {at}"
    # The statement may define common tables of such names itself.
    for number, token in enumerate(tokens):
        if _is_followed_by_as(tokens, number):
            known.pop(token.word, None)
    used: dict[str, str] = {}
    for number, token in enumerate(tokens):
        word = token.word
        if word in known:
            used[word] = known[word]
        elif number > 1 and tokens[number - 1].word == "." and (full := f"{tokens[number - 2].word}_{word}") in known:
            start = tokens[number - 2].start
            data[start : token.start] = b" " * (token.start - start)
            used[word] = known[full]
    if not used:
        return PastStatement(sql, 0)
    covered = ", ".join(f"{quote(name)} AS NOT MATERIALIZED (FROM {source})" for name, source in used.items())
    place, before, after = _place(tokens)
    added = f"{before} {covered}{after} ".encode()
    data[place:place] = added
    return PastStatement(data.decode(), -len(added))


def _known(catalog: Catalog) -> dict[str, str]:
    """Return the names that have a past, and the macro of each that tells it."""
    with translating(catalog.path):
        rows = run(
            catalog.connection,
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type = 'table_macro' AND NOT internal AND ends_with(function_name, '_as_of')",
        )
    return {str(name).removesuffix(_AS_OF).lower(): str(name) for (name,) in rows}


def _tokens(sql: str) -> Iterator[_Token]:
    data = sql.encode()
    found_tokens = duckdb.tokenize(sql)
    ends = [*(offset for offset, _ in found_tokens[1:]), len(data)]
    for (start, kind), following in zip(found_tokens, ends, strict=True):
        if kind == duckdb.token_type.comment:
            continue
        text = data[start:following].decode(errors="ignore")
        if text.startswith('"'):
            found = re.match(r'"(?:[^"]|"")*"', text)
            word = found[0][1:-1].replace('""', '"').lower() if found else text
        else:
            found = re.match(r"[\w$]+|.", text, re.DOTALL)
            word = found[0].lower() if found else text
        yield _Token(start, start + len((found[0] if found else text).encode()), word)


def _is_followed_by_as(tokens: list[_Token], number: int) -> bool:
    words = [token.word for token in tokens[number + 1 : number + 5]]
    return words[:2] == ["as", "("] or (words[:1] == ["as"] and "materialized" in words[1:3] and "(" in words)


def _place(tokens: list[_Token]) -> tuple[int, str, str]:
    """Return where the common tables go, what stands before them, and after."""
    words = [token.word for token in tokens]
    at = 0
    while at < len(words) and (words[at] in _BEFORE_WITH or words[at] == ";"):
        at += 1
        if words[at - 1] == "explain" and words[at : at + 1] == ["("]:
            at = words.index(")", at) + 1
    if at >= len(words):
        return tokens[-1].end, "WITH", " "
    if words[at] == "with":
        is_recursive = words[at + 1 : at + 2] == ["recursive"]
        return tokens[at + is_recursive].end, "", ","
    # SUMMARIZE and DESCRIBE take a bare name, too.
    return tokens[at].start, "WITH", "" if words[at] in _QUERY_WORDS else " FROM"
