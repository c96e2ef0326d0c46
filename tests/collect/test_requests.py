from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.loaders import create_loader

from stocktake.collect.requests import RequestBuilder, UnsignedRequest
from stocktake.collect.session import open_session
from stocktake.collect.signer import Keys, Signer, SigningStyle
from stocktake.core.errors import DataError, ScopeError

KEYS = Keys("AKIDEXAMPLE", "secret", "token")
NOT_OF_THE_REQUEST = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "content-length"}


LOADER = create_loader()


def botocore_session() -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)  # a model is read once for all tests
    session.set_credentials(KEYS.access_key, KEYS.secret_key, KEYS.token)
    return session


class Botocore:
    """A real botocore client, whose signed requests are taken off just before they are sent."""

    def __init__(self, service: str, region: str, endpoint_url: str | None = None) -> None:
        session = botocore_session()
        self.client = session.create_client(service, region_name=region, endpoint_url=endpoint_url)
        self.client.meta.events.register("before-send.*.*", self._take)
        self.sent: Any = None

    def _take(self, request: Any, **_kwargs: Any) -> Any:
        self.sent = request
        return AWSResponse(request.url, 400, {}, None)

    def request(self, operation: str, params: dict[str, Any]) -> tuple[str, str, dict[str, str], bytes]:
        with pytest.raises((self.client.exceptions.ClientError, AttributeError)):
            # the made-up answer has no body, which some parsers stumble over: what was sent is all that counts
            getattr(self.client, botocore.xform_name(operation))(**params)
        sent = self.sent
        headers = {
            str(name).lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in sent.headers.items()
        }
        kept = {name: value for name, value in headers.items() if name not in NOT_OF_THE_REQUEST}
        body = sent.body or b""
        return sent.method, sent.url, kept, body.encode() if isinstance(body, str) else body


def ours(request: UnsignedRequest, stamp: str) -> tuple[str, str, dict[str, str], bytes]:
    headers = request.headers
    if request.style is not None:
        headers = Signer(request.style).sign(KEYS, request.method, request.url, headers, request.body, stamp)
    return request.method, request.url, {name.lower(): value for name, value in headers.items()}, request.body


def builder(service: str, region: str, endpoint_url: str | None = None) -> RequestBuilder:
    session = botocore_session()
    return RequestBuilder(session.create_client(service, region_name=region, endpoint_url=endpoint_url))


CASES = json.loads(Path(__file__).with_name("request_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['service']}-{case['operation']}")
def test_requests_equal_botocores_in_every_field(case: dict[str, Any]) -> None:
    reference = Botocore(case["service"], case["region"])
    made = builder(case["service"], case["region"])
    for params in [*case["params"], *case["params"]]:
        expected = reference.request(case["operation"], params)
        request = made.build(case["operation"], params)
        assert ours(request, expected[2].get("x-amz-date", "")) == expected
    plan = made._plans[(case["operation"], *case["params"][0])]
    assert (plan is not None) is case["short_way"]


@pytest.mark.parametrize(
    "endpoint_url", ["http://127.0.0.1:5000", "http://127.0.0.1:5000/base/", "https://proxy.example/x"]
)
@pytest.mark.parametrize("case", [CASES[0], CASES[4], CASES[8], CASES[-3]], ids=lambda case: case["service"])
def test_a_custom_endpoint_is_kept(endpoint_url: str, case: Any) -> None:
    where = case["service"], case["region"], endpoint_url
    reference, build = Botocore(*where), builder(*where).build
    for params in case["params"]:
        expected = reference.request(case["operation"], params)
        assert ours(build(case["operation"], params), expected[2]["x-amz-date"]) == expected
        assert expected[1].startswith(endpoint_url)


def test_settings_of_the_environment_reach_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def url(service: str) -> str:
        return (
            builder(service, "us-east-1").build("ListTrainingJobs" if service == "sagemaker" else "ListRoles", {}).url
        )

    assert url("sagemaker") == "https://api.sagemaker.us-east-1.amazonaws.com/"
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert url("sagemaker") == "https://api-fips.sagemaker.us-east-1.amazonaws.com/"
    monkeypatch.delenv("AWS_USE_FIPS_ENDPOINT")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:2")
    assert (url("sagemaker"), url("iam")) == ("http://127.0.0.1:2/", "http://127.0.0.1:1/")


def test_signing_follows_the_endpoint_not_the_region() -> None:
    style = builder("iam", "eu-west-1").build("ListRoles", {}).style
    assert style == SigningStyle("iam", "us-east-1")
    style = builder("s3", "eu-west-1").build("ListBuckets", {}).style
    assert style == SigningStyle("s3", "eu-west-1", hash_in_header=True)


def test_an_unsigned_operation_is_not_signed() -> None:
    made = builder("cognito-identity", "us-east-1")
    assert made.build("GetId", {"IdentityPoolId": "us-east-1:a"}).style is None


def test_what_cannot_be_signed_is_unsupported() -> None:
    made = builder("codecatalyst", "us-west-2")
    with pytest.raises(ScopeError) as caught:
        made.build("ListSpaces", {})
    assert caught.value.status == "unsupported"


def test_wrong_parameters_are_told_before_anything_is_sent() -> None:
    made = builder("sagemaker", "us-east-1")
    with pytest.raises(DataError, match="TrainingJobName"):
        made.build("DescribeTrainingJob", {"TrainingJobName": 7})


def test_a_service_of_the_session_is_made_once() -> None:
    session = open_session()
    assert session.service_client("sagemaker") is session.service_client("sagemaker", "us-east-1")
    assert session.service_client("sagemaker") is not session.service_client("sagemaker", "eu-west-1")
    session.close()
