"""Large tables have an index of keys; what is found by it is what a scan finds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from small_types import string_field, thing_type
from stocktake.core.errors import UserError
from stocktake.query.resources import find_resource
from stocktake.store import key_index
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.compaction import compact
from stocktake.store.key_index import index_keys, indexed_types
from stocktake.store.type_tables import ensure_tables
from thing_sweeps import T0, THING, arn, day, sweep, thing

NAMES = [f"n{number}" for number in range(3_000)]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(key_index, "FROM_ROWS", 2_000)
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing(name) for name in NAMES])
        assert index_keys(catalog) == 1
        assert index_keys(catalog) == 0
        sweep(catalog, day(1), [thing("n7", state="Done")], listed=NAMES[:-1])
    return tmp_path / "c.duckdb"


def check(catalog: Catalog) -> None:
    for name, versions, gone in (("n7", 2, False), ("n8", 1, False), ("n2999", 1, True)):
        found = find_resource(catalog, arn(name))
        assert (found.id, len(found.versions), found.gone_at is not None) == (arn(name), versions, gone)
    assert [version.fields["state"] for version in find_resource(catalog, arn("n7")).versions] == ["Running", "Done"]
    with pytest.raises(UserError):
        find_resource(catalog, arn("nobody"))


def test_the_index_is_used_and_finds_every_version(path: Path) -> None:
    with open_catalog(path) as catalog:
        assert indexed_types(catalog.connection) == {"aws_test_thing"}
        check(catalog)
        [(key,)] = run(catalog.connection, f"SELECT _key FROM aws_test_thing_history WHERE _id = '{arn('n8')}'")
        plan = run(catalog.connection, f"EXPLAIN ANALYZE FROM aws_test_thing_history WHERE _key = {key}")
        assert "Index Scan" in plan[0][1]


def test_a_small_table_has_none(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a")])
        assert index_keys(catalog) == 0
        assert find_resource(catalog, arn("a")).id == arn("a")


def test_ids_of_one_key_are_told_apart(path: Path) -> None:
    with open_catalog(path) as catalog:
        key = f"(SELECT _key FROM aws_test_thing_history WHERE _id = '{arn('n8')}')"
        run(catalog.connection, f"UPDATE aws_test_thing_history SET _key = {key} WHERE _id = '{arn('n9')}'")
        assert [version.fields["name"] for version in find_resource(catalog, arn("n8")).versions] == ["n8"]


def test_a_newer_model_alters_an_indexed_table(path: Path) -> None:
    with open_catalog(path) as catalog:
        ensure_tables(catalog, thing_type(string_field("owner", "Owner"), model_version="test 2"), day(2))
        assert indexed_types(catalog.connection) == set()
        check(catalog)
        assert index_keys(catalog) == 1
        check(catalog)


def test_a_compacted_catalog_keeps_its_index(path: Path) -> None:
    with open_catalog(path) as catalog:
        compact(catalog)
    with open_catalog(path) as catalog:
        assert indexed_types(catalog.connection) == {"aws_test_thing"}
        check(catalog)
        sweep(catalog, day(3), [thing("n8", state="Done")], listed=NAMES)
        assert len(find_resource(catalog, arn("n8")).versions) == 2


def test_a_table_of_an_older_stocktake_gets_its_keys(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        ensure_tables(catalog, THING, T0)
        sweep(catalog, day(0), [thing("a")])
        run(catalog.connection, "ALTER TABLE aws_test_thing_history DROP COLUMN _key")
        ensure_tables(catalog, THING, T0 + timedelta(days=1))
        assert run(
            catalog.connection,
            f"SELECT count(*) FROM aws_test_thing_history WHERE _key = {key_index.key_sql('_id')}",
        ) == [(1,)]
