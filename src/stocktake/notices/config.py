"""What is to be told, and by which channels: a TOML file. Secrets are named, and come from the environment."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.policies.rules import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ENV = "env:"
_CHANNEL_KEYS = frozenset({"name", "url", "secret", "apprise", "allow_http", "allow_private", "timeout_seconds"})
_NOTICE_KEYS = frozenset({"name", "channels", "findings", "changes"})
_FINDING_KEYS = frozenset({"severity", "policies", "packs", "types"})
_LONGEST_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to tell: a webhook, or whatever apprise knows."""

    name: str
    url: str = ""
    """Of the webhook; '' where apprise tells."""
    secret: bytes = field(default=b"", repr=False)
    apprise: str = field(default="", repr=False)
    """apprise's URL, which holds its secrets."""
    allow_http: bool = False
    """To others than this machine."""
    allow_private: bool = False
    """To addresses that are not public."""
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are told."""

    severity: str = "info"
    policies: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told by which channels."""

    name: str
    channels: tuple[str, ...]
    findings: FindingFilter | None = None
    changes: str | None = None
    """A search, as `stocktake changes` takes it; '' for every change."""


@dataclass(frozen=True, slots=True)
class NoticeConfig:
    """A whole file."""

    channels: dict[str, Channel]
    notices: tuple[Notice, ...]


def read_config(path: Path, environment: Mapping[str, str] | None = None) -> NoticeConfig:
    """Read a file. Raises: UserError, which names what is wrong."""
    env = os.environ if environment is None else environment
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(str(path), str(error)) from error
    unknown = set(stated) - {"channel", "notice"}
    if unknown:
        raise _bad(str(path), f"there is no key {min(unknown)!r}")
    channels = [_channel(one, env, f"{path}, channel {number}") for number, one in _entries(stated, "channel", path)]
    by_name = {one.name: one for one in channels}
    notices = [_notice(one, by_name, f"{path}, notice {number}") for number, one in _entries(stated, "notice", path)]
    for kind, names in (("channel", [one.name for one in channels]), ("notice", [one.name for one in notices])):
        if len(set(names)) < len(names):
            raise _bad(str(path), f"two {kind}s have one name")
    return NoticeConfig(by_name, tuple(notices))


def _entries(stated: dict[str, Any], key: str, path: Path) -> list[tuple[int, dict[str, Any]]]:
    entries = stated.get(key, [])
    if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) for one in entries):
        raise _bad(str(path), f"it has no [[{key}]]")
    return list(enumerate(entries, 1))


def _channel(stated: dict[str, Any], env: Mapping[str, str], place: str) -> Channel:
    _check_keys(stated, _CHANNEL_KEYS, place)
    name = _text(stated, "name", place)
    if ("url" in stated) == ("apprise" in stated):
        raise _bad(place, "it has not exactly one of url and apprise")
    if "apprise" in stated:
        return Channel(name, apprise=_from_environment(_text(stated, "apprise", place), env, place, must=True))
    secret = _text(stated, "secret", place)
    if not secret.startswith(_ENV):
        raise _bad(place, 'the secret stands in the file; name a variable: secret = "env:NAME"')
    timeout = stated.get("timeout_seconds", 10.0)
    if not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST_TIMEOUT_SECONDS:
        raise _bad(place, f"timeout_seconds is no number up to {_LONGEST_TIMEOUT_SECONDS:.0f}")
    for key in ("allow_http", "allow_private"):
        if not isinstance(stated.get(key, False), bool):
            raise _bad(place, f"{key} is neither true nor false")
    return Channel(
        name,
        _from_environment(_text(stated, "url", place), env, place),
        _from_environment(secret, env, place, must=True).encode(),
        allow_http=stated.get("allow_http", False),
        allow_private=stated.get("allow_private", False),
        timeout_seconds=float(timeout),
    )


def _notice(stated: dict[str, Any], channels: Mapping[str, Channel], place: str) -> Notice:
    _check_keys(stated, _NOTICE_KEYS, place)
    name = _text(stated, "name", place)
    by = _texts(stated, "channels", place)
    missing = [one for one in by if one not in channels]
    if missing or not by:
        raise _bad(place, f"there is no channel {missing[0]!r}" if missing else "it names no channel")
    if ("findings" in stated) == ("changes" in stated):
        raise _bad(place, "it has not exactly one of findings and changes")
    if "changes" in stated:
        search = stated["changes"]
        if not isinstance(search, str):
            raise _bad(place, "changes is no search")
        return Notice(name, by, changes=search)
    findings = stated["findings"]
    if not isinstance(findings, dict):
        raise _bad(place, "findings is no table")
    _check_keys(findings, _FINDING_KEYS, place)
    severity = findings.get("severity", SEVERITIES[0])
    if severity not in SEVERITIES:
        raise _bad(place, f"{severity!r} is no severity")
    lists = {key: _texts(findings, key, place) for key in ("policies", "packs", "types")}
    return Notice(name, by, FindingFilter(severity, **lists))


def _check_keys(stated: dict[str, Any], known: frozenset[str], place: str) -> None:
    unknown = set(stated) - known
    if unknown:
        raise _bad(place, f"there is no key {min(unknown)!r}; there are {', '.join(sorted(known))}")


def _text(stated: dict[str, Any], key: str, place: str) -> str:
    value = stated.get(key)
    if not isinstance(value, str) or not value:
        raise _bad(place, f"{key} is missing, or no text")
    return value


def _texts(stated: dict[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = stated.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _bad(place, f"{key} is no list of texts")
    return tuple(value)


def _from_environment(value: str, env: Mapping[str, str], place: str, *, must: bool = False) -> str:
    if not value.startswith(_ENV):
        return value
    found = env.get(value.removeprefix(_ENV), "")
    if not found and (must or value):
        raise _bad(place, f"the variable {value.removeprefix(_ENV)} is not set")
    return found


def _bad(where: str, what: str) -> UserError:
    return UserError(
        f"{where}: {what}", code="bad_notices", hint="docs/notifications.md shows a whole file.", where=where
    )
