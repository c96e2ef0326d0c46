"""Numbered steps that bring a catalog from one format to the next; a step is never edited once released."""

from __future__ import annotations

from stocktake.store.event_tables import EVENT_TABLES
from stocktake.store.lease_tables import LEASE_TABLES
from stocktake.store.resource_tables import RESOURCE_TABLES
from stocktake.store.schema_tables import SCHEMA_TABLES
from stocktake.store.strategy_columns import LOOK_COLUMNS, STRATEGY_COLUMNS

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE catalog_meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL)",
        # One row per type that this catalog holds, with the page's schema as it was last synced.
        """
        CREATE TABLE resource_types (
            type VARCHAR NOT NULL, provider VARCHAR NOT NULL, service VARCHAR NOT NULL, model_version VARCHAR NOT NULL,
            arn_column VARCHAR, name_column VARCHAR, schema_json VARCHAR NOT NULL, since TIMESTAMP NOT NULL
        )
        """,
        """
        CREATE TABLE sweeps (
            sweep_id BIGINT NOT NULL, started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP, status VARCHAR NOT NULL,
            calls BIGINT, stocktake_version VARCHAR NOT NULL, catalog_user VARCHAR
        )
        """,
        # One row per sweep and scope: what was asked, what came, and why not.
        """
        CREATE TABLE coverage (
            sweep_id BIGINT NOT NULL, account_id VARCHAR NOT NULL, region VARCHAR NOT NULL, type VARCHAR NOT NULL,
            status VARCHAR NOT NULL, reason VARCHAR, hint VARCHAR, missing_permission VARCHAR,
            calls BIGINT, throttled_calls BIGINT, failed_calls BIGINT, listed BIGINT, read BIGINT,
            new BIGINT, changed BIGINT, deleted BIGINT, unchanged BIGINT, aside BIGINT, tags_status VARCHAR,
            drift VARCHAR[], started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP NOT NULL
        )
        """,
        # What could not be typed: the whole answer (path '') or one value of it.
        """
        CREATE TABLE aside (
            sweep_id BIGINT NOT NULL, account_id VARCHAR NOT NULL, region VARCHAR NOT NULL, type VARCHAR NOT NULL,
            id VARCHAR NOT NULL, path VARCHAR NOT NULL, reason VARCHAR NOT NULL, value VARCHAR,
            seen_at TIMESTAMP NOT NULL
        )
        """,
        # The newest word on every scope, and since when it is known whole.
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
        # tag(tags, 'team'): the value of a tag, null where it is not set.
        """
        CREATE MACRO tag(tags, name) AS
            substr(list_filter(tags, lambda t: starts_with(t, name || ':'))[1], length(name) + 2)
        """,
    ),
    (
        # What fields say of other resources, each as long as it was said; names only where something is called so.
        """
        CREATE TABLE relation_versions (
            source_id VARCHAR NOT NULL, source_type VARCHAR NOT NULL, account_id VARCHAR NOT NULL,
            region VARCHAR NOT NULL, path VARCHAR NOT NULL, edge VARCHAR NOT NULL, form VARCHAR NOT NULL,
            value VARCHAR NOT NULL, key VARCHAR NOT NULL, target_type VARCHAR, target_id VARCHAR,
            target_account_id VARCHAR, target_region VARCHAR, _from TIMESTAMP NOT NULL, _to TIMESTAMP,
            _sweep BIGINT NOT NULL
        )
        """,
        # What each field may refer to by its name, best first; and up to which sweep a type's edges are known.
        """
        CREATE TABLE relation_fields (
            source_type VARCHAR NOT NULL, path VARCHAR NOT NULL, edge VARCHAR NOT NULL, types VARCHAR[] NOT NULL
        )
        """,
        "CREATE TABLE relation_state (type VARCHAR NOT NULL, sweep_id BIGINT NOT NULL, rules BIGINT NOT NULL)",
        """
        CREATE VIEW relations_history AS
        SELECT source_id, source_type, account_id, region, edge, path, value, target_type, target_id,
            target_account_id, target_region, target_id IS NOT NULL AS resolved, form, _from, _to
        FROM relation_versions
        WHERE target_id IS NOT NULL OR (form <> 'name' AND (form <> 'id' OR target_type IS NOT NULL))
        """,
        "CREATE VIEW relations AS SELECT * EXCLUDE (_to) FROM relations_history WHERE _to IS NULL",
        """
        CREATE MACRO relations_as_of(moment) AS TABLE
        SELECT * EXCLUDE (_to) FROM relations_history
        WHERE _from <= CAST(moment AS TIMESTAMP) AND (_to IS NULL OR _to > CAST(moment AS TIMESTAMP))
        """,
    ),
    (
        # What each sweep changed, written when it ends; values are JSON. What a scope's first look found is no change.
        """
        CREATE TABLE change_log (
            type VARCHAR NOT NULL, id VARCHAR NOT NULL, account_id VARCHAR NOT NULL, region VARCHAR NOT NULL,
            change VARCHAR NOT NULL, changed_at TIMESTAMP NOT NULL, looked_before TIMESTAMP, sweep_id BIGINT NOT NULL,
            edits STRUCT("path" VARCHAR, "before" VARCHAR, "after" VARCHAR)[] NOT NULL
        )
        """,
        r"""
        CREATE VIEW changes AS
        SELECT changed_at, change, type, id, account_id, region,
            list_distinct([regexp_replace(e.path, '\[[^\]]*\]', '', 'g') FOR e IN edits]) AS fields,
            [{
                'path': e.path, 'before': json_extract_string(e.before, '$'), 'after': json_extract_string(e.after, '$')
            } FOR e IN edits] AS edits,
            looked_before, sweep_id
        FROM change_log
        """,
    ),
    RESOURCE_TABLES,
    LEASE_TABLES,
    STRATEGY_COLUMNS,
    SCHEMA_TABLES,
    EVENT_TABLES,
    LOOK_COLUMNS,
)

FORMAT_VERSION = len(MIGRATIONS)
