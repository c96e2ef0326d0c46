"""Edges of a small estate made by hand: what its values say, through changes, deletions and late targets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
import pytest

from sample_catalog import arrow_type
from stocktake.providers.aws.models import open_models
from stocktake.relations import update
from stocktake.relations.update import update_relations
from stocktake.resource_types.registry import load_type
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.ledger import Ledger
from stocktake.store.type_tables import ensure_tables
from stocktake.store.versions import ScopeVersions

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNT, REGION = "111122223333", "eu-west-1"
JOB, ROLE, SUBNET, KEY = "aws_sagemaker_trainingjob", "aws_iam_role", "aws_ec2_subnet", "aws_kms_key"
MODELS = open_models()
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/ml/trainer"
SUBNET_ARN = f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0123456789abcdef0"
KEY_ID = "9a65f3db-3b0c-486c-a2f7-e3c6f7032864"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"


def job_arn(name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"


class Estate:
    """A catalog, and sweeps that find in it what a test says."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.number = 0

    def sweep(
        self, type_name: str, things: dict[str, dict[str, Any]], region: str = REGION, *, edges: bool = True
    ) -> None:
        """Find exactly these things, by id."""
        kind = load_type(type_name, MODELS)
        now = T0 + self.number * HOUR
        self.number += 1
        ensure_tables(self.catalog, kind, now)
        ledger = Ledger(self.catalog, now)
        versions = ScopeVersions(self.catalog, kind, ACCOUNT, region, ledger.sweep_id)
        versions.saw(list(things), [None] * len(things))
        held = versions.held(things)
        schema = [pa.field(f.name, arrow_type(f.type)) for f in kind.fields]
        schema += [pa.field("_id", pa.string()), pa.field("_hash", pa.uint64()), pa.field("_summary", pa.uint64())]
        schema += [pa.field("_unknown", pa.string()), pa.field("_server_time", pa.timestamp("us"))]
        rows = [
            {"_id": i, "account_id": ACCOUNT, "_hash": hash(str(fields)) % 2**60, "_summary": 1, **fields}
            for i, fields in things.items()
        ]
        changed = [row for row in rows if row["_id"] not in held or held[row["_id"]].hash != row["_hash"]]
        if changed:
            versions.apply(pa.Table.from_pylist(changed, schema=pa.schema(schema)), ledger.moment(now))
        versions.close_unseen(ledger.moment(now))
        versions.close()
        ledger.finish("complete", 0, now)
        if edges:
            update_relations(self.catalog, ledger.sweep_id)

    def edges(self, columns: str = "path, value, target_type, resolved", where: str = "true") -> set[tuple[Any, ...]]:
        return set(run(self.catalog.connection, f"SELECT {columns} FROM relations WHERE {where}"))


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        yield Estate(catalog)


def job(name: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {job_arn(name): {"training_job_name": name, "training_job_arn": job_arn(name), "role_arn": ROLE_ARN} | more}


def test_values_say_what_they_refer_to_whether_it_is_held_or_not(estate: Estate) -> None:
    estate.sweep(
        JOB,
        job(
            "a",
            vpc_config={"subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]},
            output_data_config={"s3_output_path": "s3://models/out/", "kms_key_id": KEY_ID},
            algorithm_specification={
                "training_image": "444455556666.dkr.ecr.us-east-1.amazonaws.com/team/x:1",
                "metric_definitions": [{"name": "loss", "regex": "arn"}],
            },
            input_data_config=[
                {"channel_name": name, "data_source": {"s3_data_source": {"s3_uri": f"s3://{name}/x"}}}
                for name in ("train", "test")
            ],
            hyper_parameters=[("submit", "s3://code/src.tar.gz"), ("epochs", "3")],
            failure_reason="see arn:aws:iam::1:role/x",
        ),
    )
    assert estate.edges() == {
        ("role_arn", ROLE_ARN, ROLE, False),
        ("vpc_config.subnets", "subnet-0123456789abcdef0", SUBNET, False),
        ("vpc_config.subnets", "subnet-0123456789abcdef1", SUBNET, False),
        ("output_data_config.s3_output_path", "s3://models/out/", "aws_s3_bucket", False),
        ("output_data_config.kms_key_id", KEY_ID, KEY, False),
        (
            "algorithm_specification.training_image",
            "444455556666.dkr.ecr.us-east-1.amazonaws.com/team/x:1",
            "aws_ecr_repository",
            False,
        ),
        ("input_data_config.data_source.s3_data_source.s3_uri", "s3://train/x", "aws_s3_bucket", False),
        ("input_data_config.data_source.s3_data_source.s3_uri", "s3://test/x", "aws_s3_bucket", False),
        ("hyper_parameters", "s3://code/src.tar.gz", "aws_s3_bucket", False),
    }
    # What is held later is found later, by ARN or by id in the same account and region.
    estate.sweep(ROLE, {ROLE_ARN: {"arn": ROLE_ARN, "role_name": "trainer"}}, "global")
    estate.sweep(SUBNET, {SUBNET_ARN: {"subnet_id": "subnet-0123456789abcdef0", "subnet_arn": SUBNET_ARN}})
    estate.sweep(KEY, {KEY_ARN: {"arn": KEY_ARN, "key_id": KEY_ID}})
    assert estate.edges("path, target_id", "resolved") == {
        ("role_arn", ROLE_ARN),
        ("vpc_config.subnets", SUBNET_ARN),
        ("output_data_config.kms_key_id", KEY_ARN),
    }


def test_an_id_in_another_region_is_not_what_is_meant(estate: Estate) -> None:
    estate.sweep(SUBNET, {SUBNET_ARN: {"subnet_id": "subnet-0123456789abcdef0"}}, "us-east-1")
    estate.sweep(JOB, job("a", vpc_config={"subnets": ["subnet-0123456789abcdef0"]}))
    assert estate.edges("target_type, resolved", "path = 'vpc_config.subnets'") == {(SUBNET, False)}


def test_a_mere_name_is_an_edge_only_where_something_is_called_so(estate: Estate) -> None:
    status = {"warm_pool_status": {"status": "Reused", "reused_by_job": "b"}}
    estate.sweep(JOB, job("a", **status))
    assert estate.edges("path") == {("role_arn",)}
    estate.sweep(JOB, job("a", **status) | job("b"))
    assert estate.edges("source_id, target_id", "edge = 'reused_by_job'") == {(job_arn("a"), job_arn("b"))}


def test_nothing_refers_to_itself(estate: Estate) -> None:
    estate.sweep(KEY, {KEY_ARN: {"arn": KEY_ARN, "key_id": KEY_ID}})
    estate.sweep(ROLE, {ROLE_ARN: {"arn": ROLE_ARN, "role_name": "trainer", "role_id": "AROA"}}, "global")
    assert estate.edges() == set()


def history(estate: Estate) -> list[tuple[Any, ...]]:
    return run(
        estate.catalog.connection,
        "SELECT source_id, value, _from, _to FROM relations_history WHERE edge = 's3_output_path' ORDER BY ALL",
    )


def at(hour: int) -> datetime:
    return (T0 + hour * HOUR).replace(tzinfo=None)


def out(bucket: str) -> dict[str, Any]:
    return {"output_data_config": {"s3_output_path": f"s3://{bucket}/"}}


@pytest.mark.parametrize("at_once", [False, True], ids=["sweep by sweep", "all made up for at once"])
def test_edges_follow_the_versions_of_their_source(estate: Estate, at_once: bool) -> None:
    edges = not at_once
    estate.sweep(JOB, job("a", **out("one")), edges=edges)
    # Another field changes: the edge goes on.
    estate.sweep(JOB, job("a", **out("one"), failure_reason="x"), edges=edges)
    # This field changes: one edge ends, another begins.
    estate.sweep(JOB, job("a", **out("two")), edges=edges)
    estate.sweep(JOB, job("a", **out("two")), edges=edges)
    # The job is gone, and comes again.
    estate.sweep(JOB, {}, edges=edges)
    estate.sweep(JOB, job("a", **out("two")), edges=True)
    changed = [row[2] for row in history(estate)]
    assert [(v, f.replace(microsecond=0), t and t.replace(microsecond=0)) for _, v, f, t in history(estate)] == [
        ("s3://one/", at(0), at(2)),
        ("s3://two/", at(2), at(4)),
        ("s3://two/", at(5), None),
    ]
    assert run(estate.catalog.connection, "SELECT count(*) FROM relations_as_of(?)", [changed[1]]) == [(2,)]
    assert run(
        estate.catalog.connection,
        "SELECT value FROM relations_as_of(?) WHERE edge = 's3_output_path'",
        [changed[1] - timedelta(seconds=1)],
    ) == [("s3://one/",)]


def test_what_was_cut_short_is_made_up_for(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = {key: fields for name in "abcde" for key, fields in job(name, **out(name)).items()}
    estate.sweep(JOB, jobs, edges=False)
    monkeypatch.setattr(update, "_VERSIONS_AT_ONCE", 2)
    whole = update._write_batch
    written: list[Any] = []

    def fail_later(*arguments: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments)
        whole(*arguments)

    monkeypatch.setattr(update, "_write_batch", fail_later)
    with pytest.raises(KeyboardInterrupt):
        update_relations(estate.catalog, 1)
    assert len(estate.edges("source_id")) == 4
    monkeypatch.setattr(update, "_write_batch", whole)
    assert update_relations(estate.catalog, 1) == 1
    assert run(estate.catalog.connection, "SELECT count(*) FROM relation_versions") == [(10,)]
    assert len(estate.edges("source_id")) == 5


@pytest.mark.parametrize("is_first", [True, False])
def test_edges_that_were_written_and_not_yet_looked_for_are_made_up_for(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    estate.sweep(ROLE, {ROLE_ARN: {"arn": ROLE_ARN, "role_name": "trainer"}}, "global", edges=not is_first)
    estate.sweep(JOB, job("a"), edges=False)
    with monkeypatch.context() as cut:
        cut.setattr(update, "resolve_edges", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            update_relations(estate.catalog, 2)
    assert estate.edges("path, resolved") == {("role_arn", False)}
    # Nothing is new since, and yet something is left to do.
    update_relations(estate.catalog, 2)
    assert estate.edges("path, resolved") == {("role_arn", True)}
    assert update_relations(estate.catalog, 2) == 0


def arn(rest: str) -> str:
    service, _, resource = rest.partition(":")
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


@pytest.mark.parametrize(
    ("child", "child_id", "parent", "parent_id", "edge"),
    [
        ("lambda_alias", arn("lambda:function:f:live"), "lambda_function", arn("lambda:function:f"), "function"),
        ("elbv2_rule", arn("elasticloadbalancing:listener-rule/app/a/b/c/d"), "elbv2_listener",
         arn("elasticloadbalancing:listener/app/a/b/c"), "listener"),
        ("apigatewayv2_route", "arn:aws:apigateway:eu-west-1::/apis/a1/routes/r1", "apigatewayv2_api",
         "arn:aws:apigateway:eu-west-1::/apis/a1", "api"),
        ("apigateway_authorizer", f"aws_apigateway_authorizer:{ACCOUNT}:{REGION}:a1/x1", "apigateway_restapi",
         "arn:aws:apigateway:eu-west-1::/restapis/a1", "rest_api"),
    ],
)  # fmt: skip
def test_a_child_whose_fields_do_not_say_it_belongs_to_what_its_id_continues(
    estate: Estate, child: str, child_id: str, parent: str, parent_id: str, edge: str
) -> None:
    child, parent = f"aws_{child}", f"aws_{parent}"
    estate.sweep(child, {child_id: {}})
    assert estate.edges() == set()
    # Another resource of the parent's type whose id only begins alike is none.
    estate.sweep(parent, {parent_id: {}, f"{parent_id}x": {}})
    assert estate.edges("source_id, path, edge, target_type, target_id") == {(child_id, "_id", edge, parent, parent_id)}


def test_an_arn_that_two_services_know_a_resource_by_is_that_of_its_own_service(estate: Estate) -> None:
    queue, target, queue_arn = "aws_sqs_queue", "aws_events_target", arn("sqs:jobs")
    estate.sweep(target, {queue_arn: {"arn": queue_arn, "id": "1"}})
    estate.sweep("aws_pipes_pipe", {arn("pipes:pipe/p"): {"source": queue_arn}})
    assert estate.edges("source_type, target_type, resolved") == {
        ("aws_pipes_pipe", queue, False),
        (target, queue, False),
    }
    queue_id = f"{queue}:{ACCOUNT}:{REGION}:https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/jobs"
    estate.sweep(queue, {queue_id: {}})
    assert estate.edges("source_type, target_id") == {("aws_pipes_pipe", queue_id), (target, queue_id)}


def test_an_id_is_first_that_of_the_resource_which_is_called_so_and_then_of_those_that_contain_it(
    estate: Estate,
) -> None:
    vpc, vpc_id = "aws_ec2_vpc", "vpc-0123456789abcdef0"
    estate.sweep("aws_ec2_flowlog", {"flow": {"resource_id": vpc_id}})
    estate.sweep("aws_ec2_vpcendpoint", {"vpce-1": {"vpc_endpoint_id": "vpce-1", "vpc_id": vpc_id}})
    association = "aws_ec2_transitgatewayroutetableassociation"
    estate.sweep(association, {f"{association}:{ACCOUNT}:{REGION}:tgw-rtb-1/tgw-attach-1/{vpc_id}": {}})
    estate.sweep(vpc, {arn(f"ec2:vpc/{vpc_id}"): {"vpc_id": vpc_id}})
    assert estate.edges("target_type", "source_type = 'aws_ec2_flowlog'") == {(vpc,)}


def test_a_sweep_without_changes_writes_nothing(estate: Estate) -> None:
    estate.sweep(JOB, job("a", **out("one")))
    estate.sweep(JOB, job("a", **out("one")), edges=False)
    assert update_relations(estate.catalog, 2) == 0
