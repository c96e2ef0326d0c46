"""Compile a resource type to the SQL that turns raw answers into typed rows.

The database parses the JSON; Python touches no field. Since its `json_transform` is silent about what it cannot
convert, every row also gets a *census*: the number of members that came through is compared with the number of members
in the raw text. A row where they differ goes through `repair`, which knows why.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import orjson

from stocktake.resource_types.spec import Kind, sql_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.resource_types.spec import Field, Path, ResourceType, ValueType

_FIRST_SECOND = -62_135_596_800  # year 1
_LAST_SECOND = 253_402_300_799  # year 9999: what Python and botocore can say

# Integers are read as they are written: a read as a number takes 1.6 for 2 and true for 1 without a word.
_READ_AS = {
    Kind.STRING: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INT32: "VARCHAR",
    Kind.INT64: "VARCHAR",
    Kind.FLOAT: "FLOAT",
    Kind.DOUBLE: "DOUBLE",
    Kind.TIMESTAMP: "DOUBLE",
    Kind.JSON: "JSON",
}
_AS_READ = {Kind.STRING, Kind.BOOLEAN, Kind.FLOAT, Kind.DOUBLE}


@dataclass(frozen=True, slots=True)
class CompiledType:
    """SQL fragments of one type, to be put into the normalizer's statement."""

    transform: str
    """The structure given to `json_transform`, as JSON text."""
    columns: tuple[tuple[str, str], ...]
    """Column name and its expression over `j`, the transformed document."""
    census: str
    """Number of members that came through, over the columns."""
    document: str
    """Expression over `doc`, the whole answer, that gives the resource's JSON."""
    raw_census: str
    """Number of members in the raw text `resource`."""


def compile_type(resource_type: ResourceType) -> CompiledType:
    """Compile the fields that come from the provider; the catalog's own are added by the normalizer."""
    fields = provider_fields(resource_type)
    names = _names()
    transform = {_wire(f): _transform(f.type) for f in fields}
    transform.update(dict.fromkeys(resource_type.omitted, "JSON"))
    columns = tuple((f.name, _typed(f.type, f"j.{_quote(_wire(f))}", names)) for f in fields)
    counted = [_present(f.type, _quote(f.name), names) for f in fields]
    counted += [_present_json(f"j.{_quote(name)}") for name in resource_type.omitted]
    path = resource_type.describe_call.result_path if resource_type.describe_call else ()
    return CompiledType(
        transform=orjson.dumps(transform).decode(),
        columns=columns,
        census=" + ".join(counted) or "0",
        document=f"json_extract(doc, {literal(_json_path(path))})" if path else "doc",
        raw_census=_members("resource"),
    )


def provider_fields(resource_type: ResourceType) -> tuple[Field, ...]:
    """Return the top-level fields that the document itself holds."""
    return tuple(f for f in resource_type.fields if f.wire_name is not None and f.name != "tags")


def inline_tags_sql(resource_type: ResourceType) -> str:
    """Return the expression over `resource` for tags inside the document, as sorted `key:value`; '' where none are."""
    tags = resource_type.inline_tags
    if tags is None:
        return ""
    found = f"json_extract(resource, {literal(_json_path(tags.path))})"
    if not tags.key_member:
        entries = f"map_entries(json_transform({found}, '\"MAP(VARCHAR, VARCHAR)\"'))"
        key, value = "t.key", "t.value"
    else:
        shape = orjson.dumps([{tags.key_member: "VARCHAR", tags.value_member: "VARCHAR"}]).decode()
        entries = f"json_transform({found}, {literal(shape)})"
        key, value = f"t.{_quote(tags.key_member)}", f"t.{_quote(tags.value_member)}"
    return f"list_sort(list_transform(coalesce({entries}, []), lambda t: {key} || ':' || coalesce({value}, '')))"


def _wire(field: Field) -> str:
    return field.wire_name or field.provider_name or field.name


def _names() -> Iterator[str]:
    return (f"v{n}" for n in count())


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _json_path(path: Path) -> str:
    return "$" + "".join(f'."{member}"' for member in path)


def _transform(value: ValueType) -> object:
    """Return the `json_transform` structure of a value type."""
    if value.kind is Kind.STRUCT:
        members: dict[str, object] = {_wire(f): _transform(f.type) for f in value.fields}
        members.update(dict.fromkeys(value.omitted, "JSON"))
        # A structure that the model leaves empty cannot be spelled; its text keeps whatever comes.
        return members or "JSON"
    if value.kind is Kind.LIST and value.element is not None:
        return [_transform(value.element)]
    if value.kind is Kind.MAP and value.element is not None:
        return f"MAP(VARCHAR, {_map_value(value.element)})"
    return _READ_AS[value.kind]


def _map_value(value: ValueType) -> str:
    if value.kind is Kind.LIST and value.element is not None:
        return f"{_map_value(value.element)}[]"
    if value.kind is Kind.MAP and value.element is not None:
        return f"MAP(VARCHAR, {_map_value(value.element)})"
    return _READ_AS[value.kind]


def _typed(value: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the expression that gives the stored value from the read one."""
    match value.kind:
        case Kind.INT32 | Kind.INT64:
            return f"CASE WHEN regexp_full_match({sql}, '-?[0-9]+') THEN TRY_CAST({sql} AS {sql_type(value)}) END"
        case Kind.TIMESTAMP:
            return _timestamp(sql)
        case Kind.JSON:
            return f"CAST({sql} AS VARCHAR)"
        case Kind.STRUCT:
            if not value.fields:
                return f"CAST({sql} AS VARCHAR)"
            members = ", ".join(
                f"{_quote(f.name)} := {_typed(f.type, f'{sql}.{_quote(_wire(f))}', names)}" for f in value.fields
            )
            return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({members}) END"
        case Kind.LIST if value.element is not None and not _is_as_read(value.element):
            name = next(names)
            return f"list_transform({sql}, lambda {name}: {_typed(value.element, name, names)})"
        case Kind.MAP if value.element is not None and not _is_as_read(value.element):
            name = next(names)
            entry = f"struct_pack(k := {name}.key, v := {_typed(value.element, f'{name}.value', names)})"
            return f"map_from_entries(list_transform(map_entries({sql}), lambda {name}: {entry}))"
        case _:
            return sql


def _is_as_read(value: ValueType) -> bool:
    if value.kind in {Kind.LIST, Kind.MAP} and value.element is not None:
        return _is_as_read(value.element)
    return value.kind in _AS_READ


def _timestamp(sql: str) -> str:
    """Round to microseconds as Python does, so that times equal botocore's to the last digit."""
    whole = f"CAST(floor({sql}) AS BIGINT)"
    rest = f"CAST(round_even(({sql} - floor({sql})) * 1e6, 0) AS BIGINT)"
    sayable = f"{sql} BETWEEN {_FIRST_SECOND} AND {_LAST_SECOND}"
    return f"CASE WHEN {sayable} THEN make_timestamp({whole} * 1000000 + {rest}) END"


def _present(value: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the number of members of a struct's or document's member: itself and those below."""
    inner = _members_below(value, sql, names)
    return f"(CASE WHEN {sql} IS NULL THEN 0 ELSE 1{f' + {inner}' if inner else ''} END)"


def _present_json(sql: str) -> str:
    return f"(CASE WHEN {sql} IS NULL THEN 0 ELSE 1 + {_members(f'CAST({sql} AS VARCHAR)')} END)"


def _members_below(value: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the number of members below a value that is not null, or '' where there can be none."""
    match value.kind:
        case Kind.JSON:
            return _members(sql)
        case Kind.STRUCT:
            if not value.fields:
                return _members(sql)
            return " + ".join(_present(f.type, f"{sql}.{_quote(f.name)}", names) for f in value.fields)
        case Kind.LIST if value.element is not None:
            return _members_of_list(value.element, sql, names)
        case Kind.MAP if value.element is not None:
            below = _members_of_list(value.element, f"map_values({sql})", names)
            return f"CAST(cardinality({sql}) AS INTEGER) + {below}"
        case _:
            return ""


def _members_of_list(element: ValueType, sql: str, names: Iterator[str]) -> str:
    """Count the members in a list; an element that did not come through makes the census fail."""
    name = next(names)
    inner = _members_below(element, name, names)
    if not inner:
        return f"CAST(list_count({sql}) - len({sql}) AS INTEGER)"
    counted = f"list_transform({sql}, lambda {name}: CASE WHEN {name} IS NULL THEN -1 ELSE {inner} END)"
    return f"CAST(coalesce(list_sum({counted}), 0) AS INTEGER)"


def _members(text: str) -> str:
    r"""Count the members in minified JSON text: every `":` that is not the tail of an escaped quote `\":`."""
    ends = f"(length({text}) - length(replace({text}, '\":', ''))) // 2"
    escaped = f"(length({text}) - length(replace({text}, '\\\":', ''))) // 3"
    return f"CAST({ends} - {escaped} AS INTEGER)"
