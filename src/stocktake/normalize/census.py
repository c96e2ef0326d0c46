"""Count what went in and what came out, so that nothing is lost in silence.

`json_transform` says nothing about what it cannot convert. Every loss makes the number of values in the typed rows
smaller than the number of members in the raw text, and nothing makes it larger; so equal sums over a whole batch prove
that every row of it came through whole. Where they differ, the rows are counted one by one (`CompiledType.census`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.resource_types.spec import Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from stocktake.resource_types.spec import ValueType


def raw_census(text: str) -> str:
    r"""Return SQL for the number of members with a value in JSON text: every `":`, less escaped ones, less nulls'.

    Exact for text that is not `is_odd`.
    """

    def occurrences(pattern: str) -> str:
        return f"(strlen({text}) - strlen(replace({text}, '{pattern}', ''))) // {len(pattern)}"

    members, escaped = map(occurrences, ('":', '\\":'))
    without, spaced, in_text, spaced_in_text = map(occurrences, ('":null', '": null', '\\":null', '\\": null'))
    nulls = f"CASE WHEN contains({text}, 'null') THEN {without} + {spaced} - {in_text} - {spaced_in_text} ELSE 0 END"
    return f"({members} - {escaped} - {nulls})"


def is_odd(text: str) -> str:
    r"""Return SQL that finds text whose members cannot be counted so: a space before a colon, a name ending in `\`."""
    return f"""(contains({text}, '" :') OR contains({text}, '\\\\":'))"""


def count_members(array: pa.Array[Any], value: ValueType) -> int:
    """Return how many members an array of one member's values stands for: its values, and those below them.

    An element of a list or map without a value counts as one less: it was lost, or it was null, which the exact way
    tells apart.
    """
    return len(array) - array.null_count + _below(array, value)


def count_text_members(array: pa.Array[Any]) -> int:
    """Return the number of members in an array of JSON texts, themselves included; the same count as `raw_census`."""
    return sum(1 + _in_text(text) for text in array.to_pylist() if text is not None)


def _below(array: Any, value: ValueType) -> int:  # noqa: ANN401 - one of Arrow's array classes, by the value's kind
    match value.kind:
        case Kind.STRUCT if value.fields:
            # Only flattening lets the children of a null structure be null for sure.
            children = array.flatten() if array.null_count else [array.field(i) for i in range(len(value.fields))]
            return sum(count_members(child, f.type) for child, f in zip(children, value.fields, strict=True))
        case Kind.JSON | Kind.STRUCT:
            return sum(_in_text(text) for text in array.to_pylist() if text is not None)
        case Kind.LIST if value.element is not None:
            elements = array.flatten()
            return _below(elements, value.element) - int(elements.null_count)
        case Kind.MAP if value.element is not None:
            return len(array.keys) + _below(array.items, value.element) - int(array.items.null_count)
        case _:
            return 0


def _in_text(text: str) -> int:
    count = text.count('":') - text.count('\\":')
    if "null" in text:
        count -= text.count('":null') + text.count('": null') - text.count('\\":null') - text.count('\\": null')
    return count
