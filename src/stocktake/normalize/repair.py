"""The exact way through an answer, member by member, for the few that the fast way could not take whole.

Gives a clean document, which the fast way then takes, and says of everything else what it is: a member that the model
does not know (drift, kept), a value that does not fit its type (kept aside with its path), a secret (redacted).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from stocktake.resource_types.spec import Kind

if TYPE_CHECKING:
    from stocktake.normalize.redact import Redactor
    from stocktake.resource_types.spec import Field, Path, ValueType

_LIMITS = {Kind.INT32: 2**31, Kind.INT64: 2**63}
_FLOAT_MAX = 3.4028235677973366e38  # above it, a float of 32 bits is infinite
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_NOT_NUMBERS = {"NaN", "Infinity", "-Infinity"}
_BAD = object()


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value kept aside: where it was, why it does not fit, and its JSON text (secrets redacted)."""

    path: str
    reason: str
    value: str


@dataclass(slots=True)
class Repaired:
    """A clean document, and what was found beside it."""

    document: dict[str, object]
    unknown: dict[str, object] = field(default_factory=dict)
    """Members that the model does not know, in their places: `{"A": {"New": 1}}`."""
    misfits: list[Misfit] = field(default_factory=list)


class UnreadableError(ValueError):
    """The whole answer is no JSON object."""


def parse_document(body: bytes, path: Path) -> dict[str, object]:
    """Parse an answer and walk to the resource in it.

    Raises UnreadableError. Duplicate keys: the last wins, as in botocore's parser.
    """
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {error}") from error
    for member in path:
        value = value.get(member) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        where = ".".join(path) or "the answer"
        raise UnreadableError(f"{where} is {_json_word(value)}, not an object")
    return value


def repair(
    document: dict[str, object], fields: tuple[Field, ...], omitted: tuple[str, ...], redactor: Redactor
) -> Repaired:
    """Return the document with only what the model knows and the types can hold.

    Misfits in maps and lists are named by key and index: `Environment[A]`, `Steps[3].Name`.
    """
    walk = _Walk(redactor)
    clean, unknown = walk.members(document, fields, omitted, "")
    return Repaired(document=clean, unknown=unknown, misfits=walk.misfits)


def to_json(value: object) -> str:
    """Return JSON text; half a character (a lone surrogate), which no store can hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()


class _Walk:
    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.misfits: list[Misfit] = []

    def members(
        self, source: dict[str, object], fields: tuple[Field, ...], omitted: tuple[str, ...], path: str
    ) -> tuple[dict[str, object], dict[str, object]]:
        known = {f.provider_name or f.name: f for f in fields}
        clean: dict[str, object] = {}
        unknown: dict[str, object] = {}
        for name, raw in source.items():
            if raw is None or name in omitted:
                continue
            below = f"{path}.{name}" if path else name
            found = known.get(name)
            if found is None:
                unknown[name] = self.redactor.tree(raw, name)
                continue
            value, strange = self.value(raw, found.type, below)
            if value is not _BAD:
                clean[name] = value
            if strange is not None:
                unknown[name] = strange
        return clean, unknown

    def value(self, raw: object, kind: ValueType, path: str) -> tuple[object, object]:
        """Return the clean value (or _BAD) and the unknown members below it (or None)."""
        match kind.kind:
            case Kind.STRUCT if kind.fields:
                if not isinstance(raw, dict):
                    return self.misfit(raw, "an object", path), None
                clean, unknown = self.members(raw, kind.fields, kind.omitted, path)
                return clean, unknown or None
            case Kind.LIST if kind.element is not None:
                return self.items(raw, kind.element, path)
            case Kind.MAP if kind.element is not None:
                return self.entries(raw, kind, path)
            case Kind.JSON | Kind.STRUCT:
                return self.redactor.tree(raw), None
            case _:
                name = path.rsplit(".", 1)[-1]
                value = _scalar(raw, kind)
                if value is _BAD:
                    return self.misfit(raw, kind.kind.value, path), None
                if isinstance(value, str) and kind.kind is Kind.STRING:
                    value = self.redactor.entry(name, value) if kind.sensitive else self.redactor.text(value)
                return value, None

    def items(self, raw: object, element: ValueType, path: str) -> tuple[object, object]:
        if not isinstance(raw, list):
            return self.misfit(raw, "a list", path), None
        clean: list[object] = []
        unknown: dict[str, object] = {}
        for index, item in enumerate(raw):
            if item is None:
                clean.append(None)
                continue
            value, strange = self.value(item, element, f"{path}[{index}]")
            # A misfit leaves its place empty, so that its neighbours keep their positions.
            clean.append(None if value is _BAD else value)
            if strange is not None:
                unknown[str(index)] = strange
        return clean, unknown or None

    def entries(self, raw: object, kind: ValueType, path: str) -> tuple[object, object]:
        element = kind.element
        if not isinstance(raw, dict) or element is None:
            return self.misfit(raw, "an object", path), None
        clean: dict[str, object] = {}
        unknown: dict[str, object] = {}
        for key, item in raw.items():
            if item is None:
                continue
            value, strange = self.value(item, element, f"{path}[{key}]")
            if value is _BAD:
                continue
            # A value redacted for its own form is not looked at again for its key's name.
            clean[key] = self.redactor.entry(key, value) if isinstance(value, str) and value == item else value
            if strange is not None:
                unknown[key] = strange
        return clean, unknown or None

    def misfit(self, raw: object, wanted: str, path: str) -> object:
        value = to_json(self.redactor.tree(raw, path.rsplit(".", 1)[-1]))
        self.misfits.append(Misfit(path, f"{_json_word(raw)} does not fit {wanted}", value))
        return _BAD


def _scalar(raw: object, kind: ValueType) -> object:
    match kind.kind:
        case Kind.STRING:
            return _BAD if isinstance(raw, dict | list) else _text(raw)
        case Kind.BOOLEAN:
            return _boolean(raw)
        case Kind.INT32 | Kind.INT64:
            return _integer(raw, _LIMITS[kind.kind])
        case Kind.TIMESTAMP:
            return _epoch_seconds(raw)
        case _:
            return _number(raw, _FLOAT_MAX if kind.kind is Kind.FLOAT else math.inf)


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) else to_json(raw)


def _boolean(raw: object) -> object:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "false": False}.get(raw.lower(), _BAD) if isinstance(raw, str) else _BAD


def _integer(raw: object, limit: int) -> object:
    if isinstance(raw, bool):
        return _BAD
    if isinstance(raw, str):
        try:
            raw = int(raw)
        except ValueError:
            return _BAD
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return raw if isinstance(raw, int) and -limit <= raw < limit else _BAD


def _number(raw: object, largest: float) -> object:
    if isinstance(raw, str):
        if raw in _NOT_NUMBERS:
            return raw
        try:
            raw = float(raw)
        except ValueError:
            return _BAD
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return _BAD
    if isinstance(raw, float) and not math.isfinite(raw):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(raw, "NaN")
    return raw if abs(raw) < largest else _BAD


def _epoch_seconds(raw: object) -> object:
    """Return seconds since 1970 from any of the wire forms; a form other than the model's is accepted too."""
    if isinstance(raw, bool):
        return _BAD
    if isinstance(raw, str):
        raw = _parse_time(raw)
    if not isinstance(raw, int | float) or not math.isfinite(raw):
        return _BAD
    return raw if _FIRST_SECOND <= raw <= _LAST_SECOND else _BAD


def _parse_time(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass  # not epoch seconds: one of the two written forms
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _json_word(raw: object) -> str:
    if raw is None:
        return "null"
    words = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    word = words.get(type(raw), "a value")
    return f"{word} ({str(raw)[:40]})" if isinstance(raw, int | float) else word
