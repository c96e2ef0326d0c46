"""Errors as users see them: what happened, what was kept, what to do next."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import TracebackType

    from stocktake.core.errors import StocktakeError
    from stocktake.serve.cli.invocation import Invocation


def render_error(error: StocktakeError, invocation: Invocation) -> None:
    """Write an error to stderr."""
    if invocation.debug:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if invocation.errors_as_json:
        _echo_json(error.as_dict())
        return
    label = "error: " if os.environ.get("NO_COLOR") else click.style("error: ", fg="red", bold=True)
    click.echo(label + error.message, err=True)
    excerpt: str = getattr(error, "excerpt", "")
    if excerpt:
        click.echo("\n" + "".join(f"    {line}\n" for line in excerpt.splitlines()), err=True)
    if error.where and error.where not in error.message:
        click.echo(f"where: {error.where}", err=True)
    click.echo(f"kept:  {invocation.kept}", err=True)
    if error.hint:
        click.echo(f"next:  {error.hint}", err=True)
    click.echo(f"code:  {error.code}", err=True)


def render_usage(error: click.ClickException, *, as_json: bool) -> None:
    """Write what is wrong with a command line to stderr."""
    if as_json:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "stocktake"
        fields = {"code": "usage", "message": error.format_message(), "hint": f"See `{path} --help`.", "where": path}
        _echo_json(fields)
        return
    error.show()


def render_interruption(invocation: Invocation) -> None:
    """Write that the user ended the run, and what is kept."""
    if invocation.errors_as_json:
        fields = {"code": "interrupted", "message": "Interrupted", "hint": f"Kept: {invocation.kept}", "where": ""}
        _echo_json(fields)
        return
    click.echo(f"\ninterrupted; {invocation.kept}", err=True)


def render_bug(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """Write a line about an exception that nobody expected; set as `sys.excepthook`."""
    sys.stderr.write(f"error: {kind.__name__}: {error}\n")
    sys.stderr.write("kept:  what was committed before\n")
    sys.stderr.write("next:  this is a bug in Stocktake: run again with --debug and report what it prints\n")
    sys.stderr.write("code:  bug\n")


def _echo_json(fields: dict[str, str]) -> None:
    from stocktake.serve.telling.values import to_json

    click.echo(to_json(fields), err=True)
