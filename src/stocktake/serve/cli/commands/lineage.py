"""`stocktake lineage`: where a resource comes from, and what came from it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation

_DIRECTIONS = ("upstream", "downstream", "context")


@click.command("lineage", short_help="Show what went into a job or model, and what came out of it.")
@click.argument("resource", metavar="ARN")
@click.option("--depth", type=click.IntRange(1, 10), default=3, show_default=True, help="How many steps to follow.")
@click.option(
    "--direction",
    "directions",
    multiple=True,
    type=click.Choice(_DIRECTIONS),
    help="upstream: what went in; downstream: what came out; context: what it ran in. Default: the first two.",
)
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="At most so many each way.")
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    resource: str,
    *,
    depth: int,
    directions: tuple[str, ...],
    limit: int,
    form: str | None,
    file: Path | None,
) -> None:
    """Show what went into a job or model, and what came out of it.

    ARN is a resource's ARN or name, or the S3 URI of a data set. Followed are the edges of training jobs: data, images,
    earlier jobs, tuning jobs and pipelines upstream; models, packages, logs and the next job in a warm pool downstream.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.insights.lineage import walk_lineage
    from stocktake.query.connection import open_reading
    from stocktake.query.resources import find_resource
    from stocktake.query.result import Result
    from stocktake.serve.cli.lineage_tree import COLUMNS, lineage_rows, print_lineage
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        if resource.startswith("s3://"):
            start = ("dataset", resource.rstrip("/"))
        else:
            found = find_resource(catalog, resource)
            start = (found.type, found.id)
        walk = walk_lineage(
            catalog, start, depth=depth, directions=directions or ("upstream", "downstream"), limit=limit
        )
    if destination.form != "table":
        write_rows(Result(COLUMNS, [lineage_rows(walk)]), destination)
        return
    with destination.open() as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
        print_lineage(walk, text, on_terminal=destination.on_terminal)
        text.detach()
