"""What a scope still holds open: resources that may change without being listed, and those that were not listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.spec import Kind
from stocktake.store.catalog import run
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    import duckdb

    from stocktake.resource_types.spec import Field, Path, ResourceType

HeldItem = tuple[str, int, str]
"""Id, fingerprint of its list item, and as JSON what of that list item reading takes."""


def unsettled_rows(
    connection: duckdb.DuckDBPyConnection,
    history: str,
    seen: str,
    scope: str,
    values: dict[str, object],
    item: dict[str, str],
) -> list[HeldItem]:
    """Return what is held, was not listed just now, and may still change.

    Shape: `history` and `seen` are the tables of the type and of what was listed; `scope` is the condition of what is
    held of the scope, with `values`; `item` maps members of the list item to columns.
    """
    return run(
        connection,
        f"SELECT _id, _summary, {_item_sql(item)} FROM {history} WHERE {scope} AND NOT coalesce(_settled, false) "
        f"AND _id NOT IN (SELECT id FROM {seen}) ORDER BY _created DESC",
        values,
    )


def unlisted_rows(
    connection: duckdb.DuckDBPyConnection,
    history: str,
    seen: str,
    scope: str,
    values: dict[str, object],
    item: dict[str, str],
    most: int,
) -> list[HeldItem]:
    """Return at most so many of what is held and was not listed, the newest first."""
    return run(
        connection,
        f"SELECT _id, _summary, {_item_sql(item)} FROM {history} WHERE {scope} "
        f"AND _id NOT IN (SELECT id FROM {seen}) ORDER BY _created DESC LIMIT {most:d}",
        values,
    )


def held_rows(
    connection: duckdb.DuckDBPyConnection,
    history: str,
    scope: str,
    values: dict[str, object],
    item: dict[str, str],
) -> list[HeldItem]:
    """Return those of the resources in the table `asked` that are held."""
    return run(
        connection,
        f"SELECT _id, _summary, {_item_sql(item)} FROM {history} SEMI JOIN asked ON _id = _asked_id WHERE {scope}",
        values,
    )


def _item_sql(item: dict[str, str]) -> str:
    members = ", ".join(f"'{name}', {quote(column)}" for name, column in item.items())
    return f"CAST(json_object({members}) AS VARCHAR)"


def moving_sql(resource_type: ResourceType) -> list[str]:
    """Return conditions over the type's columns, each true where a status beside the state still moves."""
    found = []
    for status in resource_type.life_cycle.moving:
        words = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(status.words))
        condition = _any_of(resource_type.fields, status.path, "", words, depth=0)
        if condition is not None:
            found.append(condition)
    return found


def _any_of(fields: tuple[Field, ...], path: Path, above: str, words: str, depth: int) -> str | None:
    field = next((one for one in fields if path[0] in {one.provider_name, one.wire_name}), None)
    if field is None:
        return None
    value = f"{above}{quote(field.name)}"
    if len(path) == 1:
        return f"{value} IN ({words})" if field.type.kind is Kind.STRING else None
    if field.type.kind is Kind.LIST and field.type.element is not None:
        name = f"e{depth}"
        inside = _any_of(field.type.element.fields, path[1:], f"{name}.", words, depth + 1)
        return None if inside is None else f"len(list_filter({value}, lambda {name}: {inside})) > 0"
    return _any_of(field.type.fields, path[1:], f"{value}.", words, depth)
