"""Columns of a page beyond what all resources have: fields of their types, read for the shown rows only."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from stocktake.query.search.knowledge import read_schema
from stocktake.query.search.paths import all_paths, values_at, whole
from stocktake.query.search.values import Parameters
from stocktake.store.catalog import run, translating
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stocktake.query.search.page import FoundResource
    from stocktake.store.catalog import Catalog
    from stocktake.store.resource_rows import Schema

# What people look at first in a list of like things, best first; a field's last step is compared.
_TELLING = (
    r"(.*_)?(instance_)?(type|class|size|family)",
    r"(.*_)?(engine|runtime|platform|version)",
    r"(.*_)?(count|capacity|size_in_gb|in_gb|memory|in_bytes|storage)",
    r"(.*_)?(endpoint|dns_name|domain_name|cidr_block|ip_address|private_ip|public_ip)",
    r"(.*_)?(in_seconds|duration|timeout)",
    r"(.*_)?(vpc_id|subnet_id|role)",
    r"(.*_)?(end_time|start_time|modified_time|modified|expiration)",
    r"(.*_)?(enabled|encrypted|public|accessible|mode|status|state)",
)
_PLAIN = frozenset({"STRING", "INT32", "INT64", "FLOAT", "DOUBLE", "BOOLEAN", "TIMESTAMP"})
_LIST_SHOWN = 20


def read_type_schema(catalog: Catalog, type_name: str) -> Schema | None:
    """Return the schema of a type as the catalog has it; None where it does not hold the type."""
    with translating(catalog.path):
        rows = run(catalog.connection, "SELECT schema_json FROM resource_types WHERE type = $type", {"type": type_name})
    return read_schema(rows[0][0]) if rows else None


def field_columns(schema: Schema) -> list[tuple[str, str]]:
    """Return every path of a type that may be a column, with its page type, in the page's order."""
    return [(path, kind) for path, kind in all_paths(schema) if path not in {"tags", "account_id"}]


def telling_columns(schema: Schema, noun: str, most: int = 24) -> list[str]:
    """Return the paths that tell resources of a type apart: by the words that fields are called, no rule for a type."""
    ranked = sorted(
        (rank, path.count("."), number, path)
        for number, (path, kind) in enumerate(field_columns(schema))
        if kind in _PLAIN and path.count(".") < 2 and (rank := _rank(path, noun)) is not None and is_plain(schema, path)
    )
    by_rank: dict[int, list[str]] = {}
    for rank, _, _, path in ranked:
        by_rank.setdefault(rank, []).append(path)
    # One of each kind before a second one of any.
    rounds = zip_longest(*by_rank.values())
    return [path for one in rounds for path in one if path is not None][:most]


def choose_columns(values: Sequence[dict[str, Any]], candidates: Sequence[str], most: int = 4) -> list[str]:
    """Return those of the candidates that the rows have, in their order: most of the rows, or at least some."""
    filled = {path: sum(row.get(path) not in (None, [], "") for row in values) for path in candidates}
    mostly = [path for path in candidates if 2 * filled[path] > len(values)]
    rest = [path for path in candidates if filled[path] and path not in mostly]
    chosen = [*mostly, *rest][:most]
    return [path for path in candidates if path in chosen]


def _rank(path: str, noun: str) -> int | None:
    last = path.rpartition(".")[2]
    if last.replace("_", "") in {f"{noun}{word}" for word in ("status", "state", "name", "arn", "id")}:
        return None
    return next((rank for rank, pattern in enumerate(_TELLING) if re.fullmatch(pattern, last)), None)


def read_fields(catalog: Catalog, rows: Sequence[FoundResource], paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each found resource the values at paths that its type has: a value, or the texts of a list."""
    found: list[dict[str, Any]] = [{} for _ in rows]
    if not paths:
        return found
    with translating(catalog.path):
        for type_name in dict.fromkeys(row.type for row in rows):
            numbers = [number for number, row in enumerate(rows) if row.type == type_name]
            schema = read_type_schema(catalog, type_name)
            if schema is not None:
                for number, values in _read(catalog, type_name, schema, [(n, rows[n]) for n in numbers], paths):
                    found[number] = values
    return found


def _read(
    catalog: Catalog, type_name: str, schema: Schema, rows: list[tuple[int, FoundResource]], paths: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    parameters = Parameters()
    columns: dict[str, str] = {}
    for path in paths:
        leaf = whole(schema, "_h", path, parameters.add)
        if leaf is not None and (leaf[0] in _PLAIN or leaf[0].startswith("UNORDERED_LIST_STRING")):
            columns[path] = leaf[1]
        elif (listed := values_at(schema, "_h", path, parameters.add)) is not None:
            columns[path] = f"list_slice({listed}, 1, {_LIST_SHOWN})"
    if not columns:
        return
    ids = parameters.add([row.key for _, row in rows])
    # The time narrows what is looked through: rows stand in the order in which they were seen.
    times = parameters.add(sorted({row.changed_at for _, row in rows}))
    sql = (
        f"SELECT _id, account_id, _region, _from, {', '.join(columns.values())} "
        f"FROM {quote(history_name(type_name))} AS _h "
        f"WHERE _from IN (SELECT unnest({times})) AND _id IN (SELECT unnest({ids}))"
    )
    known = {row[:4]: row[4:] for row in run(catalog.connection, sql, parameters.values)}
    for number, row in rows:
        values = known.get((row.key, row.account_id, row.region, row.changed_at))
        if values is not None:
            yield number, dict(zip(columns, values, strict=True))


def is_plain(schema: Schema, path: str) -> bool:
    """Return whether a field holds one value, and no list or structure."""
    leaf = whole(schema, "_h", path, lambda _: "''")
    return leaf is not None and leaf[0] in _PLAIN


def tag_keys(catalog: Catalog, most: int = 200) -> list[str]:
    """Return the keys of tags that the catalog knows, in alphabetical order."""
    with translating(catalog.path):
        return [
            str(key)
            for (key,) in run(catalog.connection, f"SELECT key FROM resource_tag_keys ORDER BY key LIMIT {int(most)}")
        ]
