"""What can be wrong with a question."""

from __future__ import annotations

from stocktake.core.errors import UserError


class SqlError(UserError):
    """A statement cannot be run; `excerpt` marks the place in it, on lines of their own, where one is known."""

    def __init__(self, message: str, *, code: str, hint: str = "", where: str = "", excerpt: str = "") -> None:
        super().__init__(message, code=code, hint=hint, where=where)
        self.excerpt = excerpt
