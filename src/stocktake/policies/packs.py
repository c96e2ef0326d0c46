"""The packs that come with Stocktake, and those of files that are given."""

from __future__ import annotations

import tomllib
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError
from stocktake.policies.rules import SEVERITIES, parse_pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from stocktake.policies.rules import Pack, Rule


@cache
def own_packs() -> tuple[Pack, ...]:
    """Return the packs that come with Stocktake."""
    folder = files("stocktake.policies") / "packs"
    found = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)
    return tuple(
        parse_pack(one.name.removesuffix(".toml"), one.read_text("utf-8"), one.name, is_own=True) for one in found
    )


def read_packs(paths: Iterable[Path] = (), *, with_own: bool = True) -> tuple[Pack, ...]:
    """Return the packs of files, and of the files in folders, after our own.

    Raises: UserError where one cannot be read, is wrong, or says what another one says already.
    """
    packs = list(own_packs()) if with_own else []
    for path in paths:
        found = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
        if not found:
            raise UserError(f"{path} has no *.toml", code="bad_policy", hint="Name a file of rules.", where=str(path))
        packs += [_read(file) for file in found]
    seen: dict[str, str] = {}
    for rule in (rule for pack in packs for rule in pack.rules):
        if rule.id in seen:
            raise UserError(
                f"The packs {seen[rule.id]} and {rule.pack} both have a rule {rule.id}",
                code="bad_policy",
                hint="Rename one of them.",
                where=rule.id,
            )
        seen[rule.id] = rule.pack
    return tuple(packs)


def pick_rules(
    packs: Sequence[Pack],
    *,
    names: Sequence[str] = (),
    ids: Sequence[str] = (),
    types: Sequence[str] = (),
    severity: str = "info",
) -> list[Rule]:
    """Return the rules of packs by name, whose id matches one of `ids` (`*` stands for anything), of these types.

    Raises: UserError for a pack or an id that there is none of.
    """
    known = {pack.name for pack in packs}
    for name in names:
        if name not in known:
            hint = f"The packs are {', '.join(sorted(known))}."
            raise UserError(f"There is no pack {name!r}", code="unknown_policy", hint=hint, where=name)
    rules = [rule for pack in packs if not names or pack.name in names for rule in pack.rules]
    for pattern in ids:
        if not any(_fits(rule, pattern) for rule in rules):
            hint = "`stocktake policy list` lists them; * stands for anything."
            raise UserError(f"There is no rule {pattern!r}", code="unknown_policy", hint=hint, where=pattern)
    return [
        rule
        for rule in rules
        if (not ids or any(_fits(rule, pattern) for pattern in ids))
        and (not types or rule.type in types)
        and rule.rank >= SEVERITIES.index(severity)
    ]


@cache
def version_list(name: str) -> tuple[tuple[str, date | None], ...]:
    """Return the versions of a list, each with the day on which it ends; None where none is known.

    Raises: UserError where there is no such list.
    """
    file = files("stocktake.policies") / "lists" / f"{name}.toml"
    if not name.isidentifier() or not file.is_file():
        known = ", ".join(
            sorted(one.name.removesuffix(".toml") for one in (files("stocktake.policies") / "lists").iterdir())
        )
        raise UserError(f"There is no list of versions {name!r}", code="bad_policy", hint=f"There are: {known}.")
    stated = tomllib.loads(file.read_text("utf-8"))
    return tuple((str(value), ends if isinstance(ends, date) else None) for value, ends in stated["ends"].items())


def _fits(rule: Rule, pattern: str) -> bool:
    return fnmatchcase(rule.id.lower(), pattern.lower())


def _read(file: Path) -> Pack:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file} cannot be read: {error}", code="bad_policy", hint="Name a file of rules.", where=str(file)
        ) from error
    return parse_pack(file.stem, text, str(file))
