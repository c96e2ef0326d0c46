"""Edges of training jobs, both ways: those that fields say, and those that none does."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_catalog import TYPE, arn, job, training_job, write_sweep
from stocktake.insights.edge_rules import FLOWS, edge_rules
from stocktake.insights.lineage import edges_of, walk_lineage
from stocktake.insights.names import ask
from stocktake.providers.aws.models import open_models
from stocktake.query.connection import open_reading
from stocktake.relations.update import update_relations
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import ResourceType
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.store.type_tables import ensure_tables

RULES = edge_rules()[TYPE]
START = datetime(2026, 1, 10, 12)  # noqa: DTZ001 - naive UTC
MODEL, PACKAGE = "aws_sagemaker_model", "aws_sagemaker_modelpackage"
FACTS = {
    # The edges of the facts about training jobs, by what each is called here.
    "RUNS_AS", "IN_SUBNET", "USES_SECURITY_GROUP", "ENCRYPTS_OUTPUT_WITH", "ENCRYPTS_VOLUME_WITH", "READS",
    "WRITES_MODEL", "WRITES_CHECKPOINT", "WRITES_DEBUG", "READS_DATASET", "RUNS_IMAGE", "USES_ALGORITHM",
    "GETS_CREDENTIALS_FROM", "CHILD_OF", "IN_EXPERIMENT", "IN_TRIAL", "USES_CAPACITY_OF", "FINE_TUNES", "MOUNTS",
    "EVALUATED_BY", "WARM_POOL_PASSED_TO", "IN_ACCOUNT", "LOGS_TO", "EMITS_METRIC", "SHELL_THROUGH",
    "PRODUCED_MODEL", "REGISTERED_AS", "STEP_OF", "TRACKED_BY", "LINEAGE", "SUBMITTED_BY", "CREATED_BY",
    "DERIVED_FROM", "RUNS_IMAGE_VERSION",
}  # fmt: skip


def has(resource_type: ResourceType, path: str) -> bool:
    fields = resource_type.fields
    for step in path.split("."):
        found = next((one for one in fields if one.name == step), None)
        if found is None:
            return False
        value = found.type
        while value.element is not None:
            value = value.element
        fields = value.fields
    return True


def test_every_edge_has_a_rule() -> None:
    assert {rule.name for rule in RULES} >= FACTS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name}-{len(rule.paths)}")
def test_every_rule_speaks_of_fields_that_there_are(rule: Any) -> None:
    assert rule.flow in FLOWS
    assert rule.about.endswith(".")
    assert rule.source
    assert sum(bool(part) for part in (rule.paths, rule.inward, rule.sql)) == 1
    assert all(has(training_job(), path) for path in rule.paths)
    for name, paths in rule.inward.items():
        assert all(has(load_type(name, open_models()), path) for path in paths), name
    read = set(re.findall(r"\b(aws_\w+?)(?:_history)?\b", re.sub(r"'[^']*'", "", rule.sql)))
    assert read <= {*rule.needs, *(name for name in read if name.startswith("aws_sagemaker_trainingjob"))}


def uri(name: str, end: str = "/output/model.tar.gz") -> str:
    return f"s3://models/out/{name}{end}"


def channel(location: str) -> dict[str, Any]:
    return {"channel_name": "c", "input_mode": "File", "data_source": {"s3_data_source": {"s3_uri": location}}}


def made(name: str, hours: int, **fields: Any) -> dict[str, Any]:
    begun = START + timedelta(hours=hours)
    return job(
        name,
        creation_time=begun,
        training_start_time=begun,
        training_end_time=begun + timedelta(minutes=30),
        training_job_status="Completed",
        output_data_config={"s3_output_path": "s3://models/out/"},
        model_artifacts={"s3_model_artifacts": uri(name)},
        **fields,
    )


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jobs that build on each other, a model and a package of one, a pool that is passed on, a name used twice."""
    path = tmp_path_factory.mktemp("family") / "catalog.duckdb"
    rows = [
        made("base", 0, input_data_config=[channel("s3://data/raw/")], warm_pool_status={
            "status": "Reused", "reused_by_job": "next", "resource_retained_billable_time_in_seconds": 60}),
        made("next", 1, input_data_config=[channel("s3://data/raw")]),
        made("tuned", 2, input_data_config=[channel(uri("base")), channel("s3://data/fine/")]),
        made("folder", 3, input_data_config=[channel(uri("tuned", ""))]),
        made("resumed", 4, checkpoint_config={"s3_uri": "s3://models/checks/base"}),
        made("writer", 2, checkpoint_config={"s3_uri": "s3://models/checks/base/"}),
        made("other", 5, input_data_config=[channel("s3://models/out/basement/output/model.tar.gz")]),
        made("all", 6, input_data_config=[channel("s3://models/out/")]),
        made("debugged", 7, remote_debug_config={"enable_remote_debug": True}, tags=[
            "sagemaker:pipeline-execution-arn:arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/e",
            "aws:states:execution-arn:arn:aws:states:us-east-1:111122223333:execution:s:e"]),
    ]  # fmt: skip
    moment = datetime.now(UTC)
    with open_catalog(path) as catalog:
        for name in (TYPE, MODEL, PACKAGE):
            ensure_tables(catalog, load_type(name, open_models()), moment)
        write_sweep(catalog, moment, [row["training_job_name"] for row in rows], rows, [])
        own = "TIMESTAMP '2026-01-01' AS _from, 1 AS _sweep, 'us-east-1' AS _region, '111122223333' AS account_id"
        run(
            catalog.connection,
            f"INSERT INTO {MODEL}_history BY NAME SELECT 'm' AS _id, 'churn' AS model_name, {own}, "
            f"{{'model_data_url': '{uri('tuned')}'}} AS primary_container",
        )
        run(
            catalog.connection,
            f"INSERT INTO {PACKAGE}_history BY NAME SELECT 'p' AS _id, {own}, {{'containers': [{{'model_data_source': "
            f"{{'s3_data_source': {{'s3_uri': '{uri('tuned')}/'}}}}}}]}} AS inference_specification",
        )
        update_relations(catalog, 1)
    return path


def edges(path: Path, name: str) -> set[tuple[str, str]]:
    with open_reading(path) as catalog:
        sql = "SELECT source_id, target_id FROM lineage WHERE edge = $name"
        return {(short(source), short(target)) for source, target in ask(catalog, sql, {"name": name}).rows()}


def short(what: str) -> str:
    return what.rpartition("/")[2] if what.startswith("arn:aws:sagemaker:us-east-1:111122223333:training") else what


def test_a_job_derives_from_whose_model_or_checkpoints_it_reads(family: Path) -> None:
    assert edges(family, "DERIVED_FROM") == {
        ("tuned", "base"), ("folder", "tuned"), ("resumed", "writer"),
    }, "neither a longer name, nor the folder of all, nor a later job"  # fmt: skip


def test_models_and_packages_by_the_artifact_s_path(family: Path) -> None:
    assert edges(family, "PRODUCED_MODEL") == {("tuned", "m")}
    assert edges(family, "REGISTERED_AS") == {("tuned", "p")}


def test_data_sets_are_shared_whatever_stands_behind_them(family: Path) -> None:
    sets = edges(family, "READS_DATASET")
    assert {("base", "s3://data/raw"), ("next", "s3://data/raw")} <= sets


def test_a_pool_goes_to_the_job_that_came_after(family: Path) -> None:
    assert edges(family, "WARM_POOL_PASSED_TO") == {("base", "next")}


def test_what_no_field_says(family: Path) -> None:
    assert edges(family, "STEP_OF") == {("debugged", "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/e")}
    assert edges(family, "CREATED_BY") == {("debugged", "arn:aws:states:us-east-1:111122223333:execution:s:e")}
    assert edges(family, "SHELL_THROUGH") == {
        ("debugged", f"sagemaker-training-job:debugged_algo-{number}") for number in (1, 2)
    }
    group = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/sagemaker/TrainingJobs"
    assert {target for _, target in edges(family, "LOGS_TO")} == {group}
    assert {target for _, target in edges(family, "IN_ACCOUNT")} == {"111122223333"}


def test_what_a_field_says_is_its_relation(family: Path) -> None:
    assert ("base", "s3://data/raw/") in edges(family, "READS")
    assert ("base", "s3://models/out/") in edges(family, "WRITES_MODEL")


def walked(path: Path, kind: str, name: str, **options: Any) -> list[tuple[int, str, str]]:
    with open_reading(path) as catalog:
        walk = walk_lineage(catalog, (kind, name), **options)
    return [(step.depth, step.edge.name, short(step.node[1])) for step in walk.steps]


def test_from_a_model_back_to_the_first_data(family: Path) -> None:
    found = walked(family, MODEL, "m", directions=("upstream",))
    assert (1, "PRODUCED_MODEL", "tuned") in found
    assert (2, "DERIVED_FROM", "base") in found
    assert (2, "READS_DATASET", "s3://data/fine") in found
    assert (3, "READS_DATASET", "s3://data/raw") in found
    assert not any(name == "folder" for _, _, name in found), "what came out of it did not go in"


def test_from_data_to_everything_that_was_made_of_it(family: Path) -> None:
    found = walked(family, "dataset", "s3://data/raw", directions=("downstream",), depth=4)
    names = {name for _, _, name in found}
    assert {"base", "next", "tuned", "folder", "m", "p"} <= names
    assert not {"other", "writer"} & names


def test_depth_limit_and_context(family: Path) -> None:
    assert {depth for depth, _, _ in walked(family, TYPE, arn("folder"), depth=1)} == {1}
    with open_reading(family) as catalog:
        cut = walk_lineage(catalog, (TYPE, arn("base")), limit=2)
        assert cut.more
        assert len(cut.steps) <= 4
        around = walk_lineage(catalog, (TYPE, arn("base")), directions=("context",))
        assert {step.edge.flow for step in around.steps} == {"context"}
        assert {step.depth for step in around.steps} == {1}
        assert edges_of(catalog, [(TYPE, arn("nobody"))]) == []


def test_every_edge_that_boto3_s_answers_say(catalog: Catalog, estate: Any) -> None:
    """On the estate, edges as counted from other columns, not through relations."""
    found: Counter[str] = Counter(
        dict(ask(catalog, "SELECT edge, count(DISTINCT source_id) FROM lineage GROUP BY ALL").rows())
    )
    jobs = len(estate.truth)
    assert found["RUNS_AS"] == found["IN_ACCOUNT"] == found["WRITES_MODEL"] == jobs
    [[tuned, with_vpc, spot_checks, keys]] = ask(
        catalog,
        f"SELECT count(tuning_job_arn), count(*) FILTER (len(vpc_config.subnets) > 0), count(checkpoint_config), "
        f"count(output_data_config.kms_key_id) FROM {TYPE}",
    ).rows()
    assert found["IN_SUBNET"] == with_vpc
    assert found["WRITES_CHECKPOINT"] == spot_checks
    assert found["ENCRYPTS_OUTPUT_WITH"] == keys
    [[automl]] = ask(catalog, f"SELECT count(auto_ml_job_arn) FROM {TYPE}").rows()
    assert found["CHILD_OF"] == tuned + automl
    resolved = ask(catalog, "SELECT DISTINCT edge FROM lineage WHERE held").rows()
    assert {
        "RUNS_AS", "CHILD_OF", "IN_SUBNET", "ENCRYPTS_OUTPUT_WITH", "PRODUCED_MODEL", "REGISTERED_AS",
        "RUNS_IMAGE", "RUNS_IMAGE_VERSION", "WARM_POOL_PASSED_TO",
    } <= {edge for (edge,) in resolved}  # fmt: skip


def test_images_are_those_that_the_jobs_name(catalog: Catalog) -> None:
    sql = """SELECT j.image_repository, j.image_tag, j.image_digest, i.repository_name, i.image_tags, i.image_digest
        FROM lineage AS e JOIN aws_sagemaker_trainingjob_insights AS j ON j._id = e.source_id
        JOIN aws_ecr_image AS i ON i._id = e.target_id AND i.account_id = e.target_account_id
        WHERE e.edge = 'RUNS_IMAGE_VERSION'"""
    rows = list(ask(catalog, sql).rows())
    assert len(rows) > 100
    for repository, tag, digest, named, tags, its_digest in rows:
        assert repository == named
        assert digest == its_digest if digest else (tag or "latest") in tags
