"""The simulated cloud as an ASGI application: one port for all services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, NamedTuple

from stocktake.demo import accounts_api, sagemaker_api, tagging_api
from stocktake.demo.api_errors import ApiError
from stocktake.demo.control import control
from stocktake.demo.faults import Caller, Faults
from stocktake.demo.model import check_request
from stocktake.demo.neighbors import Neighbors
from stocktake.demo.protocol import (
    JSON_TYPE,
    XML_TYPE,
    Scope,
    is_xml,
    read_body,
    read_form,
    read_scope,
    read_target,
    write_body,
    write_error,
)  # fmt: skip
from stocktake.demo.state import Call, CloudState
from stocktake.demo.stats import Stats

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_ENDLESS = "ZW5kbGVzcw=="


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    kind: bytes
    body: bytes
    headers: Iterable[tuple[bytes, bytes]] = ()


class Incoming(NamedTuple):
    """An HTTP request, as far as it matters."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    scope: Scope
    target: str
    body: bytes


class Application:
    """Dispatches calls: SageMaker, tagging and STS are ours, everything else is moto's."""

    def __init__(self, state: CloudState) -> None:
        self.state = state
        self.stats = Stats()
        self.faults = Faults()
        self.neighbors = Neighbors(state.estate)
        self._threads = ThreadPoolExecutor(1, "neighbors")
        self._answers = 0
        self._date = (0, b"")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        incoming = await _read(scope, receive)
        if incoming.path.startswith("/_control/"):
            answer = Answer(*control(self.state, self.stats, incoming.method, incoming.path, incoming.body))
            await self._send(answer, send, cut=False)
            return
        switches = self.state.switches
        if incoming.scope.region in switches.hang_regions:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if switches.latency_ms:
            await asyncio.sleep(switches.latency_ms / 1000)
        answer = await self._answer(incoming)
        await self._send(answer, send, cut=self.faults.truncates(switches))

    def restart(self, state: CloudState) -> None:
        """Answer from another state; moto's part stays as it is."""
        self.state = state
        self.stats.reset()
        self.faults = Faults()

    def close(self) -> None:
        """Let go of the thread that moto runs in."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _send(self, answer: Answer, send: Send, *, cut: bool) -> None:
        now = self.state.clock.now_ms() // 1000
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True).encode())
        headers = [
            (b"content-type", answer.kind),
            (b"content-length", b"%d" % len(answer.body)),
            (b"date", self._date[1]),
            *answer.headers,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if cut:  # the server closes a connection whose answer is shorter than announced
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        else:
            await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, incoming: Incoming) -> Answer:
        self._answers += 1
        request_id = f"00000000-0000-4000-8000-{self._answers:012x}"
        service, operation, kind = read_target(incoming.target, incoming.path)
        form: dict[str, str] = {}
        if not service:
            form = read_form(incoming.body) if incoming.method == "POST" and not incoming.target else {}
            service = incoming.scope.service
            named = accounts_api.operation_of(service, incoming.method, incoming.path)
            operation = form.get("Action") or operation or named or incoming.method
            kind = XML_TYPE if is_xml(service, form) else JSON_TYPE
        account = incoming.scope.account or self.state.default_account
        caller = Caller(account, incoming.scope.region, service, operation)
        failed = True
        try:
            answer = await self._serve(incoming, caller, kind, form, request_id)
            failed = answer.status >= 400
        except ApiError as error:
            status, body = write_error(_spoken(error, kind), service, kind, request_id)
            answer = Answer(status, kind, body)
        self.stats.count(service or "unknown", operation, failed=failed)
        return answer._replace(headers=(*answer.headers, (b"x-amzn-requestid", request_id.encode())))

    async def _serve(
        self, incoming: Incoming, caller: Caller, kind: bytes, form: dict[str, str], request_id: str
    ) -> Answer:
        accounts_api.check_session(incoming.scope.access_key, self.state.clock.now_ms())
        handler = _handler(caller)
        if handler is not None:
            return self._simulated(handler, caller, incoming.body, kind)
        self.faults.check(caller, self.state.switches, "*")
        asked = accounts_api.Request(caller, form, incoming.body, incoming.scope.access_key, request_id)
        told = accounts_api.answer(self.state, asked)
        if told is not None:
            return Answer(200, *told)
        status, headers, body = await asyncio.get_running_loop().run_in_executor(
            self._threads, self.neighbors.answer, caller.account, incoming.method, incoming.path, incoming.query,
            incoming.headers, incoming.body,
        )  # fmt: skip
        kinds = [value for name, value in headers if name == b"content-type"]
        others = [(name, value) for name, value in headers if name not in {b"content-type", b"x-amzn-requestid"}]
        return Answer(status, kinds[0] if kinds else kind, body, others)

    def _simulated(self, handler: sagemaker_api.Handler, caller: Caller, body: bytes, kind: bytes) -> Answer:
        state, switches = self.state, self.state.switches
        request = read_body(body, kind)
        self.faults.check(caller, switches, _resource(caller, request))
        model = "resourcegroupstaggingapi" if caller.service == "tagging" else caller.service
        token = "PaginationToken" if caller.service == "tagging" else "NextToken"
        endless = caller.operation in switches.endless_token
        if endless and isinstance(request, dict) and request.get(token) == _ENDLESS:
            del request[token]  # the same page once more
        checked = check_request(model, caller.operation, request)
        answer = handler(state, Call(caller.account, caller.region, checked, state.clock.now_ms()))
        if isinstance(answer, dict) and endless:
            answer[token] = _ENDLESS
        raw = answer if isinstance(answer, bytes) else write_body(answer, kind)
        if switches.malformed_arns and _resource(caller, request) in switches.malformed_arns:
            raw = raw[: len(raw) // 2] + b'"\x00{'
        return Answer(200, kind, raw)


def _handler(caller: Caller) -> sagemaker_api.Handler | None:
    if caller.service == "sagemaker":
        return sagemaker_api.HANDLERS.get(caller.operation)
    if caller.service == "tagging" and caller.operation == "GetResources":
        return tagging_api.get_resources
    return None


def _resource(caller: Caller, request: object) -> str:
    """Return the ARN that a call is about, `*` for lists."""
    if isinstance(request, dict):
        if "ResourceArn" in request:
            return str(request["ResourceArn"])
        for member, kind in (
            ("TrainingJobName", "training-job"),
            ("HyperParameterTuningJobName", "hyper-parameter-tuning-job"),
        ):
            if member in request:
                return f"arn:aws:sagemaker:{caller.region}:{caller.account}:{kind}/{request[member]}"
    return "*"


def _spoken(error: ApiError, kind: bytes) -> ApiError:
    """Return an error in the words of the query protocol, where the JSON protocols have others."""
    if kind == XML_TYPE and error.code in _QUERY_CODES:
        return ApiError(_QUERY_CODES[error.code], error.message, error.status)
    return error


_QUERY_CODES = {"ExpiredTokenException": "ExpiredToken", "UnrecognizedClientException": "InvalidClientTokenId"}


async def _read(scope: Message, receive: Receive) -> Incoming:
    credential, target = b"", ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            credential = value.partition(b",")[0]
        elif name == b"x-amz-target":
            target = value.decode("latin-1")
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return Incoming(
        scope["method"], scope["path"], scope["query_string"], scope["headers"], read_scope(credential), target, body
    )
