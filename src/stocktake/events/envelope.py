"""What a message of the queue says: an event of EventBridge, as it is or wrapped by SNS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import DataError
from stocktake.resource_types.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_API_CALL = "AWS API Call via CloudTrail"
_CONFIG_ITEM = "Config Configuration Item Change"
_DEEPEST = 8
_MOST_VALUES = 1_000
_HINT = "The queue's rule has to send events of EventBridge as they are: docs/events.md."


@dataclass(frozen=True, slots=True)
class Event:
    """What an event says of what changed."""

    id: str
    at: datetime | None
    """When it happened, by the provider's clock, whole seconds; aware, UTC."""
    account_id: str
    region: str
    service: str
    """The service's name in the event's source, plain: `sagemaker`."""
    action: str
    """What happened, in the event's words: an API's operation, or the kind of the event."""
    resources: tuple[str, ...] = ()
    """ARNs that the event itself names as its resources."""
    arns: tuple[str, ...] = ()
    """Other ARNs anywhere in it."""
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Plain member name -> texts under that name."""
    cloudformation: str = ""
    """CloudFormation's name of the type, where the event says it."""
    is_change: bool = True
    """False: a call that only read, or that failed."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where and when it happened, as far as the detail says it."""

    service: str
    at: object = None
    account: object = None
    region: object = None


def parse_event(body: str) -> Event:
    """Return what a message says. Raises: DataError where it is no event."""
    document = _unwrapped(_json(body))
    kind, detail = document.get("detail-type"), document.get("detail")
    if not isinstance(kind, str) or not isinstance(detail, dict) or not isinstance(document.get("source"), str):
        raise _no_event("it has no source, detail-type and detail")
    if kind == _API_CALL:
        return _api_call(document, detail)
    if kind.startswith("Config ") and isinstance(detail.get("configurationItem"), dict):
        return _config_item(document, detail["configurationItem"])
    return _of_service(document, kind, detail)


def _json(body: str) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _no_event(f"it is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise _no_event("it is no object")
    return document


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """Return the event inside a notification of SNS."""
    message = document.get("Message")
    if "detail-type" not in document and isinstance(message, str):
        return _json(message)
    return document


def _api_call(document: dict[str, Any], detail: dict[str, Any]) -> Event:
    parts = {name: detail.get(name) for name in ("requestParameters", "responseElements", "serviceEventDetails")}
    named = [one.get("ARN") for one in _list(detail.get("resources")) if isinstance(one, dict)]
    read_only = detail.get("readOnly") in {True, "true"}
    source = detail.get("eventSource")
    return _event(
        document,
        _Origin(
            source.split(".")[0] if isinstance(source, str) else "",
            detail.get("eventTime"),
            detail.get("recipientAccountId"),
            detail.get("awsRegion"),
        ),
        action=str(detail.get("eventName") or ""),
        resources=[*_list(document.get("resources")), *named],
        told=parts,
        is_change=not read_only and not detail.get("errorCode"),
    )


def _config_item(document: dict[str, Any], item: dict[str, Any]) -> Event:
    kind = str(item.get("resourceType") or "")
    return _event(
        document,
        _Origin(
            kind.split("::")[1] if kind.count("::") == 2 else "",
            item.get("configurationItemCaptureTime"),
            item.get("awsAccountId"),
            item.get("awsRegion"),
        ),
        action=kind.rsplit("::", 1)[-1],
        resources=[item.get("ARN") or item.get("arn")],
        told={name: item.get(name) for name in ("resourceId", "resourceName")},
        cloudformation=kind,
    )


def _of_service(document: dict[str, Any], kind: str, detail: dict[str, Any]) -> Event:
    source = str(document["source"])
    return _event(
        document,
        _Origin(source.removeprefix("aws.")),
        action=kind,
        resources=_list(document.get("resources")),
        told=detail,
        is_change=source.startswith("aws."),
    )


def _event(
    document: dict[str, Any],
    of: _Origin,
    *,
    action: str,
    resources: list[Any],
    told: dict[str, Any],
    cloudformation: str = "",
    is_change: bool = True,
) -> Event:
    values: dict[str, list[str]] = {}
    arns: list[str] = []
    for count, (name, text) in enumerate(_texts(told, "", 0)):
        if count >= _MOST_VALUES:
            break
        if text.startswith("arn:"):
            arns.append(text)
        values.setdefault(plain_name(name), []).append(text)
    return Event(
        id=str(document.get("id") or ""),
        at=_moment(of.at) or _moment(document.get("time")),
        account_id=_text(of.account) or _text(document.get("account")),
        region=_text(of.region) or _text(document.get("region")),
        service=plain_name(of.service),
        action=action,
        resources=tuple(dict.fromkeys(one for one in resources if isinstance(one, str) and one.startswith("arn:"))),
        arns=tuple(dict.fromkeys(arns)),
        values={name: tuple(dict.fromkeys(texts)) for name, texts in values.items()},
        cloudformation=cloudformation,
        is_change=is_change,
    )


def _texts(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield every text with the name of the member that holds it; those of a list under the list's name."""
    if isinstance(value, str):
        if value:
            yield name, value
    elif isinstance(value, dict) and depth < _DEEPEST:
        for member, inner in value.items():
            yield from _texts(inner, str(member), depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for inner in value:
            yield from _texts(inner, name, depth + 1)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _no_event(why: str) -> DataError:
    return DataError(f"A message is no event of EventBridge: {why}.", code="no_event", hint=_HINT)
