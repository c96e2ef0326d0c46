"""Search over training jobs: an index that may be late, a filter, an order, pages of one snapshot.

A token carries the instant that its search saw, and state is a function of time, so that later pages belong to the
first one whatever happens in between.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.demo.api_errors import invalid
from stocktake.demo.paging import decode_token, encode_token
from stocktake.demo.render import record
from stocktake.demo.search_filter import compile_search, property_type, sort_key
from stocktake.demo.tags import as_list, tags_at

if TYPE_CHECKING:
    from stocktake.demo.book import JobBook

Json = dict[str, Any]
_LIGHT = frozenset(
    ("TrainingJobName", "TrainingJobArn", "CreationTime", "LastModifiedTime", "TrainingJobStatus", "SecondaryStatus")
)
"""Properties that are known without putting the whole record together."""


class SearchIndex:
    """Snapshots of recent searches."""

    def __init__(self, kept: int = 8) -> None:
        self._kept = kept
        self._snapshots: OrderedDict[tuple[object, ...], array[int]] = OrderedDict()

    def search(self, book: JobBook, request: Json, now: int, lag_ms: int) -> Json:
        """Return the answer of Search.

        Raises:
            ApiError: another resource than TrainingJob, an unknown property, an operator that does not fit.
        """
        if request["Resource"] != "TrainingJob":
            raise invalid(f"Resource {request['Resource']} is not part of this simulation; TrainingJob is.")
        digest = _digest(request)
        place = decode_token(request.get("NextToken"), 3)
        seen, offset, expected = place or (now - lag_ms, 0, digest)
        if expected != digest:
            raise invalid("Invalid NextToken: it belongs to another search.")
        found = self._found(book, request, seen, digest, first=place is None)
        size = request.get("MaxResults") or 10
        page = found[offset : offset + size]
        answer: Json = {"Results": [{"TrainingJob": _record(book, number, seen)} for number in page]}
        if offset + size < len(found):
            answer["NextToken"] = encode_token(seen, offset + size, digest)
        return answer

    def _found(self, book: JobBook, request: Json, seen: int, digest: str, *, first: bool) -> array[int]:
        key = (book.arn_prefix, seen, digest)
        found = None if first else self._snapshots.get(key)
        if found is None:
            found = self._snapshots[key] = array("q", _matching(book, request, seen))
            while len(self._snapshots) > self._kept:
                self._snapshots.popitem(last=False)
        return found


def _digest(request: Json) -> str:
    parts = {name: request.get(name) for name in ("SearchExpression", "SortBy", "SortOrder", "VisibilityConditions")}
    return blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=6).hexdigest()


def _matching(book: JobBook, request: Json, seen: int) -> list[int]:
    """Return the numbers of the jobs that match, in order; whole records are made only where needed."""
    expression = request.get("SearchExpression")
    light, whole = _split(expression)
    light_test, whole_test = compile_search(light), compile_search(whole)
    sort_by = request.get("SortBy", "LastModifiedTime")
    property_type(sort_by)
    key = sort_key(sort_by)
    light_sort = sort_by in _LIGHT
    found = []
    for number in book.window(-(1 << 62), seen):
        if not book.exists(number, seen):
            continue
        small = _light(book, number, seen)
        if not light_test(small):
            continue
        if whole is not None or not light_sort:
            small = _record(book, number, seen)
            if not whole_test(small):
                continue
        found.append((key(small), small["CreationTime"], number))
    found.sort(reverse=request.get("SortOrder", "Descending") == "Descending")
    return [number for *_, number in found]


def _split(expression: Json | None) -> tuple[Json | None, Json | None]:
    """Return the part of an expression that light records can answer, and the rest."""
    if expression is None or expression.get("Operator") == "Or":
        return None, expression
    filters = expression.get("Filters") or []
    light = [part for part in filters if part["Name"] in _LIGHT]
    rest = {**expression, "Filters": [part for part in filters if part["Name"] not in _LIGHT]}
    if not (rest["Filters"] or rest.get("NestedFilters") or rest.get("SubExpressions")):
        return ({"Filters": light}, None) if light else (None, expression)
    return {"Filters": light} if light else None, rest


def _light(book: JobBook, number: int, seen: int) -> Json:
    status, secondary, modified = book.status(number, seen)
    name = book.name(number)
    return {
        "TrainingJobName": name,
        "TrainingJobArn": book.arn_prefix + name,
        "CreationTime": book.created(number) / 1000,
        "LastModifiedTime": modified / 1000,
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
    }


def _record(book: JobBook, number: int, seen: int) -> Json:
    view = book.view(number)
    return record(view, seen, as_list(tags_at(view.job, view.events, seen)))
