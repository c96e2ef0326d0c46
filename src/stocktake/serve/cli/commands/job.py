"""`stocktake job`: one job, with its timeline, metrics, cost and lineage."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.price_option import prices_option, read_given_prices

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation


@click.command("job", short_help="Show one job: its timeline, metrics, cost and lineage.")
@click.argument("job", metavar="ARN")
@click.option("--type", "type_name", metavar="TYPE", default="", help="Look for ARN among this type only.")
@click.option("--account", "account_id", metavar="ID", default="", help="Look for ARN in this account only.")
@click.option("--region", metavar="REGION", default="", help="Look for ARN in this region only.")
@prices_option
@output_options("table", "json")
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    job: str,
    *,
    type_name: str,
    account_id: str,
    region: str,
    prices: Path | None,
    form: str | None,
    file: Path | None,
) -> None:
    """Show one job: its timeline, metrics, cost and lineage.

    ARN is the job's ARN, or its name where that is enough. In a pipe the output is JSON.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.insights.job_report import read_job
    from stocktake.query.connection import open_reading
    from stocktake.query.resources import find_resource
    from stocktake.serve.cli.job_page import job_document, print_job
    from stocktake.serve.telling.values import to_json

    destination = choose_destination(form, file)
    settings = invocation.settings()
    given = read_given_prices(prices, settings)
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        found = find_resource(catalog, job, type_name=type_name, account_id=account_id, region=region)
        report = read_job(catalog, found, given)
    with destination.open() as stream:
        if destination.form == "table":
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_job(report, text, on_terminal=destination.on_terminal)
            text.detach()
        else:
            stream.write(to_json(job_document(report), indent=destination.form == "json") + b"\n")
