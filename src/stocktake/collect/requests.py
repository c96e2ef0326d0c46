"""Requests as botocore would make them, for a fiftieth of the cost where that is proven.

The first calls of an operation are built by botocore's own client, up to the moment before signing: endpoint rules,
host prefix, and whatever its handlers do for a service. What the second yields is taken apart into a plan (fixed parts,
and the serializer's), the plan's own requests, for these parameters and for others, are compared with botocore's, and
only if they are equal is the plan used from then on. Where they differ, or where the endpoint depends on parameters,
every call goes the long way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from botocore import UNSIGNED, xform_name
from botocore.exceptions import BotoCoreError, ParamValidationError
from botocore.serialize import create_serializer
from botocore.utils import percent_encode_sequence

from stocktake.collect.signer import SigningStyle
from stocktake.core.errors import DataError, ScopeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OURS_OR_NOBODYS = frozenset(
    {"user-agent", "content-length", "amz-sdk-invocation-id", "amz-sdk-request", "x-amzn-trace-id", "expect"}
)
"""Headers of the client rather than of the request: we send our own, or none."""

_PLAIN = frozenset({"string", "integer", "long", "boolean"})
_UNFIT = (KeyError, TypeError, ValueError, AttributeError)
"""What botocore's serializer raises, unvalidated, over parameters that do not fit."""


@dataclass(slots=True)  # not frozen: that would double what making one costs, and there is one a call
class UnsignedRequest:
    """A request, complete but for its signature."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    style: SigningStyle | None
    """How to sign it; None: not at all."""
    alike: bool = False
    """Other requests differ from this one in their body only; `headers` is the same object in all of them."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What does not change from call to call of one operation with the same parameter names."""

    method: str
    base_url: str
    extra_headers: dict[str, str]
    style: SigningStyle | None
    plain_json: _PlainJson | None = None


@dataclass(frozen=True, slots=True)
class _PlainJson:
    """Where the parameters themselves are the body: what else the request is made of."""

    url: str
    headers: dict[str, str]


class _CapturedError(Exception):
    """Carries botocore's request out of its client, before it is signed or sent."""

    def __init__(self, request: UnsignedRequest) -> None:
        super().__init__()
        self.request = request


class RequestBuilder:
    """Builds the requests of one service in one region, for one botocore client."""

    def __init__(self, botocore_client: Any) -> None:  # noqa: ANN401 - botocore has no types
        self._client = botocore_client
        self._model = botocore_client.meta.service_model
        self._where = f"{self._model.service_name}/{botocore_client.meta.region_name}"
        # The long way validates; the short one leaves it to the service, which does it anyway.
        self._serializer = create_serializer(self._model.resolved_protocol, include_validation=False)
        self._asked: set[tuple[str, ...]] = set()
        self._plans: dict[tuple[str, ...], _Plan | None] = {}
        botocore_client.meta.events.register_last("before-sign.*.*", _capture)

    def build(self, operation: str, params: Mapping[str, Any]) -> UnsignedRequest:
        """Return the request for one call.

        Raises: DataError where the parameters do not fit the operation; ScopeError where there is no such endpoint.
        """
        key = (operation, *params)
        plan = self._plans.get(key)
        if plan is not None:
            try:
                return self._short_way(plan, operation, params)
            except _UNFIT:
                pass  # the long way says in words what is wrong
        request = self._long_way(operation, params)
        if key not in self._plans and key in self._asked:
            self._plans[key] = self._prove(operation, params, request)
        # In a sweep of all types most operations are called once: a proof would cost more than it saves.
        self._asked.add(key)
        return request

    def _long_way(self, operation: str, params: Mapping[str, Any]) -> UnsignedRequest:
        where = f"{self._where}/{operation}"
        try:
            getattr(self._client, xform_name(operation))(**params)
        except _CapturedError as captured:
            return captured.request
        except ParamValidationError as error:
            raise DataError(f"{operation} cannot be called so: {error}", code="bad_parameters", where=where) from error
        except BotoCoreError as error:
            raise ScopeError(
                f"There is no endpoint for {operation}: {error}",
                code="no_endpoint",
                status="unsupported",
                hint="The service may not exist in this region, or the profile's endpoint settings do not fit it.",
                where=where,
            ) from error
        raise AssertionError(f"botocore sent {operation} without asking to sign it")

    def _short_way(self, plan: _Plan, operation: str, params: Mapping[str, Any]) -> UnsignedRequest:
        if plan.plain_json is not None and all(isinstance(value, str | int) for value in params.values()):
            # The body is the parameters as they are, and nothing else depends on them.
            body = _plain_json(params)
            fixed = plan.plain_json
            return UnsignedRequest(plan.method, fixed.url, fixed.headers, body, plan.style, alike=True)
        serialized = self._serializer.serialize_to_request(params, self._model.operation_model(operation))
        return UnsignedRequest(
            method=plan.method,
            url=plan.base_url + _target(serialized),
            headers={**serialized["headers"], **plan.extra_headers},
            body=_body(serialized["body"]),
            style=plan.style,
        )

    def _is_plain_json(self, operation: str, params: Mapping[str, Any], serialized: Mapping[str, Any]) -> bool:
        """Say whether these parameters go into the body under their own names, and nowhere else."""
        shape = self._model.operation_model(operation).input_shape
        if self._model.resolved_protocol != "json" or shape is None:
            return False
        members = shape.members
        plain = all(
            name in members
            and members[name].type_name in _PLAIN
            and set(members[name].serialization) <= {"name"}
            and members[name].serialization.get("name", name) == name
            for name in params
        )
        return plain and bool(serialized["body"] == json.dumps(params).encode())

    def _prove(self, operation: str, params: Mapping[str, Any], expected: UnsignedRequest) -> _Plan | None:
        """Return a plan that gives botocore's very request, or None."""
        model = self._model.operation_model(operation)
        prefix = (model.endpoint or {}).get("hostPrefix", "")
        if model.context_parameters or model.operation_context_parameters or "{" in prefix:
            return None  # the endpoint may be another one for other values
        try:
            serialized = self._serializer.serialize_to_request(params, model)
        except _UNFIT:
            return None  # a handler fills in what the parameters lack
        target = _target(serialized)
        if not expected.url.endswith(target):
            return None
        own = {name.lower() for name in serialized["headers"]}
        plan = _Plan(
            method=serialized["method"],
            base_url=expected.url[: len(expected.url) - len(target)],
            extra_headers={name: value for name, value in expected.headers.items() if name.lower() not in own},
            style=expected.style,
        )
        if self._is_plain_json(operation, params, serialized):
            headers = {**serialized["headers"], **plan.extra_headers}
            plan = replace(plan, plain_json=_PlainJson(plan.base_url + target, headers))
        if not _same(self._short_way(plan, operation, params), expected):
            return None
        # Handlers may treat some values otherwise than others (a path before an id), or add a new one each time.
        varied = {name: f"other/{value}" if isinstance(value, str) else value for name, value in params.items()}
        try:
            same = _same(self._short_way(plan, operation, varied), self._long_way(operation, varied))
        except (DataError, ScopeError):
            return None
        return plan if same else None


def _target(serialized: Mapping[str, Any]) -> str:
    path: str = serialized["url_path"] or "/"
    if not serialized["query_string"]:
        return path
    mark = "&" if "?" in path else "?"
    return f"{path}{mark}{percent_encode_sequence(serialized['query_string'])}"


def _plain_json(params: Mapping[str, Any]) -> bytes:
    """Return what `json.dumps` makes of texts and numbers, for a fifth of the cost."""
    quoted = encode_basestring_ascii
    members = [
        f"{quoted(name)}: {quoted(value) if isinstance(value, str) else json.dumps(value)}"
        for name, value in params.items()
    ]
    return f"{{{', '.join(members)}}}".encode()


def _body(body: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return urlencode(list(body.items()), doseq=True).encode()


def _same(ours: UnsignedRequest, theirs: UnsignedRequest) -> bool:
    return (ours.method, ours.url, ours.body, ours.style) == (
        theirs.method,
        theirs.url,
        theirs.body,
        theirs.style,
    ) and (_lowered(ours.headers) == _lowered(theirs.headers))


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _capture(
    request: Any,  # noqa: ANN401 - botocore has no types
    signing_name: str,
    region_name: str,
    signature_version: object,
    operation_name: str,
    **_kwargs: object,
) -> NoReturn:
    """Take botocore's request at its event `before-sign`; nothing of its own goes over the wire."""
    context = request.context
    signing = context.get("signing") or {}
    prepared = request.prepare()
    raise _CapturedError(
        UnsignedRequest(
            method=prepared.method,
            url=prepared.url,
            headers={
                _text(name): _text(value)
                for name, value in prepared.headers.items()
                if _text(name).lower() not in _OURS_OR_NOBODYS
            },
            body=_body(prepared.body or b""),
            style=_style(
                signature_version,
                service=signing.get("signing_name") or signing_name,
                region=signing.get("region") or region_name,
                sign_payload=context.get("payload_signing_enabled", True),
                operation=operation_name,
            ),
        )
    )


def _style(version: object, *, service: str, region: str, sign_payload: bool, operation: str) -> SigningStyle | None:
    if version is UNSIGNED:
        return None
    if version in {"v4", "s3v4"}:
        return SigningStyle(service, region, hash_in_header=version == "s3v4", sign_payload=sign_payload)
    raise ScopeError(
        f"{operation} has to be signed as {version!r}, which Stocktake does not do.",
        code="unsupported_signature",
        status="unsupported",
        where=f"{service}/{region}/{operation}",
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
