"""Options that several commands take, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stocktake.serve.cli.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that keeps an option with the invocation, wherever on the line it stands."""

    def keep(context: click.Context, _: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            setattr(context.ensure_object(Invocation), name, value)

    return keep


def debug_option(function: F) -> F:
    """Add --debug."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_keep("debug"),
        help="On an error show the traceback, too.",
    )(function)


def catalog_option(function: F) -> F:
    """Add --catalog."""
    return click.option(
        "--catalog",
        type=click.Path(path_type=Path, dir_okay=False),
        expose_value=False,
        callback=_keep("catalog"),
        metavar="PATH",
        help="The catalog file. Default: STOCKTAKE_CATALOG, else catalog.duckdb in your data folder.",
    )(function)


def models_option(function: F) -> F:
    """Add --models."""
    return click.option(
        "--models",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="A botocore data folder to derive types from. Default: AWS_DATA_PATH, then the installed botocore.",
    )(function)


def complete_type(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of types that begin so, for the shell's completion."""
    from stocktake.providers.aws.models import open_models
    from stocktake.resource_types.registry import list_type_names

    return [name for name in list_type_names(open_models(context.params.get("models"))) if name.startswith(incomplete)]
