"""The sweep: collect, normalize, store, start to end."""

from __future__ import annotations

from stocktake.sync.request import SyncReport, SyncRequest
from stocktake.sync.sweep import run_sync

__all__ = ["SyncReport", "SyncRequest", "run_sync"]
