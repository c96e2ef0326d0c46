"""`stocktake schema`: the reference page of a type, for people, programs and databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import Destination
from stocktake.serve.cli.options import complete_type, debug_option, models_option

if TYPE_CHECKING:
    from pathlib import Path


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
@models_option
@debug_option
def command(type_name: str, form: str, file: str | None, models: Path | None) -> None:
    """Print a type's reference page, its JSON form, or its DDL.

    TYPE is a name such as aws_sagemaker_trainingjob; `stocktake types` lists them all. Nothing is called: the schema
    comes from the provider's own API model.
    """
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
        from stocktake.serve.cli.values import to_json

        if form == "json":
            text = to_json(schema_as_json(resource_type), indent=True).decode() + "\n"
        else:
            text = render_ddl(resource_type)
    with Destination(form, Path(file) if file else None).open() as stream:
        stream.write(text.encode())
