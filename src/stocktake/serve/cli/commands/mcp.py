"""`stocktake mcp`: the catalog for agents, over stdin and stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stocktake.core.errors import UserError
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.server_options import config_option, configure, knowledge_options

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation


@click.command("mcp", short_help="Let agents ask the catalog, over the Model Context Protocol.")
@config_option
@click.option("--role", metavar="NAME", help="See only what this role of the settings may. Default: everything.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=1_000),
    default=400_000,
    show_default=True,
    help="What one answer may have; a larger one is refused.",
)
@knowledge_options
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    config_file: Path | None,
    role: str | None,
    max_bytes: int,
    prices: Path | None,
    policies: tuple[Path, ...],
) -> int:
    """Let agents ask the catalog, over the Model Context Protocol on stdin and stdout.

    An agent's program starts it. Its tools only read: search, query, schema, resource, changes, relations, findings.
    They have the limits of the API, which the file of --config may set. docs/mcp.md says how to set it up.
    """
    from stocktake.serve.gate.config import OWNER_ROLE

    config = configure(invocation, config_file, prices=prices, policies=policies)
    found = OWNER_ROLE if role is None else next((one for one in config.roles if one.name == role), None)
    if found is None:
        raise UserError(
            f"The settings have no role {role!r}",
            code="unknown_role",
            hint=f"They have {', '.join(one.name for one in config.roles) or 'none'}; docs/access.md shows one.",
            where="--role",
        )
    try:
        from stocktake.serve.mcp.server import run_server
    except ModuleNotFoundError as error:
        raise UserError(
            f"`stocktake mcp` needs the package {error.name}, which is not installed",
            code="mcp_extra_missing",
            hint="Install it with `pip install 'stocktake[mcp]'`.",
        ) from error
    run_server(config, found, answer_bytes=max_bytes)
    return 0
