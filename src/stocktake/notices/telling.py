"""Tells what is new: first it is remembered, then told, then forgotten. So it may come twice, never not at all."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.core.errors import UserError
from stocktake.notices.news import check_channels, take_news
from stocktake.notices.state import open_state
from stocktake.notices.webhook import NotTakenError, send_webhook
from stocktake.query.connection import open_reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from stocktake.notices.config import Channel, NoticeConfig
    from stocktake.notices.state import Waiting
    from stocktake.policies.exceptions import PolicyException
    from stocktake.policies.rules import Pack

_TRIES = 4
_FIRST_WAIT_SECONDS = 1.0
_LINES = 20


@dataclass(slots=True)
class Told:
    """What came of it."""

    sent: int = 0
    waiting: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    """Channel -> why it did not take a message."""

    @property
    def exit_code(self) -> int:
        """0: everything is told; 3: something waits for the next time."""
        return 3 if self.waiting else 0


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told of a catalog, and how."""

    catalog: Path
    config: NoticeConfig
    packs: Sequence[Pack]
    exceptions: Sequence[PolicyException] = ()
    lock_wait_seconds: float = 0.0
    sleep: Callable[[float], None] = time.sleep


def notify(telling: Telling, now: datetime, *, from_the_start: bool = False, forget_waiting: bool = False) -> Told:
    """Find what is new in a catalog, and tell it.

    `from_the_start`: the first time, too; `forget_waiting`: what no channel took.
    Raises: UserError (the file, another process that tells); errors of opening the catalog.
    """
    with open_state(telling.catalog) as file:
        state = file.read()
        if forget_waiting:
            state.waiting = []
        check_channels(telling.config, state)
        with open_reading(telling.catalog, telling.lock_wait_seconds) as reading:
            taking = (reading, telling.config, telling.packs, state, now, telling.exceptions)
            take_news(*taking, from_the_start=from_the_start)
        file.write(state)
        told = Told()
        for message in list(state.waiting):
            if message.channel in told.problems:
                continue  # the others of this channel would not be taken either, and order is kept
            problem = _deliver(telling.config.channels[message.channel], message, telling.sleep)
            if problem:
                told.problems[message.channel] = message.problem = problem
                message.attempts += 1
            else:
                told.sent += 1
                state.waiting.remove(message)
            file.write(state)
        told.waiting = len(state.waiting)
    return told


def _deliver(channel: Channel, message: Waiting, sleep: Callable[[float], None]) -> str:
    """Send a message, several times if need be; return why it was not taken, '' where it was."""
    problem = ""
    for attempt in range(_TRIES):
        if attempt:
            sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * (0.5 + random.random()))  # noqa: S311 - no secret
        try:
            _send(channel, message)
        except NotTakenError as error:
            problem = error.message
            if error.is_final:
                break
        except UserError as error:
            return f"{error.message} {error.hint}"
        else:
            return ""
    return problem


def _send(channel: Channel, message: Waiting) -> None:
    if channel.apprise:
        _send_apprise(channel.apprise, message)
    else:
        send_webhook(channel, message.id, orjson.dumps(message.payload))


def _send_apprise(url: str, message: Waiting) -> None:
    try:
        import apprise  # noqa: PLC0415 - an extra, which not everybody has
    except ImportError as error:
        raise UserError(
            "apprise is not installed.",
            code="notify_extra_missing",
            hint="pip install 'stocktake[notify]'",
        ) from error
    sender = apprise.Apprise()
    if not sender.add(url):
        raise UserError("apprise knows no such URL.", code="bad_notices", hint="Its own documentation lists them.")
    if not sender.notify(title=title_of(message.payload), body=text_of(message.payload)):
        raise NotTakenError("apprise could not deliver it", is_final=False)


def title_of(payload: dict[str, Any]) -> str:
    """Return a message in a line."""
    data = payload["data"]
    what = "new findings" if payload["type"] == "findings.opened" else "changes"
    return f"Stocktake, {data['notice']}: {data['count']} {what}"


def text_of(payload: dict[str, Any]) -> str:
    """Return a message for people."""
    data = payload["data"]
    lines = [f"{one['severity']}: {one['title']} - {one['resource']}" for one in data.get("findings", ())]
    lines += [f"{one['change']}: {one['resource']}" for one in data.get("changes", ())]
    more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return "\n".join([*lines[:_LINES], *more])
