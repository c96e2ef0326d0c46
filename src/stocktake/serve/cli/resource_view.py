"""One resource, as a page on a terminal and as one JSON object."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from rich.text import Text

from stocktake.serve.cli.tables import make_console, make_table
from stocktake.serve.telling.readable import age, count
from stocktake.serve.telling.values import iso_time, to_visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.console import Console

    from stocktake.query.changes import Change
    from stocktake.query.resources import Resource, Version

_CHANGES_SHOWN = 6
_VALUE_SHOWN = 60
_STEP = "  "


def print_resource(resource: Resource, version: Version, stream: IO[str], *, now: datetime, on_terminal: bool) -> None:
    """Print a resource: who it is, how sure that is, its fields, and its versions."""
    console = make_console(stream, on_terminal=on_terminal)
    console.print(Text(to_visible(resource.id), style="bold"), soft_wrap=True)
    console.print(f"{resource.type}, account {resource.account_id}, {resource.region}", style="dim", soft_wrap=True)
    for note in _notes(resource, version, now):
        console.print(Text(note, style="yellow"), soft_wrap=True)
    console.print()
    for line in field_lines(version.fields):
        console.print(line, soft_wrap=True)
    if version.unknown:
        console.print(Text("\nsent by the provider, unknown to the model: ") + Text(to_visible(version.unknown)))
    console.print()
    _print_versions(console, resource, version)


def _notes(resource: Resource, version: Version, now: datetime) -> Iterator[str]:
    """Yield what one must know to take the fields for what they are."""
    if resource.gone_at is not None:
        yield f"deleted: no longer there since {iso_time(resource.gone_at)} ({age(resource.gone_at, now)})"
        if version is resource.versions[-1]:
            yield "shown as it was last seen"
    if version is not resource.versions[-1] and version.seen_to is not None:
        yield f"shown as it was from {iso_time(version.seen_from)} to {iso_time(version.seen_to)}"
    if resource.complete_at is None:
        yield "its account and region were never read whole"
    elif resource.gone_at is None:
        yield f"confirmed {iso_time(resource.complete_at)} ({age(resource.complete_at, now)})"


def field_lines(value: dict[str, Any], indent: str = "") -> Iterator[Text]:
    """Yield a line for each field that is set, nested ones indented."""
    names = [name for name, item in value.items() if item not in (None, [], {})]
    width = max((len(name) for name in names if not _is_nested(value[name])), default=0)
    for name in names:
        item = value[name]
        label = Text(f"{indent}{to_visible(name)}", style="cyan")
        if isinstance(item, dict):
            yield label
            yield from field_lines(item, indent + _STEP)
        elif isinstance(item, list) and _is_nested(item):
            yield label
            for entry in item:
                yield from _entry_lines(entry, indent + _STEP)
        elif isinstance(item, list):
            yield label
            yield from (Text(f"{indent}{_STEP}- {to_visible(entry)}") for entry in item)
        else:
            yield label + Text(" " * (width - len(name) + 2) + to_visible(item), style="default")


def _entry_lines(entry: object, indent: str) -> Iterator[Text]:
    if not isinstance(entry, dict):
        yield Text(f"{indent}- {to_visible(entry)}")
        return
    mark = "- "
    for line in field_lines(entry, indent + _STEP):
        if mark:
            rest = line[len(indent) + len(_STEP) :]
            yield Text(indent + mark) + rest
            mark = ""
        else:
            yield line


def _is_nested(item: object) -> bool:
    return isinstance(item, dict) or (isinstance(item, list) and bool(item))


def _print_versions(console: Console, resource: Resource, shown: Version) -> None:
    console.print(Text(count(len(resource.versions), "version"), style="bold"))
    table = make_table()
    for header in ("", "from", "to", "what"):
        table.add_column(header, no_wrap=header != "what", overflow="fold")
    for number, version in enumerate(resource.versions):
        end = "now" if version.seen_to is None else iso_time(version.seen_to) + (" gone" if version.gone else "")
        before = resource.versions[number - 1] if number else None
        mark = "▸" if version is shown else ""
        table.add_row(mark, iso_time(version.seen_from), end, Text("\n").join(_what(version, before)))
    console.print(table)


def _what(version: Version, before: Version | None) -> list[Text]:
    if before is None:
        return [Text("first seen")]
    if before.created != version.created:
        return [Text("a new resource of the same name")]
    if before.gone:
        return [Text("seen again")]
    lines = [_change_line(change) for change in version.changes[:_CHANGES_SHOWN]]
    if len(version.changes) > _CHANGES_SHOWN:
        lines.append(Text(f"and {len(version.changes) - _CHANGES_SHOWN} more", style="dim"))
    return lines or [Text("nothing that the model knows", style="dim")]


def _change_line(change: Change) -> Text:
    label = Text(f"{change.path} ", style="cyan")
    if change.order:
        return label + Text("in another order", style="dim")
    if change.before is None:
        return label + Text("+ " + _short(change.after), style="green")
    if change.after is None:
        return label + Text("- " + _short(change.before), style="red")
    return label + Text(f"{_short(change.before)} → {_short(change.after)}", style="default")


def _short(value: object) -> str:
    text = to_visible(value)
    return text if len(text) <= _VALUE_SHOWN else text[: _VALUE_SHOWN - 1] + "…"
