"""`stocktake demo`: a simulated cloud, synced twice, and five questions answered."""

from __future__ import annotations

import click

from stocktake.core.errors import FatalError
from stocktake.serve.cli.options import debug_option


@click.command("demo", short_help="Try it all on a simulated cloud, without an account.")
@debug_option
def command() -> None:
    """Try it all on a simulated cloud, without an account."""
    raise FatalError("The demo is not built yet", code="demo_missing", hint="Use `stocktake sync` meanwhile.")
