"""Shapes of a model as typed fields; docs/schema_rules.md states each rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import botocore

from stocktake.resource_types.shapes import is_in_body
from stocktake.resource_types.spec import Field, Kind, ValueType
from stocktake.resource_types.tag_shapes import is_tags_member

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import Json, ServiceModel

_SCALARS = {
    "string": Kind.STRING,
    "boolean": Kind.BOOLEAN,
    "integer": Kind.INT32,
    "long": Kind.INT64,
    "float": Kind.FLOAT,
    "double": Kind.DOUBLE,
}
_JSON = ValueType(Kind.JSON)
_BINARY_UNIT = re.compile(r"([KMGTPE])iB")
_ANSWER_ONLY = frozenset({"requestid", "responsemetadata", "nexttoken", "paginationtoken"})
"""Members that tell of the call, not of the resource."""
RESERVED = frozenset({"account_id", "display_name", "tags"})
"""Field names that belong to the catalog."""


def field_name(provider_name: str) -> str:
    """Return the snake-case name of a member: botocore's own rule, except that KiB, MiB, GiB are one word."""
    name: str = botocore.xform_name(_BINARY_UNIT.sub(lambda unit: f"{unit[1]}ib", provider_name))
    return name


def value_type(model: ServiceModel, shape_name: str) -> ValueType | None:
    """Return the type of a shape's values, or None where they are left out (blobs, event streams)."""
    return _Builder(model).value(shape_name, {}, frozenset())


def structure_fields(model: ServiceModel, shape_name: str) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """Return a resource structure's members as top-level fields, sorted by name, and the members that are left out."""
    return _Builder(model).fields(shape_name, frozenset(), top=True)


def member_fields(model: ServiceModel, shape_name: str) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """Return a structure's members as fields within another field, and the members that are left out."""
    return _Builder(model).fields(shape_name, frozenset())


def is_answer_only(name: str) -> bool:
    """Return whether an answer's member tells of the call, not of the resource."""
    return name.replace("_", "").lower() in _ANSWER_ONLY


def walk(fields: tuple[Field, ...], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Yield every field with its path of names, depth first, in page order."""
    for field in fields:
        path = (*prefix, field.name)
        yield path, field
        yield from walk(inner_fields(field.type), path)


def inner_fields(value: ValueType) -> tuple[Field, ...]:
    """Return the fields of a structure, or of the structure that a list holds, however deep."""
    while value.kind is Kind.LIST and value.element is not None:
        value = value.element
    return value.fields


class _Builder:
    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self.default_timestamp = "iso8601" if model.protocol in {"query", "ec2", "rest-xml"} else "unixTimestamp"

    def fields(
        self, shape_name: str, above: frozenset[str], *, top: bool = False
    ) -> tuple[tuple[Field, ...], tuple[str, ...]]:
        fields: dict[str, Field] = {}
        omitted = []
        for name, member in self.model.shapes[shape_name]["members"].items():
            value = None
            if not self._is_left_out(name, member, top=top):
                value = self.value(member["shape"], member, above | {shape_name})
            if value is None:
                omitted.append(name)
            else:
                field = self._field(name, member, value, top=top)
                fields[field.name] = field
        return tuple(fields[name] for name in sorted(fields)), tuple(sorted(omitted))

    def _is_left_out(self, name: str, member: Json, *, top: bool) -> bool:
        return not is_in_body(member) or is_tags_member(self.model, name, member) or (top and is_answer_only(name))

    def _field(self, name: str, member: Json, value: ValueType, *, top: bool) -> Field:
        snake = field_name(name)
        return Field(
            name=f"aws_{snake}" if top and snake in RESERVED else snake,
            type=value,
            provider_name=name,
            wire_name=str(member.get("locationName", name)),
            documentation=str(member.get("documentation") or ""),
        )

    def value(self, shape_name: str, member: Json, above: frozenset[str]) -> ValueType | None:
        shape = self.model.shapes[shape_name]
        sensitive = bool(shape.get("sensitive"))
        kind = shape["type"]
        match kind:
            case "blob":
                return None
            case "timestamp":
                stated = member.get("timestampFormat") or shape.get("timestampFormat") or self.default_timestamp
                return ValueType(Kind.TIMESTAMP, timestamp_format=str(stated), sensitive=sensitive)
            case "structure":
                return self._structure(shape_name, shape, above)
            case "list":
                element = self.value(shape["member"]["shape"], shape["member"], above)
                return None if element is None else ValueType(Kind.LIST, element=element, sensitive=sensitive)
            case "map":
                return self._map(shape, above)
            case _:
                return ValueType(_SCALARS[kind], sensitive=sensitive)

    def _structure(self, shape_name: str, shape: Json, above: frozenset[str]) -> ValueType | None:
        if shape.get("eventstream"):
            return None
        if shape.get("document") or shape_name in above:
            return _JSON
        fields, omitted = self.fields(shape_name, above)
        if not fields:
            return _JSON
        return ValueType(Kind.STRUCT, fields=fields, sensitive=bool(shape.get("sensitive")), omitted=omitted)

    def _map(self, shape: Json, above: frozenset[str]) -> ValueType | None:
        if self._holds_structure(shape["value"]["shape"]):
            return _JSON
        element = self.value(shape["value"]["shape"], shape["value"], above)
        return None if element is None else ValueType(Kind.MAP, element=element, sensitive=bool(shape.get("sensitive")))

    def _holds_structure(self, shape_name: str, above: frozenset[str] = frozenset()) -> bool:
        """Return whether values of a shape are structures, or lists or maps of them; a shape within itself too."""
        shape = self.model.shapes[shape_name]
        if shape["type"] == "structure" or shape_name in above:
            return True
        inner = shape.get("member") or shape.get("value")
        return inner is not None and self._holds_structure(inner["shape"], above | {shape_name})
