"""botocore's service models, read once: which operations there are and what their requests must satisfy.

Source: `service-2.json` of the installed botocore. Validators are compiled from the input shapes on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from stocktake.demo.api_errors import ApiError, violations

_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict, "map": dict, "list": list, "string": str, "boolean": bool,
    "integer": int, "long": int, "float": (int, float), "double": (int, float), "timestamp": (int, float, str),
}  # fmt: skip
Found = list[tuple[str, object, str]]
Check = Callable[[Any, str, Found], None]
_JAVA_CLASSES = {
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{M}": "",
    r"\p{S}": "",
}


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def operations(service: str) -> frozenset[str]:
    """Return the names of the operations that the installed model has."""
    return frozenset(service_model(service).operation_names)


@cache
def output_members(service: str, shape: str) -> frozenset[str]:
    """Return the members of a structure of the model."""
    return frozenset(service_model(service).shape_for(shape).members)


def check_request(service: str, operation: str, request: object) -> dict[str, Any]:
    """Return the request if it satisfies the model.

    Raises:
        ApiError: a SerializationException for a value of a wrong type, a ValidationException that names each
            member that breaks a constraint.
    """
    found: Found = []
    _request_check(service, operation)(request, "", found)
    if found:
        raise violations(found)
    assert isinstance(request, dict)  # noqa: S101  # narrows for mypy what the check established
    return request


@cache
def _request_check(service: str, operation: str) -> Check:
    shape = service_model(service).operation_model(operation).input_shape
    return _compile(shape, {}) if shape is not None else _anything


def _anything(value: Any, path: str, found: Found) -> None:  # noqa: ANN401  # a request may hold any JSON
    pass


def _compile(shape: Shape, seen: dict[str, Check]) -> Check:
    """Return a check of values of a shape; `seen` lets recursive shapes refer to themselves."""
    if shape.name in seen:
        return _later(seen, shape.name)
    seen[shape.name] = _anything
    kind = _TYPES.get(shape.type_name, object)
    inner = _INNER.get(shape.type_name, _plain)(shape, seen)
    rejects_bool = kind is not bool and kind is not object

    def check(value: Any, path: str, found: Found) -> None:  # noqa: ANN401  # a request may hold any JSON
        if not isinstance(value, kind) or (rejects_bool and isinstance(value, bool)):
            raise ApiError(
                "SerializationException", f"Member '{path or shape.name}' can not be read as {shape.type_name}"
            )
        inner(value, path, found)

    seen[shape.name] = check
    return check


def _later(seen: dict[str, Check], name: str) -> Check:
    """Return the check of a recursive shape, which is complete only when it is called."""

    def check(value: Any, path: str, found: Found) -> None:  # noqa: ANN401  # a request may hold any JSON
        seen[name](value, path, found)

    return check


def _structure(shape: Shape, seen: dict[str, Check]) -> Check:
    members = {name: (_compile(member, seen), name[0].lower() + name[1:]) for name, member in shape.members.items()}
    required = [(name, members[name][1]) for name in shape.required_members]

    def check(value: dict[str, Any], path: str, found: Found) -> None:
        prefix = path + "." if path else ""
        for name, shown in required:
            if value.get(name) is None:
                found.append((prefix + shown, None, "Member must not be null"))
        for name, item in value.items():
            member = members.get(name)  # a service ignores members that it does not know
            if member is not None and item is not None:
                member[0](item, prefix + member[1], found)

    return check


def _list(shape: Shape, seen: dict[str, Check]) -> Check:
    member = _compile(shape.member, seen)
    size = _size(shape)

    def check(value: list[Any], path: str, found: Found) -> None:
        size(value, path, found)
        for number, item in enumerate(value, 1):
            member(item, f"{path}.{number}.member", found)

    return check


def _map(shape: Shape, seen: dict[str, Check]) -> Check:
    key_check, value_check = _compile(shape.key, seen), _compile(shape.value, seen)
    size = _size(shape)

    def check(value: dict[str, Any], path: str, found: Found) -> None:
        size(value, path, found)
        for key, item in value.items():
            key_check(key, f"{path}.key", found)
            value_check(item, f"{path}.{key}.member", found)

    return check


def _size(shape: Shape) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, found: Found) -> None:  # noqa: ANN401  # lists, maps and strings have a length
        if low is not None and len(value) < low:
            found.append((path, value, f"Member must have length greater than or equal to {low}"))
        if high is not None and len(value) > high:
            found.append((path, value, f"Member must have length less than or equal to {high}"))

    return check


def _string(shape: Shape, _: dict[str, Check]) -> Check:
    allowed = shape.metadata.get("enum")
    pattern = _pattern(shape.metadata.get("pattern"))
    size = _size(shape)

    def check(value: str, path: str, found: Found) -> None:
        if allowed and value not in allowed:
            found.append((path, value, f"Member must satisfy enum value set: [{', '.join(allowed)}]"))
        size(value, path, found)
        if pattern and not pattern.fullmatch(value):
            text = shape.metadata["pattern"]
            found.append((path, value, f"Member must satisfy regular expression pattern: {text}"))

    return check


def _number(shape: Shape, _: dict[str, Check]) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: float, path: str, found: Found) -> None:
        if low is not None and value < low:
            found.append((path, value, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            found.append((path, value, f"Member must have value less than or equal to {high}"))

    return check


def _plain(_: Shape, __: dict[str, Check]) -> Check:
    return _anything


def _pattern(text: str | None) -> re.Pattern[str] | None:
    """Return a model's pattern, written for Java, as Python reads it; None where Python cannot."""
    if not text or text in {".*", r"[\s\S]*"}:
        return None
    for java, python in _JAVA_CLASSES.items():
        text = text.replace(java, python)
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return None


_INNER: dict[str, Callable[[Shape, dict[str, Check]], Check]] = {
    "structure": _structure, "list": _list, "map": _map, "string": _string,
    "integer": _number, "long": _number, "float": _number, "double": _number,
}  # fmt: skip
