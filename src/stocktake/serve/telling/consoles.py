"""The page of a resource in its provider's own console: a rule for all types, kept as data."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import quote


@cache
def _consoles() -> tuple[tuple[str, str, str], ...]:
    stated = tomllib.loads(Path(__file__).with_name("consoles.toml").read_text("utf-8"))
    return tuple((one["prefix"], one["name"], one["address"]) for one in stated["console"])


def console_of(arn: str) -> tuple[str, str] | None:
    """Return the console's name and the address there; None where the id is no ARN of a known one."""
    for prefix, name, address in _consoles():
        if arn.startswith(prefix):
            return name, address.replace("{arn}", quote(arn, safe=":/"))
    return None
