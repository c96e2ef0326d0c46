"""`stocktake status`: what the catalog knows, how old it is, and what it could not read."""

from __future__ import annotations

import dataclasses
import io
from typing import IO, TYPE_CHECKING

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.remarks import gap_remarks, scope_name
from stocktake.serve.telling.readable import age, count, size

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from stocktake.query.status import CatalogStatus, ScopeStatus
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation


@click.command("status", short_help="Say what the catalog knows, how old that is, and what it could not read.")
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def command(invocation: Invocation, form: str | None, file: Path | None) -> None:
    """Say what the catalog knows, how old that is, and what it could not read.

    One row for each account, region and type that was ever asked for. json has everything in one object; ndjson, csv
    and md have the rows alone.
    """
    # Imported here: the database's driver takes 120 ms, which --help need not wait for.
    from stocktake.core.clock import SystemClock
    from stocktake.query.connection import open_reading
    from stocktake.query.status import read_status

    destination = choose_destination(form, file)
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        status = read_status(catalog)
    _write(status, destination, SystemClock().now())


def _write(status: CatalogStatus, destination: Destination, now: datetime) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.query.status import ScopeStatus
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    if destination.form == "json":
        with destination.open() as stream:
            stream.write(to_json(dataclasses.asdict(status), indent=True) + b"\n")
    elif destination.form == "table":
        with destination.open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
            _print(status, text, now, on_terminal=destination.on_terminal)
            text.detach()
    else:
        names = [field.name for field in dataclasses.fields(ScopeStatus)]
        columns = tuple(Column(name, "BIGINT" if name in {"rows", "aside"} else "VARCHAR") for name in names)
        rows = [tuple(getattr(scope, name) for name in names) for scope in status.scopes]
        write_rows(Result(columns, [rows]), destination)


def _print(status: CatalogStatus, stream: IO[str], now: datetime, *, on_terminal: bool) -> None:
    from stocktake.serve.cli.tables import make_console, make_table

    console = make_console(stream, on_terminal=on_terminal)
    console.print(f"{status.path}  {size(status.size_bytes)}", style="bold", soft_wrap=True)
    if not status.scopes:
        console.print("Nothing was synced yet: `stocktake sync --type TYPE`", soft_wrap=True)
    else:
        table = make_table()
        for header in ("type", "account", "region", "status", "rows", "aside", "complete"):
            table.add_column(header, justify="right" if header in {"rows", "aside"} else "left")
        for scope in status.scopes:
            known = age(scope.complete_at, now) if scope.complete_at else "never"
            shown = f"{known}, stale" if scope.stale and scope.complete_at else known
            cells = [scope.type, scope.account_id, scope.region, scope.status, f"{scope.rows:,}", f"{scope.aside:,}"]
            table.add_row(*cells, shown, style="yellow" if scope.stale else None)
        console.print(table)
    for scope in status.scopes:
        for line in _remarks(scope):
            console.print(line, soft_wrap=True)
    for sweep in status.sweeps:
        calls = count(sweep.calls, "call") if sweep.calls is not None else "calls unknown"
        console.print(
            f"sweep {sweep.sweep_id}: {sweep.status}, {age(sweep.started_at, now)}, {calls}",
            style="dim",
            soft_wrap=True,
        )


def _remarks(scope: ScopeStatus) -> list[str]:
    name = scope_name(scope)
    lines = list(gap_remarks(scope))
    if scope.drift:
        shown = ", ".join(scope.drift[:5]) + (", …" if len(scope.drift) > 5 else "")
        lines.append(f"{name}: {count(len(scope.drift), 'field')} unknown to the model: {shown}")
    if scope.aside:
        lines.append(f"{name}: {count(scope.aside, 'value')} kept aside: stocktake query 'FROM aside'")
    return lines
