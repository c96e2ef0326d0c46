"""Settings from the environment; each is named in docs/settings.md."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from stocktake.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user sets outside the command line."""

    catalog: Path
    """`STOCKTAKE_CATALOG`: the catalog file; by default `catalog.duckdb` in the user's data folder."""
    lock_wait_seconds: float
    """`STOCKTAKE_LOCK_WAIT_SECONDS`: how long to wait while another process holds the catalog; by default 5."""
    prices: Path | None = None
    """`STOCKTAKE_PRICES`: a file with prices of instances, for what jobs cost; by default none."""


def read_settings(environment: dict[str, str] | None = None) -> Settings:
    """Read the settings. Raises UserError for a value that makes no sense."""
    env = dict(os.environ) if environment is None else environment
    catalog = env.get("STOCKTAKE_CATALOG") or str(
        Path(platformdirs.user_data_dir("stocktake", appauthor=False)) / "catalog.duckdb"
    )
    wait = env.get("STOCKTAKE_LOCK_WAIT_SECONDS") or "5"
    try:
        seconds = float(wait)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86_400:
        raise UserError(
            f"STOCKTAKE_LOCK_WAIT_SECONDS is {wait!r}, which is no number of seconds",
            code="bad_setting",
            hint="Set it to a number from 0 to 86399, or unset it.",
            where="STOCKTAKE_LOCK_WAIT_SECONDS",
        )
    prices = env.get("STOCKTAKE_PRICES")
    return Settings(
        catalog=Path(catalog).expanduser(),
        lock_wait_seconds=seconds,
        prices=Path(prices).expanduser() if prices else None,
    )
