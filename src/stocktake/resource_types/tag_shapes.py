"""How providers write tags: a list of key-value structures, or a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Json, ServiceModel

_MEMBER_NAMES = frozenset({"tags", "taglist", "tagset", "resourcetags", "resourcetaglist"})
_KEYS = ("Key", "key", "TagKey", "tagKey")
_VALUES = ("Value", "value", "TagValue", "tagValue")


@dataclass(frozen=True, slots=True)
class TagShape:
    """The member names of a tag; both '' where tags are a map."""

    key_member: str
    value_member: str


def tag_shape(model: ServiceModel, shape_name: str) -> TagShape | None:
    """Return how a shape writes tags, or None where it is not one for tags."""
    shape = model.shapes[shape_name]
    if shape["type"] == "map" and model.shapes[shape["value"]["shape"]]["type"] == "string":
        return TagShape("", "")
    if shape["type"] != "list":
        return None
    members = model.shapes[shape["member"]["shape"]].get("members", {})
    key = next((name for name in _KEYS if name in members), None)
    value = next((name for name in _VALUES if name in members), None)
    return None if key is None or value is None else TagShape(key, value)


def is_tags_member(model: ServiceModel, name: str, member: Json) -> bool:
    """Return whether a structure's member holds the tags of what the structure describes."""
    return name.lower() in _MEMBER_NAMES and tag_shape(model, member["shape"]) is not None
