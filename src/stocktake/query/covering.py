"""Names that stand for a statement of their own, for the length of one: common tables, put before all others.

Nothing is defined in the catalog or in the connection, so that it works wherever a statement runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# They take no WITH before them, but one after.
_BEFORE_WITH = frozenset({"summarize", "describe", "desc", "explain", "analyze", "analyse"})
_QUERY_WORDS = frozenset({"select", "from", "with", "values", "table", "pivot", "unpivot", "("})


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark of a statement. Places are in bytes."""

    start: int
    end: int
    word: str
    """As it names something: lower case, without quotes."""


def cover_names(sql: str, statements: Mapping[str, str]) -> tuple[str, int]:
    """Return the statement with these names defined, and by how many bytes that moves what was given.

    Each may use those before it. One that the statement defines itself is left to it.
    """
    tokens = list(tokens_of(sql))
    own = {token.word for number, token in enumerate(tokens) if is_followed_by_as(tokens, number)}
    tables = [f"{quote(name)} AS NOT MATERIALIZED ({said})" for name, said in statements.items() if name not in own]
    if not tables:
        return sql, 0
    place, before, after = place_of_tables(tokens)
    added = f"{before} {', '.join(tables)}{after} ".encode()
    data = bytearray(sql.encode())
    data[place:place] = added
    return data.decode(), len(added)


def words_of(sql: str) -> set[str]:
    """Return every word of a statement, in lower case and without quotes."""
    return {token.word for token in tokens_of(sql)}


def tokens_of(sql: str) -> Iterator[Token]:
    """Yield the tokens of a statement, without comments."""
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
        yield Token(start, start + len((found[0] if found else text).encode()), word)


def is_followed_by_as(tokens: list[Token], number: int) -> bool:
    """Return whether a token is the name of a common table that is defined here."""
    words = [token.word for token in tokens[number + 1 : number + 5]]
    return words[:2] == ["as", "("] or (words[:1] == ["as"] and "materialized" in words[1:3] and "(" in words)


def place_of_tables(tokens: list[Token]) -> tuple[int, str, str]:
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
