"""The part of CBOR that the RPC v2 protocol needs, for services that newer botocore calls that way.

Source: RFC 8949; the protocol sends maps of text to text, numbers, lists and maps.
"""

from __future__ import annotations

import struct

Value = None | bool | int | float | str | bytes | list["Value"] | dict[str, "Value"]


def encode(value: object) -> bytes:
    """Return a value as CBOR."""
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def _encode(value: object, out: bytearray) -> None:
    match value:
        case None:
            out.append(0xF6)
        case bool():
            out.append(0xF5 if value else 0xF4)
        case int():
            _head(out, 0, value) if value >= 0 else _head(out, 1, -1 - value)
        case float():
            out += b"\xfb" + struct.pack(">d", value)
        case str():
            raw = value.encode()
            _head(out, 3, len(raw))
            out += raw
        case bytes():
            _head(out, 2, len(value))
            out += value
        case list() | tuple():
            _head(out, 4, len(value))
            for item in value:
                _encode(item, out)
        case dict():
            _head(out, 5, len(value))
            for key, item in value.items():
                _encode(key, out)
                _encode(item, out)
        case _:
            raise TypeError(f"CBOR has no form for {type(value).__name__}")


def _head(out: bytearray, major: int, number: int) -> None:
    if number < 24:
        out.append(major << 5 | number)
        return
    for extra, (limit, form) in enumerate(((1 << 8, ">B"), (1 << 16, ">H"), (1 << 32, ">I"), (1 << 64, ">Q")), 24):
        if number < limit:
            out.append(major << 5 | extra)
            out += struct.pack(form, number)
            return
    raise ValueError("a number of more than 64 bits")


def decode(raw: bytes) -> Value:
    """Return the value that CBOR bytes hold.

    Raises:
        ValueError: the bytes are no complete CBOR value.
    """
    try:
        value, end = _decode(raw, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("not a complete CBOR value") from error
    if end != len(raw):
        raise ValueError("more than one CBOR value")
    return value


_SIMPLE: dict[int, Value] = {20: False, 21: True, 22: None, 23: None}


def _decode(raw: bytes, at: int) -> tuple[Value, int]:
    major, extra = raw[at] >> 5, raw[at] & 31
    at += 1
    if major == 7:
        return _special(raw, at, extra)
    if extra == 31:
        return _indefinite(raw, at, major)
    number, at = _number(raw, at, extra)
    match major:
        case 0:
            return number, at
        case 1:
            return -1 - number, at
        case 2 | 3:
            if at + number > len(raw):
                raise IndexError
            part = raw[at : at + number]
            return (part if major == 2 else part.decode()), at + number
        case 4:
            items = []
            for _ in range(number):
                item, at = _decode(raw, at)
                items.append(item)
            return items, at
        case 5:
            entries = {}
            for _ in range(number):
                key, at = _decode(raw, at)
                entries[str(key)], at = _decode(raw, at)
            return entries, at
    return _decode(raw, at)  # a tag: what it says of the value (a time, say) is plain from where the value stands


def _number(raw: bytes, at: int, extra: int) -> tuple[int, int]:
    if extra < 24:
        return extra, at
    if extra > 27:
        raise ValueError("a reserved CBOR length")
    size = 1 << (extra - 24)
    if at + size > len(raw):
        raise IndexError
    return int.from_bytes(raw[at : at + size]), at + size


def _special(raw: bytes, at: int, extra: int) -> tuple[Value, int]:
    forms = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
    if extra in forms:
        form, size = forms[extra]
        return float(struct.unpack_from(form, raw, at)[0]), at + size
    if extra in _SIMPLE:
        return _SIMPLE[extra], at
    raise ValueError("a CBOR value of an unknown kind")


def _indefinite(raw: bytes, at: int, major: int) -> tuple[Value, int]:
    parts: list[Value] = []
    while raw[at] != 0xFF:
        part, at = _decode(raw, at)
        parts.append(part)
    at += 1
    match major:
        case 2:
            return b"".join(part for part in parts if isinstance(part, bytes)), at
        case 3:
            return "".join(part for part in parts if isinstance(part, str)), at
        case 4:
            return parts, at
        case 5:
            return {str(key): value for key, value in zip(parts[::2], parts[1::2], strict=True)}, at
    raise ValueError("a CBOR value of no length")
