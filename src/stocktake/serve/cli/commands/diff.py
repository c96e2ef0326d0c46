"""`stocktake diff`: one resource at two moments, side by side."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.query.diff import Difference
    from stocktake.query.resources import Resource
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation


@click.command("diff", short_help="Show what differs between one resource at two moments.")
@click.argument("resource", metavar="ARN")
@click.option(
    "--from", "older", metavar="TIME", help="The older moment. Default: just before its newest version was seen."
)
@click.option("--to", "newer", metavar="TIME", help="The newer moment. Default: now.")
@click.option("--type", "type_name", metavar="TYPE", default="", help="Look among this type only.")
@click.option("--account", "account_id", metavar="ID", default="", help="Look in this account only.")
@click.option("--region", metavar="REGION", default="", help="Look in this region only.")
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    resource: str,
    older: str | None,
    newer: str | None,
    type_name: str,
    account_id: str,
    region: str,
    form: str | None,
    file: Path | None,
) -> None:
    """Show what differs between one resource at two moments, side by side.

    ARN is the resource's ARN, or its name where that is enough. An entry of a list that changed inside is shown by its
    name, such as input_data_config[train]; one that came or went has an empty side.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.diff import choose_moments, diff_moments
    from stocktake.query.moments import parse_moment
    from stocktake.query.resources import find_resource

    destination = choose_destination(form, file)
    now = SystemClock().now()
    start, end = (parse_moment(text, now) if text else None for text in (older, newer))
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        found = find_resource(catalog, resource, type_name=type_name, account_id=account_id, region=region)
    _write(found, diff_moments(found, *choose_moments(found, start, end, now)), destination)


def _write(resource: Resource, found: Difference, destination: Destination) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.change_view import (
        IN_ANOTHER_ORDER,
        difference_document,
        difference_notes,
        is_reordered,
        print_difference,
    )
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    if destination.form == "table":
        with destination.open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_difference(resource, found, text, on_terminal=destination.on_terminal)
            text.detach()
        return
    if destination.form in {"json", "ndjson"}:
        with destination.open() as stream:
            stream.write(to_json(difference_document(resource, found), indent=destination.form == "json") + b"\n")
        return
    columns = tuple(Column(name, "VARCHAR") for name in ("path", "before", "after"))
    rows = [(edit.path, edit.before, IN_ANOTHER_ORDER if is_reordered(edit) else edit.after) for edit in found.edits]
    write_rows(Result(columns, [rows]), destination)
    for note in difference_notes(found):
        click.echo(note, err=True)
