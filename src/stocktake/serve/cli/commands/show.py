"""`stocktake show`: one resource, now or at any time, with its versions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from stocktake.query.resources import Resource, Version
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation


@click.command("show", short_help="Show one resource, now or at any time, with its history.")
@click.argument("resource", metavar="ARN")
@click.option("--as-of", metavar="TIME", help="As it was then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 2h ago.")
@click.option("--type", "type_name", metavar="TYPE", default="", help="Look among this type only.")
@click.option("--account", "account_id", metavar="ID", default="", help="Look in this account only.")
@click.option("--region", metavar="REGION", default="", help="Look in this region only.")
@output_options()
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    resource: str,
    as_of: str | None,
    type_name: str,
    account_id: str,
    region: str,
    form: str | None,
    file: Path | None,
) -> None:
    """Show one resource, now or at any time, with its history.

    ARN is the resource's ARN, or its name where that is enough. One that was deleted is shown as it was last seen.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment
    from stocktake.query.resources import find_resource, read_version_batches

    destination = choose_destination(form, file)
    now = SystemClock().now()
    moment = parse_moment(as_of, now) if as_of else None
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        found = find_resource(catalog, resource, type_name=type_name, account_id=account_id, region=region)
        version = found.version_at(moment)
        if destination.is_binary:
            from stocktake.serve.cli.rows import write_batches

            write_batches(read_version_batches(catalog, found, version), destination)
        else:
            _write(found, version, moment, destination, now)


def _write(found: Resource, version: Version, moment: datetime | None, destination: Destination, now: datetime) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.resource_view import print_resource
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.documents import resource_document
    from stocktake.serve.telling.values import to_json

    if destination.form == "csv":
        columns = tuple(Column(name, "VARCHAR") for name in version.fields)
        write_rows(Result(columns, [[tuple(version.fields.values())]]), destination)
    elif destination.form == "md":
        fields = [pair for pair in version.fields.items() if pair[1] is not None]
        write_rows(Result((Column("field", "VARCHAR"), Column("value", "VARCHAR")), [fields]), destination)
    elif destination.form == "table":
        with destination.open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_resource(found, version, text, now=now, on_terminal=destination.on_terminal)
            text.detach()
    else:
        with destination.open() as stream:
            document = resource_document(found, version, moment)
            stream.write(to_json(document, indent=destination.form == "json") + b"\n")
