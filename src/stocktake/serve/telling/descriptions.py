"""Text of the provider as HTML of our own: everything is escaped, and only what is known is marked up again."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from stocktake.resource_types.provider_html import Bullets, Definitions, parse_html

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.resource_types.provider_html import Part

_MARKS = re.compile(r"`(?P<code>[^`]+)`|\[(?P<label>[^\]]*)\]\((?P<address>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
_SAFE = re.compile(r"https?://[^\s]+", re.IGNORECASE)
"""Addresses that may become links: what a page could run or load is none of them."""


@lru_cache(maxsize=20_000)
def description_html(documentation: str) -> str:
    """Return the provider's documentation as HTML; '' where there is none."""
    return "".join(_parts(parse_html(documentation)))


def _parts(parts: Iterable[Part]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, str):
            yield f"<p>{inline_html(part)}</p>"
        elif isinstance(part, Bullets):
            tag = "ol" if part.ordered else "ul"
            yield f"<{tag}>"
            for item in part.items:
                yield f"<li>{''.join(_parts(item))}</li>"
            yield f"</{tag}>"
        elif isinstance(part, Definitions):
            yield "<dl>"
            for entry in part.entries:
                yield f"<dt>{inline_html(entry.term)}</dt><dd>{''.join(_parts(entry.parts))}</dd>"
            yield "</dl>"


def inline_html(text: str) -> str:
    """Return a line of Markdown's inline marks as HTML: code and links to http and https, nothing else."""
    pieces: list[str] = []
    at = 0
    for found in _MARKS.finditer(text):
        pieces.append(escape(text[at : found.start()]))
        at = found.end()
        if found["code"] is not None:
            pieces.append(f"<code>{escape(found['code'])}</code>")
        elif _SAFE.fullmatch(found["address"]):
            label = inline_html(found["label"]) if "[" not in found["label"] else escape(found["label"])
            pieces.append(f'<a href="{escape(found["address"])}" rel="noreferrer">{label}</a>')
        else:
            pieces.append(escape(found["label"]))
    pieces.append(escape(text[at:]))
    return "".join(pieces)
