"""Resources that are read by several calls, in moto's server, compared with what boto3 answers for each of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from model_values import differences, expected
from stocktake.core.progress import Silent
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import Facet, ResourceType
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncReport, SyncRequest, run_sync

TYPES = ("s3_bucket", "iam_user", "iam_role", "iam_policy", "kms_key", "sqs_queue", "sns_topic", "ecr_repository")
NAMES = tuple(f"aws_{name}" for name in TYPES)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::full/*"}
        ],
    }
)
BUCKET = "aws_s3_bucket"
REFUSAL_XML = (
    b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/a is not authorized"
    b" because no identity-based policy allows it</Message></Error></ErrorResponse>"
)
UNKNOWN_TO_MOTO = {"abac", "metadataConfiguration", "metadataTable"}
"""Parts of a bucket that moto answers with the bucket's objects."""
ABSENT_XML = b"<Error><Code>NoSuchConfiguration</Code><Message>There is none.</Message></Error>"
REFUSAL_JSON = b'{"__type": "AccessDeniedException", "message": "Not authorized"}'


def rows(catalog: Path, type_name: str, what: str = "*") -> list[dict[str, Any]]:
    with open_catalog(catalog, read_only=True) as opened:
        names = [row[0] for row in run(opened.connection, f"DESCRIBE SELECT {what} FROM {type_name}")]
        return [dict(zip(names, row, strict=True)) for row in run(opened.connection, f"SELECT {what} FROM {type_name}")]


def sync(url: str, catalog: Path, *types: str) -> SyncReport:
    return run_sync(SyncRequest(catalog=catalog, endpoint_url=url, types=types or NAMES), Silent())


def seed(url: str) -> None:
    s3 = boto3.client("s3", endpoint_url=url)
    for name in ("full", "bare", "logs"):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_acl(
        Bucket="logs",
        GrantWrite="uri=http://acs.amazonaws.com/groups/s3/LogDelivery",
        GrantReadACP="uri=http://acs.amazonaws.com/groups/s3/LogDelivery",
    )
    s3.put_bucket_policy(Bucket="full", Policy=POLICY)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}
    s3.put_bucket_encryption(Bucket="full", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_versioning(Bucket="full", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_logging(
        Bucket="full", BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "full/"}}
    )
    s3.put_bucket_tagging(Bucket="full", Tagging={"TagSet": [{"Key": "team", "Value": "search"}]})
    s3.put_bucket_cors(
        Bucket="full", CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    )
    s3.put_public_access_block(
        Bucket="full", PublicAccessBlockConfiguration={"BlockPublicAcls": True, "RestrictPublicBuckets": False}
    )
    iam = boto3.client("iam", endpoint_url=url)
    managed = iam.create_policy(PolicyName="managed", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.create_group(GroupName="people")
    iam.create_user(UserName="ann")
    iam.add_user_to_group(UserName="ann", GroupName="people")
    iam.attach_user_policy(UserName="ann", PolicyArn=managed)
    iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=POLICY)
    iam.create_access_key(UserName="ann")
    iam.create_login_profile(UserName="ann", Password="Secret-1234")
    iam.create_user(UserName="bob")
    iam.create_role(RoleName="trainer", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="trainer", PolicyArn=managed)
    iam.put_role_policy(RoleName="trainer", PolicyName="own", PolicyDocument=POLICY)
    kms = boto3.client("kms", endpoint_url=url)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key)
    kms.create_alias(AliasName="alias/data", TargetKeyId=key)
    kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    queue = boto3.client("sqs", endpoint_url=url).create_queue(QueueName="work")["QueueUrl"]
    assert queue
    boto3.client("sns", endpoint_url=url).create_topic(Name="news", Attributes={"DisplayName": "News"})
    ecr = boto3.client("ecr", endpoint_url=url)
    ecr.create_repository(repositoryName="images")
    ecr.create_repository(repositoryName="ruled")
    ecr.set_repository_policy(repositoryName="ruled", policyText=POLICY)


class Told:
    """What boto3 answers for a resource's facets."""

    def __init__(self, url: str) -> None:
        self._url = url

    def side(self, kind: ResourceType, facet: Facet, row: dict[str, Any]) -> Any:
        client = boto3.client(kind.service, endpoint_url=self._url)
        fields = {field.provider_name: field.name for field in kind.fields}
        params = {member: row[fields[path[0]]] for member, path in facet.bindings.items()}
        call = xform_name(facet.operation)
        try:
            if facet.pagination is not None:
                answer = client.get_paginator(call).paginate(**params).build_full_result()
            else:
                answer = getattr(client, call)(**params)
        except ClientError:
            return None  # it has no such side
        shape = client.meta.service_model.operation_model(facet.operation).output_shape
        if facet.result_path:
            [member] = facet.result_path
            return expected(shape.members[member], answer.get(member))
        told = {name: answer.get(name) for name in shape.members if name not in facet.omitted}
        if not any(value is not None for value in told.values()):
            return None
        left_out = {xform_name(name) for name in facet.omitted}
        return {name: value for name, value in expected(shape, told).items() if name not in left_out}


def as_stored(value: Any) -> Any:
    """boto3 parses policy documents, and the catalog redacts what has the form of a key."""
    if isinstance(value, dict) and "Statement" in value:
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, dict):
        return {name: as_stored(one) for name, one in value.items()}
    return [as_stored(one) for one in value] if isinstance(value, list) else value


@dataclass
class Border:
    """Stands before moto, lets through what it may, and counts what comes."""

    moto: str
    url: str = ""
    denied: set[str] = field(default_factory=set)
    """Operations, or for S3 the sub-resource asked for: `?policy`."""
    seen: Counter[str] = field(default_factory=Counter)

    def denies(self, path: str, headers: Any, body: bytes) -> bool:
        asked = parse_qs(body.decode(errors="replace")).get("Action", [])
        asked += [headers.get("X-Amz-Target", "").rsplit(".", 1)[-1], f"?{urlsplit(path).query}"]
        self.seen.update(one for one in asked if len(one) > 1)
        return bool(self.denied & set(asked))


@pytest.fixture
def border(moto_endpoint: str) -> Iterator[Border]:
    border = Border(moto_endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if border.denies(self.path, self.headers, body):
                self._answer(403, REFUSAL_XML if not body.startswith(b"{") else REFUSAL_JSON, {})
                return
            if urlsplit(self.path).query in UNKNOWN_TO_MOTO:
                self._answer(404, ABSENT_XML, {})
                return
            moto = HTTPConnection(urlsplit(border.moto).netloc)
            moto.request(self.command, self.path, body, dict(self.headers))
            found = moto.getresponse()
            self._answer(found.status, found.read(), dict(found.getheaders()))
            moto.close()

        def do_POST(self) -> None:
            self.do_GET()

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    border.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield border
    server.shutdown()
    server.server_close()


def test_facets_are_what_boto3_answers_and_a_second_sync_writes_nothing(border: Border, tmp_path: Path) -> None:
    seed(border.moto)
    catalog = tmp_path / "c.duckdb"
    report = sync(border.url, catalog)
    assert report.exit_code == 0, [(scope.type, scope.reason) for scope in report.scopes]
    told, compared, problems = Told(border.url), Counter[bool](), []
    for name in NAMES:
        kind = load_type(name, open_models())
        for row in rows(catalog, name):
            assert not kind.facets or row["_unknown_facets"] == []
            for facet in kind.facets:
                wanted = as_stored(told.side(kind, facet, row))
                compared[wanted is None] += 1
                problems += [f"{name} {facet.name}{line}" for line in differences(wanted, row[facet.name])]
    assert [one for one in problems if "access_key_id: '<redacted" not in one] == []
    assert compared[False] >= 30
    assert compared[True] > 40
    [full] = rows(catalog, f"{BUCKET} WHERE name = 'full'", "*")
    assert json.loads(full["policy"]) == json.loads(POLICY)
    assert full["logging"]["target_bucket"] == "logs"
    assert full["versioning"]["status"] == "Enabled"
    assert full["encryption"]["rules"][0]["apply_server_side_encryption_by_default"]["kms_master_key_id"] == "k"
    assert full["tags"] == ["team:search"]
    [bare] = rows(catalog, f"{BUCKET} WHERE name = 'bare'", "policy, encryption, versioning, logging, website")
    assert set(bare.values()) == {None}
    [ann] = rows(catalog, "aws_iam_user WHERE user_name = 'ann'")
    assert ann["inline_policies"] == ["own"]
    assert [one["group_name"] for one in ann["groups"]] == ["people"]
    assert [one["policy_name"] for one in ann["attached_policies"]] == ["managed"]
    [bob] = rows(catalog, "aws_iam_user WHERE user_name = 'bob'", "inline_policies, login_profile")
    assert bob == {"inline_policies": [], "login_profile": None}
    [topic] = rows(catalog, "aws_sns_topic", "attributes")
    assert topic["attributes"]["DisplayName"] == "News"
    keys = rows(
        catalog, "aws_kms_key", "rotation_status.key_rotation_enabled AS rotates, aliases[1].alias_name AS name"
    )
    assert {(one["rotates"], one["name"]) for one in keys} == {(True, "alias/data"), (False, None)}
    before = [rows(catalog, f"{name}_history ORDER BY ALL") for name in NAMES]
    again = sync(border.url, catalog)
    assert {(s.new, s.changed, s.deleted) for s in again.scopes} == {(0, 0, 0)}
    assert [rows(catalog, f"{name}_history ORDER BY ALL") for name in NAMES] == before


def test_a_facet_that_changes_is_a_new_version(border: Border, tmp_path: Path) -> None:
    seed(border.moto)
    catalog = tmp_path / "c.duckdb"
    sync(border.url, catalog, BUCKET)
    boto3.client("s3", endpoint_url=border.moto).delete_bucket_policy(Bucket="full")
    [scope] = sync(border.url, catalog, BUCKET).scopes
    assert (scope.new, scope.changed) == (0, 1)
    history = rows(catalog, f"{BUCKET}_history WHERE name = 'full' ORDER BY _from", "policy IS NULL AS bare")
    assert [one["bare"] for one in history] == [False, True]


def test_a_denied_facet_is_unknown_says_so_and_keeps_what_was_known(border: Border, tmp_path: Path) -> None:
    seed(border.moto)
    catalog = tmp_path / "c.duckdb"
    border.denied = {"?policy", "?website"}
    first = sync(border.url, catalog, BUCKET)
    [scope] = first.scopes
    assert (first.exit_code, scope.status, scope.new) == (3, "complete", 3)
    assert scope.unknown_facets == {"policy", "website"}
    assert scope.missing_permission == "s3:GetBucketPolicy, s3:GetBucketWebsite"
    assert "could not be read" in scope.reason
    assert "allow s3:GetBucketPolicy" in scope.hint
    [row] = rows(catalog, f"{BUCKET} WHERE name = 'full'")
    assert (row["policy"], row["_unknown_facets"]) == (None, ["policy", "website"])
    assert row["logging"]["target_bucket"] == "logs"
    # Allowed: what was unknown becomes known, and that is a change.
    border.denied = set()
    [scope] = sync(border.url, catalog, BUCKET).scopes
    assert (scope.changed, scope.missing_permission, scope.unknown_facets) == (3, "", set())
    [known] = rows(catalog, f"{BUCKET} WHERE name = 'full'")
    assert json.loads(known["policy"]) == json.loads(POLICY)
    assert known["_unknown_facets"] == []
    # Denied again: nothing changes, since nothing is known to have changed.
    border.denied = {"?policy", "?website"}
    before = rows(catalog, f"{BUCKET}_history ORDER BY ALL")
    [scope] = sync(border.url, catalog, BUCKET).scopes
    assert (scope.changed, scope.unchanged, scope.unknown_facets) == (0, 3, {"policy", "website"})
    assert rows(catalog, f"{BUCKET}_history ORDER BY ALL") == before
    # Something else changes meanwhile: the new version has the policy that was known.
    boto3.client("s3", endpoint_url=border.moto).put_bucket_versioning(
        Bucket="full", VersioningConfiguration={"Status": "Suspended"}
    )
    [scope] = sync(border.url, catalog, BUCKET).scopes
    assert scope.changed == 1
    [row] = rows(catalog, f"{BUCKET} WHERE name = 'full'")
    assert (row["policy"], row["_unknown_facets"], row["versioning"]["status"]) == (known["policy"], [], "Suspended")


def test_a_denied_facet_is_not_asked_for_again_for_each_resource(border: Border, tmp_path: Path) -> None:
    iam = boto3.client("iam", endpoint_url=border.moto)
    for number in range(60):
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument="{}")
    border.denied = {"ListAttachedRolePolicies"}
    [scope] = sync(border.url, tmp_path / "c.duckdb", "aws_iam_role").scopes
    assert (scope.new, scope.unknown_facets) == (60, {"attached_policies"})
    assert scope.missing_permission == "iam:ListAttachedRolePolicies"
    assert border.seen["ListRolePolicies"] == 60
    # Several are under way when the first is denied.
    assert border.seen["ListAttachedRolePolicies"] <= 35
    found = rows(tmp_path / "c.duckdb", "aws_iam_role", "_unknown_facets, attached_policies, inline_policies")
    assert {str(one) for one in found} == {
        "{'_unknown_facets': ['attached_policies'], 'attached_policies': None, 'inline_policies': []}"
    }
