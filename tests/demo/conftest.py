"""A simulated cloud whose clock stands still until a test moves it, and real boto3 clients for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud

ACCOUNT = "111122223333"


_clients: dict[tuple[str, str, str, str], Any] = {}


class Desk:
    """One caller's view of a cloud: boto3 clients, and shortcuts for what many tests do."""

    def __init__(self, cloud: SimulatedCloud, region: str = "us-east-1", account: str | None = None) -> None:
        self.cloud = cloud
        self.region = region
        self.account = account or cloud.accounts[0]
        self.sagemaker = self.client("sagemaker")

    def client(self, service: str, **config: Any) -> Any:
        """Return a client; making one takes boto3 a tenth of a second, so those without a config are kept."""
        key = (service, self.region, self.account, self.cloud.endpoint_url)
        if config or key not in _clients:
            settings: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "parameter_validation": False} | config
            client = boto3.client(
                service,
                region_name=self.region,
                endpoint_url=self.cloud.endpoint_url,
                config=Config(**settings),
                **self.cloud.credentials(self.account),
            )
            if config:
                return client
            _clients[key] = client
        return _clients[key]

    def raw(self, service: str, target: str, **request: Any) -> bytes:
        """Return the body of an answer as it came, called with JSON 1.1 and without boto3."""
        key = self.cloud.credentials(self.account)["aws_access_key_id"]
        scope = f"{key}/20260302/{self.region}/{service}/aws4_request"
        headers = {
            "X-Amz-Target": target,
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0",
        }
        connection = HTTPConnection(urlsplit(self.cloud.endpoint_url).netloc, timeout=10)
        connection.request("POST", "/", json.dumps(request), headers)
        try:
            return connection.getresponse().read()
        finally:
            connection.close()

    def request(self, name: str = "job", **changes: Any) -> dict[str, Any]:
        """Return a CreateTrainingJob request that the service accepts; a change to None removes a member."""
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/team/trainer:v1",
                "TrainingInputMode": "File",
            },
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/training",
            "InputDataConfig": [channel("train")],
            "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "Environment": {"SIMULATED_TRAINING_SECONDS": "600", "SIMULATED_PENDING_SECONDS": "60"},
        }
        return {key: value for key, value in (request | changes).items() if value is not None}

    def create(self, name: str = "job", **changes: Any) -> str:
        arn: str = self.sagemaker.create_training_job(**self.request(name, **changes))["TrainingJobArn"]
        return arn

    def describe(self, name: str = "job") -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        del answer["ResponseMetadata"]
        return answer

    def finish(self, name: str = "job") -> dict[str, Any]:
        """Let time pass until a job has ended and everything about it has arrived."""
        for _ in range(2000):
            if self.describe(name)["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"}:
                self.cloud.clock.advance(15 * 60)
                return self.describe(name)
            self.cloud.clock.advance(30)
        raise AssertionError("the job does not end")

    def steps(self, name: str = "job") -> list[str]:
        return [step["Status"] for step in self.describe(name)["SecondaryStatusTransitions"]]

    def until(self, secondary: str, name: str = "job") -> dict[str, Any]:
        """Let time pass until a job is in a phase."""
        for _ in range(4000):
            answer = self.describe(name)
            if answer["SecondaryStatus"] == secondary:
                return answer
            self.cloud.clock.advance(5)
        raise AssertionError(f"the job is never {secondary}")


def channel(name: str, uri: str = "s3://data/train/", **changes: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return {"ChannelName": name, "DataSource": source} | changes


@pytest.fixture(scope="session")
def empty_cloud() -> Iterator[SimulatedCloud]:
    with SimulatedCloud(clock=VirtualClock(DEFAULT_START, 0)) as cloud:
        yield cloud


@pytest.fixture
def desk(empty_cloud: SimulatedCloud) -> Desk:
    """An empty cloud with a stopped clock."""
    empty_cloud.reset()
    return Desk(empty_cloud)


@pytest.fixture(scope="module")
def estate_desk() -> Iterator[Desk]:
    """A cloud with an estate of 1,200 jobs and a stopped clock; tests that share it change nothing."""
    estate = Estate(1200, accounts=2, regions=("us-east-1", "eu-west-1"), seed=11)
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0)) as cloud:
        yield Desk(cloud)
