"""Notes beside the provider's text where it is wrong: data, each with its source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Erratum:
    """What is right about a field."""

    type: str
    path: str
    note: str
    """With backticks around what is code."""
    source: str
    while_text_has: str = ""
    while_text_lacks: str = ""

    def holds(self, documentation: str) -> bool:
        """Return whether the provider's text is still wrong."""
        has = not self.while_text_has or self.while_text_has in documentation
        return has and not (self.while_text_lacks and self.while_text_lacks in documentation)


@cache
def errata() -> dict[tuple[str, str], Erratum]:
    """Return all notes, by type and dotted path."""
    stated = tomllib.loads(Path(__file__).with_name("errata.toml").read_text("utf-8"))
    return {(one.type, one.path): one for one in (Erratum(**entry) for entry in stated["note"])}


def erratum(type_name: str, path: str, documentation: str) -> Erratum | None:
    """Return the note on a field; None where its text is right, as far as is known."""
    found = errata().get((type_name, path))
    return found if found is not None and found.holds(documentation) else None
