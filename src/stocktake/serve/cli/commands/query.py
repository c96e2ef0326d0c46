"""`stocktake query`: a question in SQL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.confinement import confined, limit_options
from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.price_option import prices_option, read_given_prices
from stocktake.serve.cli.rows import MAX_TABLE_ROWS, write_batches, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation


@click.command("query", short_help="Ask the catalog a question in SQL.")
@click.argument("sql")
@click.option(
    "--as-of", metavar="TIME", help="As everything was then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 2h ago."
)
@output_options()
@click.option(
    "--max-rows",
    type=click.IntRange(min=0),
    default=MAX_TABLE_ROWS,
    show_default=True,
    help="How many rows a table shows; 0 shows all. The other forms always have all.",
)
@limit_options
@prices_option
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    sql: str,
    *,
    as_of: str | None,
    prices: Path | None,
    form: str | None,
    file: Path | None,
    max_rows: int,
    timeout: float,
    memory: int,
) -> None:
    """Ask the catalog a question in SQL.

    SQL is one statement that only reads: SELECT, FROM, WITH, VALUES, SHOW, DESCRIBE, SUMMARIZE, PIVOT or EXPLAIN,
    in DuckDB's dialect. A single - reads it from stdin. Start with "SHOW TABLES". Beside the tables there are `jobs`,
    `job_costs`, `lineage` and the insights of training jobs (docs/jobs.md).
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.insights.names import named_in
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment
    from stocktake.query.pruned import pruned_notes
    from stocktake.query.runner import read_batches, run_query

    destination = choose_destination(form, file)
    moment = parse_moment(as_of, SystemClock().now()) if as_of else None
    text = sys.stdin.read() if sql == "-" else sql
    settings = invocation.settings()
    given = read_given_prices(prices, settings)
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog, confined(timeout, memory):
        named = named_in(catalog, text, given)
        if destination.is_binary:
            write_batches(read_batches(catalog, text, as_of=moment, named=named), destination)
        else:
            write_rows(run_query(catalog, text, as_of=moment, named=named), destination, max_rows=max_rows)
        for note in pruned_notes(catalog, text, moment) if moment else ():
            click.echo(f"note: {note}", err=True)
