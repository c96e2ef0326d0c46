"""The view `lineage`: all edges of all types that have rules for them, whichever way they were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.insights.column_sets import column_sets
from stocktake.insights.edge_rules import edge_rules
from stocktake.insights.sql_text import quoted, text

if TYPE_CHECKING:
    from collections.abc import Container

    from stocktake.insights.edge_rules import EdgeRule

EDGES = "lineage"
COLUMNS = (
    "source_type", "source_id", "account_id", "region", "edge", "flow", "target_type", "target_id", "target_account_id",
    "target_region", "held", "detail",
)  # fmt: skip
_GIVEN = (
    "_id", "account_id", "_region", "target_type", "target_id", "target_account_id", "target_region", "detail",
)  # fmt: skip


def edges_sql(held: Container[str]) -> str:
    """Return the view's statement; without a row where no type with rules is held."""
    parts = [
        part
        for type_name, rules in edge_rules().items()
        if type_name in held
        for rule in rules
        for part in _rule_sql(type_name, rule, held)
    ]
    nothing = ", ".join(f"NULL::{'BOOLEAN' if name == 'held' else 'VARCHAR'} AS {name}" for name in COLUMNS)
    return " UNION ALL ".join([*parts, f"SELECT {nothing} WHERE false"])


def _rule_sql(type_name: str, rule: EdgeRule, held: Container[str]) -> list[str]:
    parts = []
    if rule.paths:
        parts.append(_outward_sql(type_name, rule))
    parts += [_inward_sql(type_name, rule, other, paths) for other, paths in rule.inward.items()]
    if rule.sql and all(name in held for name in rule.needs):
        parts.append(_stated_sql(type_name, rule))
    return parts


def _outward_sql(type_name: str, rule: EdgeRule) -> str:
    paths = ", ".join(map(text, rule.paths))
    return (
        f"SELECT source_type, source_id, account_id, region, {text(rule.name)} AS edge, {text(rule.flow)} AS flow, "
        "target_type, coalesce(target_id, value) AS target_id, coalesce(target_account_id, '') AS target_account_id, "
        "coalesce(target_region, '') AS target_region, resolved AS held, value AS detail "
        f"FROM relations WHERE source_type = {text(type_name)} AND path IN ({paths})"
    )


def _inward_sql(type_name: str, rule: EdgeRule, other: str, paths: tuple[str, ...]) -> str:
    return (
        "SELECT target_type AS source_type, target_id AS source_id, target_account_id AS account_id, "
        f"target_region AS region, {text(rule.name)} AS edge, {text(rule.flow)} AS flow, "
        "source_type AS target_type, source_id AS target_id, account_id AS target_account_id, "
        "region AS target_region, true AS held, path AS detail FROM relations "
        f"WHERE target_type = {text(type_name)} AND resolved "
        f"AND source_type = {text(other)} AND path IN ({', '.join(map(text, paths))})"
    )


def _stated_sql(type_name: str, rule: EdgeRule) -> str:
    statement = rule.sql.replace("{jobs}", quoted(column_sets()[type_name].view)).replace("{type}", type_name)
    given = ", ".join(f"NULL::VARCHAR AS {name}" for name in _GIVEN)
    # What a statement leaves out is null: the first branch gives all columns their names and types.
    filled = f"SELECT {given} WHERE false"
    held = "false" if rule.virtual else "target_account_id IS NOT NULL"
    return (
        f"SELECT {text(type_name)} AS source_type, _id AS source_id, account_id, _region AS region, "
        f"{text(rule.name)} AS edge, {text(rule.flow)} AS flow, target_type, target_id, "
        f"coalesce(target_account_id, '') AS target_account_id, coalesce(target_region, '') AS target_region, "
        f"{held} AS held, detail FROM ({filled} UNION ALL BY NAME {statement})"
    )
