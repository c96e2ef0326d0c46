"""A simulated cloud read into a catalog, and what is true of it: for tests of what is derived."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import boto3

from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.sync import SyncRequest, run_sync

ACCOUNT = "111122223333"
REGION = "us-east-1"
JOB = "aws_sagemaker_trainingjob"


@dataclass(frozen=True)
class SimulatedEstate:
    catalog: Path
    truth: list[dict[str, Any]]
    prices: Path
    """Invented."""


@contextmanager
def simulate(folder: Path, jobs: int, types: Sequence[str] = (JOB,)) -> Iterator[SimulatedEstate]:
    """Read an estate in which some jobs still run, and a few that were asked to have a hard life."""
    estate = Estate(jobs, (ACCOUNT,), (REGION,), arrivals_per_day=0.0, running_share=0.08, seed=23)
    path = folder / "catalog.duckdb"
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0)) as cloud:
        kept = {name: os.environ.get(name) for name in cloud.environment(ACCOUNT)}
        os.environ |= cloud.environment(ACCOUNT)
        try:
            _create_hard_lives(cloud)
            request = SyncRequest(catalog=path, types=tuple(types), regions=(REGION,), endpoint_url=cloud.endpoint_url)
            run_sync(request, Silent())
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        with as_file(files("stocktake.demo") / "prices.csv") as prices:
            yield SimulatedEstate(path, cloud.truth(), prices)


def _create_hard_lives(cloud: SimulatedCloud) -> None:
    """Let jobs be interrupted and retried, in all orders of ends, and time pass until most have ended."""
    client = boto3.client(
        "sagemaker", endpoint_url=cloud.endpoint_url, region_name=REGION, **cloud.credentials(ACCOUNT)
    )
    group = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "InstanceGroupName": "learner"}
    groups = [group, {"InstanceType": "ml.c5.4xlarge", "InstanceCount": 3, "InstanceGroupName": "workers"}]
    for number, (interruptions, errors, wait) in enumerate(
        [(2, 0, 90_000), (1, 1, 90_000), (1, 2, 90_000), (3, 3, 90_000), (1, 1, 3_800), (2, 1, 4_200), (0, 3, 90_000)]
    ):
        environment = {
            "SIMULATED_TRAINING_SECONDS": "1800",
            "SIMULATED_INTERRUPTIONS": str(interruptions),
            "SIMULATED_SERVER_ERRORS": str(errors),
        }
        client.create_training_job(
            TrainingJobName=f"hard-{number}",
            AlgorithmSpecification={
                "TrainingImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/hard:v1",
                "TrainingInputMode": "File",
            },
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/hard",
            OutputDataConfig={"S3OutputPath": "s3://hard/out"},
            ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": wait},
            EnableManagedSpotTraining=True,
            RetryStrategy={"MaximumRetryAttempts": 3},
            Environment=environment,
        )
        cloud.clock.advance(60)
    cloud.clock.advance(2 * 3600)
