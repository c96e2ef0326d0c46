"""Searches as people type them, read into a tree.

key:value   free words   "a phrase"   a OR b   (a b)   -a   NOT a   *part*   key:>5   key:[1 TO 5]   key:*
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.query.search.errors import SearchError
from stocktake.query.search.syntax import (
    Between,
    Compares,
    Everything,
    IsSet,
    Matches,
    Node,
    Not,
    Span,
    Term,
    Test,
    Wild,
    both,
    either,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 10_000
_DEEPEST = 50
_MOST_TERMS = 200
_KEYWORD = re.compile(r"(AND|OR|NOT)(?=[\s()]|$)")
_OPERATOR = re.compile(r">=|<=|>|<")
_TO = re.compile(r"\s+TO(?=[\s\]}]|$)")
_URL_OR_PORT = re.compile(r"//|:")
_NUMBER = re.compile(r"[\d.]+")


def parse(text: str, *, half_typed: bool = False) -> Node:
    """Return the search that a text states.

    `half_typed` ends what is not yet ended: for a search that runs while it is typed.
    Raises: SearchError, with the place.
    """
    if len(text) > LONGEST:
        raise SearchError(
            f"A search has at most {LONGEST:,} characters, and this one has {len(text):,}",
            code="search_too_long",
            text=text,
            position=LONGEST,
            hint="Search for less at a time, or ask in SQL: stocktake query.",
        )
    surrogate = next((place for place, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
    if surrogate is not None:
        raise SearchError(
            "There is half a character, which no text has",
            code="search_character",
            text=text.encode(errors="replace").decode(),
            position=surrogate,
            hint="Write the text again; it is no whole UTF-8.",
        )
    return _Parser(text, half_typed=half_typed).parse()


def split_key(text: str) -> tuple[str, int] | None:
    """Return the key that a half-typed condition begins with, and how long it is with its colon; None without one."""
    return _Parser(text, half_typed=True).begin()


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    span: Span
    """With its colon."""


class _Parser:
    def __init__(self, text: str, *, half_typed: bool) -> None:
        self._text = text
        self._at = 0
        self._half_typed = half_typed
        self._depth = 0
        self._terms = 0

    def parse(self) -> Node:
        self._skip_space()
        if self._is_end():
            return Everything()
        node = self._either(None)
        if not self._is_end():
            raise self._error(
                "There is no ( for this )", code="search_parenthesis", hint='Take it out, or quote it: ")".'
            )
        return node

    def begin(self) -> tuple[str, int] | None:
        """Return the key at the beginning, and where its value begins."""
        key = self._key()
        return None if key is None else (key.name, key.span.end)

    def _either(self, key: _Key | None) -> Node:
        parts = [self._both(key)]
        while self._takes_keyword("OR"):
            if self._ends_here():
                if self._half_typed:
                    break
                raise self._nothing_after("OR")
            parts.append(self._both(key))
        return either(parts)

    def _both(self, key: _Key | None) -> Node:
        parts: list[Node] = []
        while True:
            word = self._keyword()
            if self._ends_here() or (word == "OR" and parts):
                break
            if word in {"OR", "AND"}:
                if not self._half_typed and not (word == "AND" and parts):
                    raise self._error(
                        f"There is nothing before {word}",
                        code="search_operator",
                        length=len(word),
                        hint=f"Write a condition on both sides of {word}, or quote it to look for the word.",
                    )
                self._takes_keyword(word)
                if (self._ends_here() or self._keyword() in {"AND", "OR"}) and not self._half_typed:
                    raise self._nothing_after(word)
                continue
            parts.append(self._unary(key))
        return both(parts) if parts else Everything()

    def _unary(self, key: _Key | None) -> Node:
        start = self._at
        is_word = self._takes_keyword("NOT")
        if is_word or self._takes("-"):
            if (not is_word and self._at_space()) or self._ends_here() or self._keyword() in {"AND", "OR"}:
                if self._half_typed:
                    return Everything()
                raise self._nothing_after("NOT" if is_word else "-", start)
            with_parts = self._nested(lambda: self._unary(key))
            return Not(with_parts)
        if self._takes("("):
            return self._nested(lambda: self._group(key, start))
        return self._term(key)

    def _nested(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(
                f"Parentheses and negations go deeper than {_DEEPEST} levels",
                code="search_too_deep",
                hint="Take out those that are not needed.",
            )
        node = read()
        self._depth -= 1
        return node

    def _group(self, key: _Key | None, start: int) -> Node:
        self._skip_space()
        if self._is_end() and self._half_typed:
            return Everything()
        if self._peek() == ")":
            self._at += 1
            self._skip_space()
            if self._half_typed:
                return Everything()
            raise self._error(
                "There is nothing between the parentheses",
                code="search_parenthesis",
                at=start,
                length=self._at - start,
                hint="Write a condition in them, or take them out.",
            )
        node = self._either(key)
        if not self._takes(")") and not self._half_typed:
            raise self._error(
                "This ( is never closed", code="search_parenthesis", at=start, hint="Write the ) that belongs to it."
            )
        self._skip_space()
        return node

    def _term(self, key: _Key | None) -> Node:
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise self._error(
                f"A search has at most {_MOST_TERMS} conditions",
                code="search_too_long",
                hint="Search for less at a time, or ask in SQL: stocktake query.",
            )
        if key is None:
            found = self._key()
            if found is not None:
                return self._keyed(found)
        start = self._at
        test = self._test(with_key=key is not None)
        span = Span(start, self._at)
        self._skip_space()
        if key is None:
            return Everything() if isinstance(test, IsSet) else Term(None, test, span=span)
        return Term(key.name, test, key.span, span)

    def _keyed(self, key: _Key) -> Node:
        if self._ends_here() or self._at_space():
            if self._half_typed:
                self._skip_space()
                return Term(key.name, IsSet(), key.span, key.span)
            raise self._error(
                f"There is no value after {key.name}:",
                code="search_value",
                at=key.span.start,
                length=key.span.end - key.span.start,
                hint=f"Write {key.name}:value, {key.name}:* where it is set, -{key.name}:* where it is not.",
            )
        start = self._at
        if self._takes("("):
            return self._nested(lambda: self._group(key, start))
        test = self._test(with_key=True)
        term = Term(key.name, test, key.span, Span(start, self._at))
        self._skip_space()
        return term

    def _key(self) -> _Key | None:
        """Read a key and its colon, where there is one; else nothing."""
        start = self._at
        if self._peek() == '"':
            name, is_quoted = self._phrase(), True
        else:
            name, is_quoted = self._until(' ():"'), False
        if self._peek() == ":" and name and (is_quoted or self._is_key(name)):
            self._at += 1
            return _Key(name, Span(start, self._at))
        self._at = start
        return None

    def _is_key(self, name: str) -> bool:
        """Return whether what stands before a colon is a key, and not the beginning of an ARN, a URL or an address."""
        rest = self._text[self._at + 1 :]
        if name.lower() == "arn":
            return rest.lower().startswith("arn:") or rest[:1] in {"*", '"', "("}
        return not _URL_OR_PORT.match(rest) and not _NUMBER.fullmatch(name)

    def _test(self, *, with_key: bool) -> Test:
        if with_key:
            if self._peek() in {"[", "{"}:
                return self._range()
            operator = _OPERATOR.match(self._text, self._at)
            if operator:
                self._at = operator.end()
                return self._comparison(operator[0], operator.start())
        if self._peek() == '"':
            return Matches((self._phrase(),))
        parts = self._pattern()
        return IsSet() if parts == (Wild.ANY,) else Matches(parts)

    def _comparison(self, operator: str, start: int) -> Test:
        if self._peek() == '"':
            return Compares(operator, self._phrase())
        value = self._until(" ()")
        if not value:
            if self._half_typed:
                return IsSet()
            raise self._error(
                f"There is no value after {operator}",
                code="search_value",
                at=start,
                length=len(operator),
                hint=f"Write a number or a time after it: {operator}5, {operator}now-7d.",
            )
        return Compares(operator, value)

    def _range(self) -> Test:
        start = self._at
        with_low = self._text[start] == "["
        self._at += 1
        self._skip_space()
        low = self._bound()
        separator = _TO.match(self._text, self._at)
        if separator:
            self._at = separator.end()
            self._skip_space()
            high = self._bound()
            self._skip_space()
            close = self._peek()
            if close in {"]", "}"}:
                self._at += 1
                return Between(low, high, with_low, close == "]")
            if self._half_typed and self._is_end():
                return Between(low, high, with_low, with_high=True)
        elif self._half_typed:
            self._at = len(self._text)
            return Between(low, None, with_low, with_high=True)
        raise self._error(
            "This range has no end",
            code="search_range",
            at=start,
            length=self._at - start,
            hint="Write [1 TO 5]; {1 TO 5} without the ends themselves; [1 TO *] where one side is open.",
        )

    def _bound(self) -> str | None:
        if self._peek() == '"':
            return self._phrase()
        start = self._at
        value = self._until(" ()]}")
        return None if self._text[start : self._at] in {"*", ""} else value

    def _phrase(self) -> str:
        """Read a text in quotes."""
        start = self._at
        self._at += 1
        chars: list[str] = []
        while not self._is_end():
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return "".join(chars)
            chars.append(self._char())
        if not self._half_typed:
            raise self._error(
                "This quote is never closed",
                code="search_quote",
                at=start,
                hint='Write the " that belongs to it, or \\" to look for the character.',
            )
        return "".join(chars)

    def _until(self, ends: str) -> str:
        """Read up to one of some characters; a space stands for any."""
        chars: list[str] = []
        while not self._is_end():
            char = self._text[self._at]
            if char in ends or (char.isspace() and " " in ends):
                break
            chars.append(self._char())
        return "".join(chars)

    def _pattern(self) -> tuple[str | Wild, ...]:
        """Read a word; a backslash takes a character for itself."""
        parts: list[str | Wild] = []
        while not self._is_end():
            char = self._text[self._at]
            if char in "()" or char.isspace():
                break
            if char in "*?":
                self._at += 1
                if not (char == "*" and parts and parts[-1] is Wild.ANY):
                    parts.append(Wild(char))
                continue
            char = self._char()
            if parts and isinstance(parts[-1], str):
                parts[-1] += char
            elif char:
                parts.append(char)
        return tuple(parts) or ("",)

    def _char(self) -> str:
        """Read one character, or what a backslash stands before."""
        char = self._text[self._at]
        self._at += 1
        if char != "\\":
            return char
        if self._is_end():
            if self._half_typed:
                return ""
            raise self._error(
                "There is nothing after the backslash",
                code="search_escape",
                at=self._at - 1,
                hint="Write \\\\ to look for a backslash.",
            )
        self._at += 1
        return self._text[self._at - 1]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _is_end(self) -> bool:
        return self._at >= len(self._text)

    def _at_space(self) -> bool:
        return self._peek().isspace()

    def _ends_here(self) -> bool:
        return self._is_end() or self._peek() == ")"

    def _skip_space(self) -> None:
        while self._at_space():
            self._at += 1

    def _takes(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self._at += 1
        return True

    def _keyword(self) -> str:
        found = _KEYWORD.match(self._text, self._at)
        return found[1] if found else ""

    def _takes_keyword(self, word: str) -> bool:
        if self._keyword() != word:
            return False
        self._at += len(word)
        self._skip_space()
        return True

    def _nothing_after(self, word: str, start: int | None = None) -> SearchError:
        at = self._text.rindex(word, 0, self._at) if start is None else start
        return self._error(
            f"There is nothing after {word}",
            code="search_operator",
            at=at,
            length=len(word),
            hint=f'Write a condition after it, or quote it to look for the text: "{word}".',
        )

    def _error(self, message: str, *, code: str, hint: str, at: int | None = None, length: int = 1) -> SearchError:
        position = self._at if at is None else at
        return SearchError(
            message, code=code, text=self._text, position=position, end=position + max(1, length), hint=hint
        )
