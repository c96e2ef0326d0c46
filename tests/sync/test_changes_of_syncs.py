"""What real syncs find changed is what they write down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stocktake.query.changes import read_changes
from stocktake.query.connection import open_reading
from sync_bench import Bench


def test_a_second_sync_tells_what_was_created_updated_and_deleted(bench: Bench) -> None:
    bench.sync()
    arn = bench.create("fresh", Tags=[{"Key": "team", "Value": "old"}])
    bench.sync()
    bench.boto3.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "new"}])
    bench.sync()
    with open_reading(bench.catalog) as catalog:
        changes = read_changes(catalog, datetime.now(UTC) - timedelta(days=9_000), search="fresh")
    [updated, created] = [one for one in changes.records if one.id == arn]
    assert (created.change, created.edits, created.sweep_id) == ("created", (), 2)
    assert (updated.change, updated.sweep_id) == ("updated", 3)
    fields = {edit.field_path for edit in updated.edits}
    assert "tags" in fields
    assert updated.looked_before is not None
    assert changes.untold_sweeps == 0
    assert changes.first_seen > 100
