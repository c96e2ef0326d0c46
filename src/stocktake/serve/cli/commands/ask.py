"""`stocktake ask`: questions that are answered by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stocktake.core.errors import UserError
from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.price_option import prices_option, read_given_prices

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    del context, parameter
    from stocktake.insights.questions import read_questions

    return [name for name in read_questions() if name.startswith(incomplete)]


@click.command("ask", short_help="Answer a question about jobs by its name.")
@click.argument("question", required=False, shell_complete=_complete)
@click.option("--list", "listing", is_flag=True, help="List the questions, by topic.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the question.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the question's statement, and ask nothing.")
@prices_option
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    question: str | None,
    *,
    listing: bool,
    params: tuple[str, ...],
    as_sql: bool,
    prices: Path | None,
    form: str | None,
    file: Path | None,
) -> None:
    """Answer a question about jobs by its name.

    `stocktake ask --list` tells the names; docs/questions.md has each with its answer on the simulated estate.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.insights.questions import answer, find_question, read_questions
    from stocktake.query.connection import open_reading
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    if listing or question is None:
        known = sorted(read_questions().values(), key=lambda one: (one.topic, one.name))
        rows = [(one.topic, one.name, one.title, " ".join(p.name for p in one.parameters)) for one in known]
        columns = tuple(Column(name, "VARCHAR") for name in ("topic", "question", "title", "parameters"))
        write_rows(Result(columns, [rows]), destination, max_rows=0)
        return
    asked = find_question(question)
    if as_sql:
        click.echo(asked.sql)
        return
    settings = invocation.settings()
    given = read_given_prices(prices, settings)
    values = dict(map(_parameter, params))
    if destination.on_terminal and destination.form == "table":
        click.secho(asked.title, bold=True)
        click.secho(asked.about, dim=True)
        sys.stdout.flush()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        write_rows(answer(catalog, asked, values, given), destination, max_rows=0)


def _parameter(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not equals:
        raise UserError(f"{said!r} is no parameter", code="bad_parameter", hint="Write --param days=7.", where=said)
    return name, value
