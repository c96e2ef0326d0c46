"""The catalog file: open it, know its version, and say clearly why it cannot be opened."""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb
import orjson

from stocktake.core.errors import CatalogAccessError, CatalogLockedError, CatalogTooNewError, FatalError, UserError
from stocktake.store.migrations import FORMAT_VERSION, MIGRATIONS
from stocktake.store.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

# Readable by every DuckDB client since 1.4; see docs/decisions/0001.
STORAGE_VERSION = "v1.4.0"
_WRITER_MEGABYTES = 192
"""What the database of whoever writes may hold in memory; beyond that it uses a folder beside the file. Without a
limit it takes most of the machine's memory, as a catalog grows."""
_ANSWER_MEGABYTES = 2_000
"""What it may hold once somebody asks it something, too."""
_WRITER_THREADS = 4
"""More would each want their part of that memory."""
_POLL_SECONDS = 0.1
T = TypeVar("T")
_FULL = re.compile(r"No space left|Disk quota|File too large|disk full|Could not write", re.IGNORECASE)


class Catalog:
    """An open catalog. Close it soon: while one process has it open for writing, no other can open it."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        self.path = path
        self.connection = connection
        self.read_only = read_only
        self.moments = Moments()
        self._megabytes = _WRITER_MEGABYTES
        self.alone: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(enter_result=True)
        """Keeps readers in this process from the database for a moment, and says whether none is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was committed is on disk."""
        with translating(self.path):
            self.connection.close()

    def free_memory(self, above_bytes: int) -> None:
        """Where the database holds more, write what was committed into the file proper: until then it is in memory."""
        with translating(self.path):
            [(held,)] = run(self.connection, "SELECT coalesce(sum(memory_usage_bytes), 0) FROM duckdb_memory()")
        if held > above_bytes:
            self.checkpoint()

    def with_room(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; where the writer's memory does not do for it, give it more and begin it again.

        `work` keeps all of what it does, or nothing, or goes on where it was. Raises: the database's error where half
        of the machine's memory does not do either.
        """
        room = self._megabytes
        try:
            while True:
                try:
                    return work()
                except duckdb.OutOfMemoryException:
                    room *= 2
                    if room > _half_of_the_machine() or self.read_only:
                        raise
                    self._set_memory(room)
        finally:
            if room > self._megabytes:
                # It is not less than what is held at this moment that the database agrees to.
                with _ignoring_driver_errors():
                    self._set_memory(self._megabytes)

    def expect_questions(self) -> None:
        """Let the database of a writer take as much memory as questions of others may need, from now on."""
        room = min(_ANSWER_MEGABYTES, _half_of_the_machine())
        if self._megabytes < room and not self.read_only:
            self._megabytes = room
            self._set_memory(room)

    def _set_memory(self, megabytes: int) -> None:
        # By a cursor of its own: this may be called from another thread than the one that works.
        with self.connection.cursor() as cursor:
            run(cursor, f"SET GLOBAL memory_limit = '{megabytes}MB'")

    def checkpoint(self) -> bool:
        """Write what was committed into the file proper, and say whether that was possible.

        It is not while a reader's long question needs what was there before.
        """
        with translating(self.path), self.alone() as is_alone:
            if is_alone:
                run(self.connection, "CHECKPOINT")
            return is_alone

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Run the block as one transaction: all of it is kept, or nothing.

        Raises CatalogAccessError where the disk is full or the file cannot be written.
        """
        with translating(self.path):
            run(self.connection, "BEGIN")
            try:
                yield self.connection
                run(self.connection, "COMMIT")
            except BaseException:
                # The failed statement may have ended the transaction already; the first error is the one to show.
                with _ignoring_driver_errors():
                    run(self.connection, "ROLLBACK")
                raise

    def redaction_key(self) -> bytes:
        """Return the key for hashes of redacted secrets, kept beside the catalog, not in it; made on first use.

        Raises CatalogAccessError where it can be neither read nor made.
        """
        path = Path(f"{self.path}.key")
        try:
            if not path.exists():
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_hex(32) + "\n")
            return bytes.fromhex(path.read_text().strip())
        except FileExistsError:
            return bytes.fromhex(path.read_text().strip())
        except (OSError, ValueError) as error:
            raise CatalogAccessError(
                f"The redaction key {path} cannot be used: {error}",
                code="redaction_key",
                hint="Restore the file or its rights; or remove it, and redacted values will show one change each.",
                where=str(path),
            ) from error


def _half_of_the_machine() -> int:
    """Return half of the machine's memory, in megabytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2_000_000


def open_catalog(path: Path, *, read_only: bool = False, wait_seconds: float = 0.0) -> Catalog:
    """Open a catalog; for writing, make it where there is none and bring an older one up to date.

    Raises CatalogLockedError after `wait_seconds` while another process holds it, CatalogAccessError,
    CatalogTooNewError, and UserError where there is nothing to read.
    """
    if read_only and not path.exists():
        raise UserError(
            f"There is no catalog at {path}",
            code="no_catalog",
            hint="Run `stocktake sync` first, or name another file with --catalog or STOCKTAKE_CATALOG.",
            where=str(path),
        )
    is_new = not path.exists()
    try:
        with translating(path):
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            connection = _connect(path, read_only=read_only, wait_seconds=wait_seconds)
        catalog = Catalog(path, connection, read_only=read_only)
        try:
            _check_version(catalog)
        except BaseException:
            with _ignoring_driver_errors():
                connection.close()
            raise
    except CatalogAccessError:
        if is_new:
            # Half a new file would only be called damaged the next time.
            for file in (path, Path(f"{path}.wal")):
                with suppress(OSError):
                    file.unlink(missing_ok=True)
        raise
    return catalog


def _connect(path: Path, *, read_only: bool, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    """Connect, waiting for the lock. The machine's monotonic clock, since the wait is real whatever the clock says."""
    config: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": STORAGE_VERSION}
    if not read_only:
        config |= {"memory_limit": f"{_WRITER_MEGABYTES}MB", "threads": min(_WRITER_THREADS, os.cpu_count() or 1)}
    end = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=config)
        except duckdb.Error as error:
            if "Could not set lock" not in str(error) or time.monotonic() >= end:
                raise
            time.sleep(_POLL_SECONDS)


def _check_version(catalog: Catalog) -> None:
    with translating(catalog.path):
        connection = catalog.connection
        run(connection, "SET timezone = 'UTC'")
        # In a Python that it takes for a person's (`python -c`, a shell) the driver would draw into our output.
        run(connection, "SET enable_progress_bar = false")
        found = run(connection, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT temporary")
        names = {row[0] for row in found}
        version = 0
        if "catalog_meta" in names:
            found = run(connection, "SELECT value FROM catalog_meta WHERE key = 'format_version'")
            version = int(found[0][0]) if found else 0
        elif names:
            raise CatalogAccessError(
                f"{catalog.path} is a database, but no Stocktake catalog",
                code="not_a_catalog",
                hint="Name another file with --catalog; nothing was changed in this one.",
                where=str(catalog.path),
            )
    if version > FORMAT_VERSION:
        raise CatalogTooNewError(
            f"{catalog.path} has format {version}; this Stocktake knows formats up to {FORMAT_VERSION}",
            code="catalog_too_new",
            hint="Upgrade Stocktake (`pip install --upgrade stocktake`); the catalog was not touched.",
            where=str(catalog.path),
        )
    if version < FORMAT_VERSION:
        if catalog.read_only:
            raise CatalogAccessError(
                f"{catalog.path} has format {version}, older than this Stocktake's {FORMAT_VERSION}",
                code="catalog_too_old",
                hint="Run any `stocktake sync` once: it brings the catalog up to date.",
                where=str(catalog.path),
            )
        _migrate(catalog, version)


def _migrate(catalog: Catalog, version: int) -> None:
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        with catalog.transaction() as connection:
            for statement in statements:
                run(connection, statement)
            run(connection, "INSERT OR REPLACE INTO catalog_meta VALUES ('format_version', ?)", [str(number)])


def run(connection: duckdb.DuckDBPyConnection, statement: str, parameters: object = None) -> list[tuple[Any, ...]]:
    """Run a statement to its end and return its rows: a result left open would block the connection."""
    return connection.execute(statement, parameters).fetchall()


@contextmanager
def _ignoring_driver_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.Error:
        return


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Turn the database's and the file system's errors about the catalog into ours."""
    try:
        yield
    except (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, OSError) as error:
        raise catalog_error(path, error) from error
    except duckdb.Error as error:
        if "read-only" in str(error):
            raise _no_rights(path, error) from error
        # What has no class of its own is about the file (damage, checksums), and so is a commit that cannot be written.
        if type(error) is duckdb.Error or _FULL.search(str(error)):
            raise catalog_error(path, error) from error
        raise


def catalog_error(path: Path, error: Exception) -> FatalError:
    """Say what a driver's or system's error means for the catalog."""
    text = str(error)
    where = str(path)
    if "Could not set lock" in text or "Conflicting lock" in text:
        holder = re.search(r"PID (\d+)", text)
        by = f" (process {holder[1]})" if holder else ""
        return CatalogLockedError(
            f"Another process{by} has {path} open",
            code="catalog_locked",
            hint="Wait until it is done, or set STOCKTAKE_LOCK_WAIT_SECONDS to wait longer; nothing was changed.",
            where=where,
        )
    if _FULL.search(text):
        return CatalogAccessError(
            f"The disk that holds {path} is full",
            code="disk_full",
            hint="Free some space and run the same command again; what was committed is kept, nothing is half done.",
            where=where,
        )
    if re.search(r"version number|serialized with|newer version|storage version", text):
        return CatalogTooNewError(
            f"{path} was written by a newer database: {_first_line(text)}",
            code="catalog_too_new",
            hint="Upgrade both (`pip install --upgrade stocktake duckdb`); the file was not touched.",
            where=where,
        )
    if "not a valid DuckDB" in text or "checksum" in text or "Corrupt" in text:
        return CatalogAccessError(
            f"{path} is no readable catalog: {_first_line(text)}",
            code="catalog_damaged",
            hint="Name another file with --catalog, or restore this one from a copy; nothing was changed.",
            where=where,
        )
    if re.search(r"Permission denied|Read-only file system|Is a directory|Not a directory|read-only", text):
        return _no_rights(path, error)
    return CatalogAccessError(
        f"{path}: {_first_line(text)}",
        code="catalog_io",
        hint="Look at the file and its disk; what was committed before is kept. --debug shows the whole error.",
        where=where,
    )


def _no_rights(path: Path, error: Exception) -> CatalogAccessError:
    return CatalogAccessError(
        f"{path} cannot be opened or written here: {_first_line(str(error))}",
        code="catalog_no_rights",
        hint="Give this user the right to write the file and its folder, or name another one with --catalog.",
        where=str(path),
    )


def _first_line(text: str) -> str:
    text = text.strip()
    kind, found, facts = text.partition(": {")
    if found:
        # Where readers of other processes are served, the driver tells its errors as data.
        with suppress(orjson.JSONDecodeError, KeyError):
            text = f"{kind}: {orjson.loads('{' + facts)['exception_message']}"
    return text.splitlines()[0] if text else "no reason given"
