"""The operations of SageMaker that are simulated, each from a checked request to an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stocktake.demo import listing, tuning
from stocktake.demo.api_errors import ApiError, in_use, invalid, not_found
from stocktake.demo.book import JobBook, JobView
from stocktake.demo.draws import draw
from stocktake.demo.job_rules import check_create, check_update
from stocktake.demo.jobs import RequestedJob
from stocktake.demo.paging import decode_token, encode_token
from stocktake.demo.render import described, description
from stocktake.demo.state import Call, CloudState
from stocktake.demo.tags import added_tags, as_list, tags_at

Json = dict[str, Any]
Handler = Callable[[CloudState, Call], Json | bytes]


def create_training_job(state: CloudState, call: Call) -> Json:
    """Start a training job."""
    check_create(call.request)
    book = state.book(call.account, call.region, call.now)
    name = call.request["TrainingJobName"]
    existing = book.find(name, call.now)
    if existing is not None:
        raise in_use(
            "Training job names must be unique within an AWS account and region, "
            f"and a training job with this name already exists ({existing.arn})"
        )
    view = book.create(RequestedJob(call.request, call.now, state.seed))
    return {"TrainingJobArn": view.arn}


def describe_training_job(state: CloudState, call: Call) -> bytes:
    """Return all about a training job, except its tags, as JSON: kept bodies need not be written anew."""
    book = state.book(call.account, call.region, call.now)
    view = _job(book, call)
    if state.switches.vanish_rate and _vanishes(state, view, call.now):
        book.events_of(view.id).deleted_at = call.now
        book.forget(view.id)
        raise not_found()
    return described(view, call.now)


def _vanishes(state: CloudState, view: JobView, now: int) -> bool:
    chosen = draw(state.switches.seed, view.arn, view.job.created, "vanish").share(0) < state.switches.vanish_rate
    return chosen and view.at(now).final


def _job(book: JobBook, call: Call) -> JobView:
    view = book.find(call.request["TrainingJobName"], call.now)
    if view is None:
        raise not_found()
    return view


def list_training_jobs(state: CloudState, call: Call) -> Json:
    """Return a page of training jobs."""
    book = state.book(call.account, call.region, call.now)
    lag = int(state.switches.list_lag_seconds * 1000)
    return listing.list_training_jobs(book, call.request, call.now, lag)


def stop_training_job(state: CloudState, call: Call) -> Json:
    """Ask a training job to stop; one that is stopping goes on doing so."""
    book = state.book(call.account, call.region, call.now)
    view = _job(book, call)
    moment = view.at(call.now)
    if moment.final:
        raise invalid(f"The request was rejected because the training job is in status {moment.status}.")
    if moment.status != "Stopping":
        book.events_of(view.id).stopped_at = call.now
        book.forget(view.id)
    return {}


def update_training_job(state: CloudState, call: Call) -> Json:
    """Change a job's profiler, its remote debugging, or how long its warm pool is kept."""
    check_update(call.request)
    book = state.book(call.account, call.region, call.now)
    view = _job(book, call)
    _check_profiler_update(view, call)
    if "RemoteDebugConfig" in call.request and view.at(call.now).secondary not in {"Downloading", "Training"}:
        raise invalid("RemoteDebugConfig can be updated only when SecondaryStatus is Downloading or Training.")
    if "ResourceConfig" in call.request:
        _check_pool_update(view, call)
        book.note_pool(view.id)
    book.events_of(view.id).updates.append((call.now, call.request))
    book.forget(view.id)
    return {"TrainingJobArn": view.arn}


def _check_profiler_update(view: JobView, call: Call) -> None:
    rules = call.request.get("ProfilerRuleConfigurations") or ()
    status = view.at(call.now).status
    if (rules or "ProfilerConfig" in call.request) and status != "InProgress":
        raise invalid(f"The profiler of a training job in status {status} can not be updated.")
    configured = description(view, call.now).get("ProfilerRuleConfigurations") if rules else ()
    held = {rule["RuleConfigurationName"] for rule in configured or ()}
    for rule in rules:
        if rule["RuleConfigurationName"] in held:
            raise invalid(f"RuleConfigurationName {rule['RuleConfigurationName']} must be unique.")


def _check_pool_update(view: JobView, call: Call) -> None:
    member = "ResourceConfig.KeepAlivePeriodInSeconds"
    if view.job.spot or (view.job.request.get("ResourceConfig") or {}).get("InstanceGroups"):
        raise invalid(f"{member} is not supported with EnableManagedSpotTraining or InstanceGroups.")
    pool = view.warm_pool(call.now)
    if view.at(call.now).status != "InProgress" and (pool is None or pool.status != "Available"):
        raise invalid(f"{member} can be updated only while the job is InProgress or its warm pool is Available.")


def delete_training_job(state: CloudState, call: Call) -> Json:
    """Delete a training job that has ended and holds no warm pool."""
    book = state.book(call.account, call.region, call.now)
    view = _job(book, call)
    moment = view.at(call.now)
    if not moment.final:
        raise in_use(f"Training job {view.arn} is in status {moment.status}; only ended training jobs can be deleted.")
    pool = view.warm_pool(call.now)
    if pool is not None and pool.status == "Available":
        raise in_use(f"Training job {view.arn} retains an Available warm pool.")
    book.events_of(view.id).deleted_at = call.now
    return {}


def search(state: CloudState, call: Call) -> Json:
    """Find training jobs, as the index knows them."""
    book = state.book(call.account, call.region, call.now)
    lag = int(state.switches.search_lag_seconds * 1000)
    return state.search_index.search(book, call.request, call.now, lag)


# ---- tuning jobs ----


def _tuning_job(state: CloudState, call: Call) -> tuning.TuningJob:
    found = state.tuning_jobs(call.account, call.region, call.now).get(call.request["HyperParameterTuningJobName"])
    if found is None:
        raise not_found(
            "Amazon SageMaker can't find a tuning job with the name "
            f"{call.request['HyperParameterTuningJobName']} in region {call.region}."
        )
    return found


def create_tuning_job(state: CloudState, call: Call) -> Json:
    """Start a tuning job, whose training jobs then appear one after the other."""
    known = state.tuning_jobs(call.account, call.region, call.now)
    name = call.request["HyperParameterTuningJobName"]
    if name in known:
        raise in_use(f"A tuning job with the name {name} already exists ({known[name].arn}).")
    book = state.book(call.account, call.region, call.now)
    prefix = state.tuning_prefix(call.account, call.region)
    known[name] = tuning.launch(book, call.request, call.now, state.seed, prefix)
    return {"HyperParameterTuningJobArn": known[name].arn}


def describe_tuning_job(state: CloudState, call: Call) -> Json:
    """Return all about a tuning job."""
    book = state.book(call.account, call.region, call.now)
    return tuning.tuning_description(_tuning_job(state, call), book, call.now)


def list_tuning_jobs(state: CloudState, call: Call) -> Json:
    """Return a page of tuning jobs; the page is cut first and filtered then."""
    request, book = call.request, state.book(call.account, call.region, call.now)
    low, high = listing.created_between(request)
    jobs = [j for j in state.tuning_jobs(call.account, call.region, call.now).values() if low <= j.created <= high]
    by_name = request.get("SortBy") == "Name"
    jobs.sort(key=lambda job: (job.name, 0) if by_name else (f"{job.created:015d}", job.name))
    if request.get("SortOrder", "Descending") == "Descending":
        jobs.reverse()
    page, token = _page(jobs, request, [job.name for job in jobs])
    answer: Json = {
        "HyperParameterTuningJobSummaries": [
            shown
            for shown in (tuning.tuning_summary(job, book, call.now) for job in page)
            if request.get("StatusEquals") in {None, shown["HyperParameterTuningJobStatus"]}
            and (request.get("NameContains") or "") in shown["HyperParameterTuningJobName"]
            and shown["LastModifiedTime"] >= float(request.get("LastModifiedTimeAfter") or 0)
            and shown["LastModifiedTime"] <= float(request.get("LastModifiedTimeBefore") or 1e12)
        ]
    }
    return answer | token


def list_jobs_of_tuning_job(state: CloudState, call: Call) -> Json:
    """Return a page of a tuning job's training jobs."""
    request, book = call.request, state.book(call.account, call.region, call.now)
    job = _tuning_job(state, call)
    shown = [tuning.child_summary(job, view, call.now) for view in tuning.children(job, book, call.now)]
    if request.get("StatusEquals"):
        shown = [line for line in shown if line["TrainingJobStatus"] == request["StatusEquals"]]
    shown.sort(key=_SORTS[request.get("SortBy", "Name")])
    if request.get("SortOrder", "Ascending") == "Descending":
        shown.reverse()
    page, token = _page(shown, request, [line["TrainingJobName"] for line in shown])
    return {"TrainingJobSummaries": page, **token}


_SORTS: dict[str, Callable[[Json], Any]] = {
    "Name": lambda line: line["TrainingJobName"],
    "CreationTime": lambda line: line["CreationTime"],
    "Status": lambda line: line["TrainingJobStatus"],
    "FinalObjectiveMetricValue": lambda line: line.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get(
        "Value", float("-inf")
    ),
}


def _page(items: list[Any], request: Json, names: list[str]) -> tuple[list[Any], Json]:
    """Return a page of items and the token of the next one, which names the last item shown."""
    place = decode_token(request.get("NextToken"), 1)
    start = names.index(place[0]) + 1 if place is not None and place[0] in names else 0
    size = request.get("MaxResults") or 10
    page = items[start : start + size]
    more = start + size < len(items)
    return page, {"NextToken": encode_token(names[start + size - 1])} if more else {}


# ---- tags ----


def _tagged(state: CloudState, call: Call) -> JobView | tuning.TuningJob:
    parts = call.request["ResourceArn"].split(":", 5)
    if len(parts) == 6 and parts[3] == call.region and parts[4] == call.account:
        kind, _, name = parts[5].partition("/")
        if kind == "training-job":
            view = state.book(call.account, call.region, call.now).find(name, call.now)
            if view is not None:
                return view
        if kind == "hyper-parameter-tuning-job":
            job = state.tuning_jobs(call.account, call.region, call.now).get(name)
            if job is not None:
                return job
    raise ApiError("ResourceNotFound", f"Could not find resource {call.request['ResourceArn']}.")


def _held(target: JobView | tuning.TuningJob, now: int) -> dict[str, str]:
    if isinstance(target, JobView):
        return tags_at(target.job, target.events, now)
    return tuning_tags(target, now)


def tuning_tags(job: tuning.TuningJob, now: int) -> dict[str, str]:
    """Return the tags that a tuning job has at an instant."""
    tags: dict[str, str] = {}
    for when, added, removed in job.tags:
        if when <= now:
            tags = {key: value for key, value in tags.items() if key not in removed} | added
    return tags


def _change_tags(
    state: CloudState, call: Call, target: JobView | tuning.TuningJob, added: dict[str, str], removed: frozenset[str]
) -> None:
    change = (call.now, added, removed)
    if isinstance(target, JobView):
        book = state.book(call.account, call.region, call.now)
        book.events_of(target.id).tags.append(change)
        book.forget(target.id)
    else:
        target.tags.append(change)


def add_tags(state: CloudState, call: Call) -> Json:
    """Add or overwrite tags."""
    target = _tagged(state, call)
    held = _held(target, call.now)
    added = added_tags(held, call.request["Tags"])
    _change_tags(state, call, target, added, frozenset())
    return {"Tags": as_list(held | added)}


def list_tags(state: CloudState, call: Call) -> Json:
    """Return the tags of a resource; there are at most 50, one page."""
    return {"Tags": as_list(_held(_tagged(state, call), call.now))}


def delete_tags(state: CloudState, call: Call) -> Json:
    """Remove tags."""
    target = _tagged(state, call)
    _change_tags(state, call, target, {}, frozenset(call.request["TagKeys"]))
    return {}


HANDLERS: dict[str, Handler] = {
    "CreateTrainingJob": create_training_job,
    "DescribeTrainingJob": describe_training_job,
    "ListTrainingJobs": list_training_jobs,
    "StopTrainingJob": stop_training_job,
    "UpdateTrainingJob": update_training_job,
    "DeleteTrainingJob": delete_training_job,
    "Search": search,
    "CreateHyperParameterTuningJob": create_tuning_job,
    "DescribeHyperParameterTuningJob": describe_tuning_job,
    "ListHyperParameterTuningJobs": list_tuning_jobs,
    "ListTrainingJobsForHyperParameterTuningJob": list_jobs_of_tuning_job,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}
