"""The whole of collecting against the simulated cloud, on good days and on bad ones."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from stocktake.collect.answers import BrokenAnswerError, Scope
from stocktake.collect.retrying import RetryPolicy
from stocktake.collect.session import CollectSettings, open_session
from stocktake.collect.type_reader import TypeReader
from stocktake.core.errors import CredentialsError, GoneError, ScopeError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = 240
TRAINING_JOB = load_type("aws_sagemaker_trainingjob", open_models())
QUICK = CollectSettings(
    retry_policy=RetryPolicy(attempts=8, first_wait_seconds=0.001, longest_wait_seconds=0.01),
    throttle_patience_seconds=20.0,
    read_timeout_seconds=2.0,
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "stocktake.demo", "--jobs", str(JOBS), "--accounts", "1", "--speed", "0"]
    process = subprocess.Popen([*command, "--regions", "us-east-1"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def switched(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the cloud's switches for one test."""
    for name, value in cloud["environment"].items():
        monkeypatch.setenv(name, value)

    def switch(**switches: object) -> None:
        request = Request(cloud["endpoint_url"] + "/_control/switches", json.dumps(switches).encode(), method="POST")  # noqa: S310 - our own server on loopback
        with urlopen(request, timeout=5) as answer:  # noqa: S310 - likewise
            json.load(answer)

    yield switch
    switch(
        error_rate=0, truncated_rate=0, throttle={}, denied_actions=[], expired_accounts=[], disabled_regions=[],
        malformed_arns=[], endless_token=[], hang_regions=[], vanish_rate=0,
    )  # fmt: skip


Read = dict[str, tuple[bytes, dict[str, str]] | Exception]


def read_all(cloud: dict[str, Any]) -> tuple[Read, TypeReader]:
    async def main() -> tuple[Read, TypeReader]:
        async with open_session(region="us-east-1", endpoint_url=cloud["endpoint_url"], settings=QUICK) as session:
            identity = await session.fetch_caller_identity()
            scope = Scope(identity.account_id, identity.partition, "us-east-1", TRAINING_JOB.name)
            reader = TypeReader(session, TRAINING_JOB, scope)
            found: Read = {}

            async def one(item: Any) -> None:
                try:
                    document = await reader.fetch_document(item)
                    found[item["TrainingJobName"]] = document.body, await reader.fetch_tags(item, document)
                except (GoneError, BrokenAnswerError) as error:
                    found[item["TrainingJobName"]] = error

            async for page in reader.iter_pages():
                await asyncio.gather(*[one(item) for item in page.items])
            return found, reader

    return asyncio.run(main())


@pytest.fixture(scope="module")
def undisturbed(cloud: dict[str, Any]) -> Read:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud["environment"].items():
            patch.setenv(name, value)
        found, reader = read_all(cloud)
    assert len(found) == JOBS
    assert reader.counts.calls == {"ListTrainingJobs": 3, "DescribeTrainingJob": JOBS, "ListTags": JOBS}
    return found


def test_errors_and_cut_answers_lose_nothing(cloud: dict[str, Any], switched: Any, undisturbed: Read) -> None:
    switched(error_rate=0.05, truncated_rate=0.05)
    found, reader = read_all(cloud)
    assert found == undisturbed
    assert reader.counts.retries > JOBS * 2 * 0.05
    assert reader.counts.errors == 0


def test_throttling_loses_nothing(cloud: dict[str, Any], switched: Any, undisturbed: Read) -> None:
    switched(throttle={"DescribeTrainingJob": [50, 150], "ListTags": [60, 150]})
    found, reader = read_all(cloud)
    assert found == undisturbed
    assert reader.counts.throttles > 0
    assert reader.counts.errors == 0


def test_one_malformed_resource_is_set_aside_with_what_came(
    cloud: dict[str, Any], switched: Any, undisturbed: Read
) -> None:
    name, whole = next(iter(undisturbed.items()))
    assert isinstance(whole, tuple)
    switched(malformed_arns=[json.loads(whole[0])["TrainingJobArn"]])
    found, _ = read_all(cloud)
    broken = found.pop(name)
    assert isinstance(broken, BrokenAnswerError)
    assert broken.body
    assert found == {other: answer for other, answer in undisturbed.items() if other != name}


def test_gaps_and_refusals_have_their_names(cloud: dict[str, Any], switched: Any) -> None:
    switched(denied_actions=["sagemaker:ListTrainingJobs"])
    with pytest.raises(ScopeError) as denied:
        read_all(cloud)
    assert (denied.value.status, denied.value.missing_permission) == ("denied", "sagemaker:ListTrainingJobs")
    switched(denied_actions=["sagemaker:ListTags"])
    with pytest.raises(ScopeError) as denied:
        read_all(cloud)
    assert denied.value.missing_permission == "sagemaker:ListTags"
    switched(denied_actions=[], expired_accounts=["*"])
    with pytest.raises(CredentialsError) as expired:
        read_all(cloud)
    assert expired.value.code == "expired_credentials"


def test_jobs_deleted_meanwhile_are_gone(cloud: dict[str, Any], switched: Any, undisturbed: Read) -> None:
    switched(vanish_rate=0.2)
    found, reader = read_all(cloud)
    gone = {name for name, answer in found.items() if isinstance(answer, GoneError)}
    assert 0 < len(gone) < JOBS
    assert {name: found[name] for name in found.keys() - gone} == {
        name: undisturbed[name] for name in found.keys() - gone
    }
    assert reader.counts.errors == 0
    assert len(read_all(cloud)[0]) <= JOBS - len(gone)
