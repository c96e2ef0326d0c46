"""Options of the commands that know the server, and the configuration that they come to."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stocktake.serve.cli.invocation import Invocation
    from stocktake.serve.gate.config import ServerConfig

F = TypeVar("F", bound="Callable[..., Any]")


def config_option(function: F) -> F:
    """Add --config."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The server's settings, TOML: docs/server.md. What the command line says counts more.",
    )(function)


def knowledge_options(function: F) -> F:
    """Add --prices and --policies: what is known beside the catalog."""
    prices = click.option(
        "--prices",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Prices of instances, for what jobs cost. Default: STOCKTAKE_PRICES.",
    )
    policies = click.option(
        "--policies",
        type=click.Path(path_type=Path),
        metavar="PATH",
        multiple=True,
        help="A file or folder with policies of your own. May be given several times.",
    )
    return prices(policies(function))


def configure(invocation: Invocation, file: Path | None, **given: object) -> ServerConfig:
    """Return the server's configuration: the file's, with what the command line says.

    Raises: UserError for a setting that makes no sense.
    """
    from dataclasses import replace

    from stocktake.serve.gate.config import ServerConfig, read_config

    settings = invocation.settings()
    base = ServerConfig(settings.catalog, lock_wait_seconds=settings.lock_wait_seconds, prices=settings.prices)
    config = read_config(file, base)
    said = {name: value for name, value in given.items() if value is not None and value != ()}
    if invocation.catalog is not None:
        said["catalog"] = settings.catalog
    return replace(config, **said)  # type: ignore[arg-type]  # names and kinds are those of the options


@contextmanager
def needing_the_server() -> Iterator[None]:
    """Say what to install where the server's packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"The server needs the package {error.name}, which is not installed",
            code="server_extra_missing",
            hint="Install it with `pip install 'stocktake[server]'`.",
        ) from error
