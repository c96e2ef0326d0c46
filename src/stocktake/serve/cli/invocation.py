"""What one run of the program was told, and what that comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.core.settings import Settings

NOTHING_CHANGED = "nothing was changed"


@dataclass(slots=True)
class Invocation:
    """What stands before or after the command's name, the same for all commands."""

    errors_as_json: bool = False
    catalog: Path | None = None
    debug: bool = False
    kept: str = NOTHING_CHANGED
    """What to tell of the catalog when the run fails."""

    def settings(self) -> Settings:
        """Return the settings, with the catalog that the command line names.

        Raises: UserError for a setting that makes no sense.
        """
        from stocktake.core.settings import read_settings

        settings = read_settings()
        return settings if self.catalog is None else replace(settings, catalog=self.catalog.expanduser())
