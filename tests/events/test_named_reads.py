"""Every resource of moto's estate, named by its ARN: read under its own id, unchanged; or left, never closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from event_estate import mend_queues
from moto_estate import moto_estate
from stocktake.core.progress import Silent
from stocktake.events.listener import ListenReport, ListenRequest, listen
from stocktake.events.reading import Fate
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync

TYPES = (
    "ecs",
    "dynamodb",
    "sqs",
    "sns",
    "logs",
    "kms",
    "secretsmanager",
    "lambda",
    "aws_iam_role",
    "aws_iam_policy",
    "aws_s3_bucket",
    "aws_ec2_instance",
    "aws_ec2_securitygroup",
    "aws_ec2_volume",
    "aws_ec2_vpc",
    "aws_ec2_image",
    "aws_sagemaker_model",
    "aws_sagemaker_notebookinstance",
)
_CHANGED = 'SELECT count(*) FROM "{}_history" WHERE _sweep > 1 OR _end_sweep > 1'


@dataclass
class Estate:
    url: str
    catalog: Path
    queue: str

    def rows(self) -> list[tuple[str, str, str, str]]:
        with open_catalog(self.catalog, read_only=True) as catalog:
            names = [row[0] for row in run(catalog.connection, "SELECT type FROM resource_types")]
            found: list[tuple[str, str, str, str]] = []
            for name in names:
                statement = f'SELECT _id, _region, account_id FROM "{name}_history" WHERE _to IS NULL'
                found += [(name, *row) for row in run(catalog.connection, statement)]
        return found

    def moved(self) -> dict[str, int]:
        with open_catalog(self.catalog, read_only=True) as catalog:
            names = [row[0] for row in run(catalog.connection, "SELECT type FROM resource_types")]
            counts = {name: run(catalog.connection, _CHANGED.format(name))[0][0] for name in names}
        return {name: count for name, count in counts.items() if count}

    def tell(self, arns: list[tuple[str, str, str]]) -> ListenReport:
        sqs = boto3.client("sqs", endpoint_url=self.url)
        bodies = [_event(arn, region, account) for arn, region, account in arns]
        for start in range(0, len(bodies), 10):
            part = bodies[start : start + 10]
            entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(part)]
            sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)
        request = SyncRequest(catalog=self.catalog, endpoint_url=self.url)
        return listen(ListenRequest(self.queue, request, once=True), lambda _: None)


def _event(arn: str, region: str, account: str) -> str:
    return json.dumps(
        {
            "source": "aws.any",
            "detail-type": "any",
            "account": account,
            "region": "us-east-1" if region == "global" else region,
            "resources": [arn],
            "detail": {},
        }
    )


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    mend_queues()
    catalog = tmp_path_factory.mktemp("events") / "catalog.duckdb"
    with moto_estate() as (url, _):
        run_sync(SyncRequest(catalog=catalog, types=TYPES, endpoint_url=url), Silent())
        queue = boto3.client("sqs", endpoint_url=url).create_queue(QueueName="events")["QueueUrl"]
        yield Estate(url, catalog, queue)


def test_what_is_unchanged_stays_as_it_is(estate: Estate) -> None:
    arns = [(one, region, account) for _, one, region, account in estate.rows() if one.startswith("arn:")]
    assert len(arns) > 50
    report = estate.tell(arns)
    assert estate.moved() == {}
    # What an ARN does not say enough of, or that looks like another type's, is left alone.
    assert report.fates[Fate.READ] >= 0.95 * len(arns), report
    assert (report.new, report.changed, report.deleted) == (0, 0, 0)


def test_what_is_deleted_is_closed_and_nothing_else(estate: Estate) -> None:
    def client(name: str) -> Any:
        return boto3.client(name, endpoint_url=estate.url)

    ec2 = client("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    client("dynamodb").create_table(
        TableName="brief",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    topic = client("sns").create_topic(Name="brief")["TopicArn"]
    group = client("logs")
    group.create_log_group(logGroupName="/brief/group")
    told = [
        (f"arn:aws:ec2:us-east-1:123456789012:volume/{volume}", "us-east-1", "123456789012"),
        ("arn:aws:dynamodb:us-east-1:123456789012:table/brief", "us-east-1", "123456789012"),
        (topic, "us-east-1", "123456789012"),
        ("arn:aws:logs:us-east-1:123456789012:log-group:/brief/group", "us-east-1", "123456789012"),
    ]
    before = set(estate.rows())
    report = estate.tell(told)
    assert report.new == 4, report
    assert len(set(estate.rows()) - before) == 4
    ec2.delete_volume(VolumeId=volume)
    client("dynamodb").delete_table(TableName="brief")
    client("sns").delete_topic(TopicArn=topic)
    group.delete_log_group(logGroupName="/brief/group")
    report = estate.tell(told)
    assert report.deleted == 4, report
    assert set(estate.rows()) == before
