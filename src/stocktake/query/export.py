"""The whole catalog, or a part of it, as Parquet files in folders that any engine reads."""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote
from uuid import uuid4

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stocktake.core.errors import UserError
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import read_batches, run_query
from stocktake.query.within import within
from stocktake.store.type_tables import held_types, history_name, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from stocktake.store.catalog import Catalog

MANIFEST = "_stocktake_export.json"
"""Readers of folders pass over what begins with `_`."""
ACCOUNT, REGION = "in_account", "in_region"
"""Names of the folders' keys. No field is called so: a key of a field's name would be read as a number by some engines,
and an account's leading zero be lost."""
_INTERNAL = ("_key", "_hash", "_summary", "_settled", "_facets")
_ROWS_A_GROUP = 65_536
_ROWS_A_FILE = 1_000_000
_HELD_BYTES = 256_000_000
"""Rows are held until they make a row group, or until all together are so large."""
_OPEN_FILES = 200
_SAFE = "-_.~"
# Tables that are no type's, and what they have of a moment.
_OTHERS = {
    "resources": "SELECT * FROM resources",
    "relations": "SELECT * FROM relations_as_of($moment)",
    "changes": "SELECT * FROM changes WHERE changed_at <= $moment",
    "coverage": "SELECT * FROM coverage WHERE finished_at <= $moment",
    "sweeps": "SELECT * FROM sweeps WHERE started_at <= $moment",
}


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """One table as it was written."""

    name: str
    rows: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """What an export wrote. Times are UTC without a zone."""

    folder: str
    moment: datetime
    """All tables are of this moment."""
    history: bool
    tables: tuple[ExportedTable, ...]


def export_catalog(
    catalog: Catalog,
    folder: Path,
    moment: datetime,
    *,
    types: Sequence[str] = (),
    history: bool = False,
    told: Callable[[ExportedTable], None] = lambda _: None,
    reach: Reach = EVERYTHING,
) -> Export:
    """Write the catalog as it was at a moment (UTC) into a folder, which appears whole or not at all.

    `types`: these alone; else all, and relations, changes, resources, coverage and sweeps. `history`: every version up
    to the moment, not only those that were valid. `told` hears of each table. An export that the folder holds is
    replaced; whatever else it holds is an error.
    Raises: UserError (`export_not_empty`, `type_not_held`, `output_failed`); SqlError.
    """
    catalog = within(catalog, reach)
    at = moment.replace(tzinfo=None)
    held = held_types(catalog)
    unknown = sorted(set(types) - set(held))
    if unknown:
        raise UserError(
            f"The catalog holds no {', '.join(unknown)}",
            code="type_not_held",
            hint="`stocktake status` says what is held.",
            where=str(catalog.path),
        )
    _check_free(folder)
    with _appearing(folder) as part:
        tables = []
        for name in types or held:
            tables.append(_write_type(catalog, part / name, name, at, history=history))
            told(tables[-1])
        for name, sql in _others(catalog, at).items() if not types else ():
            parameters = {"moment": at} if "$moment" in sql else None
            reader = read_batches(catalog, sql, parameters=parameters)
            with _Table(part / name, name, reader.schema, is_keyed=False) as table:
                for batch in reader:
                    table.write(batch, ())
            tables.append(table.summary())
            told(tables[-1])
        done = Export(str(folder), at, history, tuple(tables))
        (part / MANIFEST).write_bytes(
            orjson.dumps(
                asdict(done) | {"folder": folder.name},
                option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC,
            )
        )
    return done


def _others(catalog: Catalog, at: datetime) -> dict[str, str]:
    [(later,)] = run_query(catalog, "SELECT count(*) FROM coverage WHERE finished_at > $at", {"at": at}).rows()
    # Of now it is one table; of an older moment it is put together from all.
    return _OTHERS | ({"resources": "SELECT * FROM resources_as_of($moment)"} if later else {})


def _write_type(catalog: Catalog, folder: Path, name: str, at: datetime, *, history: bool) -> ExportedTable:
    scope = f"account_id AS {ACCOUNT}, _region AS {REGION}"
    if history:
        columns = {row[0] for row in run_query(catalog, f"DESCRIBE {quote(history_name(name))}").rows()}
        left_out = ", ".join(column for column in _INTERNAL if column in columns)
        # What ended later was still there.
        ended = "CASE WHEN _to <= $moment THEN {} END AS {}"
        replaced = ", ".join(ended.format(column, column) for column in ("_to", "_gone", "_end_sweep"))
        sql = (
            f"SELECT * EXCLUDE ({left_out}) REPLACE ({replaced}), {scope} FROM {quote(history_name(name))} "
            "WHERE _from <= $moment"
        )
    else:
        sql = f"SELECT *, {scope} FROM {quote(f'{name}_as_of')}($moment)"
    reader = read_batches(catalog, sql, parameters={"moment": at})
    keys = (ACCOUNT, REGION)
    schema = pa.schema([field for field in reader.schema if field.name not in keys])
    with _Table(folder, name, schema, is_keyed=True) as table:
        for batch in reader:
            for values, rows in _split(batch, keys):
                table.write(rows, tuple(zip(keys, values, strict=True)))
    return table.summary()


def _split(batch: pa.RecordBatch, keys: tuple[str, str]) -> Iterator[tuple[tuple[str, ...], pa.RecordBatch]]:
    """Yield the parts of a batch by the values of its keys, without them."""
    rest = batch.drop_columns(list(keys))
    columns = [batch.column(key).to_pylist() for key in keys]
    seen = dict.fromkeys(zip(*columns, strict=True))
    if len(seen) == 1:
        yield next(iter(seen)), rest
        return
    numbers = {values: number for number, values in enumerate(seen)}
    which = pa.array([numbers[values] for values in zip(*columns, strict=True)], pa.int32())
    for values, number in numbers.items():
        yield values, rest.filter(pc.equal(which, pa.scalar(number, pa.int32())))


Keys = tuple[tuple[str, str], ...]


class _Table:
    """One table's folder: a file for each combination of keys, or several where there are many rows."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, *, is_keyed: bool) -> None:
        self._folder = folder
        self._name = name
        self._schema = schema
        self._is_keyed = is_keyed
        self._held: dict[Keys, list[pa.RecordBatch]] = {}
        self._held_bytes: dict[Keys, int] = {}
        self._writers: dict[Keys, tuple[pq.ParquetWriter, int]] = {}
        self._numbers: dict[Keys, int] = {}
        self._rows = 0

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for keys in list(self._held):
                self._flush(keys)
            if not self._rows and not self._is_keyed:
                # An empty table says at least what it would have.
                self._writers[()] = (self._open(()), 0)
        for writer, _rows in self._writers.values():
            writer.close()
        self._writers.clear()

    def write(self, batch: pa.RecordBatch, keys: Keys) -> None:
        """Take rows of one combination of keys."""
        self._held.setdefault(keys, []).append(batch)
        self._held_bytes[keys] = self._held_bytes.get(keys, 0) + batch.nbytes
        self._rows += batch.num_rows
        if sum(one.num_rows for one in self._held[keys]) >= _ROWS_A_GROUP:
            self._flush(keys)
        elif sum(self._held_bytes.values()) > _HELD_BYTES:
            self._flush(max(self._held_bytes, key=lambda one: self._held_bytes[one]))

    def summary(self) -> ExportedTable:
        """Return what was written."""
        files = list(self._folder.rglob("*.parquet")) if self._folder.exists() else []
        return ExportedTable(self._name, self._rows, len(files), sum(file.stat().st_size for file in files))

    def _flush(self, keys: Keys) -> None:
        batches = self._held.pop(keys, [])
        self._held_bytes.pop(keys, None)
        if not batches:
            return
        table = pa.Table.from_batches(batches, self._schema)
        writer, rows = self._writers.pop(keys, (None, 0))
        if writer is not None and rows >= _ROWS_A_FILE:
            writer.close()
            writer = None
        if writer is None:
            writer, rows = self._open(keys), 0
        writer.write_table(table)
        # The last used one is the last to be closed.
        self._writers[keys] = (writer, rows + table.num_rows)

    def _open(self, keys: Keys) -> pq.ParquetWriter:
        while len(self._writers) >= _OPEN_FILES:
            oldest, _rows = self._writers.pop(next(iter(self._writers)))
            oldest.close()
        folder = self._folder.joinpath(*(f"{key}={url_quote(value, safe=_SAFE)}" for key, value in keys))
        folder.mkdir(parents=True, exist_ok=True)
        number = self._numbers.get(keys, 0)
        self._numbers[keys] = number + 1
        return pq.ParquetWriter(folder / f"part-{number}.parquet", self._schema, compression="zstd")


def _check_free(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and ((folder / MANIFEST).exists() or not any(folder.iterdir()))):
        return
    raise UserError(
        f"{folder} holds something that is no export",
        code="export_not_empty",
        hint="Name a folder that does not exist, an empty one, or an earlier export, which is replaced.",
        where=str(folder),
    )


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Make a folder beside the one that is wanted, and give it that name when all is in it."""
    mark = uuid4().hex
    part = folder.parent / f".{folder.name}.{mark}.part"
    old = folder.parent / f".{folder.name}.{mark}.old"
    try:
        try:
            part.mkdir(parents=True)
            yield part
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written: {error.strerror or error}",
                code="output_failed",
                hint="Name another folder, or free some space; the catalog was only read.",
                where=str(folder),
            ) from error
    finally:
        for leftover in (part, old):
            with suppress(OSError):
                if leftover == old and not folder.exists() and old.exists():
                    old.rename(folder)
                shutil.rmtree(leftover, ignore_errors=True)
