"""Which resources somebody may see: by account and by type. What is out of reach is like what does not exist.

`within` makes a catalog hold to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OF_ALL_TYPES = "*"
"""The type of a row of the ledger that is about a whole account: within reach where the account is."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The accounts and the types whose resources may be seen; a resource has to be of one of each."""

    accounts: frozenset[str] | None = None
    """None: all."""
    types: tuple[str, ...] | None = None
    """None: all. In a name, `*` stands for anything: `aws_sagemaker_*`."""

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is out of reach."""
        return self.accounts is None and self.types is None

    def has_account(self, account_id: str) -> bool:
        """Return whether resources of an account may be seen."""
        return self.accounts is None or account_id in self.accounts

    def has_type(self, type_name: str) -> bool:
        """Return whether resources of a type may be seen."""
        return self.types is None or any(_pattern(one).fullmatch(type_name) for one in self.types)

    def has(self, account_id: str, type_name: str) -> bool:
        """Return whether resources of a type in an account may be seen."""
        return self.has_account(account_id) and self.has_type(type_name)

    def account_condition(self, column: str) -> str:
        """Return what holds of an account within reach, as SQL."""
        if self.accounts is None:
            return "true"
        return f"{column} IN ({', '.join(map(_text, sorted(self.accounts)))})" if self.accounts else "false"

    def type_condition(self, column: str) -> str:
        """Return what holds of a type within reach, as SQL; also of rows that are about all types."""
        if self.types is None:
            return "true"
        likes = [f"{column} LIKE {_text(_like(one))} ESCAPE '\\'" for one in self.types]
        return f"({' OR '.join([*likes, f'{column} = {_text(OF_ALL_TYPES)}'])})"

    def condition(self, account: str, type_column: str) -> str:
        """Return what holds of rows within reach, as SQL, from the columns of their account and type."""
        return f"({self.account_condition(account)} AND {self.type_condition(type_column)})"

    def as_dict(self) -> dict[str, list[str] | None]:
        """Return it as JSON has it."""
        return {
            "accounts": None if self.accounts is None else sorted(self.accounts),
            "types": None if self.types is None else list(self.types),
        }

    @classmethod
    def from_dict(cls, stated: Mapping[str, Iterable[str] | None]) -> Self:
        """Return what `as_dict` stated. Raises: KeyError for a part that is missing: it is not taken for `all`."""
        accounts, types = stated["accounts"], stated["types"]
        return cls(None if accounts is None else frozenset(accounts), None if types is None else tuple(types))


EVERYTHING = Reach()


@lru_cache(maxsize=1_024)
def _pattern(stated: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, stated.split("*"))), re.DOTALL)


def _like(stated: str) -> str:
    return "%".join(re.sub(r"([\\%_])", r"\\\1", part) for part in stated.split("*"))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
