"""Values in a provider's JSON, by paths of member names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stocktake.resource_types.spec import Path


def value_at(value: object, path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return what lies at a path of member names; None where nothing does."""
    for member in path:
        if not isinstance(value, dict):
            return None
        value = value.get(member)
    return value


def values_at(value: object, path: Path) -> list[Any]:
    """Return the elements at a path, through the lists on the way; [] where there are none."""
    for depth, member in enumerate(path):
        if isinstance(value, list):
            return [found for element in value for found in values_at(element, path[depth:])]
        if not isinstance(value, dict):
            return []
        value = value.get(member)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def first_at(sources: tuple[object, ...], path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return what lies at a path in the first source that has it."""
    for source in sources:
        value = value_at(source, path)
        if value is not None:
            return value
    return None


def without_kind(value: Any, kind: object) -> Any:  # noqa: ANN401 - any JSON
    """Return an id without the kind of resource before it, where what it is put into says the kind already.

    Route 53 answers `/hostedzone/Z1`, and asks for the kind `hostedzone` and the id `Z1`.
    """
    return value.removeprefix(f"/{kind}/") if isinstance(value, str) and isinstance(kind, str) and kind else value


def set_at(params: dict[str, Any], dotted: str, value: object) -> None:
    """Set a request member; a dotted one leads into structures: `SchemaId.SchemaArn`."""
    *outer, last = dotted.split(".")
    for member in outer:
        params = params.setdefault(member, {})
    params[last] = value


def wrapped(value: object, path: Path) -> object:
    """Return a value inside the members that lead to it."""
    for member in reversed(path):
        value = {member: value}
    return value


def read_tags(found: object, key_member: str, value_member: str) -> dict[str, str]:
    """Return tags as a plain mapping, from a list of structures or from a map."""
    if isinstance(found, dict):
        return {str(key): "" if value is None else str(value) for key, value in found.items()}
    if not isinstance(found, list):
        return {}
    return {
        str(tag[key_member]): str(tag.get(value_member) or "")
        for tag in found
        if isinstance(tag, dict) and tag.get(key_member) is not None
    }
