"""Every fault of a cloud's bad days, in every kind of call, over JSON and XML: what becomes of the scope and its rows.

A catalog is filled on a good day. Then one resource is added, one deleted and one changed, and a sync reads everything
again while calls of one kind fail: at first only (and then it must end whole), or always (and then it must say so, keep
every row, and close nothing). The sync after that, on a good day, must know the cloud again.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from faulty_proxy import Cut, FaultyProxy, Hang, Outcome, Reply, Request, Reset, json_error, request_time, xml_error
from moto_state import forget_all
from stocktake.collect.retrying import RetryPolicy
from stocktake.collect.session import CollectSettings
from stocktake.core.progress import Silent
from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncReport, SyncRequest, run_sync
from stocktake.sync.request import is_whole

QUICK = CollectSettings(
    max_connections=64,
    connect_timeout_seconds=0.3,
    read_timeout_seconds=0.3,
    retry_policy=RetryPolicy(first_wait_seconds=0.001, longest_wait_seconds=0.002),
    throttle_patience_seconds=0.3,
)
Fault = Callable[[str, int, Request], Any]


@dataclass
class World:
    """A cloud of one protocol behind a proxy, a catalog of yesterday, and what there is today."""

    type: str
    proxy: FaultyProxy
    error: Callable[..., Reply]
    yesterday: Path
    today: set[str]
    """Ids that exist."""
    deleted: str
    """It exists no more, and yesterday's catalog has it."""
    added: str
    stays: str
    """It was there yesterday, and still is."""
    kinds: dict[str, frozenset[str]]
    """list, describe, tags -> what the proxy calls these calls."""
    gone: Reply
    token: Callable[[Reply], Reply]
    """Turn a page of a list into one that names another."""
    tags: dict[str, list[str]] = field(default_factory=dict)

    def sync(self, catalog: Path, **options: Any) -> SyncReport:
        given: dict[str, Any] = {"types": (self.type,), "regions": ("us-east-1",), "endpoint_url": self.proxy.url}
        return run_sync(SyncRequest(catalog=catalog, full=True, **(given | options)), Silent())

    def ids(self, catalog: Path) -> set[str]:
        return {row[0] for row in self.rows(catalog, f"SELECT _id FROM {self.type}")}

    def held_tags(self, catalog: Path) -> dict[str, list[str]]:
        return dict(self.rows(catalog, f"SELECT _id, tags FROM {self.type}"))

    @staticmethod
    def rows(catalog: Path, sql: str) -> list[Any]:
        with open_catalog(catalog, read_only=True) as opened:
            return run(opened.connection, sql)


# ---- the two clouds ----


def json_kind(request: Request) -> str:
    if not request.target:
        return "sts"
    return {
        "ListTrainingJobs": "list",
        "DescribeTrainingJob": "describe",
        "ListTags": "tags",
        "GetResources": "bulk tags",
    }.get(request.target, "other")


def xml_kind(request: Request) -> str:
    path = request.path.partition("?")[0]
    if request.target == "GetResources":
        return "bulk tags"
    if path.endswith("/monitoring-subscription"):
        return "subscription"
    if path.endswith("/distribution"):
        return "list"
    if "/distribution/" in path:
        return "describe"
    return "tags" if path.endswith("/tagging") else "other"


@pytest.fixture(scope="module", autouse=True)
def _quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stocktake.sync.accounts.collect_settings", lambda _: QUICK)
        patch.setattr("stocktake.collect.limiter._MIN_RATE", 20.0)
        # A hundred syncs of two types: their models are read once.
        patch.setattr("stocktake.collect.endpoint_maker.EndpointMaker.forget", lambda *_: None)
        patch.setattr("stocktake.providers.aws.models.Models.forget", lambda *_: None)
        folder = tmp_path_factory.mktemp("aws")
        keys = folder / "keys.sh"
        # New keys each time that they are asked for, as a role or a login has them.
        keys.write_text(
            'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"AKIA111122223333$$\\", \\"SecretAccessKey\\": \\"s\\"}"\n'
        )
        (folder / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = /bin/sh {keys}\n")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def json_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    account, folder = "111122223333", tmp_path_factory.mktemp("json")
    estate = Estate(8, (account,), ("us-east-1",), arrivals_per_day=0.0, running_share=0.0)
    with (
        SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0.0)) as cloud,
        FaultyProxy(cloud.endpoint_url, json_kind) as proxy,
    ):
        client = boto3.client(
            "sagemaker", endpoint_url=cloud.endpoint_url, region_name="us-east-1", **cloud.credentials(account)
        )

        def arns() -> dict[str, str]:
            found = client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
            return {job["TrainingJobName"]: job["TrainingJobArn"] for job in found}

        before = arns()
        deleted, changed, stays = list(before)[:3]
        world = World(
            "aws_sagemaker_trainingjob",
            proxy,
            json_error,
            folder / "catalog.duckdb",
            set(),
            before[deleted],
            "",
            before[stays],
            {
                "list": frozenset({"list"}),
                "describe": frozenset({"describe"}),
                "tags": frozenset({"tags", "bulk tags"}),
            },
            json_error("ResourceNotFound", "Requested resource not found."),
            _with_json_token,
        )
        assert world.sync(world.yesterday).exit_code == 0
        client.delete_training_job(TrainingJobName=deleted)
        client.add_tags(ResourceArn=before[changed], Tags=[{"Key": "new", "Value": "tag"}])
        client.create_training_job(
            TrainingJobName="today",
            AlgorithmSpecification={
                "TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1",
                "TrainingInputMode": "File",
            },
            RoleArn=f"arn:aws:iam::{account}:role/trainer",
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        )
        cloud.clock.advance(3600)  # late tags are known now
        world.today, world.added = set(arns().values()), arns()["today"]
        yield world


@pytest.fixture(scope="module")
def xml_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("xml")
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    forget_all(server)
    host, port = server.get_host_and_port()
    with FaultyProxy(f"http://{host}:{port}", xml_kind) as proxy:
        client = boto3.client(
            "cloudfront",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="AKIA1111222233331",  # moto's default account
            aws_secret_access_key="s",
        )
        made = [_distribution(client, number) for number in range(7)]
        deleted, changed, stays = made[:3]
        world = World(
            "aws_cloudfront_distribution",
            proxy,
            xml_error,
            folder / "catalog.duckdb",
            set(),
            deleted["ARN"],
            "",
            stays["ARN"],
            {
                "list": frozenset({"list"}),
                "describe": frozenset({"describe"}),
                "tags": frozenset({"tags", "bulk tags"}),
            },
            xml_error("NoSuchDistribution", "The specified distribution does not exist.", 404),
            _with_xml_token,
        )
        proxy.fault = _no_subscription
        assert world.sync(world.yesterday).exit_code == 0
        client.delete_distribution(Id=deleted["Id"], IfMatch=deleted["ETag"])
        tags = {"Items": [{"Key": "new", "Value": "tag"}]}
        client.tag_resource(Resource=changed["ARN"], Tags=tags)
        added = _distribution(client, 99)
        world.today, world.added = {one["ARN"] for one in made[1:]} | {added["ARN"]}, added["ARN"]
        yield world
    server.stop()


def _distribution(client: Any, number: int) -> dict[str, Any]:
    origin = {"Id": "o", "DomainName": "x.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}
    config = {
        "CallerReference": str(number),
        "Comment": f"number {number}",
        "Enabled": False,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "o",
            "ViewerProtocolPolicy": "allow-all",
            "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
            "MinTTL": 0,
        },
    }
    tags = {"Items": [{"Key": "number", "Value": str(number)}]}
    made = client.create_distribution_with_tags(DistributionConfigWithTags={"DistributionConfig": config, "Tags": tags})
    return {"ETag": made["ETag"], **{name: made["Distribution"][name] for name in ("Id", "ARN")}}


def _no_subscription(kind: str, _number: int, _request: Request) -> Outcome | None:
    """Answer what moto does not know, as the service does where monitoring was never set up."""
    if kind == "subscription":
        return xml_error("NoSuchMonitoringSubscription", "There is none.", 404)
    return None


def _with_json_token(reply: Reply) -> Reply:
    body = reply.body.rstrip()
    for token in (b"NextToken", b"PaginationToken"):
        body = re.sub(b'"%s": ?"[^"]*",?' % token, b"", body)
    token = b"PaginationToken" if b"ResourceTagMappingList" in body else b"NextToken"
    mark = b"," if len(body) > 2 else b""
    return Reply(reply.status, reply.headers, body[:-1] + mark + b'"%s": "again"}' % token)


def _with_xml_token(reply: Reply) -> Reply:
    body = re.sub(rb"<IsTruncated>.*?</IsTruncated>", b"<IsTruncated>true</IsTruncated>", reply.body)
    body = re.sub(rb"<NextMarker>.*?</NextMarker>|<NextMarker ?/>", b"", body)
    body = body.replace(b"</DistributionList>", b"<NextMarker>again</NextMarker></DistributionList>")
    return Reply(reply.status, reply.headers, body)


def without_token(request: Request) -> Request:
    body = re.sub(rb',? ?"(NextToken|PaginationToken)": ?"again"', b"", request.body)
    return replace(request, path=re.sub(r"[?&]Marker=again", "", request.path), body=body)


@pytest.fixture
def world(protocol: str, request: pytest.FixtureRequest) -> Iterator[World]:
    found: World = request.getfixturevalue(f"{protocol}_world")
    found.proxy.calm()
    yield found
    found.proxy.calm()


# ---- the faults ----


class Expired:
    """Refuses the keys that came first, then takes any."""

    def __init__(self, world: World, *, always: bool) -> None:
        self._world = world
        self._always = always
        self._first = ""

    def __call__(self, request: Request) -> Outcome | None:
        used = request.headers.get("authorization", "")
        key = re.search(r"Credential=([^/]+)/", used)
        named = key[1] if key else ""
        self._first = self._first or named
        if self._always or named == self._first:
            return self._world.error(
                "ExpiredToken" if self._world.error is xml_error else "ExpiredTokenException", "", 403
            )
        return None


def malformed(reply: Reply) -> Reply:
    return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2] + b"\x00<{")


def skewed(world: World, *, minutes: float) -> Callable[[Request], Outcome | None]:
    """Make the cloud's clock another one than ours: what is signed by ours is refused."""

    def answer(request: Request) -> Outcome | None:
        now = time.time() + minutes * 60
        if abs(request_time(request) - now) < 300:
            return None
        return world.error("RequestTimeTooSkewed", "", 403, {"date": formatdate(now, usegmt=True)})

    return answer


def simple_faults(world: World) -> dict[str, Any]:
    """Return what becomes of a call, whatever it is: an outcome, or what is made of the provider's reply."""
    is_xml = world.error is xml_error
    return {
        "throttled": world.error("Throttling" if is_xml else "ThrottlingException", "Rate exceeded"),
        "500": world.error("InternalFailure", "", 500),
        "503": Reply(503, {"content-type": "text/html"}, b"<html>Service Unavailable</html>"),
        "timeout": Hang(),
        "reset": Reset(),
        "truncated": Cut,
        "malformed": malformed,
        "empty": lambda reply: Reply(reply.status, reply.headers, b""),
        "denied": world.error("AccessDenied" if is_xml else "AccessDeniedException", "not you", 403),
    }


def faults(world: World, name: str, *, always: bool) -> Callable[[int, Request], Any]:
    """Return what becomes of the calls of a kind: of the first two, or of all."""
    if name == "expired":
        expired = Expired(world, always=always)
        return lambda _number, request: expired(request)
    outcome = simple_faults(world)[name]
    most = 1 if name == "timeout" else 2  # what hangs is asked only once more
    return lambda number, _request: outcome if always or number <= most else None


def spoil(world: World, kind: str, outcome: Callable[[int, Request], Any]) -> None:
    def fault(found: str, number: int, request: Request) -> Any:
        if found in world.kinds[kind]:
            return outcome(number, request)
        return _no_subscription(found, number, request)

    world.proxy.fault = fault


PROTOCOLS = ("json", "xml")
EVERY = bool(os.environ.get("STOCKTAKE_TEST_ALL"))


def cases(*choices: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return all combinations over both protocols; in a quick run one of four, so that each fault and kind is among."""
    found = list(product(*choices))
    if EVERY:
        return [(protocol, *case) for case in found for protocol in PROTOCOLS]
    return [(PROTOCOLS[number // 2 % 2], *case) for number, case in enumerate(found) if number % 2 == 0]


TRANSIENT = ("throttled", "500", "503", "timeout", "reset", "truncated", "malformed", "empty", "expired")
KINDS = ("list", "describe", "tags")


@pytest.mark.parametrize(("protocol", "name", "kind"), cases(TRANSIENT, KINDS))
def test_what_passes_leaves_nothing_behind(world: World, tmp_path: Path, name: str, kind: str) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    spoil(world, kind, faults(world, name, always=False))
    report = world.sync(catalog)
    assert [(scope.status, scope.tags_status, scope.reason) for scope in report.scopes] == [
        ("complete", "complete", "")
    ]
    assert report.exit_code == 0
    assert world.ids(catalog) == world.today
    assert report.scopes[0].deleted == 1
    assert report.scopes[0].throttled_calls == (2 if name == "throttled" else 0)


LASTING = {
    # fault: status where lists, documents, tags fail
    "throttled": ("throttled", "partial", "throttled"),
    "500": ("failed", "partial", "failed"),
    "503": ("failed", "partial", "failed"),
    "timeout": ("failed", "partial", "failed"),
    "reset": ("failed", "partial", "failed"),
    "truncated": ("failed", "partial", "failed partial"),
    "malformed": ("failed", "partial", "failed partial"),
    "empty": ("failed", "partial", "failed partial"),
    "expired": ("failed", "failed partial", ""),
    "denied": ("denied", "denied", "denied"),
}


@pytest.mark.parametrize(("protocol", "kind", "name"), cases(KINDS, LASTING))
def test_what_lasts_is_said_and_loses_nothing(world: World, tmp_path: Path, name: str, kind: str) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    held, tags = world.ids(catalog), world.held_tags(catalog)
    spoil(world, kind, faults(world, name, always=True))
    report = world.sync(catalog)
    [scope] = report.scopes
    expected = LASTING[name][KINDS.index(kind)]
    assert not expected or (scope.tags_status if kind == "tags" else scope.status) in expected.split()
    assert (report.exit_code, is_whole(scope)) == (3, False)
    assert scope.reason
    assert scope.hint
    found = world.ids(catalog)
    if kind == "tags" and name != "expired":
        assert found == world.today
        unread = world.held_tags(catalog)
        assert all(unread[one] == tags[one] for one in found & held)
    else:
        # What is deleted may be closed where its own call said so; what lives may not.
        assert held - {world.deleted} <= found <= held | {world.added}
        [(stale, complete_at)] = world.rows(catalog, "SELECT stale, complete_at FROM coverage_now")
        assert stale
        assert complete_at is not None
    world.proxy.calm()
    world.proxy.fault = _no_subscription
    assert world.sync(catalog).exit_code == 0
    assert world.ids(catalog) == world.today
    assert world.held_tags(catalog)[world.stays] == tags[world.stays]
    assert world.rows(catalog, "FROM coverage_now WHERE stale") == []


@pytest.mark.parametrize(("protocol", "minutes", "kind"), cases((-45, 90), KINDS))
def test_a_clock_that_is_wrong_is_corrected(world: World, tmp_path: Path, kind: str, minutes: int) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    answer = skewed(world, minutes=minutes)
    spoil(world, kind, lambda _number, request: answer(request))
    report = world.sync(catalog)
    assert report.exit_code == 0
    assert world.ids(catalog) == world.today


@pytest.mark.parametrize(("protocol", "kind"), [("json", "list"), ("xml", "list"), ("json", "tags")])
def test_pages_that_go_round_in_a_circle_are_a_gap(world: World, tmp_path: Path, kind: str) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    held = world.ids(catalog)
    spoil(world, kind, lambda _number, _request: world.token)
    world.proxy.rewrite = without_token  # the provider did not issue it
    report = world.sync(catalog)
    [scope] = report.scopes
    assert report.exit_code == 3
    assert "pagination loop" in scope.reason
    if kind == "list":
        assert scope.status in {"failed", "partial"}
        assert held <= world.ids(catalog)
    else:
        assert scope.tags_status == "failed"
        assert world.ids(catalog) == world.today


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_deleted_between_list_and_describe_is_a_deletion(world: World, tmp_path: Path) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    name = world.stays.rpartition("/")[2]
    spoil(world, "describe", lambda _, request: world.gone if name in request.path + request.body.decode() else None)
    report = world.sync(catalog)
    [scope] = report.scopes
    assert (report.exit_code, scope.status, scope.deleted) == (0, "complete", 2)
    assert world.ids(catalog) == world.today - {world.stays}
    assert "1 of those listed did not exist when read" in scope.reason


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_region_that_hangs_is_given_up_and_keeps_its_rows(world: World, tmp_path: Path) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    held = world.ids(catalog)
    every = frozenset().union(*world.kinds.values())
    world.proxy.fault = lambda kind, number, request: (
        Hang() if kind in every else _no_subscription(kind, number, request)
    )
    report = world.sync(catalog)
    [scope] = report.scopes
    assert (report.exit_code, scope.status, scope.calls) == (3, "failed", 2)
    assert world.ids(catalog) == held


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_name_that_cannot_be_resolved_any_more_keeps_the_rows(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Path(shutil.copy(world.yesterday, tmp_path))
    held = world.ids(catalog)
    service = "CLOUDFRONT" if world.error is xml_error else "SAGEMAKER"
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.proxy.url)
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://nowhere.invalid")
    report = world.sync(catalog, endpoint_url=None)
    [scope] = report.scopes
    assert (report.exit_code, scope.status) == (3, "failed")
    assert "not there any more, though resources are held" in scope.reason
    assert world.ids(catalog) == held
