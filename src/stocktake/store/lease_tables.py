"""The tables of leases; see `leases`."""

from __future__ import annotations

LEASE_TABLES = (
    # Every sync that is under way, and until when it is believed to be.
    """
    CREATE TABLE lease_holders (
        holder VARCHAR NOT NULL, sweep_id BIGINT NOT NULL, host VARCHAR NOT NULL, pid BIGINT NOT NULL,
        born VARCHAR NOT NULL, until TIMESTAMP NOT NULL
    )
    """,
    """
    CREATE TABLE scope_leases (
        account_id VARCHAR NOT NULL, region VARCHAR NOT NULL, type VARCHAR NOT NULL, holder VARCHAR NOT NULL,
        since TIMESTAMP NOT NULL
    )
    """,
    """
    CREATE VIEW leases AS
    SELECT account_id, region, type, holder, sweep_id, host, pid, since, until
    FROM scope_leases JOIN lease_holders USING (holder)
    """,
)
