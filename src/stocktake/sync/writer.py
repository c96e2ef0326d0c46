"""Answers of one scope into the catalog: fingerprint, compare, type, keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import pyarrow as pa

from stocktake.normalize.normalizer import INLINE_TAGS, ROW
from stocktake.store.ledger import Aside
from stocktake.store.versions import SERVER_TIME
from stocktake.sync.candidates import answer_fingerprint
from stocktake.sync.facet_keeping import facet_columns, keep_facets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from stocktake.collect.answers import FacetAnswers
    from stocktake.normalize.normalizer import Normalized, Normalizer
    from stocktake.normalize.redact import Redactor, Suspicion
    from stocktake.resource_types.spec import ResourceType
    from stocktake.store.ledger import Coverage, Ledger
    from stocktake.store.versions import Applied, Held
    from stocktake.sync.candidates import Candidate
    from stocktake.sync.facet_keeping import KeptFacets


@dataclass(slots=True)  # not frozen: there is one a call, and freezing doubles what making it costs
class Fetched:
    """A resource as it was read."""

    candidate: Candidate
    body: bytes
    server_time: datetime
    tags: tuple[str, ...] | None
    """None: not known (the call was denied); held tags then stay."""
    arn: str | None = None
    """Where it is made of what the document says."""
    facets: FacetAnswers | None = None
    """Of a type that is read by several calls."""


class KeptVersions(Protocol):
    """What a writer needs of a scope's versions."""

    def held(self, ids: Iterable[str]) -> dict[str, Held]:
        """Return what is held of these resources."""
        ...

    def apply(self, fresh: pa.Table, observed_at: datetime) -> Applied:
        """Close held versions and open fresh ones."""
        ...

    def confirm(self, ids: Sequence[str], summaries: Sequence[int], server_time: datetime) -> None:
        """Note that these are unchanged."""
        ...


@dataclass(slots=True)  # not frozen: there is one a call, and freezing doubles what making it costs
class _Row:
    fetched: Fetched
    tags: tuple[str, ...] | None
    hash: int
    suspicion: Suspicion
    facets: KeptFacets | None = None


class ScopeWriter:
    """Writes what one scope's readers bring. All its methods run in the catalog's own thread."""

    def __init__(
        self,
        resource_type: ResourceType,
        versions: KeptVersions,
        ledger: Ledger,
        coverage: Coverage,
        normalizer: Normalizer,
        redactor: Redactor,
        hash_key: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._type = resource_type
        self._versions = versions
        self._ledger = ledger
        self._normalizer = normalizer
        self._coverage = coverage
        self._redactor = redactor
        self._hash_key = hash_key
        self._now = now

    def write(self, batch: Sequence[Fetched]) -> None:
        """Keep a batch of answers: one transaction for those that changed, nothing for the others."""
        newest = {fetched.candidate.id: fetched for fetched in batch}
        held = self._versions.held(list(newest))
        changed: list[_Row] = []
        unchanged: list[Fetched] = []
        for row in self._rows(list(newest.values()), held):
            before = held.get(row.fetched.candidate.id)
            if before is not None and before.hash == row.hash:
                unchanged.append(row.fetched)
            else:
                changed.append(row)
        if unchanged:
            self._confirm(unchanged, held)
        if changed:
            self._keep(changed)
        self._coverage.read += len(newest)

    def set_aside(self, asides: Sequence[Aside]) -> None:
        """Keep what is no resource: whole answers that no retry made readable."""
        if asides:
            self._coverage.aside += len(asides)
            c = self._coverage
            self._ledger.write_asides(c.account_id, c.region, c.type, asides, self._ledger.moment(self._now()))

    def _rows(self, batch: list[Fetched], held: dict[str, Held]) -> Iterator[_Row]:
        suspicions = self._normalizer.sift([fetched.body for fetched in batch])
        for fetched, suspicion in zip(batch, suspicions, strict=True):
            before = held.get(fetched.candidate.id)
            tags = fetched.tags
            if tags is None and before is not None and self._type.tags_call is not None:
                tags = before.tags
            # A bare hash of an answer with a secret in it would let a reader of the catalog test guesses.
            key = self._hash_key if suspicion or fetched.facets else b""
            if fetched.facets is None:
                yield _Row(fetched, tags, answer_fingerprint(fetched.body, tags, key), suspicion)
                continue
            facets = keep_facets(fetched.facets, None if before is None else before.facets, key)
            told = fetched.facets.plain + facets.stamp
            yield _Row(fetched, tags, answer_fingerprint(told, tags, key), suspicion, facets)

    def _confirm(self, unchanged: list[Fetched], held: dict[str, Held]) -> None:
        self._coverage.unchanged += len(unchanged)
        news = [f for f in unchanged if not held[f.candidate.id].settled or self._summary_moved(f, held)]
        if news:
            self._versions.confirm(
                [f.candidate.id for f in news],
                [f.candidate.summary for f in news],
                min(f.server_time for f in news),
            )

    @staticmethod
    def _summary_moved(fetched: Fetched, held: dict[str, Held]) -> bool:
        return held[fetched.candidate.id].summary != fetched.candidate.summary

    def _keep(self, rows: list[_Row]) -> None:
        result = self._normalizer.normalize([row.fetched.body for row in rows], [row.suspicion for row in rows])
        if result.table.num_rows:
            applied = self._versions.apply(self._with_own_columns(result, rows), self._ledger.moment(self._now()))
            self._coverage.new += applied.new
            self._coverage.changed += applied.changed
            self._note_drift(result)
        asides = [Aside(rows[i].fetched.candidate.id, m.path, m.reason, m.value) for i, m in result.misfits]
        for i, reason in result.unreadable:
            asides.append(
                Aside(
                    rows[i].fetched.candidate.id,
                    "",
                    reason,
                    self._redactor.raw(rows[i].fetched.body.decode(errors="replace")),
                )
            )
        if result.unreadable:
            self._coverage.status = "partial"
            self._coverage.reason = "answers that are no resource were kept aside"
        self.set_aside(asides)

    def _with_own_columns(self, result: Normalized, rows: list[_Row]) -> pa.Table:
        table = result.table
        kept = [rows[int(str(index))] for index in table[ROW]]
        ids = [row.fetched.candidate.id for row in kept]
        columns: dict[str, Any] = {
            "account_id": pa.array([self._coverage.account_id] * len(kept), pa.string()),
            "_id": pa.array(ids, pa.string()),
            "_hash": pa.array([row.hash for row in kept], pa.uint64()),
            "_summary": pa.array([row.fetched.candidate.summary for row in kept], pa.uint64()),
            SERVER_TIME: pa.array([row.fetched.server_time.replace(tzinfo=None) for row in kept], pa.timestamp("us")),
        }
        if INLINE_TAGS in table.column_names:
            columns["tags"] = table[INLINE_TAGS]
            table = table.drop_columns([INLINE_TAGS])
        else:
            tags = [None if row.tags is None else list(row.tags) for row in kept]
            columns["tags"] = pa.array(tags, pa.list_(pa.string()))
        facets = [row.facets for row in kept if row.facets is not None]
        if facets:
            columns |= facet_columns(facets)
        for field in self._type.fields:
            if field.provider_name is None and field.name.endswith("_arn"):
                arns = [row.fetched.arn or _arn(row.fetched.candidate.id) for row in kept]
                columns[field.name] = pa.array(arns, pa.string())
        table = table.drop_columns([ROW])
        for name, column in columns.items():
            table = table.append_column(name, column)
        return table

    def _note_drift(self, result: Normalized) -> None:
        for text in result.table["_unknown"].to_pylist():
            if text is not None:
                self._coverage.drift.update(_paths(orjson.loads(text)))


def _arn(resource_id: str) -> str | None:
    return resource_id if resource_id.startswith("arn:") else None


def _paths(unknown: object, path: str = "") -> Iterator[str]:
    """Yield where unknown members are, list positions left out: `A.New`."""
    if not isinstance(unknown, dict) or not unknown:
        yield path
        return
    for name, below in unknown.items():
        step = path if name.isdigit() else f"{path}.{name}" if path else name
        yield from _paths(below, step)
