"""What one process has done to the catalog by another: the narrow door through which a second sync writes.

Everything that touches the catalog is a function that gets the catalog as an argument, or a method of an object that
such a function returned and that stays with the owner (`_STAY`). `Door.call` runs it: right here where the catalog is
open, or in the owner's process, in the thread where the owner's own steps run, one after another. What travels is
pickled, between processes that have proved to each other that they know the door's key (see `door`).
"""

from __future__ import annotations

import io
import itertools
import pickle
import threading
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import duckdb

import stocktake
from stocktake.core.errors import FatalError, StocktakeError
from stocktake.store.catalog import Catalog
from stocktake.store.door import Channel, owner_lost
from stocktake.store.shared_sweep import SharedSweep
from stocktake.store.versions import ScopeVersions

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from datetime import datetime
    from pathlib import Path

    from stocktake.store.owner import CatalogOwner

WRITE = "write"
"""The service's name at the door."""
_CALL, _DONE, _FAILED = 1, 2, 3
_STAY = (SharedSweep, ScopeVersions)
"""What stays with the owner: others hold a stand-in."""
_CATALOG = "catalog"
T = TypeVar("T")


class Door(Protocol):
    """A way to the catalog for whoever writes it. Used in one thread at a time, which a call may keep waiting."""

    @property
    def catalog(self) -> Catalog:
        """The catalog; elsewhere a stand-in that is only good as an argument of `call`."""
        ...

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function where the catalog is open. Raises what it raises, and OwnerLostError."""
        ...

    def leave(self) -> None:
        """End whatever others do here. Not in the thread of `call`, which they need for that."""
        ...

    def close(self) -> None:
        """Let go of the catalog; the last step in the thread of `call`."""
        ...


class HereDoor:
    """The catalog is open in this process."""

    def __init__(self, catalog: Catalog, owner: CatalogOwner) -> None:
        self.catalog = catalog
        self._owner = owner

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run the function."""
        return function(*arguments)

    def leave(self) -> None:
        """Let nobody in any more."""
        self._owner.close()

    def close(self) -> None:
        """Close the file, and let the next one have it."""
        try:
            # A question of another process that could not be stopped has the file still; it ends with this process.
            with suppress(duckdb.ResourceInUseException):
                self.catalog.close()
        finally:
            self._owner.release()


class ElsewhereDoor:
    """The catalog is open in another process."""

    def __init__(self, path: Path, channel: Channel) -> None:
        self.catalog: Catalog = _CatalogElsewhere(path)
        self._channel = channel
        self._lock = threading.Lock()
        self._stand_ins: dict[int, _StandIn] = {}

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Have the function run by the owner."""
        return cast(T, self.ask(function, arguments))

    def ask(self, function: object, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401 - what the function returns
        """Send what to do, wait, and return what came of it."""
        with self._lock:
            self._channel.send(_CALL, _dumped((function, arguments, self.catalog.moments.last), self._name))
            kind, body = self._channel.receive()
            value, last, numbers = _Unpickler(body, self._found).load()
        self.catalog.moments.reached(last)
        for number, sweep_id in numbers.items():
            self._stand_ins[number].sweep_id = sweep_id
        if kind == _FAILED:
            raise value
        return value

    def leave(self) -> None:
        """Nothing: nobody does anything here."""

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _name(self, value: object) -> object:
        if isinstance(value, Catalog):
            return _CATALOG
        if isinstance(value, _StandIn):
            return value.number
        return None

    def _found(self, name: object) -> object:
        if name == _CATALOG:
            return self.catalog
        kind, number = cast("tuple[str, int]", name)
        if number not in self._stand_ins:
            self._stand_ins[number] = (_SweepElsewhere if kind == SharedSweep.__name__ else _StandIn)(self, number)
        return self._stand_ins[number]


class _CatalogElsewhere(Catalog):
    """Stands for the catalog in what is sent to the owner, and knows what lies beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, cast(duckdb.DuckDBPyConnection, None), read_only=False)


class _StandIn:
    """Stands for an object that stays with the owner: its methods run there."""

    def __init__(self, door: ElsewhereDoor, number: int) -> None:
        self._door = door
        self.number = number
        self.sweep_id = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def method(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - what the method returns
            return self._door.ask(_Method(self, name), (arguments, named))

        return method


class _SweepElsewhere(_StandIn):
    """A sweep's ledger; what needs no catalog it does itself."""

    def moment(self, now: datetime) -> datetime:
        """Return a time for what is seen now, later than all before it."""
        return self._door.catalog.moments.next(now)


class _Method:
    """Names a method of an object that stays with the owner."""

    def __init__(self, target: object, name: str) -> None:
        self.target = target
        self.name = name


def serve_writer(owner: CatalogOwner, channel: Channel, version: str, thread: Executor) -> None:
    """Do what another process wants done to the catalog, in the owner's `thread`, until it leaves (OwnerLostError)."""
    session = _Session(owner.catalog)
    try:
        while not owner.closing.is_set():
            _, body = channel.receive()
            with owner.answering(channel, None):
                if version != stocktake.__version__:
                    answer: tuple[int, bytes | memoryview] = _FAILED, session.told(_other_version())
                else:
                    answer = thread.submit(session.do, body).result()
                channel.send(*answer)
    except RuntimeError as error:
        # The thread takes no more work: this process ends.
        raise owner_lost(owner.catalog.path, str(error)) from error
    finally:
        # What it did not finish is closed, in that thread, unless the catalog is closed already.
        with suppress(RuntimeError, StocktakeError, duckdb.Error):
            thread.submit(session.end).result()


class _Session:
    """What one visitor has at the owner's."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._next = itertools.count(1)

    def do(self, body: bytearray) -> tuple[int, bytes]:
        """Run one call; return how it went, ready to be sent."""
        try:
            function, arguments, last = _Unpickler(body, self._found).load()
            self._catalog.moments.reached(last)
            if isinstance(function, _Method):
                positional, named = arguments
                value = self._method(function.target, function.name)(*positional, **named)
                if function.name == SharedSweep.close_scope.__name__:
                    self._forget(positional[0])
            else:
                value = function(*arguments)
            return _DONE, self.told(value)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked, who raises it
            return _FAILED, self.told(error)

    def told(self, value: object) -> bytes:
        """Return a value as it travels, with what the other side should know by now."""
        if isinstance(value, Exception):
            value = _known(value)
        if isinstance(value, _STAY):
            number = self._numbers[id(value)] = next(self._next)
            self._kept[number] = value
        numbers = {number: kept.sweep_id for number, kept in self._kept.items() if isinstance(kept, SharedSweep)}
        return _dumped((value, self._catalog.moments.last, numbers), self._name)

    def _forget(self, value: object) -> None:
        del self._kept[self._numbers.pop(id(value))]

    def end(self) -> None:
        """Forget what the visitor left open."""
        for kept in list(self._kept.values()):
            if isinstance(kept, SharedSweep):
                kept.forget()

    def _method(self, target: object, name: str) -> Callable[..., object]:
        if not isinstance(target, _STAY) or name.startswith("_"):
            raise FatalError(f"Not to be called from another process: {name}", code="owner_failed")
        if isinstance(target, ScopeVersions):
            for kept in self._kept.values():
                if isinstance(kept, SharedSweep):
                    kept.check_scope(target)
        return cast("Callable[..., object]", getattr(target, name))

    def _name(self, value: object) -> object:
        if isinstance(value, Catalog):
            return _CATALOG
        if isinstance(value, _STAY):
            return type(value).__name__, self._numbers[id(value)]
        return None

    def _found(self, name: object) -> object:
        return self._catalog if name == _CATALOG else self._kept[cast(int, name)]


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, name: Callable[[object], object]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._name_of = name

    def persistent_id(self, value: object) -> object:
        return self._name_of(value)

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - as its parent says it
        """Send a view that cannot be written as what it shows."""
        return (dict, (dict(value),)) if isinstance(value, MappingProxyType) else NotImplemented


class _Unpickler(pickle.Unpickler):
    """Only for what came from somebody who knows the key."""

    def __init__(self, body: bytearray, found: Callable[[object], object]) -> None:
        super().__init__(io.BytesIO(body))
        self._found = found

    def persistent_load(self, name: object) -> object:
        return self._found(name)


def _dumped(value: object, name: Callable[[object], object]) -> bytes:
    file = io.BytesIO()
    _Pickler(file, name).dump(value)
    return file.getvalue()


def _known(error: Exception) -> Exception:
    """Return an error as it travels: ours and the driver's as they are, others as one of ours."""
    if isinstance(error, StocktakeError | duckdb.Error):
        return error
    return FatalError(
        f"The process that has the catalog open failed: {type(error).__name__}: {error}",
        code="owner_failed",
        hint="This is a bug in Stocktake: report it with what both processes print with --debug.",
    )


def _other_version() -> FatalError:
    return FatalError(
        f"The process that has the catalog open is Stocktake {stocktake.__version__}, another than this one",
        code="owner_version",
        hint="Wait until it is done, and use one version of Stocktake for one catalog.",
    )
