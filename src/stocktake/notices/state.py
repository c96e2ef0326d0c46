"""What was told already, and what is still to be told: a file beside the catalog, replaced whole at each step."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import CatalogAccessError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Waiting:
    """A message that one channel has not taken yet."""

    id: str
    """The same each time it is sent, so that whoever gets it twice can tell."""
    channel: str
    notice: str
    payload: dict[str, Any]
    attempts: int = 0
    problem: str = ""


@dataclass(slots=True)
class State:
    """What is remembered of a catalog's notices."""

    findings: dict[str, list[str]] = field(default_factory=dict)
    """Notice -> keys of findings that are open and told."""
    sweeps: dict[str, int] = field(default_factory=dict)
    """Notice -> the sweep up to which changes are told."""
    waiting: list[Waiting] = field(default_factory=list)


class StateFile:
    """The file, locked against others while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> State:
        """Return what is remembered; nothing, where nothing was ever told. Raises: UserError where it is damaged."""
        try:
            stated = orjson.loads(self._path.read_bytes())
            waiting = [Waiting(**one) for one in stated["waiting"]]
            return State(stated["findings"], stated["sweeps"], waiting)
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self._path} cannot be read: {error}",
                code="notices_damaged",
                hint="Remove it: then what is open now is not told, and telling begins with what comes next.",
                where=str(self._path),
            ) from error

    def write(self, state: State) -> None:
        """Replace what is remembered, in one step. Raises: CatalogAccessError."""
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                file.write(orjson.dumps(asdict(state)))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise CatalogAccessError(
                f"{self._path} cannot be written: {error.strerror or error}",
                code="cannot_write",
                hint="Messages may come twice, with the same id. Free space, or rights, and run it again.",
                where=str(self._path),
            ) from error


@contextmanager
def open_state(catalog: Path) -> Iterator[StateFile]:
    """Yield the file that remembers for a catalog. Raises: UserError where another process has it."""
    path = catalog.with_name(catalog.name + ".notices.json")
    with Path(f"{path}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                "Another process tells the notices of this catalog right now.",
                code="notices_busy",
                hint="Nothing is lost: what is new then is told by that one, or by the next.",
                where=str(path),
            ) from error
        yield StateFile(path)
