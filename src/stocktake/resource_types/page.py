"""A type's page in Markdown, as the reference catalog's pages are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.resource_types.provider_html import Bullets, Definitions, parse_html
from stocktake.resource_types.schema import inner_fields
from stocktake.resource_types.spec import page_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.resource_types.provider_html import Part
    from stocktake.resource_types.spec import Field, ResourceType

_HEADER = """\
---
title: Getting Started with Datadog
description: Datadog, the leading service for cloud-scale monitoring.
breadcrumbs: Docs > Infrastructure > Datadog Resource Catalog
---
"""
"""The reference pages' own header: the page equals them byte for byte."""
_STEP = "  "


def render_page(resource_type: ResourceType) -> str:
    """Return the page of a type."""
    name = resource_type.name
    sections = [f"{_HEADER}\n# {name}{{% #{name} %}}\n", *(_section(field) for field in resource_type.fields)]
    return "\n".join(sections)


def render_description(field: Field) -> str:
    """Return a field's description in Markdown, on its own; '' where there is none."""
    return "".join(_parts(parse_html(field.documentation), "", first_block_apart=True)).rstrip("\n")


def _section(field: Field) -> str:
    parts = parse_html(field.documentation)
    text = f"## `{field.name}`{{% #{field.name} %}}\n\n{_head(field, parts)}"
    text += "".join(_parts(parts, "", first_block_apart=True))
    if len(parts) > 1:
        text += "\n" if isinstance(parts[-1], str) else "\n\n"
    children = "".join(_bullet(child, "") for child in inner_fields(field.type))
    return f"{text}\n{children}" if children else text


def _bullet(field: Field, indent: str) -> str:
    parts = parse_html(field.documentation)
    lines = [f"{indent}- `{field.name}`{_head(field, parts)}", *_parts(parts, indent + _STEP)]
    return "".join((*lines, *(_bullet(child, indent + _STEP) for child in inner_fields(field.type))))


def _head(field: Field, parts: list[Part]) -> str:
    head = f"**Type**: `{page_type(field.type)}`"
    if field.provider_name is not None:
        head += f"**Provider name**: `{field.provider_name}`"
    if parts:
        head += "**Description**: "
    return head if parts else f"{head}\n"


def _parts(parts: list[Part], indent: str, *, first_block_apart: bool = False) -> Iterator[str]:
    """Yield text and blocks, each on lines of its own; the first text goes on where the line stands."""
    seen_block = False
    for at, part in enumerate(parts):
        if isinstance(part, str):
            yield f"{part}\n"
            continue
        if at == 0:
            yield "\n"
        if first_block_apart and not seen_block:
            yield "\n"
        seen_block = True
        yield from _bullets(part, indent) if isinstance(part, Bullets) else _definitions(part, indent)


def _bullets(block: Bullets, indent: str) -> Iterator[str]:
    for item in block.items:
        yield f"{indent}{'1.' if block.ordered else '-'} "
        yield from _parts(item, indent + _STEP) if item else "\n"


def _definitions(block: Definitions, indent: str) -> Iterator[str]:
    yield f"{indent}{{% dl %}}\n{indent}\n"
    for entry in block.entries:
        yield f"{indent}{{% dt %}}\n{entry.term}\n{indent}{{% /dt %}}\n\n{indent}{{% dd %}}\n\n"
        yield indent if entry.parts and isinstance(entry.parts[0], str) else ""
        yield from _definition_parts(entry.parts, indent)
        yield f"\n{indent}{{% /dd %}}\n\n"
    yield f"{indent}{indent}{{% /dl %}}\n"


def _definition_parts(parts: list[Part], indent: str) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield f"{part}\n"
        else:
            yield from _bullets(part, indent) if isinstance(part, Bullets) else _definitions(part, indent)
