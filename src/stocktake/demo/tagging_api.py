"""GetResources of the Resource Groups Tagging API over training and tuning jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stocktake.demo.api_errors import ApiError
from stocktake.demo.paging import decode_token, encode_token
from stocktake.demo.sagemaker_api import tuning_tags
from stocktake.demo.tags import as_list, ever_tagged, matches, tags_at

if TYPE_CHECKING:
    from stocktake.demo.state import Call, CloudState

Json = dict[str, Any]
_Walk = Iterator[tuple[tuple[str, int], str, dict[str, str]]]
_JOB, _TUNING = "sagemaker:training-job", "sagemaker:hyper-parameter-tuning-job"


def get_resources(state: CloudState, call: Call) -> Json:
    """Return a page of resources that have, or once had, tags.

    Raises:
        ApiError: an InvalidParameterException for sizes out of range or parameters that exclude each other.
    """
    request = call.request
    arns = request.get("ResourceARNList")
    if arns and any(request.get(name) for name in ("TagFilters", "ResourceTypeFilters", "ResourcesPerPage")):
        raise _wrong("ResourceARNList cannot be used with TagFilters, ResourceTypeFilters or ResourcesPerPage")
    size = request.get("ResourcesPerPage") or (100 if arns else 50)
    if not 1 <= size <= 100:
        raise _wrong("ResourcesPerPage must be between 1 and 100")
    place = _place(request)
    page: list[Json] = []
    last: tuple[str, int] = ("", 0)
    for mark, arn, tags in _named(state, call, arns) if arns else _resources(state, call, place):
        if not matches(tags, request.get("TagFilters") or []):
            continue
        if len(page) == size:
            return {"ResourceTagMappingList": page, "PaginationToken": encode_token(*last)}
        page.append({"ResourceARN": arn, "Tags": as_list(tags)})
        last = mark
    return {"ResourceTagMappingList": page, "PaginationToken": ""}


def _wrong(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def _place(request: Json) -> list[Any] | None:
    try:
        return decode_token(request.get("PaginationToken"), 2)
    except ApiError as error:
        raise ApiError("PaginationTokenExpiredException", "The pagination token is not valid") from error


def _named(state: CloudState, call: Call, arns: list[str]) -> _Walk:
    """Yield the resources of the given ARNs that are known here."""
    book = state.book(call.account, call.region, call.now)
    for number, arn in enumerate(arns):
        view = book.find(arn.removeprefix(book.arn_prefix), call.now)
        if view is not None and view.arn == arn and ever_tagged(view, call.now):
            yield ("", number), arn, tags_at(view.job, view.events, call.now)
    tuning = state.tuning_jobs(call.account, call.region, call.now)
    prefix = state.tuning_prefix(call.account, call.region)
    for arn in arns:
        job = tuning.get(arn.removeprefix(prefix))
        if job is not None and job.arn == arn:
            yield (job.name, 0), arn, tuning_tags(job, call.now)


def _resources(state: CloudState, call: Call, place: list[Any] | None) -> _Walk:
    """Yield (place, ARN, tags) of the resources after a place: training jobs by creation, then tuning jobs by name."""
    wanted = call.request.get("ResourceTypeFilters") or ["sagemaker"]
    for kind, walk in ((_JOB, _training_jobs), (_TUNING, _tuning_jobs)):
        if kind in wanted or "sagemaker" in wanted:
            yield from walk(state, call, place)


def _training_jobs(state: CloudState, call: Call, place: list[Any] | None) -> _Walk:
    if place is not None and place[0]:
        return  # that page was among the tuning jobs already
    book = state.book(call.account, call.region, call.now)
    times, ids = book.by_creation
    start = book.position(book.created(place[1]), place[1]) + 1 if place is not None else 0
    for at in range(start, len(ids)):
        if times[at] > call.now:
            return
        number = ids[at]
        if book.exists(number, call.now):
            view = book.view(number)
            if ever_tagged(view, call.now):
                yield ("", number), view.arn, tags_at(view.job, view.events, call.now)


def _tuning_jobs(state: CloudState, call: Call, place: list[Any] | None) -> _Walk:
    for name, job in sorted(state.tuning_jobs(call.account, call.region, call.now).items()):
        if any(added for _, added, _ in job.tags) and (place is None or name > place[0]):
            yield (name, 0), job.arn, tuning_tags(job, call.now)
