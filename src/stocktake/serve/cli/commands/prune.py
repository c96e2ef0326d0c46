"""`stocktake prune`: forget history that is older than wanted, and make the file smaller."""

from __future__ import annotations

import dataclasses
import io
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, Any

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.telling.readable import count, size

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation
    from stocktake.store.retention import PrunedType

_COUNTS = ("versions", "forgotten", "relations", "changes", "coverage", "asides")


@click.command("prune", short_help="Forget history that is older than wanted, and make the file smaller.")
@click.option(
    "--keep",
    "keeps",
    metavar="SPAN",
    multiple=True,
    help="How long history is kept: 400d, 2026-01-31; or for some types only: 'aws_logs_*=30d'. May be given several "
    "times; of those that fit a type the last counts.",
)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="This type only. May be given several times.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option(
    "--compact", is_flag=True, help="Write the file anew afterwards, so that it shrinks. Takes its size again."
)
@output_options("table", "json", file=False)
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    keeps: tuple[str, ...],
    types: tuple[str, ...],
    dry_run: bool,
    compact: bool,
    form: str | None,
) -> None:
    """Forget history that is older than wanted, and make the file smaller.

    Versions that ended before the horizon go, and with them relations, changes and coverage of that time. What exists,
    and what was valid at the horizon or later, stays: `--as-of` is whole from there on. A resource that was gone before
    the horizon is forgotten.
    """
    if not keeps and not compact:
        raise click.UsageError("Say what to do: --keep SPAN, --compact, or both.")
    from stocktake.core.clock import SystemClock
    from stocktake.store.compaction import compact as compact_catalog
    from stocktake.store.retention import open_alone, prune

    destination = choose_destination(form)
    horizon_of = _horizons(keeps, SystemClock().now())
    settings = invocation.settings()
    _check_exists(settings.catalog)
    sizes: tuple[int, int] | None = None
    with open_alone(settings.catalog, settings.lock_wait_seconds) as catalog:
        _check_types(catalog, types)
        pruned = prune(catalog, horizon_of, types, dry_run=dry_run) if keeps else []
        invocation.kept = (
            "what was pruned is gone, all else is as it was" if not dry_run and pruned else invocation.kept
        )
        if compact and not dry_run:
            sizes = compact_catalog(catalog)
    with destination.open() as stream:
        if destination.form == "table":
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            _print(pruned, sizes, text, on_terminal=destination.on_terminal, dry_run=dry_run)
            text.detach()
        else:
            from stocktake.serve.telling.values import to_json

            document = {
                "dry_run": dry_run,
                "types": [dataclasses.asdict(one) for one in pruned],
                "bytes_before": sizes[0] if sizes else None,
                "bytes_after": sizes[1] if sizes else None,
            }
            stream.write(to_json(document, indent=destination.form == "json") + b"\n")


def _check_exists(path: Path) -> None:
    from stocktake.core.errors import UserError

    if not path.exists():
        raise UserError(
            f"There is no catalog at {path}",
            code="no_catalog",
            hint="Name another file with --catalog or STOCKTAKE_CATALOG.",
            where=str(path),
        )


def _check_types(catalog: Any, types: tuple[str, ...]) -> None:  # noqa: ANN401 - imported only where it is opened
    from stocktake.core.errors import UserError
    from stocktake.store.type_tables import held_types

    unknown = sorted(set(types) - set(held_types(catalog)))
    if unknown:
        raise UserError(
            f"The catalog holds no {', '.join(unknown)}",
            code="type_not_held",
            hint="`stocktake status` says what is held.",
            where=str(catalog.path),
        )


def _horizons(keeps: tuple[str, ...], now: datetime) -> Callable[[str], datetime | None]:
    """Return what says up to when a type's history may go."""
    from stocktake.query.moments import parse_moment

    rules = []
    for keep in keeps:
        pattern, equals, span = keep.rpartition("=")
        rules.append((pattern if equals else "*", parse_moment(span, now)))

    def horizon_of(name: str) -> datetime | None:
        return next((moment for pattern, moment in reversed(rules) if fnmatchcase(name, pattern)), None)

    return horizon_of


def _print(
    pruned: list[PrunedType], sizes: tuple[int, int] | None, stream: IO[str], *, on_terminal: bool, dry_run: bool
) -> None:
    from stocktake.serve.cli.tables import make_console, make_table

    console = make_console(stream, on_terminal=on_terminal)
    shown = [one for one in pruned if one.rows]
    if shown:
        table = make_table()
        for header in ("type", "before", *_COUNTS, "versions kept"):
            table.add_column(header, justify="left" if header in {"type", "before"} else "right")
        for one in shown:
            cells = [f"{getattr(one, name):,}" for name in _COUNTS]
            table.add_row(one.type, f"{one.horizon:%Y-%m-%d %H:%M}", *cells, f"{one.kept:,}")
        console.print(table)
    verb = "would go" if dry_run else "gone"
    if pruned:
        console.print(f"{count(sum(one.rows for one in pruned), 'row')} {verb}", soft_wrap=True)
    if sizes:
        console.print(f"{size(sizes[0])} before, {size(sizes[1])} now", soft_wrap=True)
