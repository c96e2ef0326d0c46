"""`stocktake relations`: what a resource refers to, and what refers to it."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from stocktake.query.resources import Resource
    from stocktake.relations.walk import Walk
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation


@click.command("relations", short_help="Show what a resource refers to, and what refers to it.")
@click.argument("resource", metavar="ARN")
@click.option("--depth", type=click.IntRange(1, 10), default=1, show_default=True, help="How many steps to follow.")
@click.option(
    "--direction",
    type=click.Choice(["out", "in", "both"]),
    default="both",
    show_default=True,
    help="out: what it refers to; in: what refers to it.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=1_000, show_default=True, help="Show no more relations; 0: all."
)
@click.option("--as-of", metavar="TIME", help="As it was then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 2h ago.")
@click.option("--type", "type_name", metavar="TYPE", default="", help="Look for ARN among this type only.")
@click.option("--account", "account_id", metavar="ID", default="", help="Look for ARN in this account only.")
@click.option("--region", metavar="REGION", default="", help="Look for ARN in this region only.")
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    resource: str,
    *,
    depth: int,
    direction: str,
    limit: int,
    as_of: str | None,
    type_name: str,
    account_id: str,
    region: str,
    form: str | None,
    file: Path | None,
) -> None:
    """Show what a resource refers to, and what refers to it.

    ARN is the resource's ARN, or its name where that is enough. Relations come from fields that hold ARNs, ids, S3
    URIs, images or names. What they lead to need not be held. A resource that was deleted is shown as it was last seen.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment
    from stocktake.query.resources import find_resource
    from stocktake.relations.walk import Node, walk_relations

    destination = choose_destination(form, file)
    moment = parse_moment(as_of, SystemClock().now()) if as_of else None
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        found = find_resource(catalog, resource, type_name=type_name, account_id=account_id, region=region)
        moment = _last_seen(found) if moment is None else moment
        found.version_at(moment)
        start = Node(found.type, found.id, found.account_id, found.region)
        walk = walk_relations(catalog, start, depth=depth, direction=direction, as_of=moment, limit=limit)
    _write(walk, moment, destination)


def _last_seen(found: Resource) -> datetime | None:
    """Return the last moment of what was deleted; None for what is there."""
    return None if found.gone_at is None else found.gone_at - timedelta(microseconds=1)


def _write(walk: Walk, moment: datetime | None, destination: Destination) -> None:
    from stocktake.query.result import Result
    from stocktake.serve.cli.relation_tree import COLUMNS, print_relations, relation_document, relation_rows
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    if destination.form == "json":
        with destination.open() as stream:
            stream.write(to_json(relation_document(walk, moment), indent=True) + b"\n")
    elif destination.form == "table":
        with destination.open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            print_relations(walk, text, as_of=moment, on_terminal=destination.on_terminal)
            text.detach()
    else:
        write_rows(Result(COLUMNS, [relation_rows(walk)]), destination)
