"""What the ledger says of the way a scope was read, and how far it goes; the next sweep builds on it."""

from __future__ import annotations

STRATEGY_COLUMNS = (
    "ALTER TABLE coverage ADD COLUMN strategy VARCHAR",
    # When the whole list was last read: absences and tags are known as of then.
    "ALTER TABLE coverage ADD COLUMN whole_at TIMESTAMP",
    # The newest creation, by the provider's clock, up to which everything is known.
    "ALTER TABLE coverage ADD COLUMN watermark TIMESTAMP",
    "DROP VIEW coverage_now",
    """
    CREATE VIEW coverage_now AS
    SELECT c.*, w.complete_at, w.complete_at IS NULL OR w.complete_at < c.finished_at AS stale
    FROM (
        SELECT * FROM coverage
        QUALIFY row_number() OVER (PARTITION BY account_id, region, type ORDER BY sweep_id DESC) = 1
    ) AS c
    LEFT JOIN (
        SELECT account_id, region, type, max(finished_at) FILTER (WHERE status = 'complete') AS complete_at
        FROM coverage GROUP BY ALL
    ) AS w USING (account_id, region, type)
    """,
)
LOOK_COLUMNS = (
    # When the list was read, by the provider's clock: what runs on unchanged is read again by its age then and now.
    "ALTER TABLE coverage ADD COLUMN listed_at TIMESTAMP",
    "ALTER TABLE coverage ADD COLUMN unknown_facets VARCHAR[]",
    *STRATEGY_COLUMNS[-2:],
)
MEMORY_SQL = """
    SELECT max(whole_at), arg_max(watermark, finished_at), arg_max(listed_at, finished_at)
    FROM coverage
    WHERE account_id = ? AND region = ? AND type = ? AND status = 'complete' AND whole_at IS NOT NULL
"""
"""Of a scope: when it was last whole, and of the last sweep that left nothing open the watermark and when it listed."""
