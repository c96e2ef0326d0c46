"""What a sync is doing, live on a terminal, or as a line every few seconds."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Self

from rich.live import Live
from rich.text import Text

from stocktake.serve.cli.tables import make_console, make_table

if TYPE_CHECKING:
    from types import TracebackType

    from rich.table import Table

    from stocktake.core.progress import ScopeProgress

_LINE_SECONDS = 5.0
_SCOPES_SHOWN = 20


class LiveProgress:
    """A table of scopes that repaints itself."""

    def __init__(self, stream: IO[str]) -> None:
        self._scopes: dict[tuple[str, str, str], ScopeProgress] = {}
        self._started = time.monotonic()
        console = make_console(stream, on_terminal=True)
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, scope: ScopeProgress) -> None:
        """Take the newest word on a scope; painting it is another thread's work."""
        self._scopes[scope.account_id, scope.region, scope.type] = scope

    def render(self) -> Table:
        """Return the table as it is now."""
        table = make_table()
        for header in ("type", "account", "region", "listed", "read", "written", "aside", "calls", ""):
            table.add_column(header, justify="right" if header in _NUMBERS else "left")
        scopes = list(self._scopes.values())
        under_way = [scope for scope in scopes if not scope.done]
        shown = (under_way + [scope for scope in reversed(scopes) if scope.done])[:_SCOPES_SHOWN]
        for scope in shown:
            read = f"{scope.read:,} of {scope.to_read:,}" if scope.to_read else f"{scope.read:,}"
            numbers = (f"{scope.listed:,}", read, f"{scope.written:,}", f"{scope.aside:,}", f"{scope.calls:,}")
            state = Text("done" if scope.done else scope.note, style="green" if scope.done else "default")
            if scope.expected > scope.listed:
                numbers = (f"{scope.listed:,} of ~{scope.expected:,}", *numbers[1:])
            table.add_row(scope.type, scope.account_id, scope.region, *numbers, state)
        table.caption = _total_line(scopes, time.monotonic() - self._started)
        return table


class LineProgress:
    """A line with the totals every few seconds, for logs."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._scopes: dict[tuple[str, str, str], ScopeProgress] = {}
        self._started = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._scopes and kind is None:
            self._tell()

    def update(self, scope: ScopeProgress) -> None:
        """Take the newest word on a scope, and pass it on if the last line is old enough."""
        key = (scope.account_id, scope.region, scope.type)
        before = self._scopes.get(key)
        self._scopes[key] = scope
        if scope.expected and (before is None or not before.expected):
            self._stream.write(_expectation(scope) + "\n")
        if time.monotonic() - self._told >= _LINE_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._stream.write(_total_line(list(self._scopes.values()), self._told - self._started) + "\n")
        self._stream.flush()


_NUMBERS = frozenset({"listed", "read", "written", "aside", "calls"})


def _total_line(scopes: list[ScopeProgress], seconds: float) -> str:
    done = sum(scope.done for scope in scopes)
    listed = sum(scope.listed for scope in scopes)
    read = sum(scope.read for scope in scopes)
    calls = sum(scope.calls for scope in scopes)
    rate = f" ({calls / seconds:,.0f}/s)" if seconds > 1 else ""
    left = sum(max(scope.expected_calls - scope.calls, 0) for scope in scopes if not scope.done)
    if left and seconds > 1 and calls:
        rate += f", about {_span(left * seconds / calls)} left"
    told = f"{done:,} of {len(scopes):,} scopes done, {listed:,} listed, {read:,} read, {calls:,} calls{rate}"
    return f"{seconds:.0f} s: {told}"


def _expectation(scope: ScopeProgress) -> str:
    """Say what a first load will take."""
    seconds = scope.expected_calls / _USUAL_RATE
    return (
        f"{scope.type} {scope.account_id} {scope.region}: first load of about {scope.expected:,} resources, "
        f"about {scope.expected_calls:,} calls: {_span(seconds)} at {_USUAL_RATE} calls/s. "
        "It can be stopped at any time, and goes on from there."
    )


_USUAL_RATE = 20
"""Calls a second that many services allow of one operation."""


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
