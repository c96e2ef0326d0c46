"""A catalog written anew without what was removed: the file shrinks, or stays as it was."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb

from stocktake.core.errors import CatalogAccessError
from stocktake.store.catalog import STORAGE_VERSION, run, translating
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from stocktake.store.catalog import Catalog

_THREADS = 2


def compact(catalog: Catalog) -> tuple[int, int]:
    """Write the catalog anew beside itself, and put it in its place; close it. Returns the bytes before and after.

    Whoever reads the old file meanwhile goes on reading it. Nothing is lost at any moment: the new file takes the name
    once it is whole and on disk, and while it is written nobody can write the old one.
    Raises: CatalogAccessError; the catalog is then as it was.
    """
    path = catalog.path
    with translating(path):
        run(catalog.connection, "CHECKPOINT")
    catalog.close()
    log = Path(f"{path}.wal")
    if log.exists():
        raise CatalogAccessError(
            f"{log} holds what is not yet in the catalog",
            code="catalog_not_idle",
            hint="Let whoever writes the catalog end, and run the same command again; nothing was changed.",
            where=str(log),
        )
    before = path.stat().st_size
    fresh = path.with_name(f".{path.name}.{uuid4().hex}.compact")
    try:
        with translating(path):
            _copy(path, fresh)
    finally:
        for file in (fresh, Path(f"{fresh}.wal")):
            with suppress(OSError):
                file.unlink(missing_ok=True)
    return before, path.stat().st_size


def _copy(path: Path, fresh: Path) -> None:
    connection = duckdb.connect()
    try:
        run(connection, f"SET threads = {_THREADS}")
        # Open for reading, it keeps writers out until the new file has its name.
        run(connection, f"ATTACH {_text(path)} AS old (READ_ONLY)")
        run(connection, f"ATTACH {_text(fresh)} AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
        run(connection, "COPY FROM DATABASE old TO fresh")
        run(connection, "CHECKPOINT fresh")
        _check_same(connection, path)
        run(connection, "DETACH fresh")
        shutil.copymode(path, fresh)
        with suppress(PermissionError):
            shutil.chown(fresh, path.stat().st_uid, path.stat().st_gid)
        _write_through(fresh)
        fresh.replace(path)
        _write_through(path.parent)
    finally:
        connection.close()


def _check_same(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise where the copy lacks anything: it would be a fault of the database, and a loss."""
    rows = run(
        connection,
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'old' AND NOT internal",
    )
    for schema, table in rows:
        name = f"{quote(schema)}.{quote(table)}"
        [(old, new)] = run(connection, f"SELECT (SELECT count(*) FROM old.{name}), (SELECT count(*) FROM fresh.{name})")
        if old != new:
            raise CatalogAccessError(
                f"The copy of {table} has {new:,} rows and not {old:,}",
                code="compaction_failed",
                hint="The catalog was not touched; report this with --debug.",
                where=str(path),
            )
    for kind in ("duckdb_views() WHERE NOT internal AND", "duckdb_functions() WHERE NOT internal AND"):
        [(old, new)] = run(
            connection,
            f"SELECT (SELECT count(*) FROM {kind} database_name = 'old'), "
            f"(SELECT count(*) FROM {kind} database_name = 'fresh')",
        )
        if old != new:
            raise CatalogAccessError(
                f"The copy has {new:,} views or macros and not {old:,}",
                code="compaction_failed",
                hint="The catalog was not touched; report this with --debug.",
                where=str(path),
            )


def _write_through(path: Path) -> None:
    """Have what was written on the disk itself before anything builds on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
