"""Tables for the eye, on a terminal or in a text file."""

from __future__ import annotations

import io
import itertools
import shutil
from typing import IO, TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stocktake.serve.cli.rows import is_number
from stocktake.serve.cli.values import to_visible

if TYPE_CHECKING:
    from stocktake.query.result import Column, Result

# A column is never made narrower than this to fit in others; a value longer than this is cut only where it must be.
_NARROWEST = 16
_GAP = 2
_WIDE = 100_000


def make_console(stream: IO[str], *, on_terminal: bool) -> Console:
    """Return a console; without a terminal it neither colors nor folds."""
    if on_terminal:
        return Console(file=stream, highlight=False, emoji=False, markup=False)
    return Console(file=stream, highlight=False, emoji=False, markup=False, width=_WIDE, no_color=True)


def make_table() -> Table:
    """Return a table in the one style of all."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)


def write_table(result: Result, stream: IO[bytes], *, on_terminal: bool, max_rows: int) -> None:
    """Write a result as a table, and under it what was left out to fit."""
    rows = result.rows()
    wanted = itertools.islice(rows, max_rows) if max_rows else rows
    cells = [[to_visible(value) for value in row] for row in wanted]
    more = max_rows > 0 and next(rows, None) is not None
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
    try:
        console = make_console(text, on_terminal=on_terminal)
        shown = _columns_that_fit(result.columns, cells, console.width)
        if len(cells) == 1 and shown < len(result.columns):
            _print_record(console, result.columns, cells[0])
            shown = len(result.columns)
        else:
            _print_table(console, result.columns[:shown], cells)
        console.print(_footnote(len(cells), result.columns[shown:], more=more), style="dim", soft_wrap=True)
    finally:
        text.detach()


def _columns_that_fit(columns: tuple[Column, ...], cells: list[list[str]], width: int) -> int:
    """Return how many columns have room, the first ones first."""
    used = -_GAP
    for number, column in enumerate(columns):
        longest = max((cell_len(row[number]) for row in cells), default=0)
        used += min(max(longest, cell_len(column.name)), _NARROWEST) + _GAP
        if used > width and number:
            return number
    return len(columns)


def _print_table(console: Console, columns: tuple[Column, ...], cells: list[list[str]]) -> None:
    table = make_table()
    for column in columns:
        numeric = is_number(column.type)
        table.add_column(
            Text(to_visible(column.name)),
            justify="right" if numeric else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=min(_NARROWEST, max(cell_len(column.name), 1)) if numeric else None,
        )
    for row in cells:
        table.add_row(*(Text(cell) for cell in row[: len(columns)]))
    console.print(table)


def _print_record(console: Console, columns: tuple[Column, ...], cells: list[str]) -> None:
    """Print a single row that is too wide as one line for each column."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for column, cell in zip(columns, cells, strict=True):
        table.add_row(Text(to_visible(column.name)), Text(cell))
    console.print(table)


def _footnote(rows: int, hidden: tuple[Column, ...], *, more: bool) -> Text:
    parts = [f"the first {rows:,} rows; --max-rows 0 shows all" if more else f"{rows:,} row{'' if rows == 1 else 's'}"]
    if hidden:
        names = ", ".join(column.name for column in hidden[:4]) + (", …" if len(hidden) > 4 else "")
        parts.append(f"{len(hidden)} more column{'' if len(hidden) == 1 else 's'} ({names}): name them, or use -o json")
    return Text("(" + "; ".join(parts) + ")")


def terminal_width() -> int:
    """Return how wide the terminal is."""
    return shutil.get_terminal_size().columns
