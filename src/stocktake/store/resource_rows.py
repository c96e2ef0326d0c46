"""What one row of a type's table says as a resource among all others: its name, state, tags, and words to find it by.

The rules need no more than the catalog itself holds of a type: its name, and the names and kinds of its fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from stocktake.store.catalog import run
from stocktake.store.type_tables import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import duckdb

Schema = dict[str, object]
"""Field name -> page type, or [page type, the members' own schema]."""
TAGS = "UNORDERED_LIST_STRING"
_STATE_WORDS = ("name", "code", "state", "status", "value")
# What people look for by a part of its value, beside names, ids and tags.
_TOLD = re.compile(
    r"(.*_)?(description|comment|title|display_name|dns_name|domain_name|hostname|endpoint|ip|ip_address|cidr_block|url)"
)
_LONGEST_TEXT = 200
LINE = "chr(10)"


@dataclass(frozen=True, slots=True)
class HeldType:
    """A type that the catalog has tables of."""

    name: str
    provider: str
    service: str
    name_column: str | None
    """An SQL expression, as `resource_types` has it."""
    schema: Schema

    @property
    def noun(self) -> str:
        """Return the last part of the name, which is what one resource of it is called: `trainingjob`."""
        return self.name.split("_", 2)[-1]


def read_held_types(connection: duckdb.DuckDBPyConnection, names: Collection[str] | None = None) -> list[HeldType]:
    """Return the types that the catalog has tables of, or those of them that are named, sorted by name."""
    rows = run(
        connection,
        "SELECT type, provider, service, name_column, schema_json FROM resource_types "
        "WHERE $names IS NULL OR list_contains($names, type) ORDER BY type",
        {"names": None if names is None else list(names)},
    )
    return [
        HeldType(name, provider, service, column, orjson.loads(schema))
        for name, provider, service, column, schema in rows
    ]


def page_type_of(entry: object) -> str:
    """Return the page type in a schema's entry."""
    return str(entry[0]) if isinstance(entry, list) else str(entry)


def members_of(entry: object) -> Schema:
    """Return the members in a schema's entry; empty where it has none."""
    return entry[1] if isinstance(entry, list) and isinstance(entry[1], dict) else {}


def state_expression(held: HeldType, row: str) -> str:
    """Return the SQL of a resource's state; `row` is the alias of its type's table.

    The field called state or status, alone or after what the resource is called; in a structure, its word. Where the
    resource itself has none, that of the part which is called after it.
    """
    parts = [
        name
        for name, entry in held.schema.items()
        if page_type_of(entry) == "STRUCT" and _plain(name).startswith(held.noun)
    ]
    holders = [(row, held.schema), *((f"{row}.{quote(name)}", members_of(held.schema[name])) for name in parts)]
    for above, fields in holders:
        for _, name in sorted((rank, name) for name, rank in _state_ranks(held.noun, fields)):
            entry = fields[name]
            if page_type_of(entry) == "STRING":
                return f"{above}.{quote(name)}"
            members = {_plain(member): member for member, kind in members_of(entry).items() if kind == "STRING"}
            word = next((members[word] for word in _STATE_WORDS if word in members), None)
            if page_type_of(entry) == "STRUCT" and word is not None:
                return f"{above}.{quote(name)}.{quote(word)}"
    return "CAST(NULL AS VARCHAR)"


def _state_ranks(noun: str, fields: Schema) -> Iterator[tuple[str, int]]:
    """Yield the fields that may hold the state, each with its rank: the lowest is the best."""
    for name in fields:
        plain = _plain(name)
        for order, word in enumerate(("status", "state")):
            stem = plain.removesuffix(word)
            if stem == plain:
                continue
            if stem == noun:
                yield name, order
            elif not stem:
                yield name, 2 + order
            elif noun.endswith(stem):
                yield name, 100 - 2 * len(stem) + order
            elif stem in {"last", "lifecycle"}:
                yield name, 200 + order


def name_expression(held: HeldType, row: str) -> str:
    """Return the SQL of what people call a resource: its name, else its tag Name, else its id's last part."""
    last_part = f"regexp_extract({row}._id, '[^/:]+$')"
    column = held.name_column
    if column is None:
        return f"coalesce({_tag(held, row, 'Name')}, {last_part})"
    text = f"CAST({row}.{column} AS VARCHAR)"
    if _plain(column.rpartition(".")[2].strip('"')).endswith("name"):
        return f"coalesce({text}, {last_part})"
    return f"coalesce({_tag(held, row, 'Name')}, {text}, {last_part})"


def _tag(held: HeldType, row: str, key: str) -> str:
    return f"tag({row}.tags, '{key}')" if has_tags(held) else "CAST(NULL AS VARCHAR)"


def has_tags(held: HeldType) -> bool:
    """Return whether the type's table has tags."""
    return held.schema.get("tags") == TAGS


def tags_expression(held: HeldType, row: str) -> str:
    """Return the SQL of a resource's tags, a list of `key:value`."""
    return f"{row}.tags" if has_tags(held) else "CAST(NULL AS VARCHAR[])"


def text_expression(held: HeldType, row: str, apart: Collection[str] = ()) -> str:
    """Return the SQL of the text that words are looked for in, lower-cased, a line for each part.

    `apart` are the keys of tags whose values are looked for elsewhere. Not in it: type, account, region and state,
    which have columns of their own.
    """
    # What stands before it (partition, type, account, region) is the same for all of a scope.
    own_part = f"regexp_replace({row}._id, '^(arn:[^:]*:[^:]*|{held.name}):[^:]*:[^:]*:', '')"
    name = name_expression(held, row)
    parts = [own_part, f"CASE WHEN NOT ends_with({row}._id, {name}) THEN {name} END"]
    for field, entry in held.schema.items():
        plain = _plain(field)
        is_own = plain in {f"{held.noun}{suffix}" for suffix in ("id", "identifier", "name")}
        if entry == "STRING" and quote(field) != held.name_column and (is_own or _TOLD.fullmatch(field)):
            column = f"{row}.{quote(field)}"
            shown = f"left(replace({column}, {LINE}, ' '), {_LONGEST_TEXT})"
            parts.append(f"CASE WHEN NOT ends_with({row}._id, {column}) THEN {shown} END" if is_own else shown)
    if has_tags(held):
        parts.append(tag_values_expression(f"{row}.tags", apart))
    return f"lower(concat_ws({LINE}, {', '.join(parts)}))"


def tag_values_expression(tags: str, apart: Collection[str] = ()) -> str:
    """Return the SQL of the values of tags, a line for each; those of the keys `apart` left out."""
    if apart:
        keys = ", ".join(literal(key) for key in sorted(apart))
        tags = f"list_filter({tags}, lambda _t: tag_key(_t) NOT IN ({keys}))"
    return f"array_to_string(list_transform({tags}, lambda _t: substr(_t, length(tag_key(_t)) + 2)), {LINE})"


def literal(text: str) -> str:
    """Return an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
