"""`stocktake changes`: what was created, updated and deleted, with the fields that changed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from stocktake.query.changes import Changes
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation

_COLUMNS = (
    ("changed_at", "TIMESTAMP"),
    ("change", "VARCHAR"),
    ("type", "VARCHAR"),
    ("id", "VARCHAR"),
    ("path", "VARCHAR"),
    ("before", "VARCHAR"),
    ("after", "VARCHAR"),
    ("account_id", "VARCHAR"),
    ("region", "VARCHAR"),
    ("looked_before", "TIMESTAMP"),
    ("sweep_id", "BIGINT"),
)


@click.command("changes", short_help="Say what was created, updated and deleted, and which fields changed.")
@click.argument("search", metavar="[SEARCH]...", nargs=-1)
@click.option("--since", metavar="TIME", default="24h", show_default=True, help="From then on: 24h, 2026-01-31.")
@click.option("--until", metavar="TIME", help="Up to then. Default: now.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Of this type only. May be given several times.")
@click.option(
    "--change",
    "kinds",
    type=click.Choice(["created", "updated", "deleted"]),
    multiple=True,
    help="Of this kind only. May be given several times.",
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=1_000, show_default=True, help="The newest so many; 0 shows all."
)
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    search: tuple[str, ...],
    since: str,
    until: str | None,
    types: tuple[str, ...],
    kinds: tuple[str, ...],
    limit: int,
    form: str | None,
    file: Path | None,
) -> None:
    """Say what was created, updated and deleted, and which fields changed.

    SEARCH narrows: words of an id or type, changed:FIELD for a field or anything inside of it, before:VALUE and
    after:VALUE, type:, account_id:, region:, change:, sweep:; any other key is one of the resources, as in `stocktake
    search` (team:vision). A - before a word excludes, * stands for anything. Put
    -- before a SEARCH that begins with -.

    A change is the difference between two looks: what happened in between shows as one change, with its end.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.query.changes import read_changes
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment

    destination = choose_destination(form, file)
    now = SystemClock().now()
    start, end = parse_moment(since, now), parse_moment(until, now) if until else None
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        found = read_changes(catalog, start, end, search=" ".join(search), types=types, kinds=kinds, limit=limit)
    _write(found, destination, now)


def _write(found: Changes, destination: Destination, now: datetime) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.change_view import change_document, change_notes, change_rows, print_changes
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    if destination.form == "table":
        with destination.open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_changes(found, text, now=now, on_terminal=destination.on_terminal)
            text.detach()
        return
    if destination.form in {"json", "ndjson"}:
        documents = [change_document(record) for record in found.records]
        with destination.open() as stream:
            if destination.form == "json":
                stream.write(to_json(documents, indent=True) + b"\n")
            else:
                stream.writelines(to_json(document) + b"\n" for document in documents)
    else:
        columns = tuple(Column(name, kind) for name, kind in _COLUMNS)
        write_rows(Result(columns, [list(change_rows(found))]), destination)
    for note in change_notes(found):
        click.echo(note, err=True)
