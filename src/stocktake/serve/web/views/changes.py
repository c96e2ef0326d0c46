"""Changes, as their template takes them: by sweep, each field with what it was and is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from stocktake.serve.telling.values import to_visible
from stocktake.serve.web.pictures.axes import Tick
from stocktake.serve.web.pictures.bars import Column, Part, columns, share_bar
from stocktake.serve.web.views.lineage import last_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from stocktake.query.changes import Change, ChangeCount, ChangeRecord

KINDS = ("created", "updated", "deleted")
BADGES = {"created": "ok", "updated": "info", "deleted": "bad"}
_EDITS_SHOWN = 6
_VALUE_SHOWN = 300
_MOST_COLUMNS = 60
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def sweeps_view(records: Sequence[ChangeRecord], counted: Iterable[ChangeCount], q: str = "") -> list[dict[str, Any]]:
    """Return changes by the sweep that saw them, with how many it saw in all; fields that `q` asks for come first."""
    fields = tuple(re.findall(r"(?<!\S)changed:([\w.]+)", q))
    totals: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for one in counted:
        totals[one.sweep_id][one.change] += one.count
    return [
        {
            "sweep": sweep,
            "changed_at": changes[0].changed_at,
            "counts": [(kind, totals[sweep][kind]) for kind in KINDS if totals[sweep][kind]],
            "changes": [_change(one, fields) for one in changes],
        }
        for sweep, changes in ((sweep, list(some)) for sweep, some in groupby(records, key=lambda one: one.sweep_id))
    ]


def _change(record: ChangeRecord, fields: tuple[str, ...]) -> dict[str, Any]:
    edits = sorted(record.edits, key=lambda one: not one.field_path.startswith(fields)) if fields else record.edits
    return {
        "kind": record.change,
        "badge": BADGES.get(record.change, "mute"),
        "type": record.type,
        "id": record.id,
        "key": key_of(record),
        "name": last_part(record.id),
        "account_id": record.account_id,
        "region": record.region,
        "changed_at": record.changed_at,
        "looked_before": record.looked_before,
        "edits": [edit_view(one) for one in edits[:_EDITS_SHOWN]],
        "more": max(0, len(record.edits) - _EDITS_SHOWN),
    }


def key_of(record: ChangeRecord) -> str:
    """Return what the resource's page is asked for by."""
    if record.id.startswith("arn:"):
        return record.id
    return f"{record.type}/{record.account_id}/{record.region}/{record.id}"


def edit_view(edit: Change) -> dict[str, Any]:
    """Return one edit: the field, what it was, what it is; None stands for no value."""
    return {
        "path": edit.path,
        "reordered": edit.before is None and edit.after is None,
        "before": _said(edit.before),
        "after": _said(edit.after),
    }


def _said(value: Any) -> str | None:  # noqa: ANN401 - a field's value
    if value is None:
        return None
    text = to_visible(value)
    return text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}… ({len(text):,} characters)"


def counts_view(counted: Sequence[ChangeCount], since: datetime, until: datetime) -> dict[str, Any]:
    """Return counts by kind and by type, and a picture of them along the time."""
    kinds: Counter[str] = Counter()
    types: dict[str, Counter[str]] = {}
    for one in counted:
        kinds[one.change] += one.count
        types.setdefault(one.type, Counter())[one.change] += one.count
    most = max((sum(found.values()) for found in types.values()), default=0)
    return {
        "total": sum(kinds.values()),
        "kinds": [(kind, kinds[kind]) for kind in KINDS],
        "types": [
            {"type": name, "count": sum(found.values()), "bar": _type_bar(found, most)}
            for name, found in sorted(types.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
        ],
        "picture": _picture(counted, since.replace(tzinfo=None), until.replace(tzinfo=None)),
    }


def _type_bar(found: Counter[str], most: int) -> str:
    says = ", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind])
    return share_bar(says, [Part(found[kind], kind) for kind in KINDS], most)


def _picture(counted: Sequence[ChangeCount], since: datetime, until: datetime) -> str:
    """Return columns of hours, days or more of them: at most sixty."""
    if not counted:
        return ""
    since = max(since, min(one.changed_at for one in counted) - _HOUR)
    step = next((one for one in (_HOUR, 3 * _HOUR, 12 * _HOUR, _DAY) if (until - since) / one <= _MOST_COLUMNS), _DAY)
    step *= max(1, round((until - since) / step / _MOST_COLUMNS))
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight + step * ((since - midnight) // step)
    buckets: dict[int, Counter[str]] = {}
    for one in counted:
        buckets.setdefault((one.changed_at - begin) // step, Counter())[one.change] += one.count
    count = max(*buckets, (until - begin) // step) + 1
    some, ticks = [], []
    form = "%Y-%m-%d" if step >= _DAY else "%Y-%m-%d %H:%M"
    for number in range(count):
        at = begin + step * number
        found = buckets.get(number, Counter())
        says = ", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind]) or "nothing"
        some.append(Column(tuple(Part(found[kind], kind) for kind in KINDS), f"from {at.strftime(form)}: {says}"))
        if number % max(1, round(count / 5)) == 0:
            ticks.append(Tick(number, f"{at.day} {at:%b}" if step >= _DAY or not at.hour else f"{at:%H:%M}"))
    return columns("Changes along the time", f"{begin.strftime(form)} to {until.strftime(form)}", some, ticks)
