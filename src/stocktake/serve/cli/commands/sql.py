"""`stocktake sql`: statements one after the other, with completion and history."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from stocktake.serve.cli.invocation import Invocation


@click.command("sql", short_help="Ask in SQL, one statement after the other.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json", "ndjson", "csv", "md"]),
    help="The form of the answers. Default: table on a terminal, ndjson in a pipe.",
)
@click.option("--as-of", metavar="TIME", help="As everything was then: 2026-01-31T12:00:00Z, yesterday, 2h ago.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds a statement may take."
)
@click.option(
    "--memory", type=click.IntRange(min=64), default=2_000, show_default=True, help="Megabytes a statement may take."
)
@catalog_option
@debug_option
@click.pass_obj
def command(invocation: Invocation, *, form: str | None, as_of: str | None, timeout: float, memory: int) -> int:
    r"""Ask in SQL, one statement after the other.

    On a terminal a statement ends with a semicolon and may have several lines; Tab completes, the arrows bring back
    what was written before, Ctrl-C stops what runs, \? tells the rest. From a pipe it runs what it reads, and stops at
    the first error.
    """
    from stocktake.core.clock import SystemClock
    from stocktake.query.moments import parse_moment
    from stocktake.query.sandbox import SqlLimits, SqlWorker
    from stocktake.serve.cli.sql_shell import Shell

    clock = SystemClock()
    limits = SqlLimits(seconds=timeout, memory_bytes=memory * 1_000_000, rows=10_000_000, result_bytes=1_000_000_000)
    settings = invocation.settings()
    with SqlWorker(settings.catalog, wait_seconds=settings.lock_wait_seconds) as worker:
        shell = Shell(worker, settings, limits, invocation, now=clock.now)
        shell.form = form or ("table" if sys.stdout.isatty() else "ndjson")
        shell.moment = parse_moment(as_of, clock.now()) if as_of else None
        if sys.stdin.isatty():
            shell.talk()
            return 0
        return shell.run_all(sys.stdin.read())
