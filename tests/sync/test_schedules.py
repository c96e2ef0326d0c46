"""Whatever happens between syncs and during them: nothing that lives is closed, and a calm sync knows the cloud.

A state machine that hypothesis drives: jobs are created, end, are deleted, are created again under the same name, get
and lose tags; calls fail in many ways; syncs of every strategy run, with clocks that are wrong, and are killed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import boto3
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.demo.switches import Switches
from stocktake.store.catalog import open_catalog, run
from sync_children import Ended, SyncChildren

JOB = "aws_sagemaker_trainingjob"
ACCOUNT = "111122223333"
EXAMPLES = 200 if os.environ.get("STOCKTAKE_TEST_ALL") else 12

FAULTS: dict[str, dict[str, object]] = {
    "errors": {"error_rate": 0.3},
    "cut answers": {"truncated_rate": 0.3},
    "errors and cut answers": {"error_rate": 0.6, "truncated_rate": 0.2},
    "throttling": {"throttle": {"*": [100.0, 5.0]}},
    "no lists": {"denied_actions": ["sagemaker:ListTrainingJobs"]},
    "no documents": {"denied_actions": ["sagemaker:DescribeTrainingJob"]},
    "no tags": {"denied_actions": ["sagemaker:ListTags", "tag:GetResources"]},
    "no bulk tags": {"denied_actions": ["tag:GetResources"]},
    "pages in a circle": {"endless_token": ["ListTrainingJobs"]},
    "tags in a circle": {"endless_token": ["GetResources"]},
    "expired": {"expired_accounts": ["*"]},
    "silence": {"hang_regions": ["us-east-1"]},
    "vanishing": {"vanish_rate": 0.3},
}
WAYS = ("", "", "reconcile", "full")
SKEWS = (-120, 0, 120)
Incarnation = tuple[str, datetime]
"""A job that was created once: ARN and creation time."""


class Schedule(RuleBasedStateMachine):
    children: ClassVar[SyncChildren]
    folder: ClassVar[Path]
    cloud: ClassVar[SimulatedCloud]

    @classmethod
    def open_house(cls) -> None:
        estate = Estate(12, (ACCOUNT,), ("us-east-1",), arrivals_per_day=0.0, running_share=0.3)
        cls.cloud = SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0.0)).start()
        cls.folder = Path(tempfile.mkdtemp(prefix="schedules-"))
        cls.children = SyncChildren(cls.cloud.environment(ACCOUNT), JOB)

    @classmethod
    def close_house(cls) -> None:
        cls.children.close()
        cls.cloud.stop()
        shutil.rmtree(cls.folder)

    def __init__(self) -> None:
        super().__init__()
        self.cloud.reset()
        self.catalog = Path(tempfile.mkdtemp(dir=self.folder)) / "catalog.duckdb"
        self.boto3 = boto3.client(
            "sagemaker",
            endpoint_url=self.cloud.endpoint_url,
            region_name="us-east-1",
            **self.cloud.credentials(ACCOUNT),
        )
        self.number = 0

    # ---- the cloud changes ----

    @initialize()
    def first_load(self) -> None:
        self._sync()

    @rule(minutes=st.sampled_from([1, 9, 45, 600]), tags=st.booleans())
    def create(self, minutes: int, *, tags: bool) -> None:
        self.number += 1
        self._create(f"made-{self.number}", minutes, tags=tags)

    @rule(which=st.integers(0, 99))
    def delete(self, which: int) -> None:
        job = self._pick(which, "Completed", "Failed", "Stopped")
        if job is not None:
            self.boto3.delete_training_job(TrainingJobName=job["TrainingJobName"])

    @rule(which=st.integers(0, 99), minutes=st.sampled_from([1, 60]))
    def delete_and_use_the_name_again(self, which: int, minutes: int) -> None:
        job = self._pick(which, "Completed", "Failed", "Stopped")
        if job is not None:
            self.boto3.delete_training_job(TrainingJobName=job["TrainingJobName"])
            self.cloud.clock.advance(1)
            self._create(job["TrainingJobName"], minutes, tags=False)

    @rule(which=st.integers(0, 99))
    def stop(self, which: int) -> None:
        job = self._pick(which, "InProgress")
        if job is not None:
            self.boto3.stop_training_job(TrainingJobName=job["TrainingJobName"])

    @rule(which=st.integers(0, 99), value=st.sampled_from(["a", "b"]))
    def tag(self, which: int, value: str) -> None:
        job = self._pick(which)
        if job is not None:
            self.boto3.add_tags(ResourceArn=job["TrainingJobArn"], Tags=[{"Key": "edited", "Value": value}])

    @rule(which=st.integers(0, 99))
    def untag(self, which: int) -> None:
        job = self._pick(which)
        if job is not None:
            tags = self.boto3.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
            self.boto3.delete_tags(ResourceArn=job["TrainingJobArn"], TagKeys=[tag["Key"] for tag in tags] or ["none"])

    @rule(minutes=st.sampled_from([1, 5, 20, 120, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.cloud.clock.advance(60 * minutes)

    # ---- syncs ----

    @rule(way=st.sampled_from(WAYS), skew=st.sampled_from(SKEWS), weather=st.sampled_from(sorted(FAULTS)))
    def sync_in_bad_weather(self, way: str, skew: int, weather: str) -> None:
        self._sync(way, skew, switches=Switches(seed=self.number + 1).changed(FAULTS[weather]))

    @rule(way=st.sampled_from(WAYS), which=st.integers(0, 99))
    def sync_with_one_broken_document(self, way: str, which: int) -> None:
        job = self._pick(which)
        broken = [job["TrainingJobArn"]] if job is not None else []
        self._sync(way, switches=Switches().changed({"malformed_arns": broken}))

    @rule(way=st.sampled_from(WAYS), skew=st.sampled_from(SKEWS))
    def sync(self, way: str, skew: int) -> None:
        self._sync(way, skew)

    @rule(
        way=st.sampled_from(WAYS),
        kill_after_ms=st.integers(5, 400),
        weather=st.sampled_from(["", "", "vanishing", "errors", "no lists"]),
    )
    def sync_that_is_killed(self, way: str, kill_after_ms: int, weather: str) -> None:
        self._sync(way, kill_after_ms=kill_after_ms, switches=Switches().changed(FAULTS.get(weather, {})))

    def teardown(self) -> None:
        try:
            self.cloud.clock.advance(3600)  # late tags and values are there now
            ended = self._sync("full" if self.number % 2 else "reconcile")
            assert ended.exit_code == 0, ended
            assert self._held() == self._truth()
            assert self._rows("SELECT 1 FROM coverage_now WHERE stale") == []
        finally:
            shutil.rmtree(self.catalog.parent)

    def _sync(
        self, way: str = "", skew: int = 0, kill_after_ms: int | None = None, switches: Switches | None = None
    ) -> Ended:
        before = self._open()
        now = (self.cloud.clock.now() + timedelta(seconds=skew)).isoformat()
        self.cloud.switches = switches or Switches()
        request: dict[str, Any] = {"catalog": str(self.catalog), "types": [JOB], "now": now}
        if way:
            request[way] = True
        try:
            ended = self.children.sync(
                kill_after_ms=kill_after_ms, endpoint_url=self.cloud.endpoint_url, concurrency=8, **request
            )
        finally:
            self.cloud.switches = Switches()
        assert ended.exit_code in {0, 3, 4, 5, -1}, ended
        assert ended.exit_code != -1 or kill_after_ms is not None, "it was not killed, and yet it died"
        alive = {(arn, created) for arn, created, *_ in self._alive()}
        assert before & alive <= self._open(), "a row of a job that lives was lost"
        assert not self._gone() & alive, "a job that lives was closed as gone"
        if self.catalog.exists():
            assert self._rows(f"SELECT _id FROM {JOB}_history WHERE _to IS NULL GROUP BY 1 HAVING count(*) > 1") == []
        return ended

    # ---- looking ----

    def _create(self, name: str, minutes: int, *, tags: bool) -> None:
        self.boto3.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1",
                "TrainingInputMode": "File",
            },
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/trainer",
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 80_000},
            Environment={"SIMULATED_TRAINING_SECONDS": str(60 * minutes), "SIMULATED_PENDING_SECONDS": "30"},
            Tags=[{"Key": "born", "Value": "with"}] if tags else [],
        )

    def _summaries(self) -> list[dict[str, Any]]:
        pages = self.boto3.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
        return [job for page in pages for job in page["TrainingJobSummaries"]]

    def _pick(self, which: int, *statuses: str) -> dict[str, Any] | None:
        found = [job for job in self._summaries() if not statuses or job["TrainingJobStatus"] in statuses]
        return found[which % len(found)] if found else None

    def _alive(self) -> list[tuple[str, datetime, dict[str, Any]]]:
        return [(job["TrainingJobArn"], _utc(job["CreationTime"]), job) for job in self._summaries()]

    def _truth(self) -> set[tuple[object, ...]]:
        found: set[tuple[object, ...]] = set()
        for arn, created, job in self._alive():
            whole = self.boto3.describe_training_job(TrainingJobName=job["TrainingJobName"])
            tags = self.boto3.list_tags(ResourceArn=arn)["Tags"]
            told = tuple(sorted(f"{tag['Key']}:{tag['Value']}" for tag in tags))
            status = whole["TrainingJobStatus"], whole["SecondaryStatus"], len(whole["SecondaryStatusTransitions"])
            found.add((arn, created, *status, _utc(whole["LastModifiedTime"]), told))
        return found

    def _held(self) -> set[tuple[object, ...]]:
        rows = self._rows(
            "SELECT _id, _created, training_job_status, secondary_status, len(secondary_status_transitions), "
            f"last_modified_time, tags FROM {JOB}"
        )
        return {(*row[:6], tuple(row[6])) for row in rows}

    def _open(self) -> set[Incarnation]:
        return {(i, created) for i, created in self._rows(f"SELECT _id, _created FROM {JOB}")}

    def _gone(self) -> set[Incarnation]:
        return {(i, created) for i, created in self._rows(f"SELECT _id, _created FROM {JOB}_history WHERE _gone")}

    def _rows(self, sql: str) -> list[Any]:
        if not self.catalog.exists():
            return []
        # Not read-only: what a kill left in the log is taken over as the next sync does it.
        with open_catalog(self.catalog) as catalog:
            if JOB in sql and not run(catalog.connection, "SELECT 1 FROM resource_types"):
                return []
            return run(catalog.connection, sql)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


class TestSchedules(Schedule.TestCase):  # type: ignore[misc,valid-type] # hypothesis makes it at run time
    settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=14,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )

    @classmethod
    def setUpClass(cls) -> None:
        Schedule.open_house()

    @classmethod
    def tearDownClass(cls) -> None:
        Schedule.close_house()
