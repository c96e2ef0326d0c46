"""The table of how types' fields came, moved and went, as a migration makes it; `evolution` fills it."""

from __future__ import annotations

SCHEMA_TABLES: tuple[str, ...] = (
    # `was`: of a moved field its path before, of a retyped one where its older values are. A move is only a proposal
    # until values say so (`is_certain`).
    """
    CREATE TABLE schema_changes (
        type VARCHAR NOT NULL, changed_at TIMESTAMP NOT NULL, model_version VARCHAR NOT NULL, change VARCHAR NOT NULL,
        path VARCHAR NOT NULL, sql_type VARCHAR, was VARCHAR, is_certain BOOLEAN NOT NULL
    )
    """,
)
