"""`stocktake export`: the catalog as Parquet files that any engine reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from stocktake.serve.cli.invocation import Invocation


@click.command("export", short_help="Write the catalog as Parquet files that any engine reads.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--type", "types", metavar="TYPE", multiple=True, help="This type only. May be given several times.")
@click.option("--history", is_flag=True, help="Every version, not only those that are valid.")
@click.option("--as-of", metavar="TIME", help="As everything was then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday.")
@output_options("table", "json", "ndjson", file=False)
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation, *, folder: Path, types: tuple[str, ...], history: bool, as_of: str | None, form: str | None
) -> None:
    """Write the catalog as Parquet files that any engine reads.

    DIR gets a folder for each type, with folders for account and region in it, and folders of relations, changes,
    resources, coverage and sweeps. It appears whole, or not at all; an earlier export in its place is replaced.
    """
    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.export import export_catalog
    from stocktake.query.moments import parse_moment
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    destination = choose_destination(form)
    now = SystemClock().now()
    moment = parse_moment(as_of, now) if as_of else now
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        done = export_catalog(catalog, folder, moment, types=types, history=history)
    if destination.form == "table":
        columns = (
            Column("table", "VARCHAR"),
            Column("rows", "BIGINT"),
            Column("files", "BIGINT"),
            Column("bytes", "BIGINT"),
        )
        rows = [(one.name, one.rows, one.files, one.bytes) for one in done.tables if one.rows]
        write_rows(Result(columns, [rows]), destination, max_rows=0)
        return
    with destination.open() as stream:
        stream.write(to_json(dataclasses.asdict(done), indent=destination.form == "json") + b"\n")
