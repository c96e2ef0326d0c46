"""Values of a model's shapes: what a provider may send, and what botocore's own parser makes of it."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
from botocore import xform_name
from botocore.parsers import create_parser

from stocktake.store.catalog import STORAGE_VERSION

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from botocore.model import OperationModel, Shape

STRINGS = [
    "",
    "a",
    "plain text",
    'quote " and colon ":',
    'escaped \\":',
    "\\",
    'ends with backslash \\"',
    "línea\nnueva\ttab",
    "日本語",
    "😀",
    "{}",
    '{"a": 1, "b": {"c": 2}}',
    "null",
    "1.0",
    "true",
    "' OR 1=1; --",
    "\u0001",
    "nul \u0000 in it",
    "\u2028",
    "x" * 3000,
]
INTEGERS = [0, 1, -1, 2**31 - 1, -(2**31), 86_400]
LONGS = [*INTEGERS, 2**63 - 1, -(2**63), 2**53 + 1]
DOUBLES = [0.0, -0.0, 1.5, 1e-7, 1e15, -2.25, 0.1, 1e300]
FLOATS = [0.0, 1.5, 0.1, -2.25, 1e-7, 3e38]
TIMES: list[float] = [
    0,
    1,
    1_700_000_000,
    1_700_000_000.123,
    1_718_000_000.999999,
    1_699_999_999.5,
    253_402_300_799,
    -1.5,
]


def wire_value(shape: Shape, random: Random, density: float = 0.7, depth: int = 0) -> Any:
    """Return a value as it stands in the JSON that a service sends."""
    match shape.type_name:
        case "structure":
            keep = density if depth < 6 else 0.1
            members = {n: m for n, m in shape.members.items() if random.random() < keep}
            return {
                m.serialization.get("name", n): wire_value(m, random, density, depth + 1) for n, m in members.items()
            }
        case "list":
            return [wire_value(shape.member, random, density, depth + 1) for _ in range(random.randint(0, 2))]
        case "map":
            keys = random.sample([*STRINGS, "k1", "k2", "k3"], random.randint(0, 3))
            return {key: wire_value(shape.value, random, density, depth + 1) for key in keys}
        case "integer":
            return random.choice(INTEGERS)
        case "long":
            return random.choice(LONGS)
        case "float":
            return random.choice(FLOATS)
        case "double":
            return random.choice(DOUBLES)
        case "boolean":
            return random.random() < 0.5
        case "timestamp":
            return random.choice(TIMES)
        case "blob":
            return "YmxvYg=="
        case _:
            return random.choice(shape.enum) if getattr(shape, "enum", None) else random.choice(STRINGS)


def parsed_by_botocore(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """Return what a boto3 user would get."""
    parser = create_parser(operation.service_model.metadata["protocol"])
    answer: dict[str, Any] = parser.parse({"status_code": 200, "headers": {}, "body": body}, operation.output_shape)
    answer.pop("ResponseMetadata", None)
    return answer


def expected(shape: Shape, value: Any, ancestors: tuple[str, ...] = ()) -> Any:
    """Return botocore's value as a row should show it, by the page's rules; blobs and tags are left to the caller."""
    if value is None:
        return None
    match shape.type_name:
        case "structure":
            if shape.name in ancestors or getattr(shape, "is_document_type", False):
                return AsJson(value)
            inside = (*ancestors, shape.name)
            return {
                field_name(n): expected(m, value.get(n), inside)
                for n, m in sorted(shape.members.items())
                if m.type_name != "blob" and n != "Tags"
            }
        case "list":
            return [expected(shape.member, v, (*ancestors, shape.name)) for v in value]
        case "map":
            if shape.value.type_name == "structure":
                return AsJson(value)
            return {k: expected(shape.value, v, (*ancestors, shape.name)) for k, v in value.items()}
        case "timestamp":
            return value.astimezone(UTC).replace(tzinfo=None)
        case "float":
            return struct.unpack("f", struct.pack("f", value))[0]
        case _:
            return value


def field_name(name: str) -> str:
    """Return botocore's snake-case name, with KiB, MiB and GiB as one word."""
    for unit in ("KiB", "MiB", "GiB"):
        name = name.replace(unit, unit.capitalize())
    result: str = xform_name(name)
    return result


class AsJson:
    """Stands for a value that is kept as JSON text."""

    def __init__(self, value: Any) -> None:
        self.value = value


def differences(wanted: Any, got: Any, path: str = "") -> list[str]:
    """Return where two values differ, as readable lines."""
    if isinstance(wanted, AsJson):
        return (
            [] if isinstance(got, str) and isinstance(json.loads(got), dict | list) else [f"{path}: no JSON: {got!r}"]
        )
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return [f"{path}: {got!r} is no mapping"]
        found = [f"{path}.{k}: missing in row" for k in wanted if k not in got and wanted[k] is not None]
        found += [f"{path}.{k}: {got[k]!r} is not in the answer" for k in got if k not in wanted and got[k] is not None]
        return found + [line for k in wanted if k in got for line in differences(wanted[k], got[k], f"{path}.{k}")]
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            return [f"{path}: {got!r} is not {wanted!r}"]
        return [
            line for i, (w, g) in enumerate(zip(wanted, got, strict=True)) for line in differences(w, g, f"{path}[{i}]")
        ]
    if isinstance(wanted, float) and isinstance(got, float):
        return (
            [] if wanted == got or (math.isnan(wanted) and math.isnan(got)) else [f"{path}: {got!r} is not {wanted!r}"]
        )
    if isinstance(wanted, datetime) or type(wanted) is type(got):
        return [] if wanted == got else [f"{path}: {got!r} is not {wanted!r}"]
    return [f"{path}: {got!r} is not {wanted!r}"]


def through_a_file(path: Path, table: Any) -> list[dict[str, Any]]:
    """Write the rows into a database file of the catalog's storage version and read them back."""
    connection = duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})
    connection.register("fresh", table)
    connection.execute("CREATE OR REPLACE TABLE t AS SELECT * FROM fresh").fetchall()
    connection.execute("CHECKPOINT").fetchall()
    cursor = connection.execute("SELECT * FROM t ORDER BY _row")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    connection.close()
    return rows
