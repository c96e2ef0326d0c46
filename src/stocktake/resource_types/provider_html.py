"""The provider's documentation HTML as text and lists, in Markdown's inline marks.

The provider writes loose HTML: unknown tags, unclosed ones and attributes that mean nothing are passed over, their
text is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_JOIN = "\0"
"""Stands where a note begins or ends: it vanishes together with the white space around it."""
_NOTES = frozenset({"note", "important", "warning", "caution", "tip"})
_PARAGRAPHS = frozenset({"p", "br", "div", "h1", "h2", "h3", "h4", "para", "tr", "td", "th", "pre"})
_LISTS = frozenset({"ul", "ol"})


@dataclass(slots=True)
class Bullets:
    """A list."""

    items: list[list[Part]] = field(default_factory=list)
    ordered: bool = False


@dataclass(slots=True)
class Definition:
    """A term and what is said of it."""

    term: str = ""
    parts: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Definitions:
    """A definition list."""

    entries: list[Definition] = field(default_factory=list)


Part = str | Bullets | Definitions
"""Text with inline marks, white space collapsed; or a block."""


def parse_html(documentation: str) -> list[Part]:
    """Return a documentation's text and blocks, in order."""
    if "<" not in documentation and "&" not in documentation:
        text = _inline(documentation)
        return [text] if text else []
    parser = _Parser()
    parser.feed(documentation)
    parser.close()
    return parser.finish()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._root: list[Part] = []
        self._containers: list[list[Part]] = [self._root]
        """Where parts go: the root, or the innermost list item or definition."""
        self._blocks: list[Bullets | Definitions] = []
        self._text: list[str] = []
        self._in_term = False
        """Between a term's beginning and what follows it: its end, or in broken text whatever comes."""
        self._marks: list[tuple[int, str]] = []
        """Open inline elements: where their text begins, and what closes them (a link's address, or '')."""

    def finish(self) -> list[Part]:
        """Return what was parsed."""
        self._flush()
        return self._root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _PARAGRAPHS:
            self._text.append(" ")
        elif tag in _NOTES:
            self._text.append(_JOIN)
        elif tag == "code":
            self._marks.append((len(self._text), ""))
        elif tag == "a":
            self._marks.append((len(self._text), dict(attrs).get("href") or _JOIN))
        elif tag in _LISTS or tag == "dl":
            self._open_block(Definitions() if tag == "dl" else Bullets(ordered=tag == "ol"))
        elif tag == "li":
            self._open_item()
        elif tag in {"dt", "dd"}:
            self._open_definition(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._text.append(" ")
        elif tag in _NOTES:
            self._text.append(_JOIN)
        elif tag in {"code", "a"}:
            self._close_mark(is_link=tag == "a")
        elif tag in _LISTS or tag == "dl":
            self._close_block()
        elif tag == "dt":
            self._close_term()

    def handle_data(self, data: str) -> None:
        self._text.append(data.replace(_JOIN, ""))

    def _close_mark(self, *, is_link: bool) -> None:
        at = next((n for n in range(len(self._marks) - 1, -1, -1) if bool(self._marks[n][1]) == is_link), None)
        if at is None:
            return
        start, address = self._marks.pop(at)
        raw = "".join(self._text[start:])
        text = raw.strip(f" \t\r\n{_JOIN}")
        if is_link and address != _JOIN and text:
            text = f"[{text}]({address})"
        elif not is_link and text:
            text = _code(text)
        before = " " if is_link and raw[:1].isspace() else ""
        after = " " if is_link and raw[-1:].isspace() else ""
        self._text[start:] = [f"{before}{text}{after}"]

    def _open_block(self, block: Bullets | Definitions) -> None:
        self._flush()
        container = self._containers[-1]
        outer = self._blocks[-1] if self._blocks else None
        if outer is not None and container and container[-1] is outer:
            # A list in none of another's items stands alone; the other is over, or never began.
            self._blocks.pop()
            if not (outer.items if isinstance(outer, Bullets) else outer.entries):
                container.pop()
        container.append(block)
        self._blocks.append(block)

    def _open_item(self) -> None:
        self._flush()
        if not self._blocks or not isinstance(self._blocks[-1], Bullets):
            self._open_block(Bullets())
        block = self._blocks[-1]
        assert isinstance(block, Bullets)  # noqa: S101 - opened just above where it was not
        self._leave_item()
        item: list[Part] = []
        block.items.append(item)
        self._containers.append(item)

    def _open_definition(self, tag: str) -> None:
        self._flush()
        if not self._blocks or not isinstance(self._blocks[-1], Definitions):
            self._open_block(Definitions())
        block = self._blocks[-1]
        assert isinstance(block, Definitions)  # noqa: S101 - opened just above where it was not
        self._leave_item()
        if tag == "dt" or not block.entries:
            block.entries.append(Definition())
        self._in_term = tag == "dt"
        if tag == "dd":
            self._containers.append(block.entries[-1].parts)

    def _close_term(self) -> None:
        if self._in_term:
            self._flush()

    def _close_block(self) -> None:
        if self._blocks:
            self._flush()
            self._leave_item()
            self._blocks.pop()

    def _leave_item(self) -> None:
        """Go back to where the innermost block stands."""
        depth = sum(1 for _ in self._blocks)
        del self._containers[max(depth, 1) :]

    def _flush(self) -> None:
        text = _inline("".join(self._text))
        block = self._blocks[-1] if self._blocks else None
        if self._in_term and isinstance(block, Definitions):
            block.entries[-1].term = text
        elif text:
            self._place(text, block)
        self._in_term = False
        self._reset()

    def _place(self, text: str, block: Bullets | Definitions | None) -> None:
        """Put text where it stands: in a list but in none of its items, it belongs to what comes before it."""
        container = self._containers[-1]
        if block is None or not container or container[-1] is not block:
            container.append(text)
        elif isinstance(block, Bullets) and block.items:
            block.items[-1].append(text)
        elif isinstance(block, Definitions) and block.entries:
            block.entries[-1].parts.append(text)
        else:
            container.insert(len(container) - 1, text)

    def _reset(self) -> None:
        self._text = []
        self._marks = []


def _code(text: str) -> str:
    """Return text in backticks; a link keeps working only around them."""
    link = re.fullmatch(r"\[([^\]]*)\]\(([^)]*)\)", text)
    return f"[`{link[1]}`]({link[2]})" if link else f"`{text}`"


def _inline(text: str) -> str:
    text = re.sub(rf"\s*{_JOIN}[\s{_JOIN}]*", "", text)
    return re.sub(r"\s+", " ", text).strip().replace("...", "…")
