"""A queue in moto, a simulated cloud behind it, and events as EventBridge sends them."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import moto.sqs.models
from moto.server import ThreadedMotoServer

from moto_state import forget_all
from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.events.listener import ListenReport, ListenRequest, listen
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync

ACCOUNT, REGION = "111122223333", "us-east-1"
JOB = "aws_sagemaker_trainingjob"


@dataclass
class EventEstate:
    cloud: SimulatedCloud
    sqs: Any
    queue: str
    catalog: Path
    sagemaker: Any

    def request(self, **more: Any) -> SyncRequest:
        return SyncRequest(catalog=self.catalog, types=(JOB,), endpoint_url=self.cloud.endpoint_url, **more)

    def sync(self, **more: Any) -> None:
        report = run_sync(self.request(**more), Silent())
        assert report.exit_code == 0, report.scopes

    def listen(self, **more: Any) -> ListenReport:
        return listen(ListenRequest(self.queue, self.request(), once=True, **more), lambda _: None)

    def send(self, bodies: Sequence[str]) -> None:
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def create(self, name: str) -> str:
        return new_job(self.sagemaker, name)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with open_catalog(self.catalog, read_only=True) as catalog:
            return run(catalog.connection, sql)

    def visible(self) -> int:
        """Return how many messages are left, whoever has them in hand."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def new_job(client: Any, name: str) -> str:
    """Create a training job, and return its ARN."""
    answer = client.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/x:1",
            "TrainingInputMode": "File",
        },
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/x",
        OutputDataConfig={"S3OutputPath": "s3://x/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    return str(answer["TrainingJobArn"])


def mend_queues() -> None:
    """Let moto's queues hold thousands of messages, and be emptied by several calls at once."""
    # Asked several times for each message in a queue, 40 µs each time.
    vars(moto.sqs.models)["unix_time_millis"] = lambda: time.time() * 1000.0
    lock = threading.RLock()
    for name in ("delete_message", "add_message"):
        setattr(moto.sqs.models.Queue, name, _locked(getattr(moto.sqs.models.Queue, name), lock))


def _locked(method: Any, lock: Any) -> Any:
    # Two deletions at once undo each other there.
    def locked(*arguments: Any, **named: Any) -> Any:
        with lock:
            return method(*arguments, **named)

    return locked


@contextmanager
def event_estate(folder: Path, jobs: int = 20) -> Iterator[EventEstate]:
    mend_queues()
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    estate = Estate(jobs, (ACCOUNT,), (REGION,), arrivals_per_day=0.0, running_share=0.3, seed=5)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    forget_all(server)
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0)) as cloud:
        kept = {name: os.environ.get(name) for name in cloud.environment(ACCOUNT)}
        os.environ |= {name: value for name, value in cloud.environment(ACCOUNT).items() if name != "AWS_ENDPOINT_URL"}
        try:
            keys = cloud.credentials(ACCOUNT)
            sqs = boto3.client("sqs", endpoint_url=url, region_name=REGION, **keys)
            sagemaker = boto3.client("sagemaker", endpoint_url=cloud.endpoint_url, region_name=REGION, **keys)
            queue = sqs.create_queue(QueueName="events")["QueueUrl"]
            yield EventEstate(cloud, sqs, queue, folder / "catalog.duckdb", sagemaker)
        finally:
            for name, value in kept.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            server.stop()
            logging.disable(disabled)


def state_change(arn: str, time: str = "2026-01-01T00:00:00Z", **detail: Any) -> str:
    """Return the event that SageMaker sends when a job's state changes."""
    name = arn.rsplit("/", 1)[-1]
    return json.dumps(
        {
            "version": "0",
            "id": "844e2571-85d4-695f-b930-0153b71dcb42",
            "detail-type": "SageMaker Training Job State Change",
            "source": "aws.sagemaker",
            "account": ACCOUNT,
            "time": time,
            "region": REGION,
            "resources": [arn],
            "detail": {
                "TrainingJobName": name,
                "TrainingJobArn": arn,
                "TrainingJobStatus": "Failed",
                "SecondaryStatus": "Failed",
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x",
                **detail,
            },
        }
    )


def api_call(source: str, name: str, request: dict[str, Any], response: Any = None, **more: Any) -> str:
    """Return the event that CloudTrail sends of a call."""
    return json.dumps(
        {
            "version": "0",
            "id": "36eb8523-97d0-4518-b33d-ee3579ff19f0",
            "detail-type": "AWS API Call via CloudTrail",
            "source": f"aws.{source}",
            "account": ACCOUNT,
            "time": "2026-01-01T00:00:00Z",
            "region": REGION,
            "resources": [],
            "detail": {
                "eventVersion": "1.08",
                "eventTime": "2026-01-01T00:00:00Z",
                "eventSource": f"{source}.amazonaws.com",
                "eventName": name,
                "awsRegion": REGION,
                "requestParameters": request,
                "responseElements": response,
                "readOnly": False,
                "recipientAccountId": ACCOUNT,
                **more,
            },
        }
    )
