"""Arrow batches as the rows that all forms of output are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.query.result import Column, Result

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = {"string": "VARCHAR", "bool": "BOOLEAN", "double": "DOUBLE", "float": "FLOAT", "binary": "BLOB"}
_WORDS |= {"int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "date32[day]": "DATE"}
_WORDS |= {"uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT"}


def rows_of(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Result:
    """Return batches as rows, with values as Python has them; times are UTC."""
    columns = tuple(Column(field.name, _word(field.type)) for field in schema)
    return Result(columns, (_rows(batch) for batch in batches))


def _rows(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    columns = [_values(column) for column in batch.columns]
    return list(zip(*columns, strict=True)) if columns else []


def _values(column: pa.Array[Any]) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        # The driver's own rows are in microseconds and UTC, without saying so.
        column = pc.cast(column, pa.timestamp("us"), safe=False)
    values = column.to_pylist()
    return [_plain(value, kind) for value in values] if pa.types.is_nested(kind) else values


def _plain(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 - any value
    if value is None:
        return None
    if isinstance(kind, pa.MapType):
        return {key: _plain(item, kind.item_type) for key, item in value}
    if isinstance(kind, pa.StructType):
        return {field.name: _plain(value[field.name], field.type) for field in kind}
    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return [_plain(item, kind.value_type) for item in value]
    if pa.types.is_timestamp(kind) and getattr(value, "tzinfo", None) is not None:
        return value.replace(tzinfo=None)
    return value


def _word(kind: pa.DataType) -> str:
    """Return DuckDB's word for a type, as far as output goes by it."""
    if pa.types.is_decimal(kind):
        return "DECIMAL"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP"
    return _WORDS.get(str(kind), "VARCHAR" if not pa.types.is_nested(kind) else "STRUCT")
