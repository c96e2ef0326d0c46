"""One resource at two moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sample_catalog import SampleCatalog
from stocktake.core.errors import UserError
from stocktake.query.diff import Difference, choose_moments, diff_moments
from stocktake.query.resources import find_resource
from stocktake.store.catalog import Catalog
from stocktake.store.edits import apply_changes, same

MINUTE = timedelta(minutes=1)


def diff(catalog: Catalog, name: str, older: datetime, newer: datetime) -> Difference:
    return diff_moments(find_resource(catalog, name), older, newer)


def test_what_changed_between(catalog: Catalog, sample: SampleCatalog) -> None:
    found = diff(catalog, "alpha", sample.first + MINUTE, sample.second + MINUTE)
    edits = {edit.path: (edit.before, edit.after) for edit in found.edits}
    assert edits["training_job_status"] == ("InProgress", "Completed")
    assert found.between == 1
    assert not found.is_other
    assert same(apply_changes(found.older.fields, found.edits), found.newer.fields)


def test_what_was_not_there_yet_and_what_is_gone(catalog: Catalog, sample: SampleCatalog) -> None:
    before = diff(catalog, "alpha", sample.first - MINUTE, sample.first + MINUTE)
    assert (before.older.why_absent, before.older.fields) == ("not seen yet", {})
    assert len(before.edits) == sum(value is not None for value in before.newer.fields.values())
    gone = diff(catalog, "gamma", sample.first + MINUTE, sample.second + MINUTE)
    assert (gone.newer.why_absent, gone.newer.version) == ("deleted", None)
    assert all(edit.after is None for edit in gone.edits)


def test_the_newest_change_is_the_default(catalog: Catalog, sample: SampleCatalog) -> None:
    now = datetime.now(UTC)
    for name in ("alpha", "gamma"):
        resource = find_resource(catalog, name)
        older, newer = choose_moments(resource, None, None, now)
        assert (older.replace(tzinfo=UTC), newer) == (sample.second - timedelta(microseconds=1), now)
        assert diff_moments(resource, older, newer).edits


def test_the_older_moment_comes_first(catalog: Catalog, sample: SampleCatalog) -> None:
    with pytest.raises(UserError) as caught:
        choose_moments(find_resource(catalog, "alpha"), sample.second, sample.first, datetime.now(UTC))
    assert caught.value.code == "bad_moments"
