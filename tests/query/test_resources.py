"""One resource through time: found, versioned, compared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_catalog import ACCOUNT, REGION, TYPE, SampleCatalog, arn
from stocktake.core.errors import UserError
from stocktake.query.changes import Change
from stocktake.query.connection import open_reading
from stocktake.query.resources import find_resource, read_version_batches
from stocktake.store.catalog import Catalog, open_catalog


def test_found_by_arn_and_by_name(catalog: Catalog) -> None:
    found = find_resource(catalog, arn("alpha"))
    assert (found.type, found.account_id, found.region) == (TYPE, ACCOUNT, REGION)
    assert find_resource(catalog, "alpha").id == found.id
    assert find_resource(catalog, "alpha", type_name=TYPE, account_id=ACCOUNT, region=REGION).id == found.id


def test_versions_say_what_changed(catalog: Catalog, sample: SampleCatalog) -> None:
    found = find_resource(catalog, "alpha")
    first, second = found.versions
    assert first.seen_from == sample.first.replace(tzinfo=None)
    assert first.seen_to == second.seen_from == sample.second.replace(tzinfo=None)
    assert (second.seen_to, second.gone, found.gone_at) == (None, False, None)
    changes = {change.path: change for change in second.changes}
    assert changes["training_job_status"] == Change("training_job_status", "InProgress", "Completed")
    assert [(c.before, c.after) for c in second.changes if c.path == "tags[]"] == [
        ("env:dev", None),
        (None, "env:prod"),
    ]
    assert "billable_time_in_seconds" not in changes
    assert second.unknown == '{"NewField":1}'
    assert found.complete_at == sample.second.replace(tzinfo=None)


def test_as_of_a_moment(catalog: Catalog, sample: SampleCatalog) -> None:
    found = find_resource(catalog, "alpha")
    between = sample.first + timedelta(hours=1)
    assert found.version_at(between).fields["training_job_status"] == "InProgress"
    assert found.version_at(sample.first).fields["training_job_status"] == "InProgress"
    assert found.version_at(sample.second).fields["training_job_status"] == "Completed"
    assert found.version_at(None) is found.versions[-1]
    with pytest.raises(UserError) as caught:
        found.version_at(sample.first - timedelta(seconds=1))
    assert caught.value.code == "not_known_then"
    assert "first seen" in caught.value.hint


def test_a_deleted_resource_keeps_its_last_version(catalog: Catalog, sample: SampleCatalog) -> None:
    found = find_resource(catalog, "gamma")
    assert found.gone_at == sample.second.replace(tzinfo=None)
    assert found.version_at(None).fields["training_job_name"] == "gamma"


def test_an_unknown_resource_offers_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UserError) as caught:
        find_resource(catalog, arn("alpho"))
    assert caught.value.code == "unknown_resource"
    assert arn("alpha") in caught.value.hint
    with pytest.raises(UserError) as caught:
        find_resource(catalog, "zzzz")
    assert "stocktake search" in caught.value.hint


@pytest.mark.parametrize("narrow", [{"region": "eu-west-1"}, {"account_id": "999999999999"}])
def test_narrowing_excludes(catalog: Catalog, narrow: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        find_resource(catalog, "alpha", **narrow)
    assert caught.value.code == "unknown_resource"


def test_a_type_that_is_not_held(catalog: Catalog) -> None:
    with pytest.raises(UserError) as caught:
        find_resource(catalog, "alpha", type_name="aws_sqs_queue")
    assert caught.value.code == "type_not_held"
    assert "aws_sqs_queue" in caught.value.hint


def test_an_empty_catalog_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    open_catalog(path).close()
    with open_reading(path) as empty, pytest.raises(UserError) as caught:
        find_resource(empty, "alpha")
    assert caught.value.code == "type_not_held"


def test_a_text_with_quotes_is_only_a_text(catalog: Catalog) -> None:
    with pytest.raises(UserError):
        find_resource(catalog, "alpha' OR '1' = '1")


def test_a_version_as_arrow_keeps_its_types(catalog: Catalog) -> None:
    found = find_resource(catalog, "alpha")
    table = read_version_batches(catalog, found, found.versions[0]).read_all()
    assert table.num_rows == 1
    assert str(table.schema.field("creation_time").type) == "timestamp[us]"
    assert table.column("environment").to_pylist() == [[("MODE", "fast"), ("DATE", "=1+1")]]
    assert table.column("training_job_status").to_pylist() == ["InProgress"]
