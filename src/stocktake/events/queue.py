"""The queue that events come by: SQS, spoken by the collector like any other service."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from stocktake.collect.service_client import CallPurpose
from stocktake.core.errors import ScopeError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.collect.session import Session

LONGEST_POLL_SECONDS = 20
_AT_A_CALL = 10
"""The most messages that SQS takes or gives in one call."""
_POLLS_AT_ONCE = 8
_REGION = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.")
_LONGEST_VISIBILITY_SECONDS = 43_200


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and what SQS knows it by until it is visible again."""

    id: str
    receipts: tuple[str, ...]
    """Several where it came several times at once: the newest alone is sure to delete it, and which that is, is not
    said."""
    body: str
    receives: int
    """How often it was received, this time included."""


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where a queue is."""

    url: str
    endpoint_url: str
    region: str | None
    """None where the URL does not say it."""


def parse_queue_url(url: str) -> QueueAddress:
    """Return where a queue is. Raises: UserError for what is no queue's URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.count("/") < 1 or parts.path == "/":
        raise UserError(
            f"{url!r} is no URL of a queue.",
            code="bad_queue",
            hint="It looks like https://sqs.REGION.amazonaws.com/ACCOUNT/NAME; the console of SQS shows it.",
        )
    found = _REGION.search(parts.hostname)
    return QueueAddress(url, f"{parts.scheme}://{parts.netloc}", (found[1] or found[2]) if found else None)


class EventQueue:
    """Receives, keeps invisible and deletes messages of one queue."""

    def __init__(self, session: Session, url: str, visibility_seconds: int) -> None:
        self._client = session.service_client("sqs")
        self._url = url
        self.visibility_seconds = visibility_seconds
        self.calls = 0

    async def receive(self, wait_seconds: int, most: int) -> list[Message]:
        """Return messages: as soon as there is one, and no more than `most`; none after the wait."""
        messages = await self._receive(wait_seconds, min(most, _AT_A_CALL))
        seen: dict[str, Message] = {}
        _add(seen, messages)
        full = len(messages) == _AT_A_CALL
        while full and len(seen) < most:
            polls = min(_POLLS_AT_ONCE, -(-(most - len(seen)) // _AT_A_CALL))
            rounds = await asyncio.gather(*[self._receive(0, _AT_A_CALL) for _ in range(polls)])
            for found in rounds:
                _add(seen, found)
            full = any(rounds)
        return list(seen.values())

    async def _receive(self, wait_seconds: int, most: int) -> list[Message]:
        self.calls += 1
        answer = await self._call(
            "ReceiveMessage",
            {
                "QueueUrl": self._url,
                "MaxNumberOfMessages": most,
                "WaitTimeSeconds": wait_seconds,
                "VisibilityTimeout": self.visibility_seconds,
                "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
                "AttributeNames": ["ApproximateReceiveCount"],
            },
        )
        return [
            Message(
                str(one["MessageId"]),
                (str(one["ReceiptHandle"]),),
                str(one.get("Body") or ""),
                int((one.get("Attributes") or {}).get("ApproximateReceiveCount") or 1),
            )
            for one in answer.get("Messages") or []
        ]

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages. What cannot be deleted comes again, which is harmless."""
        entries: list[tuple[str, dict[str, int]]] = [(receipt, {}) for one in messages for receipt in one.receipts]
        await self._in_batches("DeleteMessageBatch", entries)

    async def hide(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Keep messages invisible for so many seconds from now on."""
        entries = [
            (receipt, {"VisibilityTimeout": min(seconds, _LONGEST_VISIBILITY_SECONDS)})
            for one, seconds in messages
            for receipt in one.receipts
        ]
        await self._in_batches("ChangeMessageVisibilityBatch", entries)

    async def _in_batches(self, operation: str, entries: Sequence[tuple[str, dict[str, int]]]) -> None:
        calls = []
        for start in range(0, len(entries), _AT_A_CALL):
            part = entries[start : start + _AT_A_CALL]
            asked = [
                {"Id": str(number), "ReceiptHandle": receipt, **more} for number, (receipt, more) in enumerate(part)
            ]
            calls.append(self._call(operation, {"QueueUrl": self._url, "Entries": asked}))
        self.calls += len(calls)
        await asyncio.gather(*calls)

    async def _call(self, operation: str, params: dict[str, object]) -> dict[str, Any]:
        purpose = CallPurpose(iam_action=f"sqs:{operation.removesuffix('Batch')}")
        try:
            answer = await self._client.call(operation, params, purpose=purpose)
        except ScopeError as error:
            if error.code in {"denied", "request_rejected", "unsupported"}:
                raise UserError(
                    f"The queue cannot be read: {error.message}",
                    code="queue_refused",
                    hint=error.hint if error.code == "denied" else "Check the queue's URL, its region and its policy.",
                    where=self._url,
                ) from error
            raise
        found: dict[str, Any] = orjson.loads(answer.body) if answer.body else {}
        return found


def _add(seen: dict[str, Message], messages: Sequence[Message]) -> None:
    for one in messages:
        before = seen.get(one.id)
        seen[one.id] = one if before is None else replace(one, receipts=(*before.receipts, *one.receipts))
