"""ListTrainingJobs: pages cut first and filtered then, as the service does.

Only the times of creation are applied before a page is cut; name, status, modification and warm-pool filters act on
the page, so that a page may be empty and still name a next one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from stocktake.demo.paging import decode_token, encode_token
from stocktake.demo.render import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.demo.book import JobBook

Json = dict[str, Any]
_FIRST, _LAST = -(1 << 62), 1 << 62


def list_training_jobs(book: JobBook, request: Json, now: int, lag: int = 0) -> Json:
    """Return the answer of ListTrainingJobs; jobs of the last `lag` milliseconds are not in it yet."""
    size = request.get("MaxResults") or 10
    sort = request.get("SortBy", "CreationTime")
    descending = request.get("SortOrder", "Ascending") == "Descending"
    if sort == "CreationTime":
        walk, place_of = _by_creation(book, request, now, lag, descending=descending), _creation_place(book)
    else:
        walk, place_of = _by_key(book, request, now, sort, descending=descending)
    page: list[int] = []
    more = False
    for number in walk:
        if len(page) == size:
            more = True
            break
        page.append(number)
    lines = (book.ended_line(number, now) or summary(book.view(number), now) for number in page)
    answer: Json = {"TrainingJobSummaries": [line for line in lines if _passes(line, request)]}
    if more:
        answer["NextToken"] = encode_token(*place_of(page[-1]))
    return answer


def created_between(request: Json) -> tuple[int, int]:
    """Return the first and last time of creation that a request asks for."""
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    low = _FIRST if after is None else int(float(after) * 1000)
    high = _LAST if before is None else int(float(before) * 1000)
    return low, high


def _by_creation(book: JobBook, request: Json, now: int, lag: int, *, descending: bool) -> Iterator[int]:
    low, high = created_between(request)
    times, ids = book.by_creation
    start, end = bisect_left(times, low), bisect_right(times, min(high, now - lag))
    place = decode_token(request.get("NextToken"), 2)
    if place is not None:
        where = book.position(*place)
        start, end = (start, min(end, where)) if descending else (max(start, where + 1), end)
    positions = range(end - 1, start - 1, -1) if descending else range(start, end)
    return (ids[at] for at in positions if book.exists(ids[at], now))


def _creation_place(book: JobBook) -> Any:  # noqa: ANN401  # a function from a number to a place
    return lambda number: (book.created(number), number)


def _by_key(book: JobBook, request: Json, now: int, sort: str, *, descending: bool) -> tuple[Iterator[int], Any]:
    """Walk by name or status; the token holds the key itself, so that jobs created meanwhile move nothing."""
    low, high = created_between(request)

    def key(number: int) -> list[Any]:
        first = book.name(number) if sort == "Name" else book.status(number, now)[0]
        return [first, book.created(number), number]

    keys = sorted((key(n) for n in book.window(low, min(high, now)) if book.exists(n, now)), reverse=descending)
    place = decode_token(request.get("NextToken"), 3)
    if place is not None:
        keys = [k for k in keys if (k < place if descending else k > place)]
    return (k[2] for k in keys), key


def _passes(line: Json, request: Json) -> bool:
    contains = request.get("NameContains")
    if contains and contains.lower() not in line["TrainingJobName"].lower():
        return False
    status = request.get("StatusEquals")
    if status and line["TrainingJobStatus"] != status:
        return False
    after, before = request.get("LastModifiedTimeAfter"), request.get("LastModifiedTimeBefore")
    if after is not None and line["LastModifiedTime"] < float(after):
        return False
    if before is not None and line["LastModifiedTime"] > float(before):
        return False
    pool = request.get("WarmPoolStatusEquals")
    if pool and line.get("WarmPoolStatus", {}).get("Status") != pool:
        return False
    plan = request.get("TrainingPlanArnEquals")
    return not plan or line.get("TrainingPlanArn") == plan
