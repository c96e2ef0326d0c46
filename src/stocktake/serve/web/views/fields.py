"""A resource's fields as a tree of rows: each with its type, its value or null, and the provider's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.resource_types.schema import inner_fields
from stocktake.resource_types.spec import Kind, page_type
from stocktake.serve.telling.errata import erratum
from stocktake.serve.web.views.catalog import value_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stocktake.resource_types.spec import Field, ValueType

_ENTRIES_SHOWN = 50
Row = dict[str, Any]


def field_rows(type_name: str, fields: Iterable[Field], values: Mapping[str, Any], *, only_set: bool) -> list[Row]:
    """Return a row for each field of the type, those that the model no longer has after them.

    Shape: name, path, type, provider_name, documentation, erratum, is_null; cell (a value), rows (of a structure) or
    entries (of a list: a label and rows or a cell each).
    """
    known = list(fields)
    rows = [_row(type_name, one, values.get(one.name), "") for one in known]
    names = {one.name for one in known}
    rows += [_unknown(name, value) for name, value in values.items() if name not in names]
    return [row for row in rows if not (only_set and row["is_null"])]


def _row(type_name: str, field: Field, value: object, above: str) -> Row:
    path = f"{above}{field.name}"
    row: Row = {
        "name": field.name,
        "path": path,
        "type": page_type(field.type),
        "provider_name": field.provider_name,
        "documentation": field.documentation,
        "erratum": erratum(type_name, path, field.documentation),
        "is_null": is_null(value),
    }
    return row | _content(type_name, field.type, value, path)


def _content(type_name: str, kind: ValueType, value: object, path: str) -> Row:
    members = inner_fields(kind)
    if is_null(value):
        return {"cell": value_cell(value if value is None else [])}
    if isinstance(value, dict) and members and kind.kind is Kind.STRUCT:
        return {"rows": [_row(type_name, one, value.get(one.name), f"{path}.") for one in members]}
    if isinstance(value, list) and members and all(isinstance(one, dict) for one in value):
        return {"entries": list(_entries(type_name, members, value, path)), "more": max(0, len(value) - _ENTRIES_SHOWN)}
    if isinstance(value, dict):
        shown = sorted(value.items())[:_ENTRIES_SHOWN]
        entries = [{"label": str(key), "cell": value_cell(item)} for key, item in shown]
        return {"entries": entries, "more": max(0, len(value) - _ENTRIES_SHOWN)}
    return {"cell": value_cell(value)}


def _entries(type_name: str, members: tuple[Field, ...], values: list[Any], path: str) -> Iterator[Row]:
    for number, value in enumerate(values[:_ENTRIES_SHOWN], start=1):
        rows = [_row(type_name, one, value.get(one.name), f"{path}.") for one in members]
        # In a list the descriptions stand at its first entry.
        yield {"label": f"{number}. {_name_of(value)}".rstrip(" ."), "rows": rows, "is_first": number == 1}


def _name_of(value: Mapping[str, Any]) -> str:
    """Return what an entry calls itself: its member called name, key, id or type, or ending so."""
    for word in ("name", "key", "id", "type"):
        for member, item in value.items():
            if isinstance(item, str) and (member == word or member.endswith(f"_{word}")):
                return item
    return ""


def _unknown(name: str, value: object) -> Row:
    return {
        "name": name,
        "path": name,
        "type": "",
        "provider_name": None,
        "documentation": "",
        "erratum": None,
        "is_null": is_null(value),
        "cell": value_cell(value),
    }


def is_null(value: object) -> bool:
    """Return whether nothing is set: null, or an empty list or map. An empty text is a value."""
    return value is None or (isinstance(value, list | dict) and not value)
