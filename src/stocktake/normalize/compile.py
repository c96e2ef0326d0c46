"""Compile a resource type to the SQL that turns raw answers into typed rows.

The database parses the JSON; Python touches no field. What it loses in silence is found by a census (see `census`); a
row that has lost something goes through `repair`, which knows why.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import orjson

from stocktake.normalize.census import raw_census
from stocktake.resource_types.spec import Kind, ValueType, sql_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.resource_types.spec import Field, Path, ResourceType

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
_JSON = ValueType(Kind.JSON)
_FLAT = 16
_AS_READ = {Kind.STRING, Kind.BOOLEAN, Kind.FLOAT, Kind.DOUBLE}


@dataclass(frozen=True, slots=True)
class CompiledType:
    """SQL fragments of one type, to be put into the normalizer's statement."""

    transform: str
    """The structure given to `json_transform`, as JSON text."""
    columns: tuple[tuple[str, str], ...]
    """Column name and its expression over `_j`, the transformed document."""
    stored: tuple[tuple[str, str], ...]
    """Column name and its expression over the columns before, as the catalog stores it."""
    census: str
    """The number of members that came through, row by row, over the columns; costly to plan: used where sums differ."""
    document: str
    """Expression over `_doc`, the whole answer, that gives the resource's JSON."""


def compile_type(resource_type: ResourceType) -> CompiledType:
    """Compile the fields that come from the provider; the catalog's own are added by the normalizer."""
    fields = provider_fields(resource_type)
    names = _names()
    transform = {_member(f): _transform(f.type) for f in fields}
    transform.update(dict.fromkeys(resource_type.omitted, "JSON"))
    counted = [_present(f.type, _quote(f.name), names) for f in fields]
    counted += [_present(_JSON, f"_j.{_quote(name)}", names) for name in resource_type.omitted]
    path = resource_type.describe_call.result_path if resource_type.describe_call else ()
    return CompiledType(
        transform=orjson.dumps(transform).decode(),
        columns=tuple((f.name, _typed(f.type, f"_j.{_quote(_member(f))}", names)) for f in fields),
        stored=tuple((f.name, _stored(f)) for f in fields),
        census=_sum(counted),
        document=f"json_extract(_doc, {literal(_json_path(path))})" if path else "_doc",
    )


def provider_fields(resource_type: ResourceType) -> tuple[Field, ...]:
    """Return the top-level fields that the document itself holds."""
    return tuple(f for f in resource_type.fields if f.provider_name is not None and f.name != "tags")


def inline_tags_sql(resource_type: ResourceType) -> str:
    """Return the expression over `_resource` for tags inside the document, as sorted `key:value`; '' where none are."""
    tags = resource_type.inline_tags
    if tags is None:
        return ""
    found = f"json_extract(_resource, {literal(_json_path(tags.path))})"
    if not tags.key_member:
        entries = f"map_entries(json_transform({found}, '\"MAP(VARCHAR, VARCHAR)\"'))"
        key, value = "t.key", "t.value"
    else:
        shape = orjson.dumps([{tags.key_member: "VARCHAR", tags.value_member: "VARCHAR"}]).decode()
        entries = f"json_transform({found}, {literal(shape)})"
        key, value = f"t.{_quote(tags.key_member)}", f"t.{_quote(tags.value_member)}"
    return f"list_sort(list_transform(coalesce({entries}, []), lambda t: {key} || ':' || coalesce({value}, '')))"


def _member(field: Field) -> str:
    """Return the name by which collecting delivers a member, whatever the protocol calls it."""
    return field.provider_name or field.name


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
        members: dict[str, object] = {_member(f): _transform(f.type) for f in value.fields}
        members.update(dict.fromkeys(value.omitted, "JSON"))
        # A structure that the model leaves empty cannot be spelled; its text keeps whatever comes.
        return members or "JSON"
    if value.kind is Kind.LIST and value.element is not None:
        return [_transform(value.element)]
    if value.kind is Kind.MAP and value.element is not None:
        return f"MAP(VARCHAR, {_map_value(value.element)})"
    return _read_as(value)


def _read_as(value: ValueType) -> str:
    return "VARCHAR" if _is_written_time(value) else _READ_AS[value.kind]


def _is_written_time(value: ValueType) -> bool:
    return value.kind is Kind.TIMESTAMP and value.timestamp_format == "iso8601"


def _map_value(value: ValueType) -> str:
    if value.kind is Kind.LIST and value.element is not None:
        return f"{_map_value(value.element)}[]"
    if value.kind is Kind.MAP and value.element is not None:
        return f"MAP(VARCHAR, {_map_value(value.element)})"
    return _read_as(value)


def _typed(value: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the expression that gives the stored value from the read one."""
    match value.kind:
        case Kind.INT32 | Kind.INT64:
            return f"CASE WHEN regexp_full_match({sql}, '-?[0-9]+') THEN TRY_CAST({sql} AS {sql_type(value)}) END"
        case Kind.TIMESTAMP if _is_written_time(value):
            # A zone other than UTC would be ignored in silence: such a time goes the exact way, which gives seconds.
            seconds = _timestamp(f"TRY_CAST({sql} AS DOUBLE)")
            return f"CASE WHEN ends_with({sql}, 'Z') THEN TRY_CAST({sql} AS TIMESTAMP) ELSE {seconds} END"
        case Kind.TIMESTAMP:
            return _timestamp(sql)
        case Kind.STRUCT if value.fields:
            members = ", ".join(
                f"{_quote(f.name)} := {_typed(f.type, f'{sql}.{_quote(_member(f))}', names)}" for f in value.fields
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


def _stored(field: Field) -> str:
    """Return a column as it is stored: JSON becomes text."""
    name = _quote(field.name)
    return f"CAST({name} AS {sql_type(field.type)})" if _holds_json(field.type) else name


def _holds_json(value: ValueType) -> bool:
    if value.kind is Kind.JSON or (value.kind is Kind.STRUCT and not value.fields):
        return True
    inner = (f.type for f in value.fields)
    return any(map(_holds_json, inner)) or (value.element is not None and _holds_json(value.element))


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


def _sum(parts: list[str]) -> str:
    """Return a sum whose nesting grows with the logarithm of its length: parsers bound the depth of expressions."""
    if len(parts) <= _FLAT:
        return f"({' + '.join(parts)})" if parts else "0"
    half = len(parts) // 2
    return f"({_sum(parts[:half])} + {_sum(parts[half:])})"


def _present(value: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the number of members that a member stands for: itself, if it has a value, and those below it."""
    below = _members_below(value, sql, names)
    return f"CAST({sql} IS NOT NULL AS INTEGER){f' + {below}' if below else ''}"


def _members_below(value: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the number of members below a value, 0 where it is null, or '' where there can be none.

    No CASE: a member of a null structure is null anyway, and branches over nested values are what costs.
    """
    match value.kind:
        case Kind.STRUCT if value.fields:
            return _sum([_present(f.type, f"{sql}.{_quote(f.name)}", names) for f in value.fields])
        case Kind.JSON | Kind.STRUCT:
            return f"coalesce(CAST({raw_census(f'CAST({sql} AS VARCHAR)')} AS INTEGER), 0)"
        case Kind.LIST if value.element is not None:
            return _members_in(value.element, sql, names)
        case Kind.MAP if value.element is not None:
            below = _members_in(value.element, f"map_values({sql})", names)
            return f"coalesce(CAST(cardinality({sql}) AS INTEGER), 0) + {below}"
        case _:
            return ""


def _members_in(element: ValueType, sql: str, names: Iterator[str]) -> str:
    """Return the number of members in a list's elements, less one for each element without a value."""
    name = next(names)
    below = _members_below(element, name, names)
    if not below:
        return f"coalesce(CAST(list_count({sql}) - len({sql}) AS INTEGER), 0)"
    counted = f"list_transform({sql}, lambda {name}: {below} - CAST({name} IS NULL AS INTEGER))"
    return f"coalesce(CAST(list_sum({counted}) AS INTEGER), 0)"
