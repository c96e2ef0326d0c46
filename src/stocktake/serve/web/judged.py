"""What judging came to, kept until a sweep, a rule or the day is another: it takes seconds, and many pages need it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.policies.judging import Report
    from stocktake.policies.rules import Pack
    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.visitor import Visitor
    from stocktake.store.catalog import Catalog

_MOST_KEPT = 6
_Key = tuple[object, ...]
_kept: WeakKeyDictionary[House, OrderedDict[_Key, Report]] = WeakKeyDictionary()
_lock = threading.Lock()


def judged(house: House, who: Visitor) -> tuple[tuple[Pack, ...], Report]:
    """Return all packs, and the report on all that the visitor may see. Raises: as `policies.judging.judge`."""
    from stocktake.policies.judging import judge  # noqa: PLC0415 - the driver takes 120 ms to import
    from stocktake.policies.packs import pick_rules  # noqa: PLC0415 - as above

    packs = house.rules()
    exceptions = house.exceptions()
    now = house.now()
    with house.reading() as catalog:
        key: _Key = (who.reach, _state_of(catalog), _digest(packs), exceptions, now.date())
        with _lock:
            there = _kept.setdefault(house, OrderedDict())
            found = there.get(key)
        if found is None:
            found = judge(catalog, packs, pick_rules(packs), now, exceptions, with_not_judged=False, reach=who.reach)
            with _lock:
                there[key] = found
                while len(there) > _MOST_KEPT:
                    there.popitem(last=False)
    return packs, found


def _state_of(catalog: Catalog) -> tuple[object, ...]:
    """Return what is another as soon as a sweep has written anything."""
    from stocktake.query.runner import run_query  # noqa: PLC0415 - as above

    sql = "SELECT count(*), max(sweep_id), max(finished_at), sum(new + changed + deleted) FROM coverage"
    [row] = run_query(catalog, sql).rows()
    return tuple(row)


def _digest(packs: Sequence[Pack]) -> str:
    made = hashlib.sha256()
    for pack in packs:
        if not pack.is_own:
            made.update(repr(pack).encode())
    return made.hexdigest()
