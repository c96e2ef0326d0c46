"""`stocktake serve`: the catalog in the browser, and its API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.server_options import config_option, configure, knowledge_options, needing_the_server

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation


@click.command("serve", short_help="Serve the catalog in the browser, with its API.")
@click.option("--host", metavar="ADDRESS", help="The address to listen on. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port to listen on; 0 for a free one. Default: 8765.")
@config_option
@click.option("--public-url", metavar="URL", help="How browsers reach the server, where a proxy stands before it.")
@click.option("--no-login", is_flag=True, help="Let everybody on this machine in. On loopback only.")
@knowledge_options
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    host: str | None,
    port: int | None,
    config_file: Path | None,
    public_url: str | None,
    no_login: bool,
    prices: Path | None,
    policies: tuple[Path, ...],
) -> int:
    """Serve the catalog in the browser, with its API, until Ctrl-C.

    It listens on this machine only, and prints a link that lets one browser in. For others, OIDC or tokens have to be
    set up first: docs/server.md. Syncs and other commands may go on beside it, on the same catalog.
    """
    config = configure(
        invocation,
        config_file,
        host=host,
        port=port,
        public_url=public_url,
        login=False if no_login else None,
        prices=prices,
        policies=policies,
    )
    with needing_the_server():
        from stocktake.serve.running import run_server

    def ready(address: str, link: str | None) -> None:
        click.echo(f"Stocktake serves {config.catalog} at {address} until Ctrl-C.")
        if link is not None:
            click.echo(f"Open this link once, within ten minutes, to be let in:\n  {link}")
        sys.stdout.flush()

    run_server(config, ready)
    return 0
