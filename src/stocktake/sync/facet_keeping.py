"""What is kept of a resource's facets: those that could not be read stay as held, and do not count as changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from stocktake.store.facet_columns import HASHES, KEPT, UNKNOWN
from stocktake.sync.candidates import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stocktake.collect.answers import FacetAnswers


@dataclass(frozen=True, slots=True)
class KeptFacets:
    """A resource's facets as a version of it has them."""

    hashes: Mapping[str, int]
    """Of the answers; of what could not be read, as held."""
    unknown: tuple[str, ...]
    """What neither this answer nor the held version knows."""
    kept: tuple[str, ...]
    """What only the held version knows."""

    @property
    def stamp(self) -> bytes:
        """Return what is to be told apart in a fingerprint."""
        return b"\x00" + orjson.dumps([dict(self.hashes), self.unknown], option=orjson.OPT_SORT_KEYS)


def keep_facets(answers: FacetAnswers, held: Mapping[str, int] | None, key: bytes) -> KeptFacets:
    """Return what is known of facets; `held` are the hashes of the held version."""
    before = held or {}
    hashes = {name: fingerprint(value, key) for name, value in answers.known.items()}
    kept = tuple(name for name in answers.unknown if name in before)
    unknown = tuple(name for name in answers.unknown if name not in before)
    return KeptFacets(hashes | {name: before[name] for name in kept}, unknown, kept)


def facet_columns(rows: Sequence[KeptFacets]) -> dict[str, pa.Array[Any]]:
    """Return the columns that the store takes with facets (see `store.facet_columns`)."""
    names = pa.list_(pa.string())
    return {
        HASHES: pa.array([list(row.hashes.items()) for row in rows], pa.map_(pa.string(), pa.uint64())),
        UNKNOWN: pa.array([list(row.unknown) for row in rows], names),
        KEPT: pa.array([list(row.kept) for row in rows], names),
    }
