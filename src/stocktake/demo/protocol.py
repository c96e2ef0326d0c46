"""The wire protocols of the simulated services: JSON 1.1, RPC v2 with CBOR, and the query protocol of STS.

Who calls which service where is read from the credential scope of the Authorization header; signatures and their
dates are not checked, since clients sign with real time and the cloud's time is virtual.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import orjson

from stocktake.demo import cbor
from stocktake.demo.api_errors import ApiError
from stocktake.demo.model import service_model

JSON_TYPE, CBOR_TYPE, XML_TYPE = b"application/x-amz-json-1.1", b"application/cbor", b"text/xml"
_SCOPE = re.compile(rb"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_KEY = re.compile(r"A[KS]IA([0-9]{12})[0-9A-Z]*")
_RPC_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)")
_TARGETS = {"SageMaker": "sagemaker", "ResourceGroupsTaggingAPI_20170126": "tagging"}
_MODELS = {"sagemaker": "sagemaker", "tagging": "resourcegroupstaggingapi"}


class Scope(NamedTuple):
    """What the credential scope of a request says."""

    access_key: str
    account: str
    """The account of the access key; empty where the key names none."""
    region: str
    service: str


@lru_cache(maxsize=4096)
def read_scope(credential: bytes) -> Scope:
    """Return the scope in an Authorization header's first part."""
    found = _SCOPE.search(credential)
    if found is None:
        return Scope("", "", "us-east-1", "")
    key, region, service = (part.decode() for part in found.groups())
    return Scope(key, account_of(key), region, service)


def account_of(access_key: str) -> str:
    """Return the account of an access key: its letters 5 to 16, if they are twelve digits."""
    named = _KEY.fullmatch(access_key)
    return named[1] if named else ""


def access_key_of(account: str) -> str:
    """Return the access key id that stands for an account."""
    return f"AKIA{account}DEMO"


@lru_cache(maxsize=1024)
def read_target(target: str, path: str) -> tuple[str, str, bytes]:
    """Return (service, operation, content type) that a target header or an RPC v2 path names; empty if neither does."""
    name, _, operation = target.partition(".")
    if operation and name in _TARGETS:
        return _TARGETS[name], operation, JSON_TYPE
    found = _RPC_PATH.fullmatch(path)
    if found is not None and found[1] in _TARGETS:
        return _TARGETS[found[1]], found[2], CBOR_TYPE
    return "", operation or target, JSON_TYPE


def read_form(body: bytes) -> dict[str, str]:
    """Return the parameters of a query-protocol request."""
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    except UnicodeDecodeError:
        return {}


def read_body(body: bytes, kind: bytes) -> object:
    """Return the request that a body holds.

    Raises:
        ApiError: a SerializationException for a body that is no JSON or CBOR.
    """
    try:
        if kind == CBOR_TYPE:
            return cbor.decode(body) if body else {}
        return orjson.loads(body) if body else {}
    except ValueError as error:
        raise ApiError("SerializationException", f"The request body can not be read: {error}") from error


def write_body(answer: object, kind: bytes) -> bytes:
    """Return the body of an answer."""
    return cbor.encode(answer) if kind == CBOR_TYPE else orjson.dumps(answer)


def write_error(error: ApiError, service: str, kind: bytes, request_id: str) -> tuple[int, bytes]:
    """Return the status and body of an error, framed as the service's model and protocol say."""
    if kind == XML_TYPE:
        frame = _XML_ERRORS.get(service, _QUERY_ERROR)
        fault = "Sender" if error.status < 500 else "Receiver"
        parts = {"code": error.code, "message": escape(error.message), "fault": fault, "id": request_id}
        return _XML_STATUS.get(error.code, error.status), frame.format_map(parts).encode()
    member, status = _error_shape(_MODELS.get(service, ""), error.code)
    return status or error.status, write_body({"__type": error.code, member: error.message}, kind)


_XML_STATUS = {"AccessDenied": 403, "ExpiredToken": 403, "InvalidClientTokenId": 403}
_QUERY_ERROR = (
    "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>{id}</RequestId></ErrorResponse>"
)
_XML_ERRORS = {
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>{id}</RequestID></Response>",
    "s3": "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>",
}


def is_xml(service: str, form: dict[str, str]) -> bool:
    """Say whether a service that is not ours answers in XML: those of the query protocol do, and S3."""
    return "Action" in form or service in {"s3", "route53", "cloudfront"}


@lru_cache(maxsize=256)
def _error_shape(model: str, code: str) -> tuple[str, int]:
    """Return how an error names its message, and its HTTP status if the model gives one."""
    if model and code in service_model(model).shape_names:
        shape = service_model(model).shape_for(code)
        name = next((member for member in shape.members if member.lower() == "message"), "message")
        return name, int(shape.metadata.get("error", {}).get("httpStatusCode", 0))
    return "message", 0
