from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest, create_request_object, prepare_request_dict
from botocore.credentials import Credentials
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.collect.signer import Keys, Signer, SigningStyle

TIME = datetime(2026, 3, 1, 12, 30, 59, tzinfo=UTC)
STAMP = "20260301T123059Z"

hosts = st.sampled_from(
    [
        "https://api.sagemaker.us-east-1.amazonaws.com",
        "http://127.0.0.1:5000",
        "https://h.example:443",
        "http://[::1]:80",
    ]
)
path_text = st.text(alphabet="abcXYZ019/._-~ %+=:@&$é", max_size=30)
query_text = st.text(alphabet="abc019._-~%", max_size=8)
queries = st.lists(st.tuples(query_text, st.one_of(st.none(), query_text)), max_size=5)
header_names = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-ABCDEF", min_size=1, max_size=12).filter(
    lambda name: name.lower() not in {"date", "host"}
)
header_values = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
key_texts = st.text(alphabet="abcABC019/+=", min_size=1, max_size=40)


def botocore_signed(
    style: SigningStyle, keys: Keys, method: str, url: str, headers: dict[str, str], body: bytes
) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    if not style.sign_payload:
        request.context["payload_signing_enabled"] = False
    kind = botocore.auth.S3SigV4Auth if style.hash_in_header else botocore.auth.SigV4Auth
    auth = kind(Credentials(keys.access_key, keys.secret_key, keys.token), style.service, style.region)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=TIME):
        auth.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def our_signed(
    style: SigningStyle, keys: Keys, method: str, url: str, headers: dict[str, str], body: bytes
) -> dict[str, str]:
    signed = Signer(style).sign(keys, method, url, headers, body, STAMP)
    return {name.lower(): value for name, value in signed.items()}


@settings(max_examples=400, deadline=None)
@given(
    style=st.builds(
        SigningStyle,
        service=st.sampled_from(["sagemaker", "s3", "ec2"]),
        region=st.sampled_from(["us-east-1", "cn-north-1"]),
        hash_in_header=st.booleans(),
        sign_payload=st.booleans(),
    ),
    keys=st.builds(Keys, key_texts, key_texts, st.one_of(st.none(), key_texts)),
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "PUT"]),
    host=hosts,
    path=path_text,
    query=queries,
    headers=st.dictionaries(header_names, header_values, max_size=5),
    body=st.binary(max_size=60),
)
def test_any_request_is_signed_as_botocore_signs_it(
    style: SigningStyle,
    keys: Keys,
    method: str,
    host: str,
    path: str,
    query: list[tuple[str, str | None]],
    headers: dict[str, str],
    body: bytes,
) -> None:
    headers = {name.lower(): value for name, value in headers.items()}  # botocore's own headers have no case either
    url = host + "/" + path.replace("?", "").replace("#", "")
    if query:
        url += "?" + "&".join(key if value is None else f"{key}={value}" for key, value in query)
    assert our_signed(style, keys, method, url, headers, body) == botocore_signed(
        style, keys, method, url, headers, body
    )


LOADER = botocore.session.Session().get_component("data_loader")
KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "to/ken==")


def serialized(service: str, operation: str, params: dict[str, Any]) -> tuple[str, str, dict[str, str], bytes]:
    model = ServiceModel(LOADER.load_service_model(service, "service-2"), service)
    operation_model = model.operation_model(operation)
    serializer = create_serializer(model.resolved_protocol)
    request_dict = serializer.serialize_to_request(params, operation_model)
    prepare_request_dict(request_dict, f"https://{service}.eu-west-1.amazonaws.com", user_agent="a", context={})
    prepared = create_request_object(request_dict).prepare()
    body = prepared.body or b""
    return prepared.method, prepared.url, dict(prepared.headers), body if isinstance(body, bytes) else body.encode()


SERIALIZED: list[tuple[str, str, dict[str, Any]]] = [
    ("sagemaker", "ListTrainingJobs", {"MaxResults": 100, "NameContains": "é ü/+"}),
    ("sagemaker", "ListTrainingJobs", {"CreationTimeAfter": TIME}),
    ("dynamodb", "DescribeTable", {"TableName": "a.b-c_d"}),
    ("iam", "ListRoles", {"PathPrefix": "/a b/ü/", "MaxItems": 1000}),
    ("ec2", "DescribeInstances", {"Filters": [{"Name": "tag:a", "Values": ["x y", "z&="]}], "MaxResults": 5}),
    ("lambda", "GetFunction", {"FunctionName": "arn:aws:lambda:eu-west-1:1:function:f", "Qualifier": "$LATEST"}),
    ("apigateway", "GetResources", {"restApiId": "a/b c", "embed": ["methods", "x"], "limit": 500}),
    ("s3", "GetBucketTagging", {"Bucket": "a-bucket", "ExpectedBucketOwner": "123456789012"}),
    ("s3", "ListObjectsV2", {"Bucket": "a-bucket", "Prefix": "a//b/../c d/é"}),
    ("s3", "HeadObject", {"Bucket": "a-bucket", "Key": "x//y/../z é"}),
    ("route53", "ListResourceRecordSets", {"HostedZoneId": "Z1", "StartRecordName": "\\052.a.b."}),
]


def test_requests_of_every_protocol_are_signed_as_botocore_signs_them() -> None:
    for service, operation, params in SERIALIZED:
        method, url, headers, body = serialized(service, operation, params)
        style = SigningStyle(service, "eu-west-1", hash_in_header=service == "s3")
        ours = our_signed(style, KEYS, method, url, headers, body)
        assert ours == botocore_signed(style, KEYS, method, url, headers, body), (service, operation)


def test_the_key_changes_with_the_day_and_with_the_credentials() -> None:
    signer = Signer(SigningStyle("sagemaker", "us-east-1"))
    url = "https://api.sagemaker.us-east-1.amazonaws.com/"
    for keys, stamp in [
        (Keys("A", "one"), "20260301T000000Z"),
        (Keys("A", "one"), "20260302T000000Z"),
        (Keys("A", "two"), "20260302T000000Z"),
        (Keys("A", "one"), "20260301T000000Z"),
    ]:
        fresh = Signer(signer.style).sign(keys, "POST", url, {}, b"{}", stamp)
        assert signer.sign(keys, "POST", url, {}, b"{}", stamp) == fresh


@settings(max_examples=60)
@given(
    body=st.binary(max_size=200),
    second=st.integers(0, 59),
    day=st.integers(1, 3),
    token=st.sampled_from([None, "a/token=="]),
    target=st.sampled_from(["SageMaker.DescribeTrainingJob", "two  spaces"]),
)
def test_calls_that_are_alike_are_signed_as_each_alone(
    body: bytes, second: int, day: int, token: str | None, target: str
) -> None:
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", "zeta": "last"}
    keys = Keys("AKID", "secret", token)
    signer, url = Signer(SigningStyle("sagemaker", "eu-west-1")), "http://127.0.0.1:8080/"
    for content, moment in (
        (b"{}", "20260101T000000Z"),
        (body, f"2026010{day}T0102{second:02}Z"),
        (body, "20260101T000001Z"),
    ):
        expected = signer.sign(keys, "POST", url, headers, content, moment)
        common, own = signer.sign_alike(keys, "POST", url, headers, content, moment)
        assert common | own == expected
