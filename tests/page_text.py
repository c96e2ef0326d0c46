"""A page as its readers have it: text without marks, links, and what must not be in any page of ours."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx


class PageText(HTMLParser):
    """Reads a page; `text` has its words, `links` where it leads, `rows` the cells of tables outside of dialogs."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.forbidden: list[str] = []
        self._cell: list[str] | None = None
        self._in_dialog = False
        self.feed(page)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def row(self, first: str) -> list[str]:
        """Return the cells of the first row whose first cell begins so."""
        return next(row for row in self.rows if row and row[0].startswith(first))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        # The content security policy would keep these from working.
        self.forbidden += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and not given.get("src"):
            self.forbidden.append("script")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag == "dialog":
            self._in_dialog = True
        if tag == "tr" and not self._in_dialog:
            self.rows.append([])
        if tag in {"td", "th"} and not self._in_dialog:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "dialog":
            self._in_dialog = False
        if tag in {"td", "th"} and self._cell is not None and self.rows:
            self.rows[-1].append(re.sub(r"\s+", " ", " ".join(self._cell)).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._cell is not None:
            self._cell.append(data)


def read(client: httpx.Client, path: str, status: int = 200, /, **parameters: str) -> PageText:
    """Ask for a page, and return it as its readers have it."""
    answer = client.get(path, params=parameters)
    assert answer.status_code == status, answer.text
    page = PageText(answer.text)
    assert page.forbidden == []
    return page
