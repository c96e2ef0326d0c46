"""Price files: what is read, what is refused, and which price counts when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sample_catalog import TYPE, arn, job, training_job, write_sweep
from stocktake.core.errors import UserError
from stocktake.insights.names import ask
from stocktake.insights.prices import PRICE_SCHEMA, read_prices
from stocktake.query.connection import open_reading
from stocktake.store.catalog import open_catalog
from stocktake.store.type_tables import ensure_tables

START = datetime(2026, 1, 10, 12)  # noqa: DTZ001 - naive UTC


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_table_of_prices(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.csv",
        "instance_type,region,per_hour,currency,valid_from\n"
        'ml.m5.large,us-east-1,0.5,EUR,\n"ml.m5.large",us-east-1,0.75,EUR,2026-02-01\nml.m5.large,*,1,EUR,\n',
    )
    table = read_prices(path)
    assert table.schema == PRICE_SCHEMA
    february = datetime(2026, 2, 1)  # noqa: DTZ001 - naive UTC
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("ml.m5.large", "us-east-1", 0.5, "EUR", None, february),
        ("ml.m5.large", "us-east-1", 0.75, "EUR", february, None),
        ("ml.m5.large", None, 1.0, "EUR", None, None),
    ]


def test_the_same_in_parquet_and_times_with_a_zone(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    since = datetime(2026, 1, 1, 1, tzinfo=UTC)
    rows = [{"instance_type": "ml.m5.large", "usd_per_hour": 2, "valid_from": since, "region": None}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    [row] = read_prices(path).to_pylist()
    assert row["per_hour"] == 2.0
    assert row["currency"] == "USD"
    assert row["valid_from"] == since.replace(tzinfo=None)


def offer(sku: str, price: str, since: str, **attributes: str) -> tuple[dict[str, Any], dict[str, Any]]:
    term = {"effectiveDate": since, "priceDimensions": {"d": {"unit": "Hrs", "pricePerUnit": {"USD": price}}}}
    return {sku: {"sku": sku, "productFamily": "ML Instance", "attributes": attributes}}, {sku: {f"{sku}.JRTC": term}}


def test_the_provider_s_price_list(tmp_path: Path) -> None:
    since = "2026-01-01T00:00:00Z"
    made = [
        offer("A", "1.5", since, instanceName="ml.g5.xlarge", platoinstancetype="Training", regionCode="us-east-1"),
        offer("B", "9", since, instanceName="ml.g5.xlarge", platoinstancetype="Hosting", regionCode="us-east-1"),
        offer("C", "2.5", since, instanceType="ml.m4.xlarge-Training", regionCode="eu-west-1"),
        offer("D", "9", since, instanceType="ml.m4.xlarge-Notebook", regionCode="eu-west-1"),
        offer("E", "3", since, instanceType="ml.p4d.24xlarge", usagetype="USE1-Train:ml.p4d", regionCode="us-east-1"),
        offer("F", "4", since, instanceName="ml.p6-b200.48xlarge", component="Training", regionCode="us-east-1"),
        offer("G", "9", since, instanceType="m5.large", platoinstancetype="Training", regionCode="us-east-1"),
    ]
    listed = {
        "formatVersion": "v1.0",
        "publicationDate": since,
        "products": {sku: one for products, _ in made for sku, one in products.items()},
        "terms": {"OnDemand": {sku: one for _, terms in made for sku, one in terms.items()}},
    }
    path = write(tmp_path / "index.json", json.dumps(listed))
    found = {(row["instance_type"], row["region"]): row for row in read_prices(path).to_pylist()}
    assert {key: row["per_hour"] for key, row in found.items()} == {
        ("ml.g5.xlarge", "us-east-1"): 1.5,
        ("ml.m4.xlarge", "eu-west-1"): 2.5,
        ("ml.p4d.24xlarge", "us-east-1"): 3.0,
        ("ml.p6-b200.48xlarge", "us-east-1"): 4.0,
    }
    assert {row["valid_from"] for row in found.values()} == {datetime(2026, 1, 1)}  # noqa: DTZ001 - naive UTC


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Empty CSV"),
        ("a,b\n1,2\n", "its columns are a, b"),
        ("instance_type,usd_per_hour\n", "no price"),
        ("instance_type,usd_per_hour\nml.m5.large,cheap\n", "row 2"),
        ("instance_type,usd_per_hour\nml.m5.large,-1\n", "costs -1"),
        ("instance_type,usd_per_hour\n,1\n", "without an instance type"),
        ("instance_type,per_hour\nml.m5.large,1\n", "no currency"),
        ("instance_type,per_hour,currency\nml.a.b,1,USD\nml.c.d,1,EUR\n", "several currencies"),
        ("instance_type,usd_per_hour\nml.a.b,1\nml.a.b,2\n", "costs both 1 and 2"),
        (
            "instance_type,usd_per_hour,valid_from,valid_to\nml.a.b,1,2026-02-01,2026-01-01\n",
            "not after its valid_from",
        ),
        (
            "instance_type,usd_per_hour,valid_from,valid_to\nml.a.b,1,2026-01-01,2026-03-01\nml.a.b,2,2026-02-01,\n",
            "still holds when the next one begins",
        ),
        ("instance_type,usd_per_hour,valid_from\nml.a.b,1,soon\n", "row 2"),
    ],
)
def test_what_is_no_price_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_prices(write(tmp_path / "p.csv", text))
    assert said in str(caught.value)
    assert caught.value.code == "bad_prices"
    assert "instance_type" in caught.value.hint


def test_what_is_no_json_and_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no price file"):
        read_prices(write(tmp_path / "p.json", "{"))
    with pytest.raises(UserError, match="no price"):
        read_prices(write(tmp_path / "q.json", "[1]"))
    with pytest.raises(UserError) as caught:
        read_prices(tmp_path / "nowhere.csv")
    assert caught.value.code == "prices_unreadable"


def priced(tmp_path: Path, prices: str, **fields: Any) -> dict[str, Any]:
    """Return what one job costs."""
    path = tmp_path / "catalog.duckdb"
    moment = datetime.now(UTC)
    rows = [job("one", training_start_time=START, training_end_time=START + timedelta(hours=1), **fields)]
    with open_catalog(path) as catalog:
        ensure_tables(catalog, training_job(), moment)
        write_sweep(catalog, moment, ["one"], rows, [])
    given = read_prices(write(tmp_path / "p.csv", "instance_type,region,usd_per_hour,valid_from,valid_to\n" + prices))
    with open_reading(path) as catalog:
        result = ask(catalog, "SELECT * FROM job_costs", prices=given)
        names = [column.name for column in result.columns]
        [row] = result.rows()
    return dict(zip(names, row, strict=True))


GROUPS = {"instance_groups": [
    {"instance_group_name": "a", "instance_type": "ml.p4d.24xlarge", "instance_count": 1},
    {"instance_group_name": "b", "instance_type": "ml.c5.xlarge", "instance_count": 3},
]}  # fmt: skip


def test_billed_hours_at_the_price_of_the_region(tmp_path: Path) -> None:
    found = priced(tmp_path, "ml.m5.xlarge,us-east-1,2,,\nml.m5.xlarge,*,99,,\nml.m5.xlarge,eu-west-1,98,,\n")
    assert (found["type"], found["id"]) == (TYPE, arn("one"))
    assert found["instance_hours"] == 2.0, "an hour of two instances"
    assert (found["cost"], found["currency"], found["unpriced_hours"]) == (4.0, "USD", 0.0)


def test_the_price_of_all_regions_where_none_is_given_for_it(tmp_path: Path) -> None:
    assert priced(tmp_path, "ml.m5.xlarge,,3,,\nml.m5.xlarge,eu-west-1,98,,\n")["cost"] == 6.0


def test_the_price_that_held_when_the_job_began(tmp_path: Path) -> None:
    found = priced(tmp_path, "ml.m5.xlarge,,1,,2026-01-10\nml.m5.xlarge,,2,2026-01-10,\nml.m5.xlarge,,3,2026-01-11,\n")
    assert found["cost"] == 4.0


def test_no_price_is_no_cost_and_never_zero(tmp_path: Path) -> None:
    found = priced(tmp_path, "ml.m5.xlarge,,1,2026-01-11,\n")
    assert (found["cost"], found["unpriced_hours"], found["instance_hours"]) == (None, 2.0, 2.0)


def test_a_cluster_of_several_types_and_its_warm_pool(tmp_path: Path) -> None:
    pool = {"status": "Terminated", "resource_retained_billable_time_in_seconds": 1800}
    prices = "ml.p4d.24xlarge,,10,,\nml.c5.xlarge,,1,,\n"
    found = priced(tmp_path, prices, resource_config=GROUPS, warm_pool_status=pool)
    assert found["instance_hours"] == 6.0
    assert found["cost"] == 10 * 1.5 + 3 * 1.5


def test_a_cluster_with_one_price_missing_has_no_cost(tmp_path: Path) -> None:
    found = priced(tmp_path, "ml.c5.xlarge,,1,,\n", resource_config=GROUPS)
    assert (found["cost"], found["unpriced_hours"]) == (None, 1.0)
