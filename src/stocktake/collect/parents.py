"""The resources of parent types in one account and region: listed once, however many child types ask for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import CredentialsError, ScopeError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from stocktake.collect.answers import ListPage
    from stocktake.resource_types.spec import ResourceType

Gap = ScopeError | UnreachableError | CredentialsError
"""What leaves a list unread, wholly or in part."""
GAPS = (ScopeError, UnreachableError, CredentialsError)
_IN_MEMORY_BYTES = 1_000_000
_READ_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Parent:
    """A resource under which others are listed."""

    item: dict[str, Any] | str
    """Its list item, or as much of it as its children and its own calls need."""
    listing: dict[str, Any]
    """What it was listed with itself."""


@dataclass(slots=True)
class ParentList:
    """One parent type's resources, on disk where they are many."""

    members: frozenset[str] | None = None
    """Which members of the items are needed; None: all."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Gap | None = None
    gaps: list[Gap] = field(default_factory=list)
    """Why some are missing."""
    _file: SpooledTemporaryFile[bytes] = field(default_factory=lambda: SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115 - closed by `close`

    def begin(self) -> None:
        """Forget what was kept: the list is read from its beginning."""
        self._file.seek(0)
        self._file.truncate()

    def add(self, page: ListPage) -> None:
        """Keep a page."""
        lines = [orjson.dumps([self._needed(item), dict(page.listing)]) for item in page.items]
        self._file.seek(0, 2)
        self._file.writelines(line + b"\n" for line in lines)

    def end(self, failure: Gap | None = None, gaps: Iterable[Gap] = ()) -> None:
        """Let those who wait go on; what the first says stands."""
        if not self.ended.is_set():
            self.failure = failure
            self.gaps += gaps
            self.ended.set()

    def parents(self) -> Iterator[Parent]:
        """Yield what was kept; several may read at once."""
        position, rest = 0, b""
        while True:
            self._file.seek(position)
            read = self._file.read(_READ_BYTES)
            if not read:
                return
            position += len(read)
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                item, listing = orjson.loads(line)
                yield Parent(item, listing)

    def close(self) -> None:
        """Give disk and memory back."""
        self._file.close()

    def _needed(self, item: object) -> object:
        if self.members is None or not isinstance(item, dict):
            return item
        return {name: item[name] for name in self.members if name in item}


class ParentLists:
    """The lists of one account and region. A type that is synced itself brings its own (`record`)."""

    def __init__(
        self,
        load_type: Callable[[str], ResourceType],
        *,
        awaited: Iterable[str] = (),
        members: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.load_type = load_type
        self._members = members or {}
        self._lists: dict[str, ParentList] = {name: self._new(name) for name in awaited}
        self._awaited = frozenset(self._lists)

    def is_awaited(self, type_name: str) -> bool:
        """Say whether children of a type wait for its list."""
        return type_name in self._awaited

    def record(self, type_name: str) -> ParentList | None:
        """Return where a type's own reader keeps its list, from the first page on.

        None where no child waits for it, and where it is known already: the type is read for the second time.
        """
        if type_name not in self._awaited or self._lists[type_name].ended.is_set():
            return None
        self._lists[type_name].begin()
        return self._lists[type_name]

    def give_up(self, type_name: str) -> None:
        """Say that a type's own reader has ended: children must not wait any longer."""
        if type_name in self._awaited:
            self._lists[type_name].end(_unlisted())

    async def read(self, type_name: str, iter_pages: Callable[[], AsyncIterator[ListPage]]) -> ParentList:
        """Return a parent type's list once it is whole; whoever asks first, fills it by `iter_pages`.

        Raises: ScopeError, UnreachableError, CredentialsError where it could not be read.
        """
        found = self._lists.get(type_name)
        if found is None:
            found = self._lists[type_name] = self._new(type_name)
            try:
                async for page in iter_pages():
                    found.add(page)
                found.end()
            except GAPS as error:
                found.end(error)
            finally:
                found.end(_unlisted())
        await found.ended.wait()
        if found.failure is not None:
            raise found.failure
        return found

    def close(self) -> None:
        """Forget all lists."""
        for one in self._lists.values():
            one.close()

    def _new(self, type_name: str) -> ParentList:
        return ParentList(self._members.get(type_name))


def _unlisted() -> ScopeError:
    return ScopeError(
        "its sync ended before.",
        code="not_listed",
        status="failed",
        hint="The next sync tries again.",
    )


def needed_members(types: Iterable[ResourceType]) -> dict[str, frozenset[str]]:
    """Return parent type -> members of its list items that its children among the types bind."""
    known = {one.name: one for one in types}
    needed: dict[str, set[str]] = {}
    for one in known.values():
        parent = one.list_call.parent
        if parent is None:
            continue
        members = needed.setdefault(parent.type, set())
        members |= {path[0] for path in parent.bindings.values() if path}
        describe = known[parent.type].describe_call if parent.type in known else None
        if describe is not None:
            members |= {path[0] for path in describe.bindings.values() if path}
    return {name: frozenset(members) for name, members in needed.items() if name in known}
