"""Listens to a queue of events, and reads again what they name.

A message is deleted when what it names is committed, or when there is nothing to read for it; until then it is kept
invisible, and it comes again where this process ends. Nothing depends on order or on seeing each event once: an event
only says *what* to read, never what is true of it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter, OrderedDict
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from stocktake.collect.answers import CallCounts, Scope
from stocktake.collect.session import CollectSettings, open_session
from stocktake.core.clock import SystemClock
from stocktake.core.errors import DataError, ScopeError, StocktakeError
from stocktake.events.burst import Burst
from stocktake.events.envelope import parse_event
from stocktake.events.queue import LONGEST_POLL_SECONDS, EventQueue, parse_queue_url
from stocktake.events.reading import Fate, NamedReader, Outcome
from stocktake.events.targets import Target, find_targets
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.sync.access import is_owner_lost
from stocktake.sync.accounts import open_accounts
from stocktake.sync.places import GLOBAL
from stocktake.sync.sweep import first_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stocktake.core.clock import Clock
    from stocktake.events.envelope import Event
    from stocktake.events.queue import Message
    from stocktake.resource_types.spec import ResourceType
    from stocktake.sync.accounts import Account
    from stocktake.sync.request import SyncRequest

_BATCH = 1_000
"""Messages in hand at once."""
_VISIBILITY_SECONDS = 120
_BURST_SECONDS = 30.0
"""What follows from what was read (relations, changes, the search table) waits no longer than that."""
_IDLE_SECONDS = 1
_CONSISTENT = timedelta(seconds=10)
"""An answer so much younger than an event shows what the event tells of, even where the provider is late."""
_REMEMBERED = 100_000
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 2, 900
_SCOPES_AT_ONCE = 16
_QUEUE_RETRY_SECONDS = 5.0
_REASONS_KEPT = 100


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """What to listen to, and what may be read for it."""

    queue: str
    """The queue's URL."""
    collect: SyncRequest
    """Catalog, accounts and limits, as of a sync; of its types and regions only those that are named."""
    queue_profile: str | None = None
    queue_region: str | None = None
    once: bool = False
    """End when the queue is empty."""
    most_messages: int | None = None


@dataclass(slots=True)
class ListenReport:
    """What listening came to so far."""

    messages: int = 0
    events: int = 0
    poison: int = 0
    """Messages that are no events; kept aside in the catalog."""
    ignored: int = 0
    """Events that name nothing that is followed."""
    coalesced: int = 0
    """Times a resource was named and needed no call of its own."""
    fates: Counter[Fate] = field(default_factory=Counter)
    new: int = 0
    changed: int = 0
    deleted: int = 0
    calls: int = 0
    seconds: float = 0.0
    left: Counter[str] = field(default_factory=Counter)
    """Reasons why resources were left to the next sync, or to later."""
    bursts: int = 0
    """How often relations, changes and the search table were brought up to date."""

    @property
    def exit_code(self) -> int:
        """0: everything that was named was read; 3: something was left to the next sync."""
        return 3 if self.poison or self.fates[Fate.LEFT] else 0


ScopeOfTargets = tuple[str, str, str]
"""Account, region, type."""


@dataclass(slots=True)
class _Wanted:
    """A target, and the messages that name it."""

    at: datetime | None
    messages: set[str]


def listen(
    request: ListenRequest,
    tell: Callable[[ListenReport], None],
    *,
    concluded: Callable[[], None] | None = None,
    clock: Clock | None = None,
    stop: asyncio.Event | None = None,
) -> ListenReport:
    """Listen until stopped, or until there is nothing more where that was asked for.

    `tell` gets the report after every batch; `concluded` is called when what was read can be searched.
    Raises: UserError, CredentialsError, UnreachableError; CatalogLockedError, CatalogAccessError, CatalogTooNewError.
    """
    listener = _Listener(request, tell, concluded, clock or SystemClock())
    try:
        return asyncio.run(listener.run(stop))
    except BaseExceptionGroup as group:
        raise first_error(group) from group


class _Listener:
    def __init__(
        self,
        request: ListenRequest,
        tell: Callable[[ListenReport], None],
        concluded: Callable[[], None] | None,
        clock: Clock,
    ) -> None:
        self._request = request
        self._tell = tell
        self._concluded = concluded
        self._clock = clock
        self._models = open_models(request.collect.models)
        self._types: dict[str, ResourceType] = {}
        self._accounts: dict[str, Account] = {}
        self._burst: Burst | None = None
        self._read_at: OrderedDict[Target, datetime] = OrderedDict()
        self.report = ListenReport()

    async def run(self, stop: asyncio.Event | None) -> ListenReport:
        started = time.monotonic()
        stop = stop or asyncio.Event()
        async with AsyncExitStack() as stack:
            _stop_on_signals(stop)
            queue = await self._open(stack)
            stopping = asyncio.create_task(stop.wait())
            try:
                while not stop.is_set() and not self._is_enough():
                    messages = await self._next(queue, stopping)
                    if messages is None:
                        continue
                    if not messages:
                        await self._conclude()
                        if self._request.once:
                            break
                        continue
                    await self._handle(queue, messages)
                    self.report.seconds = time.monotonic() - started
                    self._tell(self.report)
                    if self._burst is not None and self._burst.age_seconds > _BURST_SECONDS:
                        await self._conclude()
                await self._conclude()
            except BaseException:
                if self._burst is not None:
                    await self._burst.abandon()
                raise
            finally:
                stopping.cancel()
        self.report.seconds = time.monotonic() - started
        return self.report

    async def _open(self, stack: AsyncExitStack) -> EventQueue:
        address = parse_queue_url(self._request.queue)
        opened = await open_accounts(stack, self._request.collect)
        for gap in opened.gaps:
            self._note_left(f"{gap.account_id} cannot be entered: {gap.error.message}")
        self._accounts = {one.identity.account_id: one for one in opened.accounts}
        region = self._request.queue_region or address.region
        session = open_session(
            self._request.queue_profile or self._request.collect.profiles[0],
            region,
            address.endpoint_url,
            models=self._request.collect.models,
            settings=CollectSettings(read_timeout_seconds=LONGEST_POLL_SECONDS + 40.0),
        )
        await stack.enter_async_context(session)
        return EventQueue(session, address.url, _VISIBILITY_SECONDS)

    def _is_enough(self) -> bool:
        most = self._request.most_messages
        return most is not None and self.report.messages >= most

    async def _next(self, queue: EventQueue, stopping: asyncio.Task[bool]) -> list[Message] | None:
        """Return what came; [] where nothing did; None where the queue did not answer, or it is time to stop."""
        most = _BATCH
        if self._request.most_messages is not None:
            most = min(most, self._request.most_messages - self.report.messages)
        wait = _IDLE_SECONDS if self._burst is not None or self._request.once else LONGEST_POLL_SECONDS
        receiving = asyncio.create_task(queue.receive(wait, most))
        await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():
            receiving.cancel()
            with suppress(asyncio.CancelledError):
                await receiving
            return None
        try:
            return receiving.result()
        except ScopeError as error:
            # Without the queue only freshness is lost: the next sync finds what its events would have told.
            self._note_left(f"the queue did not answer: {error.message}")
            self._tell(self.report)
            await asyncio.wait({stopping}, timeout=_QUEUE_RETRY_SECONDS)
            return None

    # -- a batch ---------------------------------------------------------------------------------------------------

    async def _handle(self, queue: EventQueue, messages: list[Message]) -> None:
        hiding = asyncio.create_task(_keep_hidden(queue, messages))
        try:
            self._burst = self._burst or await Burst.open(self._request.collect, self._clock.now)
            wanted = await self._sort(messages)
            outcomes = await self._read_all(wanted)
        finally:
            hiding.cancel()
            with suppress(asyncio.CancelledError):
                await hiding
        waiting = {one for target, of in wanted.items() if outcomes[target].fate is Fate.LATER for one in of.messages}
        await queue.delete([one for one in messages if one.id not in waiting])
        await queue.hide([(one, _retry_seconds(one)) for one in messages if one.id in waiting])

    async def _sort(self, messages: list[Message]) -> dict[Target, _Wanted]:
        """Return what the messages name, each resource once, and keep aside what is no event."""
        burst = self._burst
        assert burst is not None  # noqa: S101 - opened before
        wanted: dict[Target, _Wanted] = {}
        poison: list[tuple[str, str, str]] = []
        named: list[tuple[Message, Event, list[Target]]] = []
        for message in messages:
            self.report.messages += 1
            try:
                event = parse_event(message.body)
            except DataError as error:
                poison.append((message.id, error.message, message.body))
                continue
            self.report.events += 1
            named.append((message, event, find_targets(event)))
        # What the catalog holds is surer than what an ARN looks like: subscriptions look like topics.
        held = await burst.held_types({one.arn for _, _, targets in named for one in targets if one.arn})
        for message, event, found in named:
            typed = [replace(one, type=held.get(one.arn, one.type)) for one in found]
            targets = [one for one in typed if await self._follows(one)]
            self.report.ignored += not targets
            for target in targets:
                self._want(wanted, target, event, message)
        if poison:
            self.report.poison += len(poison)
            await burst.set_aside(poison)
        return wanted

    def _want(self, wanted: dict[Target, _Wanted], target: Target, event: Event, message: Message) -> None:
        read_at = self._read_at.get(target)
        if read_at is not None and event.at is not None and event.at + _CONSISTENT < read_at:
            self.report.coalesced += 1
            return
        if target in wanted:
            self.report.coalesced += 1
            wanted[target].messages.add(message.id)
        else:
            wanted[target] = _Wanted(event.at, {message.id})

    async def _follows(self, target: Target) -> bool:
        """Say whether a target is to be read: by us, and where a sync has looked at its scope, or its type is named."""
        request, account = self._request.collect, self._accounts.get(target.account_id)
        burst = self._burst
        if account is None or burst is None or (request.regions and target.region not in request.regions):
            return False
        resource_type = self._type(target.type)
        if resource_type is None:
            return False
        return self._is_named(resource_type) or await burst.was_swept(self._scope(account, resource_type, target))

    def _is_named(self, resource_type: ResourceType) -> bool:
        return {resource_type.name, resource_type.service} & set(self._request.collect.types) != set()

    def _type(self, name: str) -> ResourceType | None:
        if name not in self._types:
            try:
                self._types[name] = load_type(name, self._models)
            except StocktakeError as error:
                self._note_left(error.message)
                return None
        return self._types[name]

    def _scope(self, account: Account, resource_type: ResourceType, target: Target) -> Scope:
        identity = account.identity
        asked = target.region or account.session.region
        region = GLOBAL if resource_type.scope == GLOBAL else asked
        return Scope(identity.account_id, identity.partition, region, resource_type.name, asked)

    async def _read_all(self, wanted: dict[Target, _Wanted]) -> dict[Target, Outcome]:
        scopes: dict[Scope, list[Target]] = {}
        for target in wanted:
            scope = self._scope(self._accounts[target.account_id], self._types[target.type], target)
            scopes.setdefault(scope, []).append(target)
        outcomes: dict[Target, Outcome] = {}
        at_once = asyncio.Semaphore(_SCOPES_AT_ONCE)

        async def read(scope: Scope, targets: Sequence[Target]) -> None:
            async with at_once:
                outcomes.update(await self._read_scope(scope, targets))

        async with asyncio.TaskGroup() as group:
            for scope, targets in scopes.items():
                group.create_task(read(scope, targets))
        for target, outcome in outcomes.items():
            self._note(target, outcome)
        return outcomes

    async def _read_scope(self, scope: Scope, targets: Sequence[Target]) -> dict[Target, Outcome]:
        burst = self._burst
        assert burst is not None  # noqa: S101 - opened before
        counts = CallCounts()
        resource_type = self._types[scope.type_name]
        while True:
            door = burst.access.door
            reader = NamedReader(self._accounts[scope.account_id].session, resource_type, scope, counts, burst.keeper)
            try:
                outcomes = await reader.read(targets)
            except Exception as error:
                # The owner of the catalog went away: what it committed is kept, and reading again is harmless.
                if not is_owner_lost(error):
                    raise
                await burst.access.rejoin(door)
                continue
            self.report.calls += counts.total
            self.report.new += reader.new
            self.report.changed += reader.changed
            self.report.deleted += reader.deleted
            return outcomes

    def _note(self, target: Target, outcome: Outcome) -> None:
        self.report.fates[outcome.fate] += 1
        if outcome.read_at is not None:
            self._read_at[target] = outcome.read_at
            self._read_at.move_to_end(target)
            if len(self._read_at) > _REMEMBERED:
                self._read_at.popitem(last=False)
        if outcome.fate in {Fate.LEFT, Fate.LATER}:
            self._note_left(f"{target.type}: {outcome.reason}")

    def _note_left(self, reason: str) -> None:
        if reason in self.report.left or len(self.report.left) < _REASONS_KEPT:
            self.report.left[reason] += 1

    async def _conclude(self) -> None:
        """Bring up to date what follows from what was read, and let go of the catalog."""
        if self._burst is None:
            return
        burst, self._burst = self._burst, None
        self.report.bursts += await burst.end(self.report.calls)
        if self._concluded is not None:
            await asyncio.to_thread(self._concluded)


async def _keep_hidden(queue: EventQueue, messages: Sequence[Message]) -> None:
    """Keep messages invisible for as long as they are worked on."""
    while True:
        await asyncio.sleep(queue.visibility_seconds / 2)
        with suppress(ScopeError):
            await queue.hide([(one, queue.visibility_seconds) for one in messages])


def _retry_seconds(message: Message) -> int:
    return int(min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(message.receives - 1, 10)))


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Let Ctrl-C and a service manager's word end the loop after the batch that is under way."""
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM"):
        with suppress(NotImplementedError, ValueError, RuntimeError):
            # Not in the main thread, or not on this system: then it ends as it always does.
            loop.add_signal_handler(getattr(signal, name), stop.set)
