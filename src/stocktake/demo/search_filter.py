"""Search expressions: compiled once into a test of records.

Source: the documentation of SearchExpression and Filter in botocore's model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from stocktake.demo.api_errors import invalid
from stocktake.demo.model import service_model

Json = dict[str, Any]
Test = Callable[[Json], bool]
_MOST = 50
_ORDERED = {"GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"}


def compile_search(expression: Json | None) -> Test:
    """Return a test of records for a SearchExpression.

    Raises:
        ApiError: an empty or too large expression, an unknown property, or an operator that the property's type lacks.
    """
    if expression is None:
        return lambda _: True
    if _size(expression) > _MOST:
        raise invalid(f"searchExpression: at most {_MOST} filters, nested filters and subexpressions may be given.")
    return _expression(expression)


def _size(expression: Json) -> int:
    nested = expression.get("NestedFilters") or ()
    below = sum(1 + _size(part) for part in expression.get("SubExpressions") or ())
    return len(expression.get("Filters") or ()) + sum(1 + len(part["Filters"]) for part in nested) + below


def _expression(expression: Json) -> Test:
    tests = [_filter(part, "") for part in expression.get("Filters") or ()]
    tests += [_nested(part) for part in expression.get("NestedFilters") or ()]
    tests += [_expression(part) for part in expression.get("SubExpressions") or ()]
    if not tests:
        raise invalid("searchExpression: at least one filter, nested filter or subexpression must be given.")
    if expression.get("Operator") == "Or":
        return lambda record: any(test(record) for test in tests)
    return lambda record: all(test(record) for test in tests)


def _nested(part: Json) -> Test:
    """Return a test that some entry of a list satisfies all filters, which name the list's path in full."""
    prefix = part["NestedPropertyName"]
    tests = [_filter(entry, prefix + ".") for entry in part["Filters"]]
    steps = prefix.split(".")
    property_type(prefix)
    return lambda record: any(all(test(entry) for test in tests) for entry in _values(record, steps))


def _filter(part: Json, prefix: str) -> Test:
    name: str = part["Name"]
    kind = property_type(name)
    path = name.removeprefix(prefix)
    operator = part.get("Operator", "Equals")
    get = _getter(path)
    if operator in {"Exists", "NotExists"}:
        wanted = operator == "Exists"
        return lambda record: any(True for _ in get(record)) is wanted
    if part.get("Value") is None:
        raise invalid(f"Value null at 'searchExpression.filters' failed to satisfy constraint: {name} needs a value")
    if operator in _ORDERED and kind not in {"number", "timestamp"}:
        raise invalid(f"Operator {operator} is not supported for text property {name}.")
    if operator in {"In", "Contains"} and kind != "text":
        raise invalid(f"Operator {operator} is only supported for text properties; {name} is a {kind}.")
    compare = _comparison(operator, _parse(kind, part["Value"], name))
    if operator == "NotEquals":
        return lambda record: not any(not compare(value) for value in get(record))
    return lambda record: any(compare(value) for value in get(record))


def _comparison(operator: str, wanted: Any) -> Callable[[Any], bool]:  # noqa: ANN401  # a property's values are of any kind
    match operator:
        case "Equals":
            return lambda value: bool(value == wanted)
        case "NotEquals":
            return lambda value: bool(value != wanted)
        case "GreaterThan":
            return lambda value: bool(value > wanted)
        case "GreaterThanOrEqualTo":
            return lambda value: bool(value >= wanted)
        case "LessThan":
            return lambda value: bool(value < wanted)
        case "LessThanOrEqualTo":
            return lambda value: bool(value <= wanted)
        case "Contains":
            return lambda value: wanted.lower() in str(value).lower()
    choices = {choice.strip() for choice in wanted.split(",")}
    return lambda value: value in choices


def _parse(kind: str, text: str, name: str) -> str | float | bool:
    try:
        if kind == "timestamp":
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if kind == "number":
            return float(text)
    except ValueError as error:
        raise invalid(f"Value '{text}' can not be compared with property {name} of type {kind}.") from error
    return text.lower() == "true" if kind == "boolean" else text


def property_type(name: str) -> str:
    """Return text, number, boolean or timestamp for a property of a training job; structures and lists are text.

    Raises:
        ApiError: the training job has no such property.
    """
    shape = service_model("sagemaker").shape_for("TrainingJob")
    steps = name.split(".")
    for number, step in enumerate(steps):
        while shape.type_name == "list":
            shape = shape.member
        if shape.type_name == "map" or (shape.name == "Tag" and number):
            return "text"
        if shape.type_name != "structure" or step not in shape.members:
            raise invalid(f"Unknown property name: {name}. It must be a property of TrainingJob.")
        shape = shape.members[step]
    kinds = {"integer": "number", "long": "number", "float": "number", "double": "number"}
    kinds |= {"timestamp": "timestamp", "boolean": "boolean"}
    return kinds.get(shape.type_name, "text")


def _getter(path: str) -> Callable[[Json], Iterator[Any]]:
    if path.startswith("Tags."):
        key = path.removeprefix("Tags.")
        return lambda record: (tag["Value"] for tag in record.get("Tags") or () if tag["Key"] == key)
    for maps in ("HyperParameters.", "Environment."):
        if path.startswith(maps):
            member, key = maps[:-1], path.removeprefix(maps)
            return lambda record: (v for k, v in (record.get(member) or {}).items() if k == key)
    steps = path.split(".")
    return lambda record: _values(record, steps)


def _values(node: Any, steps: list[str]) -> Iterator[Any]:  # noqa: ANN401  # walks through any JSON
    if isinstance(node, list):
        for entry in node:
            yield from _values(entry, steps)
    elif not steps:
        if node is not None:
            yield node
    elif isinstance(node, dict) and steps[0] in node:
        yield from _values(node[steps[0]], steps[1:])


def sort_key(name: str) -> Callable[[Json], Any]:
    """Return what records are sorted by: a property, whose absence sorts first.

    Raises:
        ApiError: the training job has no such property.
    """
    property_type(name)
    get = _getter(name)

    def key(record: Json) -> tuple[bool, Any]:
        value = next(get(record), None)
        return value is not None, value if isinstance(value, int | float) else str(value)

    return key
