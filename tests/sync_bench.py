"""A simulated cloud over HTTP, and a sync against it as the command line runs one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncReport, SyncRequest, run_sync

JOB = "aws_sagemaker_trainingjob"
ACCOUNT = "111122223333"


class Bench:
    """One account and region of the cloud, a boto3 client of it, and a catalog."""

    def __init__(self, cloud: SimulatedCloud, catalog: Path) -> None:
        self.cloud = cloud
        self.catalog = catalog
        self.boto3 = boto3.client(
            "sagemaker", endpoint_url=cloud.endpoint_url, region_name="us-east-1", **cloud.credentials(ACCOUNT)
        )

    def sync(self, **options: Any) -> SyncReport:
        given = {"types": (JOB,), "regions": ("us-east-1",), "endpoint_url": self.cloud.endpoint_url} | options
        # What the open set cannot see is found, unless a test asks for its way.
        given.setdefault("reconcile", True)
        return run_sync(SyncRequest(catalog=self.catalog, **given), Silent())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with open_catalog(self.catalog, read_only=True) as catalog:
            return run(catalog.connection, sql)

    def names(self) -> set[str]:
        return {row[0] for row in self.rows(f"SELECT training_job_name FROM {JOB}")}

    def provider_names(self) -> set[str]:
        pages = self.boto3.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
        return {job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]}

    def create(self, name: str, **more: Any) -> str:
        arn: str = self.boto3.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1",
                "TrainingInputMode": "File",
            },
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/trainer",
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
            **more,
        )["TrainingJobArn"]
        return arn


@pytest.fixture
def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    running: list[SimulatedCloud] = []

    def make(jobs: int = 120, *, arrivals_per_day: float = 0.0, speed: float = 0.0) -> Bench:
        estate = Estate(jobs, (ACCOUNT,), ("us-east-1",), arrivals_per_day=arrivals_per_day, running_share=0.12)
        cloud = SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, speed)).start()
        running.append(cloud)
        for name, value in cloud.environment(ACCOUNT).items():
            monkeypatch.setenv(name, value)
        return Bench(cloud, tmp_path / "catalog.duckdb")

    yield make
    for cloud in running:
        cloud.stop()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
