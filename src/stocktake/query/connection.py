"""A catalog opened for questions only: no statement can write, read another file, or use the network."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from stocktake.store.catalog import open_catalog, run, translating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stocktake.store.catalog import Catalog

_LOCKED_DOWN = (
    # Errors then say where in the statement they are, and which names were near, as data.
    "SET errors_as_json = true",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    # Last: after this no statement can change any setting.
    "SET lock_configuration = true",
)


@contextmanager
def open_reading(path: Path, wait_seconds: float = 0.0) -> Iterator[Catalog]:
    """Open a catalog for questions, and close it again.

    Raises: what `open_catalog` raises: UserError where there is none, CatalogLockedError, CatalogAccessError,
    CatalogTooNewError.
    """
    catalog = open_catalog(path, read_only=True, wait_seconds=wait_seconds)
    try:
        with translating(path):
            for statement in _LOCKED_DOWN:
                run(catalog.connection, statement)
        yield catalog
    finally:
        # A call that could not be interrupted still has the connection; it only reads, and ends with the process.
        with suppress(duckdb.ResourceInUseException):
            catalog.close()
