"""`stocktake token`: keys with which programs use the server's API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from stocktake.core.errors import UserError
from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.server_options import config_option, configure, needing_the_server

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.serve.cli.invocation import Invocation
    from stocktake.serve.gate.config import ServerConfig
    from stocktake.serve.gate.tokens import Tokens

_COLUMNS = ("id", "name", "owner", "role", "scopes", "made_at", "expires_at", "used_at", "revoked_at")


@click.group("token", short_help="Make, list and revoke tokens for the server's API.")
@catalog_option
@debug_option
def command() -> None:
    """Make, list and revoke tokens for the server's API.

    A token is shown once, when it is made; what is kept is its hash. It has a role, scopes and an end.
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--role", default="owner", show_default=True, help="Whose accounts and types it sees: a role of --config."
)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "sql", "export", "sync", "edit", "metrics"]),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it may be used for. May be given several times.",
)
@click.option("--days", type=float, default=30.0, show_default=True, help="How long it is good.")
@config_option
@catalog_option
@debug_option
@click.pass_obj
def create(
    invocation: Invocation, name: str, role: str, scopes: tuple[str, ...], days: float, config_file: Path | None
) -> None:
    """Make a token, and print it: it is shown only here.

    NAME says what uses it.
    """
    config = configure(invocation, config_file)
    if config.role(role) is None:
        raise UserError(
            f"There is no role {role!r}",
            code="unknown_role",
            hint="Roles are owner, and those in the file that --config names.",
            where=role,
        )
    token, secret = _tokens(config).create(name, owner=f"token {name}", role=role, scopes=scopes, days=days)
    click.echo(secret)
    click.echo(f"Token {token.id} ({token.name}) is good until {_iso(token.expires_at)}.", err=True)


@command.command("list")
@output_options()
@config_option
@catalog_option
@debug_option
@click.pass_obj
def list_tokens(invocation: Invocation, form: str | None, file: Path | None, config_file: Path | None) -> None:
    """List the tokens; what they are is not kept, only their hashes."""
    from stocktake.query.result import Column, Result
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    found = _tokens(configure(invocation, config_file)).list()
    rows = [
        (
            one.id, one.name, one.owner, one.role, " ".join(one.scopes), _iso(one.made_at), _iso(one.expires_at),
            _iso(one.used_at), _iso(one.revoked_at),
        )
        for one in found
    ]  # fmt: skip
    write_rows(Result(tuple(Column(name, "VARCHAR") for name in _COLUMNS), [rows]), destination, max_rows=0)


@command.command("revoke")
@click.argument("token_id", metavar="ID")
@config_option
@catalog_option
@debug_option
@click.pass_obj
def revoke(invocation: Invocation, token_id: str, config_file: Path | None) -> None:
    """Let a token be used no more, at once.

    ID is what `stocktake token list` shows.
    """
    if not _tokens(configure(invocation, config_file)).revoke(token_id):
        raise UserError(
            f"There is no token {token_id!r}",
            code="unknown_token",
            hint="`stocktake token list` lists them.",
            where=token_id,
        )
    click.echo(f"Token {token_id} is revoked.")


def _tokens(config: ServerConfig) -> Tokens:
    from stocktake.serve.gate.own_store import OwnStore
    from stocktake.serve.gate.tokens import Tokens

    with needing_the_server():
        return Tokens(OwnStore(config.beside("server.sqlite")))


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
