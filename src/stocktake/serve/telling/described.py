"""Types with the provider's descriptions, remembered: a page shows one type again and again."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from stocktake.resource_types.spec import ResourceType


@lru_cache(maxsize=64)
def described_type(name: str) -> ResourceType | None:
    """Return a type as the installed models have it; None where they no longer have it."""
    from stocktake.providers.aws.models import open_models  # noqa: PLC0415 - only what shows descriptions waits for it
    from stocktake.resource_types.registry import load_type  # noqa: PLC0415 - as above

    try:
        return load_type(name, open_models())
    except UserError:
        return None
