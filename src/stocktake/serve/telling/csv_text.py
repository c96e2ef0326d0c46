"""CSV by RFC 4180, safe to open in a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.serve.telling.values import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

# A spreadsheet takes a cell that begins so for a formula, whoever wrote it into a tag or a description.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_QUOTED_FOR = frozenset(',"\r\n')


def csv_line(values: Iterable[object]) -> str:
    """Return one line. Null is an empty cell, an empty text is `""`; text that begins like a formula gets a `'`."""
    return ",".join(map(_cell, values)) + "\n"


def _cell(value: object) -> str:
    text = to_text(value)
    if isinstance(value, str):
        if not text:
            return '""'
        if text.startswith(_FORMULA_STARTS):
            text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED_FOR.intersection(text) else text
