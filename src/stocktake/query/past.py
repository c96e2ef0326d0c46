"""A statement about now, made to be about a moment: every table in it that has a past is read as it was then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.query.covering import is_followed_by_as, place_of_tables, tokens_of
from stocktake.store.catalog import translating
from stocktake.store.type_tables import held_types, quote

if TYPE_CHECKING:
    from datetime import datetime

    from stocktake.store.catalog import Catalog

_AS_OF = "_as_of"


@dataclass(frozen=True, slots=True)
class PastStatement:
    """A statement as it runs, and how far its text stands from where it was given."""

    sql: str
    shift: int
    """What to add to a place in it, in bytes, for the place in the text as it was given."""


def as_of_statement(catalog: Catalog, sql: str, moment: datetime) -> PastStatement:
    """Return the statement about a moment. What has no past (sweeps, coverage) is read as it is.

    Names are covered by common tables of the same name, so that errors still point into the given text.
    """
    at = f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"
    data = bytearray(sql.encode())
    tokens = list(tokens_of(sql))
    known = {name: f"{quote(macro)}({at})" for name, macro in _known(catalog).items()}
    known["changes"] = f"main.changes WHERE changed_at <= {at}"
    # The statement may define common tables of such names itself.
    for number, token in enumerate(tokens):
        if is_followed_by_as(tokens, number):
            known.pop(token.word, None)
    used: dict[str, str] = {}
    for number, token in enumerate(tokens):
        word = token.word
        if word in known:
            used[word] = known[word]
        elif number > 1 and tokens[number - 1].word == "." and (full := f"{tokens[number - 2].word}_{word}") in known:
            start = tokens[number - 2].start
            data[start : token.start] = b" " * (token.start - start)
            used[word] = known[full]
    if not used:
        return PastStatement(sql, 0)
    covered = ", ".join(f"{quote(name)} AS NOT MATERIALIZED (FROM {source})" for name, source in used.items())
    place, before, after = place_of_tables(tokens)
    added = f"{before} {covered}{after} ".encode()
    data[place:place] = added
    return PastStatement(data.decode(), -len(added))


def _known(catalog: Catalog) -> dict[str, str]:
    """Return the names that have a past, and the macro of each that tells it."""
    with translating(catalog.path):
        # Not from duckdb_functions(): to list them takes longer than most questions.
        names = (*held_types(catalog), "relations", "resources")
    return {name.lower(): f"{name}{_AS_OF}" for name in names}
