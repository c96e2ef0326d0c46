"""What can be wrong with a search, and where in it."""

from __future__ import annotations

from stocktake.core.errors import UserError

_EXCERPT_WIDTH = 100


class SearchError(UserError):
    """A search cannot be run as written; `position` is where in its text, counted from 0, and `end` just after that."""

    def __init__(self, message: str, *, code: str, text: str, position: int, end: int = 0, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, where=f"character {position + 1}")
        self.position = position
        self.end = max(end, position + 1)
        self.excerpt = mark(text, position, self.end)


def mark(text: str, position: int, end: int) -> str:
    """Return the part of a text around a place, and under it a line with carets."""
    first = max(0, position - _EXCERPT_WIDTH // 2)
    shown = "".join(" " if char.isspace() else char for char in text[first : first + _EXCERPT_WIDTH])
    head = "..." if first else ""
    tail = "..." if first + _EXCERPT_WIDTH < len(text) else ""
    carets = "^" * max(1, min(end, first + len(shown)) - position)
    return f"{head}{shown}{tail}\n{' ' * (len(head) + position - first)}{carets}"
