"""One scope (account, region, type) from its list to its row in the ledger.

Three stages run at once, joined by bounded queues, so that memory does not grow with the estate: the list is read and
compared with what is held; what may have changed is read; what was read is written in batches.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import orjson

from stocktake.collect.answers import Answer, BrokenAnswerError
from stocktake.collect.parents import GAPS
from stocktake.core.errors import DataError, GoneError, ScopeError
from stocktake.core.progress import ScopeProgress
from stocktake.store.ledger import Aside
from stocktake.sync.buffers import Outcomes, WorkBuffer
from stocktake.sync.candidates import (
    Candidate,
    batched,
    candidate,
    created_at,
    item_summary,
    must_read,
    resource_type_filter,
    runs_on_unchanged,
    tag_texts,
)
from stocktake.sync.estimate import estimate_first_load
from stocktake.sync.strategies import (
    Strategy,
    held_item_columns,
    is_due,
    open_set_obstacle,
    reversed_order,
    tells_changes,
)
from stocktake.sync.writer import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from stocktake.collect.parents import Gap
    from stocktake.collect.type_reader import TypeReader
    from stocktake.core.progress import Progress
    from stocktake.store.ledger import Coverage
    from stocktake.store.open_rows import HeldItem
    from stocktake.store.versions import Held
    from stocktake.sync.estimate import Estimate
    from stocktake.sync.keeping import ScopeKeeping
    from stocktake.sync.strategies import ScopeMemory, ScopePlan

CHUNK = 4_000
"""List items compared with the catalog at once."""
BATCH = 2_000
"""Answers written at once."""
_FLUSH_SECONDS = 2.0
"""After that, what has come is written, enough or not, so that a crash loses little."""
_TAGS_AT_ONCE = 100
"""Resources that one call of the tagging API tells the tags of."""
_ROOM_ON_A_PAGE = 90
"""Of the hundred resources that a page of a list mostly has; the rest is for those that are new."""
WORTH_A_BULK_CALL = 5
"""From that many resources on, one call for all their tags is worth making."""
_ASIDE_HINT = "What came of them is kept aside: stocktake query 'FROM aside'. The next sync asks for them again."
_PROVEN_ABSENCES = 1_000
_INDEX_LAG = timedelta(minutes=15)
"""After that, what was tagged at its creation is known to the tagging API."""
_FAILURES_IN_A_ROW = 20
"""After that many resources in a row that could not be read, the scope is given up."""
T = TypeVar("T")


@dataclass(slots=True)
class ScopeRun:
    """Reads and writes one scope. Whatever happens, its coverage says what is known in the end."""

    reader: TypeReader
    keeping: ScopeKeeping
    coverage: Coverage
    executor: Executor
    """The catalog's own thread."""
    workers: int
    plan: ScopePlan
    memory: ScopeMemory
    now: Callable[[], datetime]
    progress: Progress
    _to_read: WorkBuffer[tuple[Candidate, ...]] = field(init=False)
    _outcomes: Outcomes = field(init=False)
    _list_complete: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _asked: int = field(default=0, init=False)
    _failed_in_a_row: int = field(default=0, init=False)
    _unread: int = field(default=0, init=False)
    _gone: int = field(default=0, init=False)
    _no_bulk_tags: bool = field(default=False, init=False)
    _bulk_knows_type: bool = field(default=False, init=False)
    _estimate: Estimate | None = field(default=None, init=False)
    _members: frozenset[str] | None = field(default=None, init=False)
    _listed_at: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)
    """The provider's time of the newest list page."""

    async def run(self) -> None:
        """Run the scope to its end; the coverage is then ready for the ledger."""
        self._to_read = WorkBuffer(CHUNK)
        self._outcomes = Outcomes(BATCH)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._list_then_tags())
            readers = [group.create_task(self._read()) for _ in range(self.workers)]
            group.create_task(self._end_after(readers))
            group.create_task(self._write())
        for name, problem in sorted(self.reader.facets.problems.items()):
            self.coverage.unknown_facets.add(name)
            self._explain(problem, f"{name} could not be read: {problem.message}")
        if self._unread and self.coverage.status == "complete":
            self.coverage.status = "partial"
            self.coverage.reason = self.coverage.reason or f"{self._unread} resources could not be read"
            self.coverage.hint = self.coverage.hint or _ASIDE_HINT
        if self._gone:
            self.coverage.reason = self.coverage.reason or f"{self._gone} of those listed did not exist when read"
        if self._list_complete and self.coverage.status == "complete" and self.keeping.may_hold:
            await self._in_catalog(self._conclude)
        if self.plan.strategy is Strategy.OPEN_SET:
            self.coverage.whole_at = self.memory.whole_at
        elif self.coverage.status == "complete":
            self.coverage.whole_at = self.coverage.started_at
        self.coverage.finished_at = self.now()
        self._report(done=True)

    def _conclude(self) -> None:
        """Everything that was asked for was listed and read: end what is not there, and remember how far it goes."""
        if self.plan.strategy is not Strategy.OPEN_SET:
            self._close_unseen()
        if self.coverage.status == "complete" and not open_set_obstacle(self.reader.type):
            newest = self.keeping.versions.newest_creation()
            before = self.memory.watermark
            self.coverage.watermark = newest if newest and (before is None or newest > before) else before

    def _close_unseen(self) -> None:
        """End what is no longer listed: everything was listed and read."""
        versions = self.keeping.versions
        if self.reader.refused and not self.reader.answered:
            # Nothing was listed, since there was nothing to list, or since the plan does not fit.
            self.coverage.reason = self.coverage.reason or f"every list was refused: {self.reader.refused[0]}"
            if versions.held_count():
                self.coverage.status = "partial"
            return
        self.coverage.deleted += versions.close_unseen(self.now())

    async def _list_then_tags(self) -> None:
        try:
            await self._expect()
            await self._list()
            for gap in self.reader.gaps:
                self.coverage.status = "partial"
                self._explain(gap, f"some could not be listed: {gap.message}")
            self._list_complete = not self.reader.gaps
            if self.plan.strategy is Strategy.OPEN_SET:
                await self._read_unsettled()
            else:
                await self._refresh_tags()
                await self._ask_for_unlisted()
        except (*GAPS, DataError) as error:
            self._gap(error)
        finally:
            self._to_read.close()

    async def _expect(self) -> None:
        """Before a first load, find out about how much it will be."""
        if self.plan.newest_first:
            self._estimate = await estimate_first_load(self.reader)
            self._report()

    async def _list(self) -> None:
        chunk: list[Candidate] = []
        async for page in self.reader.iter_pages(await self._list_arguments()):
            chunk += [candidate(self.reader.type, self.reader.scope, item, page.listing) for item in page.items]
            self.coverage.listed += len(page.items)
            self._listed_at = self.coverage.listed_at = page.server_time
            self._report()
            if len(chunk) >= CHUNK:
                await self._compare(chunk)
                chunk = []
        await self._compare(chunk)

    async def _list_arguments(self) -> dict[str, object]:
        kind, plan = self.reader.type, self.plan
        if plan.created_after is not None and kind.list_call.time_filter is not None:
            since = plan.created_after
            if tells_changes(kind) and self.keeping.may_hold:
                # The same page has room for what is open, and tells without a call each whether anything happened.
                known = await self._in_catalog(lambda: self.keeping.versions.since_for_open(_ROOM_ON_A_PAGE))
                since = min(since, known - timedelta(seconds=1)) if known is not None else since
            return {kind.list_call.time_filter.member: since}
        return (reversed_order(kind) or {}) if plan.newest_first else {}

    async def _read_unsettled(self) -> None:
        """Read again what is held, was not among the new ones, and may still change."""
        item = held_item_columns(self.reader.type)
        if not self.keeping.may_hold or item is None:
            return
        # The scope's versions are made in the catalog's own thread, like all that touches it.
        held = await self._in_catalog(lambda: self.keeping.versions.unsettled(item))
        await self._ask_for_held(held)

    async def _ask_for_unlisted(self) -> None:
        """Ask for what the list leaves out, so that its absence is proven and not only concluded.

        Of many, the newest: a list that is late, or that shifts while it is paged through, leaves out few.
        """
        if not self._list_complete or not self.keeping.may_hold or open_set_obstacle(self.reader.type):
            return
        item = held_item_columns(self.reader.type)
        if item is not None:
            held = await self._in_catalog(lambda: self.keeping.versions.unlisted(item, _PROVEN_ABSENCES))
            await self._ask_for_held(held)

    async def _ask_for_held(self, held: list[HeldItem]) -> None:
        self._asked += len(held)
        candidates = [
            Candidate(resource_id, orjson.loads(item), summary, keeps_tags=True) for resource_id, summary, item in held
        ]
        await self._to_read.put((one,) for one in candidates)

    async def _compare(self, chunk: list[Candidate]) -> None:
        if not chunk:
            return
        kind = self.reader.type
        if kind.list_call.loops or kind.list_call.parent:
            chunk = list({c.id: c for c in chunk}.values())  # several lists may name the same resource
        held = await self._in_catalog(self._held, [c.id for c in chunk])
        to_read = [c for c in chunk if self.plan.read_all or self._must_read(c, held.get(c.id))]
        if self.plan.strategy is Strategy.OPEN_SET:
            # Those of what is known are the reconcile's business.
            for one in to_read:
                one.asks_for_tags = one.id not in held
        chosen = {c.id for c in to_read}
        skipped = [None if c.id in chosen else c.as_text(kind) for c in chunk]
        await self._in_catalog(self.keeping.versions.saw, [c.id for c in chunk], skipped)
        self.coverage.unchanged += len(chunk) - len(to_read)
        await self._ask_for(to_read)

    def _must_read(self, one: Candidate, held: Held | None) -> bool:
        kind = self.reader.type
        may_wait = self.plan.strategy is Strategy.OPEN_SET and runs_on_unchanged(kind, one, held)
        created = created_at(kind, one.item) if may_wait else None
        if created is not None:
            return is_due(created, self.memory.looked_at, self._listed_at)
        return must_read(kind, one, held)

    def _held(self, ids: list[str]) -> dict[str, Held]:
        return self.keeping.versions.held(ids)

    async def _ask_for(self, candidates: list[Candidate]) -> None:
        self._asked += len(candidates)
        for group in batched(candidates, _TAGS_AT_ONCE):
            tags = await self._tags_in_bulk(tuple(one for one in group if one.asks_for_tags))
            for one in group:
                one.tags = tags.get(one.id)
            await self._to_read.put(self._together(group))

    def _together(self, group: tuple[Candidate, ...]) -> Iterator[tuple[Candidate, ...]]:
        """Yield what is read at once: mostly each resource alone."""
        size = self.reader.batch_size
        if size == 1:
            yield from ((one,) for one in group)
            return
        alike: dict[bytes, list[Candidate]] = {}
        for one in group:
            alike.setdefault(self.reader.batch_key(one.listing), []).append(one)
        for candidates in alike.values():
            yield from batched(candidates, size)

    async def _tags_in_bulk(self, group: tuple[Candidate, ...]) -> dict[str, tuple[str, ...]]:
        """Return the tags that one call tells of a group; for the others, their own calls are asked."""
        arns = [one.id for one in group if one.id.startswith("arn:")]
        if self.reader.type.tags_call is None or len(arns) < WORTH_A_BULK_CALL or self._no_bulk_tags:
            return {}
        try:
            told = {arn: tag_texts(tags) for arn, tags in (await self.reader.fetch_tags_of(arns)).items()}
        except GAPS:
            # Not allowed or not there: the service's own calls tell the same, only slower.
            self._no_bulk_tags = True
            return {}
        # Of what every region lists, it names only what belongs to the region asked: nothing follows from its silence.
        self._bulk_knows_type = self._bulk_knows_type or (bool(told) and self.reader.type.scope == "regional")
        if self._bulk_knows_type:
            # It names what was ever tagged. What it does not name has no tags, unless it is too new to be known there.
            asked = set(arns)
            told |= {one.id: () for one in group if one.id in asked and one.id not in told and self._is_old(one)}
        return told

    def _is_old(self, one: Candidate) -> bool:
        created = created_at(self.reader.type, one.item)
        return created is not None and self._listed_at - created >= _INDEX_LAG

    async def _refresh_tags(self) -> None:
        """Find tags that changed on resources that were not read again.

        The bulk call proposes, the resource's own call decides: silence may only mean that it does not know the type.
        """
        if self.reader.type.tags_call is None:
            self.coverage.tags_status = "none" if self.reader.type.inline_tags is None else "complete"
            return
        if not self.keeping.is_open:
            return
        versions = self.keeping.versions
        count, some_id = await self._in_catalog(versions.skipped)
        kind = resource_type_filter(some_id) if some_id else None
        if not count or kind is None:
            return
        told = 0
        pages: dict[str, tuple[str, ...]] = {}
        try:
            async for page in self.reader.iter_bulk_tags(kind):
                told += len(page)
                pages |= {arn: tag_texts(tags) for arn, tags in page.items()}
                if len(pages) >= CHUNK:
                    await self._read_again(await self._in_catalog(versions.differing_tags, pages))
                    pages = {}
        except ScopeError as error:
            self.coverage.tags_status = error.status
            self._explain(error, f"tags of {count} unchanged resources were not refreshed: {error.message}")
            return
        await self._read_again(await self._in_catalog(versions.differing_tags, pages))
        if told:
            await self._read_again(await self._in_catalog(versions.vanished_tags))
        else:
            # Nothing of this kind is known there: nothing follows from its silence.
            self.coverage.reason = self.coverage.reason or "the tagging API names no resource of this type"

    async def _read_again(self, found: list[tuple[str, str]]) -> None:
        candidates = [Candidate.from_text(i, text) for i, text in found]
        self.coverage.unchanged -= len(candidates)
        await self._ask_for(candidates)

    async def _read(self) -> None:
        while (group := await self._to_read.take()) is not None:
            if self._stopped:
                self._unread += len(group)
                continue
            try:
                if len(group) == 1:
                    fetched: Sequence[Fetched | GoneError | DataError] = (await self._fetch(group[0]),)
                else:
                    fetched = await self._fetch_together(group)
            except (GoneError, DataError) as error:
                await self._not_read(group[0], error)
            except GAPS as error:
                self._unread += len(group)
                self._failed_in_a_row += 1
                hopeless = not isinstance(error, ScopeError) or error.status == "denied"
                if hopeless or self._failed_in_a_row >= _FAILURES_IN_A_ROW:
                    self._gap(error)
                else:
                    self._explain(error, f"some resources could not be read: {error.message}")
            else:
                self._failed_in_a_row = 0
                for one, outcome in zip(group, fetched, strict=True):
                    if isinstance(outcome, Fetched):
                        await self._outcomes.put(outcome)
                    else:
                        await self._not_read(one, outcome)

    async def _not_read(self, one: Candidate, error: GoneError | DataError) -> None:
        if isinstance(error, GoneError):
            # That one which was not listed is gone was to be expected.
            self._gone += not one.keeps_tags
            await self._outcomes.put(one.id)
            return
        body = error.body if isinstance(error, BrokenAnswerError) else b""
        await self._outcomes.put(Aside(one.id, "", error.message, self.keeping.safe_text(body)))
        self._unread += 1

    async def _fetch(self, one: Candidate) -> Fetched:
        answer = await self.reader.fetch_document(one.item, one.listing)
        if one.keeps_tags:
            one.summary = item_summary(self.reader.resource(answer), self._item_members(), one.summary)
        tags = one.tags
        if tags is None and one.asks_for_tags and not one.keeps_tags and self._asks_for_tags:
            try:
                tags = tag_texts(await self.reader.fetch_tags(one.item, answer, one.listing))
            except (ScopeError, DataError, GoneError) as error:
                self._tags_unread(error)
        arn = self.reader.arn(one.item, answer, one.listing)
        return Fetched(one, answer.body, answer.server_time, tags, arn, answer.facets)

    def _item_members(self) -> frozenset[str]:
        if self._members is None:
            self._members = self.reader.item_members()
        return self._members

    async def _fetch_together(self, group: tuple[Candidate, ...]) -> list[Fetched | GoneError | DataError]:
        describe = self.reader.type.describe_call
        if describe is not None and describe.batch is not None:
            documents = await self.reader.fetch_documents([(one.item, one.listing) for one in group])
        else:
            documents = [await self._one_document(one) for one in group]
        read = [(one, answer) for one, answer in zip(group, documents, strict=True) if isinstance(answer, Answer)]
        tags = await self._tags_of_many(read)
        return [
            Fetched(
                one,
                answer.body,
                answer.server_time,
                tags.get(one.id),
                self.reader.arn(one.item, answer, one.listing),
                answer.facets,
            )
            if isinstance(answer, Answer)
            else answer
            for one, answer in zip(group, documents, strict=True)
        ]

    async def _one_document(self, one: Candidate) -> Answer | GoneError | DataError:
        try:
            return await self.reader.fetch_document(one.item, one.listing)
        except (GoneError, DataError) as error:
            return error

    async def _tags_of_many(self, read: list[tuple[Candidate, Answer]]) -> dict[str, tuple[str, ...]]:
        """Return id -> tags, as far as they could be read."""
        told = {one.id: one.tags for one, _ in read if one.tags is not None}
        call = self.reader.type.tags_call
        missing = [(one, answer) for one, answer in read if one.tags is None]
        if call is None or not missing or not self._asks_for_tags:
            return told
        try:
            if call.batch is not None:
                asked = [((one.item, one.listing), answer) for one, answer in missing]
                found = await self.reader.fetch_tags_of_many(asked)
            else:
                found = [await self.reader.fetch_tags(one.item, answer, one.listing) for one, answer in missing]
        except (ScopeError, DataError, GoneError) as error:
            self._tags_unread(error)
            return told
        for (one, _), tags in zip(missing, found, strict=True):
            if isinstance(tags, DataError):
                self._tags_unread(tags)
            else:
                told[one.id] = tag_texts(tags)
        return told

    @property
    def _asks_for_tags(self) -> bool:
        return self.reader.type.tags_call is not None and self.coverage.tags_status in {"complete", "partial"}

    def _tags_unread(self, error: ScopeError | DataError | GoneError) -> None:
        """Note that tags stay unknown; the resource is kept, even where the tags' own call does not find it."""
        self.coverage.tags_status = error.status if isinstance(error, ScopeError) else "partial"
        self._explain(error, f"tags could not be read: {error.message}")

    async def _end_after(self, readers: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(readers)
        self._outcomes.close()

    async def _write(self) -> None:
        while not self._outcomes.closed:
            await self._outcomes.filled(_FLUSH_SECONDS)
            await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        read, asides, gone = self._outcomes.take()
        if read:
            await self._in_catalog(self._write_batch, read)
        if asides:
            await self._in_catalog(self._set_aside, asides)
        if gone:
            await self._in_catalog(self._end_gone, gone)
        if read or asides or gone:
            self._report()

    def _end_gone(self, gone: list[str]) -> None:
        """End what was asked for and does not exist: the provider's own word, whatever the list says."""
        versions = self.keeping.versions
        versions.saw_gone(gone)
        self.coverage.deleted += versions.close_gone(gone, self.now())

    def _write_batch(self, batch: list[Fetched]) -> None:
        self.keeping.writer.write(batch)

    def _set_aside(self, asides: list[Aside]) -> None:
        self.keeping.writer.set_aside(asides)

    def _gap(self, error: Gap | DataError) -> None:
        """Give up the scope: nothing more is read, and nothing that is held is closed."""
        self._stopped = True
        self.coverage.status = error.status if isinstance(error, ScopeError) else "failed"
        if self.coverage.new or self.coverage.changed or self.coverage.read:
            self.coverage.status = "partial" if self.coverage.status == "failed" else self.coverage.status
        self.coverage.reason = ""
        self._explain(error, error.message)

    def _explain(self, error: Gap | DataError | GoneError, reason: str) -> None:
        """Note the first reason; later ones are mostly the same."""
        if not self.coverage.reason:
            self.coverage.reason = reason
            self.coverage.hint = error.hint
        if isinstance(error, ScopeError) and error.missing_permission:
            known = set(filter(None, self.coverage.missing_permission.split(", ")))
            self.coverage.missing_permission = ", ".join(sorted(known | {error.missing_permission}))

    async def _in_catalog(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *arguments)

    def _report(self, *, done: bool = False) -> None:
        c = self.coverage
        c.calls = self.reader.counts.total
        c.throttled_calls = self.reader.counts.throttles
        c.failed_calls = self.reader.counts.errors
        self.progress.update(
            ScopeProgress(
                account_id=c.account_id,
                region=c.region,
                type=c.type,
                listed=c.listed,
                read=c.read,
                to_read=self._asked,
                written=c.new + c.changed,
                calls=c.calls,
                aside=c.aside,
                expected=self._estimate.resources if self._estimate is not None and self._estimate.is_long else 0,
                expected_calls=self._estimate.calls if self._estimate is not None else 0,
                note=c.reason,
                done=done,
            )
        )
