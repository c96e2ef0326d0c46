"""`stocktake search`: resources of all types, by words and keys."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.query.search.page import SearchPage
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation

_EXCLUDING = re.compile(r"-[^-].*[:\s*]", re.DOTALL)


class SearchCommand(click.Command):
    """A command whose arguments may begin with a `-`, where they cannot be options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `-team:*` for a part of the search."""
        end = args.index("--") if "--" in args else len(args)
        words = [arg for arg in args[:end] if _EXCLUDING.match(arg)]
        options = [arg for arg in args[:end] if not _EXCLUDING.match(arg)]
        return super().parse_args(ctx, [*options, "--", *words, *args[end + 1 :]])


@click.command("search", cls=SearchCommand, short_help="Find resources of all types by words, tags and any field.")
@click.argument("search", metavar="[SEARCH]...", nargs=-1)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Of this type only. May be given several times.")
@click.option(
    "--facet",
    "facets",
    metavar="KEY[=VALUE]",
    multiple=True,
    help="Count by this key; with a value, choose it, (none) or (any). May be given several times.",
)
@click.option("--group-by", metavar="KEY", help="Count by this key instead of showing resources.")
@click.option("--sort", metavar="[-]KEY", default="-changed_at", show_default=True, help="The order; - for descending.")
@click.option("--limit", type=click.IntRange(0, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out so many first.")
@click.option("--after", metavar="TOKEN", help="Go on where an earlier page ended.")
@click.option("--as-of", metavar="TIME", help="As it was then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 2h ago.")
@click.option("--deleted", is_flag=True, help="Search what is gone, as it was last seen.")
@output_options()
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    search: tuple[str, ...],
    types: tuple[str, ...],
    facets: tuple[str, ...],
    group_by: str | None,
    sort: str,
    limit: int,
    offset: int,
    after: str | None,
    as_of: str | None,
    deleted: bool,
    form: str | None,
    file: Path | None,
) -> None:
    """Find resources of all types by words, tags and any field.

    SEARCH is words and KEY:VALUE, all of which must hold: team:vision -env:prod "my words" (a OR b) name:*part*
    resource_config.instance_type:ml.p4d* training_time_in_seconds:>3600 creation_time:>now-7d -owner:*. Without a
    SEARCH, everything is found. docs/search.md has all of it.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.moments import parse_moment
    from stocktake.query.search.run import search as run_search

    if as_of and deleted:
        raise click.UsageError("What is deleted is searched as it was last seen: take --as-of or --deleted.")
    destination = choose_destination(form, file)
    now = SystemClock().now()
    chosen: dict[str, list[str]] = {}
    for key, equals, value in (facet.partition("=") for facet in facets):
        if equals:
            chosen.setdefault(key, []).append(value)
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        page = run_search(
            catalog,
            " ".join(search),
            types=types,
            facets=list(dict.fromkeys(facet.partition("=")[0] for facet in facets)),
            chosen=chosen,
            group_by=group_by,
            limit=0 if group_by else limit,
            offset=offset,
            after=after,
            sort=sort,
            as_of=parse_moment(as_of, now) if as_of else None,
            deleted=deleted,
            now=now,
        )
    _write(page, destination)
    for note in page.notes:
        click.echo(f"note: {note.message}. {note.hint}", err=True)


def _write(page: SearchPage, destination: Destination) -> None:
    from stocktake.serve.cli.rows import write_batches, write_rows
    from stocktake.serve.cli.search_view import group_rows, resource_rows
    from stocktake.serve.telling.documents import page_document
    from stocktake.serve.telling.values import to_json

    if destination.form == "json":
        with destination.open() as stream:
            stream.write(to_json(page_document(page), indent=True) + b"\n")
        return
    if destination.form == "table":
        _print(page, destination)
        return
    rows = group_rows(page.groups) if page.groups is not None else resource_rows(page, for_the_eye=False)
    if destination.is_binary:
        from stocktake.query.search.page import to_arrow

        write_batches(to_arrow(page), destination)
    else:
        write_rows(rows, destination)


def _print(page: SearchPage, destination: Destination) -> None:
    from stocktake.serve.cli.search_view import facet_lines, group_rows, resource_rows, total_line
    from stocktake.serve.cli.tables import write_table
    from stocktake.serve.telling.values import to_visible

    rows = group_rows(page.groups) if page.groups is not None else resource_rows(page, for_the_eye=True)
    with destination.open() as stream:
        if page.rows or page.groups is not None:
            write_table(rows, stream, on_terminal=destination.on_terminal, max_rows=0)
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
        if page.groups is None:
            text.write(total_line(page) + "\n")
        text.writelines(to_visible(line) + "\n" for line in facet_lines(page))
        text.detach()
