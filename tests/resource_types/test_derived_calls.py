from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.resource_types.spec import ResourceType

STATED: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("derived_calls.toml").read_text(encoding="utf-8")
)
MODELS = open_models()


def dotted(path: tuple[str, ...] | None) -> str:
    return "none" if path is None else ".".join(path)


def bound(bindings: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: ".".join(path) for name, path in bindings.items()}


def derived(one: ResourceType) -> dict[str, object]:
    """Return a type in the words of the data file."""
    listing, describe, tags, life = one.list_call, one.describe_call, one.tags_call, one.life_cycle
    pages = listing.pagination
    words: dict[str, object] = {
        "list": [
            listing.operation,
            ".".join(listing.result_path),
            pages.input_token if pages else "",
            (pages.page_size or 0) if pages else 0,
        ],
        "arguments": listing.arguments,
        "describe": [describe.operation, ".".join(describe.result_path)] if describe else "none",
        "bind": bound(describe.bindings) if describe else {},
        "inherits": describe.inherited if describe else {},
        "optional": list(describe.optional) if describe else [],
        "arn": dotted(one.identity.arn_path),
        "keys": [".".join(path) for path in one.identity.key_paths],
        "created": dotted(one.identity.created_path),
        "state": dotted(life.state_path),
        "final": sorted(life.final_states),
        "modified": dotted(life.item_modified_path),
        "ended": dotted(life.ended_path),
        "actions": [call.iam_action for call in (listing, describe, tags) if call is not None],
        "scope": one.scope,
        "parent": [listing.parent.type, bound(listing.parent.bindings)] if listing.parent else "none",
        "template": bound(one.identity.arn_template.bindings) if one.identity.arn_template else {},
        "facets": {facet.name: facet.operation for facet in one.facets},
    }
    inline = one.inline_tags
    if inline is not None:
        words["tags"] = f"inline {'.'.join(inline.path)}"
        words["tags_members"] = [inline.key_member, inline.value_member]
    elif tags is not None:
        words["tags"] = [tags.operation, ".".join(tags.result_path)]
        words["tags_bind"] = bound(tags.bindings)
        words["tags_arguments"] = tags.arguments
        words["tags_members"] = [tags.key_member, tags.value_member]
    else:
        words["tags"] = "none"
    return words


@pytest.mark.parametrize("name", STATED)
def test_type_is_derived_as_stated(name: str) -> None:
    found = derived(load_type(name, MODELS))
    assert {key: found.get(key) for key in STATED[name]} == STATED[name]
