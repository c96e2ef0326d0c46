"""What is made of the estate's models is there, in moto, and leads back to the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from moto_state import forget_all
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud

ACCOUNTS = ("111122223333", "444455556666")


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    forget_all(server)
    server.stop()
    with SimulatedCloud(Estate(600, ACCOUNTS, ("us-east-1",)), clock=VirtualClock(DEFAULT_START, 0)) as made:
        yield made


def client(cloud: SimulatedCloud, service: str, account: str = ACCOUNTS[0]) -> Any:
    return boto3.client(service, endpoint_url=cloud.endpoint_url, region_name="us-east-1", **cloud.credentials(account))


def test_models_lead_back_to_jobs_that_went_well(cloud: SimulatedCloud) -> None:
    done = {job["name"] for job in cloud.truth() if job["status"] == "Completed"}
    sagemaker = client(cloud, "sagemaker")
    models = sagemaker.list_models(MaxResults=100)["Models"]
    assert len(models) >= 5
    for model in models:
        container = sagemaker.describe_model(ModelName=model["ModelName"])["PrimaryContainer"]
        source = container.get("ModelDataUrl") or container["ModelDataSource"]["S3DataSource"]["S3Uri"]
        assert source.split("/output/")[1].split("/")[0] in done


def test_some_are_in_service_and_some_are_registered(cloud: SimulatedCloud) -> None:
    sagemaker = client(cloud, "sagemaker")
    endpoints = sagemaker.list_endpoints()["Endpoints"]
    assert endpoints
    config = sagemaker.describe_endpoint(EndpointName=endpoints[0]["EndpointName"])["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert sagemaker.describe_model(ModelName=variants[0]["ModelName"])
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"]


def test_images_of_one_s_own_are_pushed_and_scanned(cloud: SimulatedCloud) -> None:
    ecr = client(cloud, "ecr")
    images = [
        image
        for repository in ecr.describe_repositories()["repositories"]
        for image in ecr.describe_images(repositoryName=repository["repositoryName"])["imageDetails"]
    ]
    assert len(images) >= 5
    assert all("imageScanFindingsSummary" in image for image in images)
    assert any("imageTags" not in image for image in images), "some are named by their digest"


def test_the_last_place_s_key_is_disabled(cloud: SimulatedCloud) -> None:
    states = []
    for account in ACCOUNTS:
        kms = client(cloud, "kms", account)
        alias = next(one for one in kms.list_aliases()["Aliases"] if one["AliasName"] == "alias/ml-artifacts")
        states.append(kms.describe_key(KeyId=alias["TargetKeyId"])["KeyMetadata"]["KeyState"])
    assert states == ["Enabled", "Disabled"]
