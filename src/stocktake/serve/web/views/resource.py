"""What the resource page and the side panel show, whichever part is looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from stocktake.query.search.compiler import split_tag
from stocktake.serve.telling.commands import resource_command, resource_sql
from stocktake.serve.telling.consoles import console_of
from stocktake.serve.telling.values import iso_time
from stocktake.serve.web.rendering import resource_url, with_parameters
from stocktake.serve.web.views.difference import edit_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from stocktake.query.resource_facts import ScopeWord
    from stocktake.query.resources import Resource, Version

TABS = {
    "overview": "Overview",
    "fields": "Fields",
    "definition": "Definition",
    "relations": "Relations",
    "timeline": "Timeline",
    "policies": "Policies",
}
_EDITS_SHOWN = 30
_INSTANT = timedelta(microseconds=1)


def split_tags(tags: object) -> list[tuple[str, str]] | None:
    """Return tags as pairs, sorted; None where they could not be read."""
    if not isinstance(tags, list):
        return None
    return sorted((key, value) for key, _, value in (split_tag(str(tag)) for tag in tags))


def identity(found: Resource, version: Version, *, name: str, as_of: str) -> dict[str, Any]:
    """Return who a resource is, and how to come to it by other ways."""
    # An address that says which moment is meant stays right when the resource changes.
    at = version.seen_from if as_of or version is not found.versions[-1] else None
    console = console_of(found.id)
    return {
        "key": found.id,
        "name": name,
        "type": found.type,
        "account_id": found.account_id,
        "region": found.region,
        "sql": resource_sql(found.type, found.id, at),
        "command": resource_command(found.type, found.id, as_of),
        "permalink": resource_url(found.id, type=found.type, as_of=as_of),
        "sql_address": with_parameters("/sql", {"q": resource_sql(found.type, found.id, at)}),
        "console": console,
    }


def standing(found: Resource, version: Version, word: ScopeWord) -> dict[str, Any]:
    """Return how sure it is that the resource is as it is shown."""
    newest = version is found.versions[-1]
    return {
        "gone_at": found.gone_at,
        "shown_from": version.seen_from,
        "shown_to": version.seen_to,
        "is_newest": newest,
        "is_last_of_gone": newest and version.gone,
        "complete_at": found.complete_at,
        "is_stale": word.stale and found.gone_at is None,
        "word": word,
        "created": version.created,
        "first_seen": found.versions[0].seen_from,
        "versions": len(found.versions),
    }


def tabs(here: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return the parts that may be looked at, each with its address."""
    kept = {name: value for name, value in parameters.items() if name in {"key", "type", "account", "region", "as_of"}}
    return [
        {
            "name": name,
            "label": label,
            "address": with_parameters("/resource", kept | {"tab": "" if name == "overview" else name}),
            "current": name == here,
        }
        for name, label in TABS.items()
    ]


def moments(found: Resource, parameters: Mapping[str, object], chosen: Version) -> list[dict[str, Any]]:
    """Return the moments at which a version began, newest first: what the picker offers."""
    kept = {name: value for name, value in parameters.items() if name != "as_of"}
    newest = found.versions[-1]
    return [
        {
            "at": iso_time(one.seen_from),
            "seen_from": one.seen_from,
            "current": one is chosen,
            "what": _what(found, number),
            "address": with_parameters("/resource", kept | {"as_of": "" if one is newest else iso_time(one.seen_from)}),
        }
        for number, one in reversed(list(enumerate(found.versions)))
    ][:200]


def timeline(found: Resource, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return what happened, newest first: deletions, changes with their edits, the first look."""
    entries: list[dict[str, Any]] = []
    for number, version in enumerate(found.versions):
        before = found.versions[number - 1] if number else None
        compare = ""
        if before is not None:
            compare = _address(parameters, older=_text(version.seen_from - _INSTANT), newer=_text(version.seen_from))
        entries.append(
            {
                "at": version.seen_from,
                "kind": _kind(found, number),
                "what": _what(found, number),
                "edits": edit_rows(version.changes[:_EDITS_SHOWN]),
                "more": max(0, len(version.changes) - _EDITS_SHOWN),
                "compare": compare,
                "as_of": _address(parameters, as_of=_text(version.seen_from)),
                "sweep": version.sweep_id,
            }
        )
        if version.gone and version.seen_to is not None:
            entries.append({"at": version.seen_to, "kind": "deleted", "what": "no longer there", "edits": [], "more": 0,
                            "compare": "", "as_of": "", "sweep": version.end_sweep_id})  # fmt: skip
    return entries[::-1]


def _kind(found: Resource, number: int) -> str:
    if number == 0:
        return "first"
    return "created" if found.versions[number - 1].gone or _is_other(found, number) else "updated"


def _is_other(found: Resource, number: int) -> bool:
    return found.versions[number].created != found.versions[number - 1].created


def _what(found: Resource, number: int) -> str:
    kind = _kind(found, number)
    if kind == "first":
        return "first seen"
    if kind == "created":
        return "made again under the same name"
    edits = len(found.versions[number].changes)
    return f"{edits} {'change' if edits == 1 else 'changes'}"


def _address(parameters: Mapping[str, object], **more: object) -> str:
    kept = {name: value for name, value in parameters.items() if name in {"key", "type", "account", "region"}}
    return with_parameters("/resource", kept | more | {"tab": "diff" if "older" in more else ""})


def _text(moment: datetime) -> str:
    return iso_time(moment)
