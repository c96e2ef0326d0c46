"""Answers of the XML protocols, written from a model's shapes by the protocols' own rules."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any
from xml.sax.saxutils import escape, quoteattr

STRINGS = [
    "",
    "a",
    "plain text",
    "a & b <c> \"d\" 'e' ]]> &amp; &#65;",
    " leading and trailing ",
    "two\nlines\tand a tab",
    "carriage\rreturn",
    "línea 日本語 😀 \u0085 \u2028 \x7f",
    '{"Statement": [{"Effect": "Allow"}]}',
    "null",
    "1.0",
    "true",
    "</item><item>",
    "x" * 9000,
]
KEYS = ["", "k1", "k 2", "ключ", "a<b&c"]
TIMES = ["2026-11-24T11:06:08.000Z", "2015-01-01T00:00:00Z", "1422172800", "Sun, 25 Jan 2015 08:00:00 GMT"]
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


@dataclass(frozen=True)
class Style:
    """How a document is written; as services do it, if nothing else is asked for."""

    pretty: bool = False
    declaration: bool = True
    prefix: str = ""
    short_empty: bool = True
    odd_text: bool = False
    """Whether texts are CDATA and numeric references, with comments between."""

    @property
    def is_plain(self) -> bool:
        return not self.prefix and not self.odd_text


def model_value(shape: Any, random: Random, density: float, depth: int = 0) -> Any:
    """Return a value in the model's names, as our JSON has it: times and blobs are text."""
    match shape.type_name:
        case "structure":
            members = list(shape.members.items())
            if getattr(shape, "is_tagged_union", False):
                members = [random.choice(members)]
            else:
                keep = density if depth < 6 else 0.1
                members = [pair for pair in members if random.random() < keep]
            return {n: _member_value(m, random, density, depth + 1) for n, m in members if not _streams(m)}
        case "list":
            least = 1 if shape.serialization.get("flattened") else 0
            return [model_value(shape.member, random, density, depth + 1) for _ in range(random.randint(least, 2))]
        case "map":
            least = 1 if shape.serialization.get("flattened") else 0
            keys = random.sample(KEYS, random.randint(least, 3))
            return {key: model_value(shape.value, random, density, depth + 1) for key in keys}
        case "integer":
            return random.choice([0, 1, -1, 2**31 - 1, -(2**31)])
        case "long":
            return random.choice([0, 7, 2**63 - 1, -(2**63)])
        case "float" | "double":
            return random.choice([0.0, -0.5, 1e-7, 1e300, 3.0, 0.1])
        case "boolean":
            return random.random() < 0.5
        case "timestamp":
            return random.choice(TIMES)
        case "blob":
            return "YmxvYg=="
        case _:
            return random.choice(shape.enum) if getattr(shape, "enum", None) else random.choice(STRINGS)


def answer_value(shape: Any, random: Random, density: float) -> dict[str, Any]:
    """Return what an operation may answer; body and headers are always there, and be they empty."""
    value: dict[str, Any] = model_value(shape, random, density)
    value |= {
        n: {} for n, m in shape.members.items() if m.serialization.get("location") == "headers" and n not in value
    }
    payload = shape.serialization.get("payload")
    if payload:
        value.setdefault(payload, "" if shape.members[payload].type_name in {"string", "blob"} else {})
    return value


@dataclass(frozen=True)
class Written:
    """An answer as it goes over the wire."""

    headers: dict[str, str]
    body: bytes


class Writer:
    """Writes values of shapes as XML."""

    def __init__(self, style: Style, random: Random) -> None:
        self._style = style
        self._random = random

    def answer(self, model: Any, operation: str, value: dict[str, Any]) -> Written:
        """Return an operation's answer; `value` may hold members that the model does not know, as `Unknown`."""
        shape = model.operation_model(operation).output_shape
        namespace = model.metadata.get("xmlNamespace") or "http://ec2.amazonaws.com/doc/2016-11-15/"
        if model.resolved_protocol == "rest-xml":
            return self._rest(shape, value, namespace)
        inner = self._members(shape, value, 2)
        wrapper = shape.serialization.get("resultWrapper")
        if wrapper:
            inner = self._element(wrapper, inner, 1) + self._metadata()
        elif model.resolved_protocol == "ec2":
            inner += self._element("requestId", "59dbff89-35bd-4eac-99ed-be587EXAMPLE", 1)
        else:
            inner += self._metadata()
        return Written({}, self._document(f"{operation}Response", inner, namespace))

    def _rest(self, shape: Any, value: dict[str, Any], namespace: str) -> Written:
        headers: dict[str, str] = {}
        for name, member in shape.members.items():
            where, on_wire = member.serialization.get("location"), member.serialization.get("name", name)
            if where == "header" and name in value:
                headers[on_wire] = _word(value[name])
            elif where == "headers" and name in value:
                headers |= {on_wire + key: word for key, word in value[name].items()}
        payload = shape.serialization.get("payload")
        if not payload:
            return Written(headers, self._document("Result", self._members(shape, value, 1), namespace))
        body = shape.members[payload]
        if payload not in value:
            return Written(headers, b"")
        if body.type_name in {"string", "blob"}:
            return Written(headers, value[payload].encode())
        return Written(headers, self._document(payload, self._members(body, value[payload], 1), namespace))

    def _metadata(self) -> str:
        return self._element("ResponseMetadata", self._element("RequestId", "b25f48e8-84fd-11e6", 2), 1)

    def _document(self, root: str, inner: str, namespace: str) -> bytes:
        prefix = self._style.prefix
        declaration = '<?xml version="1.0" encoding="UTF-8"?>\n' if self._style.declaration else ""
        spaced = f' xmlns:{prefix[:-1]}="{namespace}"' if prefix else f' xmlns="{namespace}"'
        return f"{declaration}<{prefix}{root}{spaced}>{inner}{self._line(0)}</{prefix}{root}>\n".encode()

    def _members(self, shape: Any, value: dict[str, Any], depth: int) -> str:
        written = []
        for name, element in value.items():
            member = shape.members.get(name)
            if member is None:
                written.append(self._unknown(name, element, depth))
            elif not member.serialization.get("location") and not member.serialization.get("xmlAttribute"):
                written.append(self._member(name, member, element, depth))
        return "".join(written)

    def _member(self, name: str, shape: Any, value: Any, depth: int) -> str:
        tag = shape.serialization.get("name", name)
        if shape.serialization.get("flattened") and shape.type_name == "list":
            tag = shape.member.serialization.get("name", tag)
            return "".join(self._value(tag, shape.member, one, depth) for one in value)
        if shape.serialization.get("flattened") and shape.type_name == "map":
            return "".join(self._element(tag, self._entry(shape, pair, depth + 1), depth) for pair in value.items())
        return self._value(tag, shape, value, depth)

    def _value(self, tag: str, shape: Any, value: Any, depth: int) -> str:
        match shape.type_name:
            case "structure":
                return self._element(tag, self._members(shape, value, depth + 1), depth, _attributes(shape, value))
            case "list":
                inner_tag = shape.member.serialization.get("name", "member")
                inner = "".join(self._value(inner_tag, shape.member, one, depth + 1) for one in value)
                return self._element(tag, inner, depth)
            case "map":
                entries = (self._entry(shape, pair, depth + 2) for pair in value.items())
                return self._element(tag, "".join(self._element("entry", one, depth + 1) for one in entries), depth)
            case _:
                return self._text_element(tag, _word(value), depth)

    def _entry(self, shape: Any, entry: tuple[str, Any], depth: int) -> str:
        key_tag = shape.key.serialization.get("name", "key")
        value_tag = shape.value.serialization.get("name", "value")
        key, value = entry
        pair = [self._text_element(key_tag, key, depth), self._value(value_tag, shape.value, value, depth)]
        if self._style.odd_text:
            self._random.shuffle(pair)
        return "".join(pair)

    def _unknown(self, tag: str, value: Any, depth: int) -> str:
        if isinstance(value, list):
            return "".join(self._unknown(tag, one, depth) for one in value)
        if not isinstance(value, dict):
            return self._text_element(tag, value, depth)
        inner = "".join(self._unknown(name, one, depth + 1) for name, one in value.items() if name[0] != "@")
        attributes = "".join(f" {name[1:]}={quoteattr(one)}" for name, one in value.items() if name[0] == "@")
        return self._element(tag, inner, depth, attributes)

    def _element(self, tag: str, inner: str, depth: int, attributes: str = "") -> str:
        tag = self._style.prefix + tag
        line = self._line(depth)
        if not inner and self._style.short_empty:
            return f"{line}<{tag}{attributes}/>"
        return f"{line}<{tag}{attributes}>{self._aside()}{inner}{line}</{tag}>"

    def _text_element(self, tag: str, text: str, depth: int) -> str:
        tag = self._style.prefix + tag
        if not text and self._style.short_empty:
            return f"{self._line(depth)}<{tag}/>"
        return f"{self._line(depth)}<{tag}>{self._text(text)}</{tag}>"

    def _text(self, text: str) -> str:
        if not self._style.odd_text:
            return escape(text, {"\r": "&#13;", '"': "&quot;"})
        way = self._random.randint(0, 2)
        if way == 0 and "\r" not in text:
            return self._aside().join(f"<![CDATA[{part}]]>" for part in text.replace("]]>", "]]\0>").split("\0"))
        return "".join(f"&#{ord(c)};" if way == 1 else f"&#x{ord(c):X};" for c in text[:50]) + escape(text[50:])

    def _aside(self) -> str:
        if not self._style.odd_text:
            return ""
        return self._random.choice(["", "<!-- <a> & -->", "<?aside > ?>"])

    def _line(self, depth: int) -> str:
        return "\n" + "    " * depth if self._style.pretty else ""


def _member_value(shape: Any, random: Random, density: float, depth: int) -> Any:
    where = shape.serialization.get("location")
    if where == "headers":
        return {"one": "1", "t-w-o": "2"}
    if where == "header" and shape.type_name == "string":
        return random.choice(["a", 'W/"E2QWRUHAPOMQZL"', "caf\xe9"])
    return model_value(shape, random, density, depth)


def _streams(shape: Any) -> bool:
    return bool(shape.serialization.get("eventstream"))


def _attributes(shape: Any, value: dict[str, Any]) -> str:
    return "".join(
        f' xmlns:xsi="{_XSI}" {member.serialization["name"]}={quoteattr(value[name])}'
        for name, member in shape.members.items()
        if member.serialization.get("xmlAttribute") and name in value
    )


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
