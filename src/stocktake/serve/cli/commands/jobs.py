"""`stocktake jobs`: jobs of all types, and two of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stocktake.core.errors import UserError
from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, complete_type, debug_option
from stocktake.serve.cli.price_option import prices_option, read_given_prices

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation

_STATES = (
    "queued", "starting", "running", "stopping", "succeeded", "partial", "failed", "cancelled", "timed_out", "deleting",
)  # fmt: skip
_ORDERS = ("created", "ended", "run", "queue", "hours", "cost", "savings")


@click.group("jobs", invoke_without_command=True, short_help="List jobs of all types, with phases, hours and cost.")
@click.option("--type", "types", multiple=True, shell_complete=complete_type, metavar="TYPE", help="Of this type only.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="In this state only.")
@click.option("--account", "account_id", metavar="ID", default="", help="In this account only.")
@click.option("--region", metavar="REGION", default="", help="In this region only.")
@click.option("--name", metavar="TEXT", default="", help="Whose name has this in it.")
@click.option("--team", metavar="TEAM", default="", help="Of this team, by the tag.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="With this tag.")
@click.option(
    "--since", metavar="TIME", help="Created since then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 7d ago."
)
@click.option(
    "--sort", "order", type=click.Choice(_ORDERS), default="created", show_default=True, help="Largest first."
)
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="Show no more jobs; 0: all.")
@prices_option
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    *,
    types: tuple[str, ...],
    states: tuple[str, ...],
    account_id: str,
    region: str,
    name: str,
    team: str,
    tags: tuple[str, ...],
    since: str | None,
    order: str,
    limit: int,
    prices: Path | None,
    form: str | None,
    file: Path | None,
) -> None:
    """List jobs of all types, with phases, hours and cost.

    A job is a resource of any type whose life begins and ends: training jobs, builds, queries, executions. The state
    is one of ten words for all of them. Phases are a letter for each part of the time: p pending, s starting, d
    downloading, T training, ! interrupted, u uploading, x stopping. Instance-hours are what is billed; cost needs
    prices.
    """
    if context.invoked_subcommand is not None:
        return
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.insights.job_list import JobFilter, list_jobs
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    moment = parse_moment(since, SystemClock().now()).replace(tzinfo=None) if since else None
    invocation: Invocation = context.obj
    settings = invocation.settings()
    given = read_given_prices(prices, settings)
    wanted = JobFilter(types, states, account_id, region, name, team, tuple(_tag(one) for one in tags), moment)
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        write_rows(list_jobs(catalog, wanted, order=order, limit=limit, prices=given), destination, max_rows=0)


@command.command("compare", short_help="Put two jobs side by side.")
@click.argument("left", metavar="JOB")
@click.argument("right", metavar="OTHER")
@click.option("--all", "everything", is_flag=True, help="Show what is alike, too.")
@prices_option
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def compare(
    invocation: Invocation,
    left: str,
    right: str,
    *,
    everything: bool,
    prices: Path | None,
    form: str | None,
    file: Path | None,
) -> None:
    """Put two jobs side by side: outcome, metrics, time, cost, and which hyperparameters and settings differ.

    JOB and OTHER are ARNs, or names where that is enough.
    """
    from stocktake.insights.comparison import compare_jobs
    from stocktake.insights.job_report import read_job
    from stocktake.query.connection import open_reading
    from stocktake.query.resources import find_resource
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    settings = invocation.settings()
    given = read_given_prices(prices, settings)
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        first, second = (
            read_job(catalog, find_resource(catalog, one), given, with_edges=False) for one in (left, right)
        )
    write_rows(compare_jobs(first, second, everything=everything), destination, max_rows=0)


def _tag(said: str) -> tuple[str, str]:
    key, equals, value = said.partition("=")
    if not equals or not key:
        raise UserError(f"{said!r} is no tag", code="bad_tag", hint="Write --tag team=vision.", where=said)
    return key, value
