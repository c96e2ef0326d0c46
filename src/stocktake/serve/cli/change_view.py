"""Changes and differences on a terminal, and their rows in every other form."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from rich.text import Text

from stocktake.serve.cli.tables import make_console, make_table, without_nulls
from stocktake.serve.telling.readable import age, count
from stocktake.serve.telling.values import iso_time, to_visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stocktake.query.changes import Change, ChangeRecord, Changes
    from stocktake.query.diff import Difference, Side
    from stocktake.query.resources import Resource

_VALUE_SHOWN = 70
_EDITS_SHOWN = 12
_STYLES = {"created": "green", "deleted": "red", "updated": "yellow"}
IN_ANOTHER_ORDER = "in another order"


def edit_document(edit: Change) -> dict[str, Any]:
    """Return an edit as JSON shows it."""
    document: dict[str, Any] = {"path": edit.path, "before": edit.before, "after": edit.after}
    if is_reordered(edit):
        document["reordered"] = True
    return document


def is_reordered(edit: Change) -> bool:
    """Return whether only the places of a list's entries changed."""
    return edit.before is None and edit.after is None


def change_document(record: ChangeRecord) -> dict[str, Any]:
    """Return a change as JSON shows it."""
    return {
        "changed_at": record.changed_at,
        "change": record.change,
        "type": record.type,
        "id": record.id,
        "account_id": record.account_id,
        "region": record.region,
        "edits": [edit_document(edit) for edit in record.edits],
        "looked_before": record.looked_before,
        "sweep_id": record.sweep_id,
    }


def change_rows(found: Changes) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each field that changed; one without a field for what came, went, or says nothing."""
    for record in found.records:
        head = (record.changed_at, record.change, record.type, record.id)
        tail = (record.account_id, record.region, record.looked_before, record.sweep_id)
        for edit in record.edits:
            after = IN_ANOTHER_ORDER if is_reordered(edit) else edit.after
            yield (*head, edit.path, edit.before, after, *tail)
        if not record.edits:
            yield (*head, None, None, None, *tail)


def print_changes(found: Changes, stream: IO[str], *, now: datetime, on_terminal: bool) -> None:
    """Print changes, newest first, each with what it changed."""
    console = make_console(stream, on_terminal=on_terminal)
    for record in found.records:
        head = Text(f"{record.change:8}", style=_STYLES.get(record.change, ""))
        head += Text(f" {to_visible(record.id)}", style="bold")
        console.print(head, soft_wrap=True)
        between = f"after {iso_time(record.looked_before)}, " if record.looked_before else ""
        told = f"{between}by {iso_time(record.changed_at)} ({age(record.changed_at, now)})"
        console.print(f"         {record.type}, {told}, sweep {record.sweep_id}", style="dim", soft_wrap=True)
        for edit in record.edits[:_EDITS_SHOWN]:
            console.print(Text("         ") + edit_line(edit), soft_wrap=True)
        if len(record.edits) > _EDITS_SHOWN:
            console.print(f"         and {len(record.edits) - _EDITS_SHOWN} more fields", style="dim")
        if record.change == "updated" and not record.edits:
            console.print("         nothing that the model knows", style="dim")
    for note in change_notes(found):
        console.print(note, style="dim", soft_wrap=True)


def change_notes(found: Changes) -> Iterator[str]:
    """Yield what one must know to take changes for what they are."""
    more = "; there are older ones: --limit 0 shows all" if found.more else ""
    yield f"({count(len(found.records), 'change')}{more})"
    if any(record.change == "updated" for record in found.records):
        yield "A change is the difference between two looks: several in between show as one, with their end."
    yield from found.notes
    if found.first_seen:
        first = count(found.first_seen, "resource")
        yield f"{first} were found by the first look at their account and region: no changes, and not shown."
    if found.untold_sweeps:
        yield f"{count(found.untold_sweeps, 'sweep')} not yet told: one that runs, or was cut short; the next makes up."


def edit_line(edit: Change) -> Text:
    """Return an edit on one line."""
    label = Text(f"{edit.path} ", style="cyan")
    if is_reordered(edit):
        return label + Text(IN_ANOTHER_ORDER, style="dim")
    if edit.before is None:
        return label + Text("+ " + short(edit.after), style="green")
    if edit.after is None:
        return label + Text("- " + short(edit.before), style="red")
    return label + Text(f"{short(edit.before)} → {short(edit.after)}", style="default")


def short(value: object) -> str:
    """Return a value on one line, its nulls left out, cut where it is long."""
    text = to_visible(without_nulls(value))
    return text if len(text) <= _VALUE_SHOWN else text[: _VALUE_SHOWN - 1] + "…"


def difference_document(resource: Resource, found: Difference) -> dict[str, Any]:
    """Return what `diff -o json` prints."""
    return {
        "id": resource.id,
        "type": resource.type,
        "account_id": resource.account_id,
        "region": resource.region,
        "from": _side_document(found.older),
        "to": _side_document(found.newer),
        "versions_between": found.between,
        "is_another_resource": found.is_other,
        "edits": [edit_document(edit) for edit in found.edits],
    }


def _side_document(side: Side) -> dict[str, Any]:
    version = side.version
    return {
        "moment": side.moment,
        "present": version is not None,
        "why_absent": side.why_absent or None,
        "seen_from": version.seen_from if version else None,
        "sweep_id": version.sweep_id if version else None,
    }


def print_difference(resource: Resource, found: Difference, stream: IO[str], *, on_terminal: bool) -> None:
    """Print both sides beside each other, the fields that differ one below the other."""
    console = make_console(stream, on_terminal=on_terminal)
    console.print(Text(to_visible(resource.id), style="bold"), soft_wrap=True)
    console.print(f"{resource.type}, account {resource.account_id}, {resource.region}", style="dim", soft_wrap=True)
    for note in difference_notes(found):
        console.print(Text(note, style="yellow"), soft_wrap=True)
    console.print()
    if found.edits:
        table = make_table()
        for header in ("field", _side_title(found.older), _side_title(found.newer)):
            table.add_column(header, overflow="fold")
        for edit in found.edits:
            after = IN_ANOTHER_ORDER if is_reordered(edit) else _cell(edit.after)
            table.add_row(
                Text(edit.path, style="cyan"), Text(_cell(edit.before), style="red"), Text(after, style="green")
            )
        console.print(table)
    console.print(f"({count(len(found.edits), 'field')} differ{'s' if len(found.edits) == 1 else ''})", style="dim")


def difference_notes(found: Difference) -> Iterator[str]:
    """Yield what one must know to take a difference for what it is."""
    for side in (found.older, found.newer):
        if side.version is None:
            yield f"{iso_time(side.moment)}: {side.why_absent}"
    if found.is_other:
        yield "the newer one is another resource that took the name"
    if found.between > 1:
        yield f"{found.between} versions began in between; this is the difference between the first and the last"


def _side_title(side: Side) -> str:
    return iso_time(side.moment)


def _cell(value: object) -> str:
    return to_visible(without_nulls(value))
