"""What a key means: a column that all resources have, a tag, or a field of some types by its path."""

from __future__ import annotations

from dataclasses import dataclass

# Name -> page type of its values; and where the value belongs: to the row, to its scope, or to its type.
_ROW = {
    "key": "STRING",
    "name": "STRING",
    "state": "STRING",
    "created_at": "TIMESTAMP",
    "first_seen_at": "TIMESTAMP",
    "last_seen_at": "TIMESTAMP",
    "changed_at": "TIMESTAMP",
}
_SCOPE = {"account_id": "STRING", "region": "STRING", "stale": "BOOLEAN"}
_TYPE = {"type": "STRING", "provider": "STRING", "service": "STRING"}
_ALIASES = {
    "account": "account_id",
    "arn": "key",
    "id": "key",
    "created": "created_at",
    "first_seen": "first_seen_at",
    "last_seen": "last_seen_at",
    "changed": "changed_at",
    "tag": "tags",
}
COMMON_KEYS = ("name", "type", "service", "provider", "account_id", "region", "state", "tags", *_ROW, "stale")
"""The keys that all resources have, most used first."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a key means; several parts of it may hold at once, and any of them then finds."""

    common: str = ""
    """A column of all resources; `tags` for a whole tag."""
    kind: str = ""
    """The page type of the common column."""
    level: str = ""
    """row, scope or type."""
    tag: str = ""
    """The key of a tag."""
    path: str = ""
    """A field, dotted."""


def meaning_of(key: str) -> Meaning:
    """Return what a key means. `@part.size` is a field only, `tags.team` a tag only."""
    word = key.lower()
    word = _ALIASES.get(word, word)
    for level, columns in (("row", _ROW), ("scope", _SCOPE), ("type", _TYPE)):
        if word in columns:
            return Meaning(common=word, kind=columns[word], level=level)
    if word == "tags":
        return Meaning(common=word, kind="STRING", level="row")
    if key.startswith("@") and len(key) > 1:
        return Meaning(path=key[1:])
    for prefix in ("tags.", "tag."):
        if word.startswith(prefix) and len(word) > len(prefix):
            return Meaning(tag=key[len(prefix) :])
    if word == "status":
        # Providers say either; who asks for one mostly means both.
        return Meaning(common="state", kind="STRING", level="row", tag=key, path=key)
    return Meaning(tag=key, path=key)
