"""`stocktake notify`: tell what is new."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.options import catalog_option, debug_option

if TYPE_CHECKING:
    from stocktake.serve.cli.invocation import Invocation

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("notify", short_help="Tell channels of new findings and changes.")
@click.option("--notices", "notices_file", metavar="FILE", required=True, type=_FILE,
              help="What is told, and by which channels: docs/notifications.md.")  # fmt: skip
@click.option("--policies", "paths", multiple=True, metavar="PATH", type=click.Path(path_type=Path, exists=True),
              help="A file of rules of your own, or a folder of them; repeat for more.")  # fmt: skip
@click.option("--exceptions", "exceptions_file", metavar="FILE", type=_FILE, help="Findings that somebody answers for.")
@click.option("--from-the-start", is_flag=True, help="The first time, tell what is there already, too.")
@click.option("--forget-waiting", is_flag=True, help="Forget the messages that no channel took.")
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="The form of the summary.")  # fmt: skip
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    notices_file: Path,
    paths: tuple[Path, ...],
    exceptions_file: Path | None,
    from_the_start: bool,
    forget_waiting: bool,
    form: str,
) -> int:
    """Tell channels of new findings, and of changes that a search finds.

    Run it after a sync; `stocktake listen --notices` does so by itself. What is told is remembered beside the catalog.
    Each message has an id and may come twice, never not at all. The first time nothing is told: what is there then is
    where it begins. Exit code 3: a channel did not take a message, which waits for the next time.
    """
    from stocktake.core.clock import SystemClock
    from stocktake.notices.config import read_config
    from stocktake.notices.telling import Telling, notify
    from stocktake.policies.exceptions import read_exceptions
    from stocktake.policies.packs import read_packs
    from stocktake.serve.telling.values import to_json

    settings = invocation.settings()
    telling = Telling(
        settings.catalog,
        read_config(notices_file),
        read_packs(paths),
        read_exceptions(exceptions_file) if exceptions_file else (),
        settings.lock_wait_seconds,
    )
    told = notify(telling, SystemClock().now(), from_the_start=from_the_start, forget_waiting=forget_waiting)
    if form == "json":
        click.echo(to_json(dataclasses.asdict(told), indent=True))
    else:
        click.echo(f"{told.sent:,} messages sent, {told.waiting:,} waiting")
    for channel, problem in told.problems.items():
        click.echo(f"{channel}: {problem}", err=True)
    return told.exit_code
