"""Write the rows of a result in any form, as they come."""

from __future__ import annotations

import io
import itertools
from typing import IO, TYPE_CHECKING, Any, cast

from stocktake.serve.telling.csv_text import csv_line
from stocktake.serve.telling.values import json_row, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from stocktake.query.result import Result
    from stocktake.serve.cli.destination import Destination

MAX_TABLE_ROWS = 1_000
_ROW_GROUP_ROWS = 65_536


def write_rows(result: Result, destination: Destination, *, max_rows: int = MAX_TABLE_ROWS) -> None:
    """Write a result in any form that is text; `max_rows` bounds a table, 0 stands for all.

    Raises: UserError where the destination cannot be written, and whatever reading the rows raises.
    """
    writers: dict[str, Callable[[Result, IO[bytes]], None]] = {
        "json": _write_json,
        "ndjson": _write_ndjson,
        "csv": _write_csv,
        "md": _write_markdown,
    }
    with destination.open() as stream:
        if destination.form == "table":
            from stocktake.serve.cli.tables import write_table

            write_table(result, stream, on_terminal=destination.on_terminal, max_rows=max_rows)
        else:
            writers[destination.form](result, stream)


def write_batches(reader: pa.RecordBatchReader, destination: Destination) -> None:
    """Write Arrow batches as a Parquet file, a row group at a time, or as a stream of Arrow's own format.

    Raises: UserError where the destination cannot be written, and whatever reading the batches raises.
    """
    import pyarrow as pa

    names = unique_names(reader.schema.names)
    schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, names, strict=True)])
    if destination.form == "arrow":
        with destination.open() as stream, pa.ipc.new_stream(cast(io.IOBase, stream), schema) as writer:
            for batch in reader:
                writer.write_batch(batch.rename_columns(names))
    else:
        _write_parquet(reader, schema, destination)


def _write_parquet(reader: pa.RecordBatchReader, schema: pa.Schema, destination: Destination) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with destination.open() as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        held: list[pa.RecordBatch] = []
        for batch in reader:
            held.append(batch.rename_columns(schema.names))
            if sum(one.num_rows for one in held) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(held, schema))
                held = []
        if held:
            writer.write_table(pa.Table.from_batches(held, schema))


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with a number added to each that was there before: a JSON object has a key only once."""
    taken: set[str] = set()
    unique = []
    for name in names:
        free = next(
            candidate
            for candidate in itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
            if candidate not in taken
        )
        taken.add(free)
        unique.append(free)
    return unique


def _json_lines(result: Result) -> Iterator[bytes]:
    names = unique_names([column.name for column in result.columns])
    json_columns = frozenset(number for number, column in enumerate(result.columns) if column.type == "JSON")
    for row in result.rows():
        yield json_row(names, json_columns, row)


def _write_json(result: Result, stream: IO[bytes]) -> None:
    lines = _json_lines(result)
    first = next(lines, None)
    if first is None:
        stream.write(b"[]\n")
        return
    stream.write(b"[\n" + first)
    for line in lines:
        stream.write(b",\n" + line)
    stream.write(b"\n]\n")


def _write_ndjson(result: Result, stream: IO[bytes]) -> None:
    for line in _json_lines(result):
        stream.write(line + b"\n")


def _write_csv(result: Result, stream: IO[bytes]) -> None:
    stream.write(csv_line(column.name for column in result.columns).encode())
    for row in result.rows():
        stream.write(csv_line(row).encode())


def _write_markdown(result: Result, stream: IO[bytes]) -> None:
    stream.write(_markdown_line([column.name for column in result.columns]))
    stream.write(("|" + "|".join("--:" if is_number(column.type) else "---" for column in result.columns)).encode())
    stream.write(b"|\n")
    for row in result.rows():
        stream.write(_markdown_line(row))


def _markdown_line(values: Sequence[Any]) -> bytes:
    cells = (to_text(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)
    return ("| " + " | ".join("<br>".join(cell.splitlines()) for cell in cells) + " |\n").encode()


def is_number(sql_type: str) -> bool:
    """Return whether values of a column stand to the right."""
    return sql_type.startswith(("DECIMAL", "HUGEINT", "UHUGEINT", "BIGNUM", "FLOAT", "DOUBLE")) or (
        sql_type.endswith("INT") or sql_type in {"INTEGER", "UINTEGER"}
    )
