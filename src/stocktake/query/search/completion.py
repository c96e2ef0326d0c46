"""What may be typed next in a search: keys, and values of a key among what the rest of the search finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.search.errors import SearchError
from stocktake.query.search.knowledge import Knowledge, read_schema
from stocktake.query.search.meaning import COMMON_KEYS, meaning_of
from stocktake.query.search.parser import split_key
from stocktake.query.search.paths import all_paths, plain
from stocktake.query.search.run import search
from stocktake.query.search.sources import Moment
from stocktake.query.search.syntax import Matches, Term, Wild, key_text, literal_text, to_text
from stocktake.query.within import within
from stocktake.store.catalog import translating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.query.search.facets import FacetCounts
    from stocktake.store.catalog import Catalog

_MOST = 20
_TIMES = (">now-1h", ">now-1d", ">now-7d", ">now-30d", "today", "yesterday")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What may stand in the place of what is being typed."""

    text: str
    """As it stands in a search, quotes and colon included."""
    kind: str
    """key, tag, field or value."""
    detail: str
    """What it is: a field's page type, how many resources have a value."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Suggestions for a part of a text, best first."""

    start: int
    end: int
    suggestions: tuple[Suggestion, ...]


def complete(catalog: Catalog, text: str, cursor: int | None = None, *, reach: Reach = EVERYTHING) -> Completion:
    """Return what may stand at a place in a search; at its end without a `cursor`.

    Never raises SearchError: a search that is being typed is half a search.
    """
    catalog = within(catalog, reach)
    end = len(text) if cursor is None else max(0, min(cursor, len(text)))
    start = _begin(text[:end])
    typed = text[start:end]
    found = split_key(typed)
    with translating(catalog.path):
        if found is None:
            return Completion(start, end, tuple(_keys(Knowledge(catalog.connection, Moment()), typed)))
        key, length = found
        rest = f"{text[:start].rstrip('-')} {text[end:]}"
        values = tuple(_values(catalog, rest, key, typed[length:]))
    return Completion(start + length, end, values)


def _begin(before: str) -> int:
    """Return where the condition begins that a text ends in."""
    start, is_quoted, at = 0, False, 0
    while at < len(before):
        char = before[at]
        if char == "\\":
            at += 1
        elif char == '"':
            is_quoted = not is_quoted
        elif not is_quoted and (char.isspace() or char in "()"):
            start = at + 1
        at += 1
    return start + (before[start : start + 1] == "-")


def _keys(knowledge: Knowledge, typed: str) -> Iterator[Suggestion]:
    wanted = plain(typed.strip('"').removeprefix("@"))
    fields: Counter[tuple[str, str]] = Counter()
    for one in knowledge.types:
        fields.update(pair for pair in _paths(one.schema_json) if wanted in plain(pair[0]))
    candidates = [Suggestion(f"{key}:", "key", "all resources") for key in dict.fromkeys(COMMON_KEYS)]
    candidates += [Suggestion(f"{key_text(key)}:", "tag", "tag") for key in sorted(knowledge.tag_columns)]
    taken = {one.text for one in candidates}
    for (path, kind), types in sorted(fields.items(), key=lambda item: (-item[1], item[0])):
        if f"{path}:" not in taken:
            taken.add(f"{path}:")
            candidates.append(Suggestion(f"{path}:", "field", f"{kind}, {types} type{'s' if types > 1 else ''}"))
    ranked = sorted(
        (rank, number)
        for number, one in enumerate(candidates)
        if (rank := _rank(plain(one.text.strip('":')), wanted)) is not None
    )
    for _, number in ranked[:_MOST]:
        yield candidates[number]


def _rank(name: str, wanted: str) -> int | None:
    """Return how well a name fits: 0 for one that begins so, 1 for a step of a path that does, 2 for a part."""
    if name.startswith(wanted):
        return 0
    if f".{wanted}" in name:
        return 1
    return 2 if wanted in name else None


@lru_cache(maxsize=4_096)
def _paths(schema_json: str) -> tuple[tuple[str, str], ...]:
    return tuple(all_paths(read_schema(schema_json)))


def _is_time(knowledge: Knowledge, key: str) -> bool:
    """Return whether a key's values are times; there are too many of those to choose from."""
    meaning = meaning_of(key)
    wanted = plain(meaning.path)
    paths = [pair for one in knowledge.types_with(meaning.path) for pair in _paths(one.schema_json)] if wanted else []
    return meaning.kind == "TIMESTAMP" or any(kind == "TIMESTAMP" and plain(path) == wanted for path, kind in paths)


def _values(catalog: Catalog, rest: str, key: str, typed: str) -> Iterator[Suggestion]:
    if _is_time(Knowledge(catalog.connection, Moment()), key):
        yield from (Suggestion(text, "value", "time") for text in _TIMES if typed.strip('"') in text)
        return
    wanted = typed.strip('"').replace("*", "")
    parts = (Wild.ANY, wanted, Wild.ANY) if wanted else (Wild.ANY,)
    own = to_text(Term(key, Matches(parts)))
    counts: FacetCounts | None = None
    for whole in (f"{rest} {own}", own):
        try:
            [counts] = search(catalog, whole, facets=[key], limit=0, most_values=_MOST, half_typed=True).facets
        except SearchError:
            continue
        break
    if counts is None:
        return
    for one in counts.values:
        if one.value is not None and wanted.lower() in one.value.lower():
            yield Suggestion(literal_text(one.value), "value", f"{one.count:,}")
