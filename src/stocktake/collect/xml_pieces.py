"""XML, taken apart: each tag's name and the text after it (`name` begins an element, `/name` ends it), in order.

Answers are nearly always plain: a namespace on the root, then elements and text. Splitting such a document at its angle
brackets yields the pieces, at a fifth of what a parser costs that makes an object of each element. Whoever reads the
pieces sees whether every element ends where it should and has a possible name; if not, or if anything else is in the
document, expat takes it apart, slower, and says whether it is XML at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from xml.parsers import expat

MAX_XML_BYTES = 64 * 2**20
"""A longer answer is not read: the longest pages that services send are a few MiB."""
MARK = "\x01"
"""Begins the name of an attribute or of an element that is not plain ASCII; no XML can hold the character itself."""
ATTRIBUTE, SPACED_ATTRIBUTE = f"{MARK}@", f"{MARK}@:"
"""Begin the name of an attribute, which counts as an element before all others, and of one in a namespace."""

_PROLOG = re.compile(
    r"""(?:<\?xml\ version="1\.0"(?:\ encoding="(?:UTF|utf)-8")?(?:\ standalone="(?:yes|no)")?\s*\?>)?
        \s*<([A-Za-z_][\w.-]*)(?:\ xmlns="https?://[\w.-]+\.amazon(?:aws)?\.com[\w./-]*")?\s*>""",
    re.ASCII | re.VERBOSE,
)
_HARMLESS = bytes((set(range(0x20, 0x100)) | {0x09, 0x0A}) - set(b"<>"))
"""All but angle brackets and control characters; a carriage return is one, for it would have to become a newline."""
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_LONGEST_NAME = 500  # names are remembered
_REFERENCE = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,6})|#x([0-9A-Fa-f]{1,5}));|&")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}

Pieces = Iterator[tuple[str, str]]


class XmlError(ValueError):
    """A body is not the XML that it should be; always caught within this room."""


class IrregularError(Exception):
    """A document that was split is not plain, or not XML."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document's root element, and the pieces in it, its end included."""

    root: str
    pieces: Pieces


def split(body: bytes) -> Document:
    """Split a plain document.

    Raises: XmlError, IrregularError.
    """
    _check_length(body)
    brackets = body.translate(None, _HARMLESS)
    if brackets != b"<>" * (len(brackets) // 2):
        raise IrregularError
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise IrregularError from error
    prolog = _PROLOG.match(text)
    if prolog is None or "\ufffe" in text or "\uffff" in text:
        raise IrregularError
    pieces = text[prolog.end() :].replace(">", "<").split("<")
    names, texts = pieces[1::2], pieces[2::2]
    if "&" in pieces[0] or names[-1:] != [f"/{prolog[1]}"] or texts[-1].strip(" \t\n"):
        raise IrregularError
    if "&" in text:
        texts = [_REFERENCE.sub(_meant, text) if "&" in text else text for text in texts]
    return Document(prolog[1], zip(names, texts, strict=True))


def parse(body: bytes) -> Document:
    """Take any document apart with expat; without a document type, so that no entity is declared, none expanded.

    Raises: XmlError.
    """
    _check_length(body)
    parser = expat.ParserCreate("utf-8", "}")  # whatever the document claims, as botocore reads it
    parser.buffer_text = True
    names: list[str] = []
    texts: list[str] = []
    said: list[str] = []
    opened: int | None = None  # the place of the element that was opened last, while nothing but text came after
    bare = cache(_bare)

    def flush() -> None:
        if opened is not None and said:
            texts[opened] = "".join(said)
        said.clear()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal opened
        flush()
        opened = len(names)
        names.append(bare(name))
        texts.append("")
        for attribute, value in attributes.items() if opened else ():  # the root's concern the envelope
            local = (SPACED_ATTRIBUTE if "}" in attribute else ATTRIBUTE) + attribute.rpartition("}")[2]
            names.extend((local, f"/{local}"))
            texts.extend((value, ""))

    def end(name: str) -> None:
        nonlocal opened
        flush()
        opened = None
        names.append(f"/{bare(name)}")
        texts.append("")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = said.append
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise XmlError(f"not XML: {error}") from error
    pieces = zip(names, texts, strict=True)
    return Document(next(pieces)[0], pieces)


@lru_cache(maxsize=4096)
def closing(name: str) -> str:
    """Return the name of the piece that ends an element.

    Raises: IrregularError where it cannot be an element's name.
    """
    if len(name) <= _LONGEST_NAME and (name.startswith(MARK) or _PLAIN_NAME.fullmatch(name)):
        return f"/{name}"
    raise IrregularError


def _check_length(body: bytes) -> None:
    if len(body) > MAX_XML_BYTES:
        raise XmlError(f"{len(body):,} bytes of XML: more than {MAX_XML_BYTES:,} are not read")


def _bare(name: str) -> str:
    """Return a name without its namespace."""
    local = name.rpartition("}")[2]
    return local if _PLAIN_NAME.fullmatch(local) else MARK + local


def _refuse(name: str, *_: object) -> None:
    raise XmlError(f"the XML declares a document type ({name}), which no answer needs")


def _meant(reference: re.Match[str]) -> str:
    name, decimal, hexadecimal = reference.groups()
    if name:
        return _ENTITIES[name]
    code = int(decimal or hexadecimal or "0", 10 if decimal else 16)
    if code in {0x09, 0x0A, 0x0D} or 0x20 <= code < 0xD800:
        return chr(code)
    raise IrregularError  # none, or an unusual one: expat knows
