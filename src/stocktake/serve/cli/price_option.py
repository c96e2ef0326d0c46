"""The option that gives prices, and what it comes to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from stocktake.core.settings import Settings

F = TypeVar("F", bound="Callable[..., Any]")


def prices_option(function: F) -> F:
    """Add --prices; the command gets a `prices`."""
    return click.option(
        "--prices",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Prices by the hour: CSV, Parquet, or AWS's price list as JSON. Default: STOCKTAKE_PRICES, else none.",
    )(function)


def read_given_prices(prices: Path | None, settings: Settings) -> pa.Table | None:
    """Return the prices of the file that is given; None where none is.

    Raises: UserError where it is no price file.
    """
    path = prices or settings.prices
    if path is None:
        return None
    from stocktake.insights.prices import read_prices

    return read_prices(path)
