"""The tree of errors, classed by what happens next.

Every error carries the same four fields: a stable `code`, a `message` (what happened), a `hint` (what to do next)
and a `where` (which scope, file or field). A provider's own exceptions are translated into these once, in `collect`.
"""

from __future__ import annotations

from typing import ClassVar


class StocktakeError(Exception):
    """Anything that Stocktake itself says went wrong."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, code: str, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.where = where

    def __reduce__(self) -> tuple[object, ...]:
        # To another process and back: by its fields, since the arguments of a class may be others than its base's.
        return _restored, (type(self), self.args, dict(vars(self)))

    def as_dict(self) -> dict[str, str]:
        """Return the four fields, as the API and `-o json` show them."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "where": self.where}


def _restored(kind: type[StocktakeError], arguments: tuple[object, ...], fields: dict[str, object]) -> StocktakeError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    vars(error).update(fields)
    return error


class UserError(StocktakeError):
    """The request cannot be served as asked; the user changes it. Exit code 2."""

    exit_code = 2


class CredentialsError(UserError):
    """There are no credentials, or they are expired or refused. Exit code 4."""

    exit_code = 4


class UnreachableError(UserError):
    """The endpoint does not answer at all. Exit code 5."""

    exit_code = 5


class RetryableError(StocktakeError):
    """The same call may succeed later; whoever called waits and tries again."""


class ScopeError(StocktakeError):
    """One scope (account, region, type) cannot be read: recorded as a gap, and the run goes on.

    `status` is the word for the coverage ledger: denied, throttled, unsupported, failed.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, code: str, status: str, hint: str = "", where: str = "", missing_permission: str = ""
    ) -> None:
        super().__init__(message, code=code, hint=hint, where=where)
        self.status = status
        self.missing_permission = missing_permission


class GoneError(StocktakeError):
    """The provider says that this one resource does not exist (any more)."""


class DataError(StocktakeError):
    """An answer, or a part of it, is not what the model says; it is kept aside with its path."""


class FatalError(StocktakeError):
    """The run cannot go on; what was committed before stays. Exit code 1."""


class CatalogLockedError(FatalError):
    """Another process holds the catalog. Exit code 6."""

    exit_code = 6


class CatalogAccessError(FatalError):
    """The catalog cannot be read or written as asked (rights, disk, damage). Exit code 7."""

    exit_code = 7


class CatalogTooNewError(FatalError):
    """The catalog was written by a newer Stocktake (or database). Exit code 8."""

    exit_code = 8
