"""The catalog's own columns of types that are read by several calls, and how a facet that was not read stays.

A facet is null where the provider says that there is none. Where it could not be read, its last known value stays;
where none is known, it is null and named in `_unknown_facets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.resource_types.spec import ResourceType

HASHES = "_facets"
UNKNOWN = "_unknown_facets"
KEPT = "_kept_facets"
"""Only of what is to be written: facets whose value is taken from the held version."""

FACET_COLUMNS: tuple[tuple[str, str], ...] = (
    (HASHES, "MAP(VARCHAR, UBIGINT)"),  # facet -> hash of its answer
    (UNKNOWN, "VARCHAR[]"),  # facets that nobody could read yet
)


def facet_columns_of(resource_type: ResourceType) -> tuple[tuple[str, str], ...]:
    """Return the own columns that a type has for its facets; () where it has none."""
    return FACET_COLUMNS if resource_type.facets else ()


def with_held_sql(facets: Iterable[str], history: str, scope: str) -> str:
    """Return SQL over `fresh` in which these facets are those of the held version, where a row asks for that."""
    taken = ", ".join(
        f"""CASE WHEN list_contains(fresh.{KEPT}, '{name}') THEN held."{name}" ELSE fresh."{name}" END AS "{name}\""""
        for name in facets
    )
    return (
        f"SELECT fresh.* EXCLUDE ({KEPT}) REPLACE ({taken}) FROM fresh "
        f"LEFT JOIN (FROM {history} WHERE {scope}) AS held ON held._id = fresh._id"
    )
