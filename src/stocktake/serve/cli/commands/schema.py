"""`stocktake schema`: the reference page of a type, for people, programs and databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import Destination, choose_destination
from stocktake.serve.cli.options import catalog_option, complete_type, debug_option, models_option

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation


@click.command("schema", short_help="Print a type's reference page, its JSON form, or its DDL.")
@click.argument("type_name", metavar="TYPE", shell_complete=complete_type)
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "json", "sql"]),
    default="markdown",
    show_default=True,
    help="The reference page, a machine-readable form, or the DDL.",
)
@click.option(
    "--output-file", "file", type=click.Path(dir_okay=False), metavar="FILE", help="Write to a file, not to stdout."
)
@click.option("--since", metavar="TIME", help="Say instead which fields came, moved and went in the catalog.")
@click.option("--filled", is_flag=True, help="Say instead how many of the catalog's resources have each field.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "ndjson", "csv", "md"]),
    help="The form of what --since and --filled say. Default: table on a terminal, ndjson in a pipe.",
)
@models_option
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    type_name: str,
    form: str,
    file: str | None,
    since: str | None,
    filled: bool,
    output: str | None,
    models: Path | None,
) -> None:
    """Print a type's reference page, its JSON form, or its DDL.

    TYPE is a name such as aws_sagemaker_trainingjob; `stocktake types` lists them all. Nothing is called: the schema
    comes from the provider's own API model.

    With --since or --filled it tells of the catalog: what came when (2026-01-31, 90d ago), or how often each field is
    set. -o is the form of these two.
    """
    if since or filled:
        _tell_of_catalog(invocation, type_name, since, output, file)
        return
    # Imported here: botocore takes time to import, which --help need not wait for.
    from pathlib import Path

    from stocktake.providers.aws.models import open_models
    from stocktake.resource_types.registry import load_type

    resource_type = load_type(type_name, open_models(models))
    if form == "markdown":
        from stocktake.resource_types.page import render_page

        text = render_page(resource_type)
    else:
        from stocktake.resource_types.export import render_ddl, schema_as_json
        from stocktake.serve.telling.values import to_json

        if form == "json":
            text = to_json(schema_as_json(resource_type), indent=True).decode() + "\n"
        else:
            text = render_ddl(resource_type)
    with Destination(form, Path(file) if file else None).open() as stream:
        stream.write(text.encode())


def _tell_of_catalog(
    invocation: Invocation, type_name: str, since: str | None, form: str | None, file: str | None
) -> None:
    """Write which fields came, moved and went, or how many resources have each."""
    from pathlib import Path

    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment
    from stocktake.query.result import Column, Result
    from stocktake.query.schema_facts import read_filled, read_schema_changes
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, Path(file) if file else None)
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        if since:
            names = ("changed_at", "change", "path", "sql_type", "was", "is_certain", "model_version")
            moment = parse_moment(since, SystemClock().now())
            rows = [
                tuple(getattr(one, name) for name in names) for one in read_schema_changes(catalog, type_name, moment)
            ]
            columns = tuple(Column(name, "VARCHAR") for name in names)
        else:
            found = read_filled(catalog, type_name)
            columns = (
                Column("path", "VARCHAR"),
                Column("filled", "BIGINT"),
                Column("percent", "DOUBLE"),
                Column("sql_type", "VARCHAR"),
            )
            rows = [(one.path, one.filled, round(one.percent, 1), one.sql_type) for one in found]
    write_rows(Result(columns, [rows]), destination, max_rows=0)
