"""How to ask for a resource elsewhere: as SQL, and on the command line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def resource_sql(type_name: str, key: str, moment: datetime | None = None) -> str:
    """Return a statement that selects a resource, as it is known now or was at a moment (UTC)."""
    table = type_name
    if moment is not None:
        table = f"{type_name}_as_of(TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}')"
    quoted = key.replace("'", "''")
    return f"SELECT * FROM {table} WHERE _id = '{quoted}'"  # noqa: S608 - shown to copy, and quoted


def resource_command(type_name: str, key: str, as_of: str = "") -> str:
    """Return a command that shows a resource."""
    words = ["stocktake", "show", key, "--type", type_name, *(["--as-of", as_of] if as_of else [])]
    return shlex.join(words)


def search_command(text: str, *, as_of: str = "", deleted: bool = False) -> str:
    """Return a command that searches."""
    words = ["stocktake", "search", text, *(["--as-of", as_of] if as_of else []), *(["--deleted"] if deleted else [])]
    return shlex.join(words)
