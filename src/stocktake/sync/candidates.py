"""List items as candidates for reading: who they are, and whether what is held of them still stands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import orjson

from stocktake.collect.answers import NO_LISTING
from stocktake.collect.arns import made_arn
from stocktake.collect.paths import value_at
from stocktake.sync.strategies import tells_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stocktake.collect.answers import Scope
    from stocktake.collect.type_reader import Item
    from stocktake.resource_types.spec import Path, ResourceType
    from stocktake.store.versions import Held


T = TypeVar("T")


@dataclass(slots=True)
class Candidate:
    """A resource that the provider listed."""

    id: str
    item: Item
    """The list item, or as much of it as its calls need."""
    summary: int
    """Fingerprint of the whole list item."""
    tags: tuple[str, ...] | None = None
    """Where a bulk call told them."""
    keeps_tags: bool = False
    """It was not listed; its tags are not asked for: those that are held stay."""
    asks_for_tags: bool = True
    listing: Mapping[str, object] = field(default_factory=lambda: NO_LISTING)
    """What its list was asked for."""

    def as_text(self, resource_type: ResourceType) -> str:
        """Return what reading it later takes, as `from_text` reads it."""
        return orjson.dumps([self.summary, minimal_item(resource_type, self.item), dict(self.listing)]).decode()

    @staticmethod
    def from_text(resource_id: str, text: str) -> Candidate:
        """Return what `as_text` wrote."""
        summary, item, listing = orjson.loads(text)
        return Candidate(resource_id, item, summary, listing=listing)


def candidate(
    resource_type: ResourceType, scope: Scope, item: Item, listing: Mapping[str, object] = NO_LISTING
) -> Candidate:
    """Return who a list item is."""
    return Candidate(
        id=resource_id(resource_type, scope, item, listing),
        item=item,
        summary=fingerprint(orjson.dumps(item, option=orjson.OPT_SORT_KEYS)),
        listing=listing,
    )


def resource_id(
    resource_type: ResourceType, scope: Scope, item: Item, listing: Mapping[str, object] = NO_LISTING
) -> str:
    """Return a resource's ARN, as the list item states it or as it is made of it.

    Where there is none, return what identifies the resource in its account and region.
    """
    identity = resource_type.identity
    if identity.item_arn_path is not None:
        arn = value_at(item, identity.item_arn_path)
        if isinstance(arn, str) and arn:
            return arn
    if identity.arn_template is not None:
        made = made_arn(identity.arn_template, scope, (item,), listing)
        if made is not None:
            return made
    keys = [value_at(item, path) for path in identity.item_key_paths]
    if not any(key is not None for key in keys):
        # Nothing names it, so the whole item does.
        keys = [orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()]
    if identity.inherited_keys:
        keys = [listing.get(name) for name in identity.inherited_keys] + keys
    named = "/".join(key if isinstance(key, str) else orjson.dumps(key).decode() for key in keys if key is not None)
    return f"{resource_type.name}:{scope.account_id}:{scope.region}:{named}"


def item_summary(resource: object, members: frozenset[str], otherwise: int) -> int:
    """Return the fingerprint that a list item of a resource has, as far as the resource says the same as its list.

    So that what was read without being listed does not look changed when it is listed. A wrong guess costs one call.
    """
    if not members or not isinstance(resource, dict):
        return otherwise
    item = {name: value for name, value in resource.items() if name in members}
    return fingerprint(orjson.dumps(item, option=orjson.OPT_SORT_KEYS))


def created_at(resource_type: ResourceType, item: Item) -> datetime | None:
    """Return the creation time in a list item, aware, UTC; None where it has none that can be read."""
    path = resource_type.identity.item_created_path
    value = value_at(item, path) if path is not None else None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None


def minimal_item(resource_type: ResourceType, item: Item) -> Item:
    """Return only those members of a list item that its own calls and its identity need."""
    if not isinstance(item, dict):
        return item
    paths: list[Path] = list(resource_type.identity.item_key_paths)
    if resource_type.identity.item_arn_path:
        paths.append(resource_type.identity.item_arn_path)
    for call in (resource_type.describe_call, resource_type.tags_call, *resource_type.facets):
        if call is not None:
            paths += call.bindings.values()
    if resource_type.identity.arn_template is not None:
        paths += resource_type.identity.arn_template.bindings.values()
    members = {path[0] for path in paths if path}
    return {name: value for name, value in item.items() if name in members}


def must_read(resource_type: ResourceType, found: Candidate, held: Held | None) -> bool:
    """Say whether a listed resource has to be read again: unless its list item proves that it has not changed."""
    if resource_type.describe_call is None:
        return True
    return held is None or held.summary != found.summary or not held.settled


def runs_on_unchanged(resource_type: ResourceType, found: Candidate, held: Held | None) -> bool:
    """Say whether a listed resource is open as before: its list item tells its state and a time, and both stand."""
    if held is None or held.settled or held.summary != found.summary or not tells_changes(resource_type):
        return False
    life = resource_type.life_cycle
    return life.item_state_path is not None and value_at(found.item, life.item_state_path) not in life.final_states


def fingerprint(data: bytes, key: bytes = b"") -> int:
    """Return a fingerprint of 64 bits that no version of any library changes."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=key).digest(), "big")


def answer_fingerprint(body: bytes, tags: Sequence[str] | None, key: bytes) -> int:
    """Return the fingerprint of an answer and its tags; `key` where it holds secrets, which a bare hash would test."""
    told = b"\x00?" if tags is None else b"\x00" + "\n".join(tags).encode()
    return fingerprint(body + told, key)


def batched(items: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield the items in groups (the standard library's own comes with Python 3.12)."""
    return (tuple(items[start : start + size]) for start in range(0, len(items), size))


def tag_texts(tags: dict[str, str]) -> tuple[str, ...]:
    """Return tags as the catalog keeps them: sorted `key:value`."""
    return tuple(sorted(f"{key}:{value}" for key, value in tags.items()))


def resource_type_filter(arn: str) -> str | None:
    """Return the tagging API's word for an ARN's kind: `sagemaker:training-job`, `s3`; None for what is no ARN."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return None
    for mark in ("/", ":"):
        kind, found, _ = parts[5].partition(mark)
        if found and kind.replace("-", "").isalnum():
            return f"{parts[2]}:{kind}"
    return parts[2]
