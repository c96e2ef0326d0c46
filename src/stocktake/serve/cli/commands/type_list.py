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
@click.option("--explain", is_flag=True, help="With a TYPE: say which rule decided each part.")
@output_options()
@models_option
@debug_option
def command(
    type_name: str | None, search: str, form: str | None, file: Path | None, models: Path | None, *, explain: bool
) -> None:
    """List the types there are, or show how one is read.

    Listed are the types of tier A (CloudFormation or IAM knows the noun) and B (an operation makes or ends it). With a
    TYPE, by any of its names: the calls that read it, how they bind, what identifies a resource, its final states, the
    permissions that reading it needs, and, with --explain, which rule decided each.
    """
    # Imported here: botocore takes time to import, which --help need not wait for.
    from stocktake.providers.aws.models import open_models
    from stocktake.resource_types.registry import load_type

    destination = choose_destination(form, file)
    opened = open_models(models)
    if type_name is None:
        _write_list(opened, search, destination)
    else:
        _write_plan(load_type(type_name, opened), destination, explain=explain)


def _write_list(models: Models, search: str, destination: Destination) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.resource_types.registry import list_types
    from stocktake.serve.cli.rows import write_rows

    word = search.lower().replace("-", "").replace(" ", "")
    found = [one for one in list_types(models) if word in one.name.replace("_", "") or word in one.name]
    rows = [(one.name, one.name.split("_", 1)[0], one.service, one.noun, one.tier) for one in found]
    columns = tuple(Column(name, "VARCHAR") for name in ("type", "provider", "service", "noun", "tier"))
    if destination.is_binary:
        import pyarrow as pa

        from stocktake.serve.cli.rows import write_batches

        titles = [column.name for column in columns]
        table = pa.Table.from_pylist([dict(zip(titles, row, strict=True)) for row in rows])
        write_batches(table.to_reader(), destination)
    else:
        write_rows(Result(columns, [rows]), destination, max_rows=0)


def _write_plan(resource_type: ResourceType, destination: Destination, *, explain: bool) -> None:
    from stocktake.serve.cli.plans import print_plan
    from stocktake.serve.telling.plans import plan_document
    from stocktake.serve.telling.values import to_json

    if destination.form in {"csv", "parquet", "arrow", "md"}:
        raise click.UsageError("The plan of a type is no table of rows: choose -o table, json or ndjson.")
    with destination.open() as stream:
        if destination.form == "table":
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_plan(resource_type, text, on_terminal=destination.on_terminal, explain=explain)
            text.detach()
        else:
            stream.write(to_json(plan_document(resource_type), indent=destination.form == "json") + b"\n")
