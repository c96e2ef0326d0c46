"""`stocktake complete`: what may stand at a place in a statement, for editors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from stocktake.serve.cli.invocation import Invocation


@click.command("complete", short_help="Say what may stand at a place in a statement, for editors.")
@click.argument("text")
@click.option(
    "--cursor", type=click.IntRange(min=0), metavar="N", help="The place: after so many characters. Default: the end."
)
@output_options("table", "json", "ndjson", file=False)
@catalog_option
@debug_option
@click.pass_obj
def command(invocation: Invocation, text: str, cursor: int | None, form: str | None) -> None:
    """Say what may stand at a place in a statement, for editors.

    TEXT is SQL as far as it is written; a single - reads it from stdin. Offered are tables, columns, members of nested
    fields, functions and keywords, what begins as it is written first.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    import dataclasses

    from stocktake.insights.names import ask, names_of_ours
    from stocktake.query.complete import SqlCompleter
    from stocktake.query.connection import open_reading
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    destination = choose_destination(form)
    given = sys.stdin.read() if text == "-" else text
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        completer = SqlCompleter(lambda sql: ask(catalog, sql).rows(), names_of_ours())
        found = completer.complete(given, cursor)
    if destination.form == "table":
        columns = (Column("text", "VARCHAR"), Column("kind", "VARCHAR"), Column("type", "VARCHAR"))
        write_rows(Result(columns, [[(item.text, item.kind, item.type) for item in found.items]]), destination)
        return
    with destination.open() as stream:
        stream.write(to_json(dataclasses.asdict(found), indent=destination.form == "json") + b"\n")
