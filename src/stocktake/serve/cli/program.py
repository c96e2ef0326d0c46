"""The program: its commands by name, options that all of them take, and the border where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

import stocktake
from stocktake.core.errors import StocktakeError
from stocktake.serve.cli.invocation import Invocation
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.cli.problems import render_error, render_interruption, render_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

# In the order in which one meets them. Each is `command` in a module of that name in `commands`.
COMMANDS = (
    "demo",
    "sync",
    "listen",
    "search",
    "query",
    "show",
    "changes",
    "diff",
    "relations",
    "status",
    "jobs",
    "job",
    "lineage",
    "ask",
    "policy",
    "notify",
    "permissions",
    "types",
    "schema",
    "export",
    "sql",
    "complete",
    "serve",
    "token",
    "mcp",
    "prune",
    "docs",
)
_MODULES = {"types": "type_list"}
INTERRUPTED = 130


class Program(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"stocktake.serve.cli.commands.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's own
        """Run a command and exit with its code: docs/errors.md lists them."""
        arguments = list(sys.argv[1:] if args is None else args)
        invocation = Invocation(errors_as_json=_wants_json(arguments))
        extra["standalone_mode"] = False
        try:
            code = super().main(arguments, *rest, obj=invocation, **extra)
        except click.ClickException as error:
            render_usage(error, as_json=invocation.errors_as_json)
            code = error.exit_code
        except StocktakeError as error:
            render_error(error, invocation)
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        _leave_work_behind(code or 0)
        sys.exit(code or 0)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the command; Ctrl-C and a reader that has gone away end it without noise."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            render_interruption(ctx.obj)
            return INTERRUPTED
        except BrokenPipeError:
            _let_go_of_stdout()
            return 0
        return code


def _leave_work_behind(code: int) -> None:
    """End the process here if the database still works on what cannot be stopped: it only reads."""
    if "duckdb" not in sys.modules:
        return
    from stocktake.query.interrupt import is_work_left

    if is_work_left():
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _let_go_of_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail once more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Return whether the errors should be JSON: asked of the raw arguments, since they may be what is wrong."""
    words = iter(arguments)
    for word in words:
        given = ""
        if word in {"-o", "--output"}:
            given = next(words, "")
        elif word.startswith("--output="):
            given = word.removeprefix("--output=")
        elif word.startswith("-o"):
            given = word.removeprefix("-o").removeprefix("=")
        if given in {"json", "ndjson"}:
            return True
    return False


program = Program(
    name="stocktake",
    help="An open resource catalog: every cloud resource, typed as its provider defines it, with its whole history, "
    "in a file you own.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings from the environment and exit codes: docs/settings.md, docs/errors.md.",
)
click.version_option(stocktake.__version__, prog_name="stocktake", message="%(prog)s %(version)s")(program)
catalog_option(program)
debug_option(program)
