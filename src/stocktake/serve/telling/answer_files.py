"""Rows of a statement as a file, a piece at a time: what exports send."""

from __future__ import annotations

import io
import itertools
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from stocktake.serve.telling.arrow_rows import rows_of
from stocktake.serve.telling.csv_text import csv_line
from stocktake.serve.telling.values import json_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORMS = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""Each form with its media type. CSV is safe to open in a spreadsheet."""
_PIECE_BYTES = 65_536


def write_answer(schema: pa.Schema, batches: Iterable[pa.RecordBatch], form: str) -> Iterator[bytes]:
    """Yield the pieces of a file in one of the forms."""
    match form:
        case "parquet" | "arrow":
            yield from _binary(schema, batches, form)
        case "csv":
            yield from _pieces(_csv(schema, batches))
        case "json":
            lines = _objects(schema, batches)
            first = next(lines, None)
            whole = [b"[\n", *([first] if first else [])]
            rest = (b",\n" + line for line in lines)
            yield from _pieces(itertools.chain(whole, rest, [b"\n]\n"]))
        case _:
            yield from _pieces(line + b"\n" for line in _objects(schema, batches))


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with a number added to each that was there before: an object has a key only once."""
    taken: set[str] = set()
    unique = []
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        free = next(one for one in itertools.chain([name], numbered) if one not in taken)
        taken.add(free)
        unique.append(free)
    return unique


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    yield csv_line(schema.names).encode()
    for row in rows_of(schema, batches).rows():
        yield csv_line(row).encode()


def _objects(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    names = unique_names(schema.names)
    for row in rows_of(schema, batches).rows():
        yield json_row(names, frozenset(), row)


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines, so that not each of them is sent alone."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _binary(schema: pa.Schema, batches: Iterable[pa.RecordBatch], form: str) -> Iterator[bytes]:
    names = unique_names(schema.names)
    named = pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])
    stream = _Taken()
    writer = (
        pq.ParquetWriter(cast(IO[bytes], stream), named, compression="zstd")
        if form == "parquet"
        else pa.ipc.new_stream(cast(io.IOBase, stream), named)
    )
    with writer:
        for batch in batches:
            writer.write_batch(batch.rename_columns(names))
            yield stream.take()
    yield stream.take()


class _Taken(io.RawIOBase):
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def tell(self) -> int:
        """Return how much was written in all."""
        return self._at

    def write(self, data: object) -> int:
        """Take some bytes."""
        taken = bytes(memoryview(data))  # type: ignore[arg-type] # whatever Arrow hands over is a buffer
        self._held.append(taken)
        self._at += len(taken)
        return len(taken)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        whole = b"".join(self._held)
        self._held = []
        return whole
