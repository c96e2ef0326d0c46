"""What an answer of an XML protocol (query, ec2, rest-xml) says, in the member names of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.collect.xml_pieces import IrregularError, XmlError, closing, parse, split
from stocktake.collect.xml_shapes import OUTSIDE_BODY, ShapeReaders
from stocktake.collect.xml_values import NOTHING, children, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.collect.http import HttpResponse
    from stocktake.collect.xml_pieces import Document, Pieces

XML_PROTOCOLS = frozenset({"query", "ec2", "rest-xml"})
_NOT_MEMBERS = ("ResponseMetadata", "requestId", "RequestId")
"""What the query and ec2 protocols put beside the members."""
_NO_ANSWERS = frozenset({"error", "errorresponse", "response", "html"})
"""Root elements, in lower case, of errors and of pages for browsers; S3 sends some with status 200."""


class XmlReader:
    """Reads the answers of one service."""

    def __init__(self, protocol: str) -> None:
        self._is_rest = protocol == "rest-xml"
        self._readers = ShapeReaders()

    def members(self, shape: Any, response: HttpResponse) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        """Return the members of a successful answer; `shape` is what the operation answers, or None.

        Raises: XmlError; RecursionError where a shape that holds itself is nested without end.
        """
        if self._is_rest:
            return self._rest(shape, response) if shape is not None else {}
        found = self._body(shape, response.body)
        for name in _NOT_MEMBERS:
            if shape is None or name not in shape.members:
                found.pop(name, None)
        return found if shape is not None else {}

    def _rest(self, shape: Any, response: HttpResponse) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        outside = {name: m for name, m in shape.members.items() if m.serialization.get("location") in OUTSIDE_BODY}
        found = self._outside(outside, response) if outside else {}
        payload = shape.serialization.get("payload")
        if payload is None:
            return found | (self._body(shape, response.body) if response.body else {})
        body = shape.members[payload]
        if body.type_name in {"string", "blob"}:
            found[payload] = _text(response.body)
        else:
            found[payload] = self._body(body, response.body) if response.body else {}
        return found

    def _body(self, shape: Any, body: bytes) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        try:
            return self.read(shape, split(body))
        except (IrregularError, XmlError):
            pass  # not plain, or not what it should be: that is for a parser to say
        try:
            return self.read(shape, parse(body))
        except IrregularError as error:
            raise XmlError("a name in it is longer than any in a model") from error

    def read(self, shape: Any, document: Document) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        """Return the members that are in a document.

        Raises: IrregularError, XmlError.
        """
        if document.root.lower() in _NO_ANSWERS:
            raise XmlError(f"the answer is <{document.root}>")
        end, pieces = closing(document.root), document.pieces
        if shape is None:
            plain("", end, pieces)
            found: dict[str, Any] = {}
        elif wrapper := shape.serialization.get("resultWrapper"):
            found = self._wrapped(shape, wrapper, end, pieces)
        else:
            found = self._readers.reader(shape)("", end, pieces)
        if next(pieces, None) is not None:
            raise IrregularError
        return found

    def _wrapped(self, shape: Any, wrapper: str, end: str, pieces: Pieces) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        found: dict[str, Any] | None = None
        for name, text, inner_end, inner in children(end, pieces):
            if name == wrapper and found is None:
                found = self._readers.reader(shape)("", inner_end, inner)
            else:
                plain(text, inner_end, inner)
        if found is None:
            raise XmlError(f"the answer has no <{wrapper}>")
        return found

    def _outside(self, members: Mapping[str, Any], response: HttpResponse) -> dict[str, Any]:
        """Return the members that travel in the headers or the status."""
        headers = response.headers
        found: dict[str, Any] = {}
        for name, shape in members.items():
            where, own_name = shape.serialization["location"], shape.serialization.get("name", name).lower()
            if where == "statusCode":
                found[name] = response.status
            elif where == "headers":
                found[name] = {k[len(own_name) :]: v for k, v in headers.items() if k.startswith(own_name)}
            elif own_name in headers:
                found[name] = self._header(shape, headers[own_name])
        return found

    def _header(self, shape: Any, value: str) -> object:  # noqa: ANN401 - botocore has no types
        if shape.type_name == "list":
            return [self._header(shape.member, one.strip()) for one in value.split(",")]
        read: object = self._readers.reader(shape)(value, "", iter(NOTHING))
        return read


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise XmlError(f"the answer is not UTF-8: {error}") from error
