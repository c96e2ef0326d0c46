"""Tags of jobs as they are at an instant, and the tagging API over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.demo.api_errors import ApiError, invalid

if TYPE_CHECKING:
    from stocktake.demo.book import JobView
    from stocktake.demo.jobs import Events, Job

_MOST = 50


def tags_at(job: Job, events: Events, now: int) -> dict[str, str]:
    """Return the tags that a job has at an instant."""
    tags = {tag["Key"]: tag["Value"] for tag in job.tags}
    changes = [*events.tags]
    edit = job.tag_edit
    if edit is not None:
        changes.append((edit[0], edit[1], frozenset()))
    for when, added, removed in sorted(changes, key=lambda change: change[0]):
        if when <= now:
            tags = {key: value for key, value in tags.items() if key not in removed} | added
    return tags


def ever_tagged(view: JobView, now: int) -> bool:
    """Say whether a job has, or once had, a tag: only such resources are known to the tagging API."""
    if view.job.tags:
        return True
    edit = view.job.tag_edit
    added = edit is not None and edit[0] <= now
    return added or any(when <= now and new for when, new, _ in view.events.tags)


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as the API shows them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def added_tags(held: dict[str, str], wanted: list[dict[str, str]]) -> dict[str, str]:
    """Return the tags to add.

    Raises:
        ApiError: too many tags, a key twice, or a reserved key.
    """
    new = {tag["Key"]: tag["Value"] for tag in wanted}
    if len(new) < len(wanted):
        raise invalid("Tag keys must be unique per resource.")
    reserved = [key for key in new if key.lower().startswith("aws:")]
    if reserved:
        raise invalid(f"Tag key {reserved[0]}: keys beginning with aws: are reserved.")
    if len(held | new) > _MOST:
        raise ApiError("ResourceLimitExceeded", f"A resource can have at most {_MOST} tags.")
    return new


def matches(tags: dict[str, str], filters: list[dict[str, object]]) -> bool:
    """Say whether tags satisfy all TagFilters: the key is there, with one of the values if any are given."""
    for wanted in filters:
        value = tags.get(str(wanted.get("Key")))
        values = wanted.get("Values")
        if value is None or (isinstance(values, list) and values and value not in values):
            return False
    return True
