"""What an answer says: its JSON in the provider's member names, or its error.

For the JSON protocols that is mostly the body itself, not even parsed. XML is read by `xml_bodies`, CBOR by botocore's
own parser, and so are the errors of all protocols. Times and blobs stay the text they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
from botocore.compat import HTTPHeaders, XMLParseError
from botocore.parsers import ResponseParserError, ResponseParserFactory

from stocktake.collect.xml_bodies import XML_PROTOCOLS, XmlReader
from stocktake.collect.xml_pieces import XmlError

if TYPE_CHECKING:
    from stocktake.collect.http import HttpResponse

_TITLE = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)
_MESSAGE = re.compile(r"<message>([^<]*)</message>", re.IGNORECASE)
_JSON_PROTOCOLS = frozenset({"json", "rest-json"})


class MalformedBodyError(Exception):
    """The body of a successful answer is not what the protocol says; always caught within this room."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """An error as the provider says it."""

    status: int
    code: str
    message: str


class BodyReader:
    """Reads the answers of one service."""

    def __init__(self, service_model: Any, events: Any = None) -> None:  # noqa: ANN401 - botocore has no types
        self._model = service_model
        self._events = events
        """A botocore client's emitter: its handlers finish what the parser reads (an IAM policy, for example)."""
        protocol: str = service_model.resolved_protocol
        self._is_json = protocol in _JSON_PROTOCOLS
        self._xml = XmlReader(protocol) if protocol in XML_PROTOCOLS else None
        factory = ResponseParserFactory()
        factory.set_parser_defaults(timestamp_parser=_as_sent, blob_parser=_as_sent)
        self._parser = factory.create_parser(protocol)
        self._as_is: dict[str, bool] = {}
        self._names: dict[str, dict[str, tuple[str, Any]]] = {}
        self._handled: dict[str, bool] = {}

    def json_bytes(self, operation: str, response: HttpResponse) -> bytes:
        """Return a successful answer as JSON.

        Raises: MalformedBodyError. JSON that is taken as it is, is only seen to end as it should; whether it is valid
        is for whoever parses it.
        """
        as_is = self._as_is.get(operation)
        if as_is is None:
            as_is = self._as_is[operation] = self._can_stay(operation)
        body = response.body
        if not body:
            self._see_that_it_may_be_empty(operation, response)
        if as_is:
            if not body:
                return b"{}"
            if body[-1:] != b"}" and body.rstrip()[-1:] != b"}":
                raise MalformedBodyError(f"the answer ends in {body[-20:]!r}")
            return body
        shape = self._model.operation_model(operation).output_shape
        if self._is_json:
            return orjson.dumps(self._parse(shape, response) if _streams(shape) else self._members(shape, response))
        try:
            members = self._xml.members(shape, response) if self._xml else self._parse(shape, response)
            return orjson.dumps(self._finish(operation, shape, members, response), default=_default)
        except (XmlError, RecursionError, orjson.JSONEncodeError) as error:
            # Only what is nested without end, which no model is, is too deep to be read or written.
            raise MalformedBodyError(str(error)) from error

    def _see_that_it_may_be_empty(self, operation: str, response: HttpResponse) -> None:
        """Refuse an answer of nothing where there should be members: taken as none, it would end all that is held."""
        shape = self._model.operation_model(operation).output_shape
        if response.status != 200 or shape is None or _streams(shape):
            return
        if set(shape.members) - set(_outside_body(shape)):
            raise MalformedBodyError("the answer is empty")

    def error(self, operation: str, response: HttpResponse) -> ProviderError:
        """Return what a failed answer says; what cannot be read counts by its status alone."""
        shape = self._model.operation_model(operation).output_shape
        try:
            parsed = self._parser.parse(_as_botocore(response), shape)
        except (ResponseParserError, ValueError, KeyError, AttributeError, TypeError):
            # botocore's parsers stumble in all these ways over a proxy's page or an empty body
            parsed = {}
        error = parsed.get("Error") if isinstance(parsed, Mapping) else None
        error = error or {}
        code = str(error.get("Code") or response.status)
        return ProviderError(response.status, _bare(code), _said(str(error.get("Message") or "")))

    # -- names -----------------------------------------------------------------------------------------------------

    def _can_stay(self, operation: str) -> bool:
        if not self._is_json:
            return False
        shape = self._model.operation_model(operation).output_shape
        if shape is None:
            return True
        return not _payload(shape) and not _outside_body(shape) and not _is_renamed(shape)

    def _members(self, shape: Any, response: HttpResponse) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        """Return a JSON answer in the model's names, with the members that travel in its headers or status."""
        try:
            content = orjson.loads(response.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise MalformedBodyError(str(error)) from error
        payload = _payload(shape)
        if payload:
            members = {payload: self._rename(shape.members[payload], content)}
        elif isinstance(content, dict):
            members = self._rename(shape, content)
        else:
            raise MalformedBodyError(f"the answer is {type(content).__name__}, not an object")
        outside = _outside_body(shape)
        if outside:
            parsed = self._parse(shape, response)
            members |= {name: parsed[name] for name in outside if name in parsed}
        return members

    def _rename(self, shape: Any, value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, list) and shape.type_name == "list":
            return [self._rename(shape.member, element) for element in value]
        if not isinstance(value, dict):
            return value
        if shape.type_name == "map":
            return {key: self._rename(shape.value, element) for key, element in value.items()}
        if shape.type_name != "structure":
            return value
        names = self._names.get(shape.name)
        if names is None:
            names = {m.serialization.get("name", name): (name, m) for name, m in shape.members.items()}
            self._names[shape.name] = names
        renamed: dict[str, Any] = {}
        for key, element in value.items():
            name, member = names.get(key, (key, None))  # a member the model does not know stays as it is
            renamed[name] = element if member is None else self._rename(member, element)
        return renamed

    # -- botocore's parser -----------------------------------------------------------------------------------------

    def _parse(self, shape: Any, response: HttpResponse) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        try:
            parsed: dict[str, Any] = self._parser.parse(_as_botocore(response), shape)
        except (ResponseParserError, ValueError, KeyError, AttributeError, TypeError) as error:
            # botocore's parsers raise any of these where a body does not fit the shape
            raise MalformedBodyError(str(error)) from error
        parsed.pop("ResponseMetadata", None)
        return parsed

    def _finish(self, operation: str, shape: Any, parsed: dict[str, Any], response: HttpResponse) -> dict[str, Any]:  # noqa: ANN401 - botocore has no types
        """Let botocore's handlers at the answer; where they decode a text into a structure, it stays JSON text."""
        if self._events is None or not self._handled.get(operation, True):
            return parsed
        try:
            told = self._events.emit(
                f"after-call.{self._model.service_id.hyphenize()}.{operation}",
                http_response=SimpleNamespace(status_code=response.status, content=response.body, raw=response.body),
                parsed=parsed,
                model=self._model.operation_model(operation),
                context={},
            )
        except (XMLParseError, ValueError, KeyError, AttributeError, TypeError) as error:
            # they trust the answer to be what the model says
            raise MalformedBodyError(str(error)) from error
        # The same are called each time; bookkeeping of botocore's own retries is none of ours.
        handled = any(not handler.__module__.startswith("botocore.retries") for handler, _ in told)
        self._handled[operation] = handled
        finished: dict[str, Any] = _texts(shape, parsed) if handled and shape is not None else parsed
        return finished


def _texts(shape: Any, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Write structures where the model has a string as JSON text."""
    kind = shape.type_name
    if isinstance(value, dict):
        if kind == "string":
            return _json_text(value)
        if kind == "structure":
            members = shape.members
            return {key: _texts(members[key], element) if key in members else element for key, element in value.items()}
        if kind == "map":
            return {key: _texts(shape.value, element) for key, element in value.items()}
    if isinstance(value, list):
        if kind == "string":
            return _json_text(value)
        if kind == "list":
            return [_texts(shape.member, element) for element in value]
    return value


def _json_text(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":"))  # a number of more than 64 bits, half a character


def _payload(shape: Any) -> str:  # noqa: ANN401 - botocore has no types
    name: str = shape.serialization.get("payload", "")
    return name


def _streams(shape: Any) -> bool:  # noqa: ANN401 - botocore has no types
    payload = _payload(shape)
    return bool(payload) and shape.members[payload].type_name in {"blob", "string"}


def _outside_body(shape: Any) -> list[str]:  # noqa: ANN401 - botocore has no types
    return [name for name, member in shape.members.items() if member.serialization.get("location")]


def _is_renamed(shape: Any) -> bool:  # noqa: ANN401 - botocore has no types
    """Whether anything in the shape's tree has another name on the wire than in the model."""
    seen: set[str] = set()
    ahead = [shape]
    while ahead:
        shape = ahead.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        if shape.type_name == "structure":
            if any(member.serialization.get("name", name) != name for name, member in shape.members.items()):
                return True
            ahead += shape.members.values()
        elif shape.type_name == "list":
            ahead.append(shape.member)
        elif shape.type_name == "map":
            ahead.append(shape.value)
    return False


def _as_sent(value: object) -> object:
    return value


def _as_botocore(response: HttpResponse) -> dict[str, Any]:
    headers = HTTPHeaders()
    for name, value in response.headers.items():
        headers[name] = value
    return {"status_code": response.status, "headers": headers, "body": response.body, "context": {}}


def _said(message: str) -> str:
    """Return an error's message; of a page for browsers, its title."""
    message = message.strip()
    if not message.startswith("<"):
        return message
    title = _TITLE.search(message) or _MESSAGE.search(message)
    return f"an error page: {title[1].strip()}" if title else "an error page"


def _bare(code: str) -> str:
    """Take off what only some protocols put around a code."""
    code = code.rsplit("#", 1)[-1].split(":", 1)[0]
    return code.removeprefix("Client.").removeprefix("Server.")


def _default(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(type(value).__name__)
