"""`stocktake types`: which types there are, and how one is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import complete_type, debug_option, models_option

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.providers.aws.models import Models
    from stocktake.resource_types.spec import ResourceType
    from stocktake.serve.cli.destination import Destination


@click.command("types", short_help="List the types there are, or show how one is read.")
@click.argument("type_name", metavar="[TYPE]", required=False, shell_complete=complete_type)
@click.option("--search", metavar="WORD", default="", help="List only types whose name contains this.")
@output_options()
@models_option
@debug_option
def command(type_name: str | None, search: str, form: str | None, file: Path | None, models: Path | None) -> None:
    """List the types there are, or show how one is read.

    With a TYPE: the calls that read it, how they bind, what identifies a resource, its final states, the permissions
    that reading it needs, and which rule decided each.
    """
    # Imported here: botocore takes time to import, which --help need not wait for.
    from stocktake.providers.aws.models import open_models
    from stocktake.resource_types.registry import load_type

    destination = choose_destination(form, file)
    opened = open_models(models)
    if type_name is None:
        _write_list(opened, search, destination)
    else:
        _write_plan(load_type(type_name, opened), destination)


def _write_list(models: Models, search: str, destination: Destination) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.resource_types.registry import list_type_names
    from stocktake.serve.cli.rows import write_rows

    word = search.lower().replace("-", "").replace(" ", "")
    names = [name for name in list_type_names(models) if word in name.replace("_", "") or word in name]
    rows = [_split(name) for name in names]
    columns = tuple(Column(name, "VARCHAR") for name in ("type", "provider", "service", "noun"))
    if destination.form == "parquet":
        import pyarrow as pa

        from stocktake.serve.cli.rows import write_parquet

        titles = [column.name for column in columns]
        table = pa.Table.from_pylist([dict(zip(titles, row, strict=True)) for row in rows])
        write_parquet(table.to_reader(), destination)
    else:
        write_rows(Result(columns, [rows]), destination, max_rows=0)


def _split(name: str) -> tuple[str, str, str, str]:
    provider, service, noun = name.split("_", 2)
    return name, provider, service, noun


def _write_plan(resource_type: ResourceType, destination: Destination) -> None:
    from stocktake.serve.cli.plans import plan_document, print_plan
    from stocktake.serve.cli.values import to_json

    if destination.form in {"csv", "parquet", "md"}:
        raise click.UsageError("The plan of a type is no table of rows: choose -o table, json or ndjson.")
    with destination.open() as stream:
        if destination.form == "table":
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_plan(resource_type, text, on_terminal=destination.on_terminal)
            text.detach()
        else:
            stream.write(to_json(plan_document(resource_type), indent=destination.form == "json") + b"\n")
