"""The tables for searching all resources at once, as a migration makes them; `resource_index` fills them."""

from __future__ import annotations

_TAG_COLUMNS = ", ".join(f"tag_{number} VARCHAR" for number in range(1, 17))

RESOURCE_TABLES: tuple[str, ...] = (
    # One row for each scope: what all resources in it have in common.
    """
    CREATE TABLE resource_scopes (
        scope INTEGER NOT NULL, type VARCHAR NOT NULL, provider VARCHAR NOT NULL, service VARCHAR NOT NULL,
        account_id VARCHAR NOT NULL, region VARCHAR NOT NULL, complete_at TIMESTAMP, stale BOOLEAN NOT NULL DEFAULT true
    )
    """,
    # One row for each resource that exists; tag_1 and so on hold what resource_tag_keys says.
    f"""
    CREATE TABLE resource_index (
        scope INTEGER NOT NULL, id VARCHAR NOT NULL, name VARCHAR, state VARCHAR, tags MAP(VARCHAR, VARCHAR),
        created_at TIMESTAMP, first_seen_at TIMESTAMP NOT NULL, changed_at TIMESTAMP NOT NULL,
        text VARCHAR NOT NULL, {_TAG_COLUMNS}
    )
    """,
    # Every key that tags had, and the column of resource_index that holds its values, where there is one.
    "CREATE TABLE resource_tag_keys (key VARCHAR NOT NULL, column_name VARCHAR)",
    # Every value that tags with a column had.
    "CREATE TABLE resource_tag_values (key VARCHAR NOT NULL, value VARCHAR NOT NULL)",
    # The key of a tag, which ends at the first colon; at the third where AWS made it (aws:cloudformation:stack-name).
    """
    CREATE MACRO tag_key(tag) AS
        CASE WHEN starts_with(tag, 'aws:') THEN regexp_extract(tag, '^aws:[^:]*:[^:]*') ELSE split_part(tag, ':', 1) END
    """,
    # Tags as a map; of two with the same key, the first. Only where there are such, they have to be looked for.
    """
    CREATE MACRO tags_map(tags) AS map_from_entries(list_transform(
        CASE WHEN list_unique(list_transform(tags, lambda t: tag_key(t))) = len(tags) THEN tags
        ELSE list_filter(tags, lambda t, n: list_position(list_transform(tags, lambda u: tag_key(u)), tag_key(t)) = n)
        END,
        lambda t: {'k': tag_key(t), 'v': substr(t, length(tag_key(t)) + 2)}
    ))
    """,
    """
    CREATE OR REPLACE MACRO
        tag(tags VARCHAR[], name) AS
            substr(list_filter(tags, lambda t: starts_with(t, name || ':'))[1], length(name) + 2),
        (tags MAP(VARCHAR, VARCHAR), name) AS tags[name]
    """,
    """
    CREATE VIEW resources AS
    SELECT i.id AS key, s.type, s.provider, s.service, s.account_id, s.region, i.name, i.tags, i.state,
        i.created_at, i.first_seen_at, greatest(s.complete_at, i.changed_at) AS last_seen_at, i.changed_at, s.stale
    FROM resource_index AS i JOIN resource_scopes AS s USING (scope)
    """,
    # Nothing yet: `resource_past` makes it anew as types come.
    "CREATE MACRO resources_as_of(moment) AS TABLE SELECT * FROM resources WHERE CAST(moment AS TIMESTAMP) IS NULL",
)
