"""What a question comes to: columns, and rows in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result."""

    name: str
    type: str
    """DuckDB's word for it: `BIGINT`, `STRUCT(a INTEGER)`."""


@dataclass(frozen=True, slots=True)
class Result:
    """Columns, and rows in chunks that are read only once."""

    columns: tuple[Column, ...]
    chunks: Iterable[list[Row]]

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one."""
        for chunk in self.chunks:
            yield from chunk
