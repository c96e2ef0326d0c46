"""What was read because an event named it; see `stocktake.events`."""

from __future__ import annotations

EVENT_TABLES = (
    # Single resources, so that it says nothing of their scopes: those are in `coverage`.
    """
    CREATE TABLE event_reads (
        sweep_id BIGINT NOT NULL, account_id VARCHAR NOT NULL, region VARCHAR NOT NULL, type VARCHAR NOT NULL,
        new BIGINT NOT NULL, changed BIGINT NOT NULL, deleted BIGINT NOT NULL, finished_at TIMESTAMP NOT NULL
    )
    """,
)
