"""What fields' names propose, and what forms of values say."""

from __future__ import annotations

import json

import duckdb
import pytest

from stocktake.providers.aws.models import open_models
from stocktake.relations.fields import text_columns
from stocktake.relations.forms import form_sql, group_sql, type_sql, value_forms
from stocktake.relations.known_types import known_types
from stocktake.relations.proposals import claimed_type, edge_word, own_names, proposed_types
from stocktake.resource_types.export import render_ddl
from stocktake.resource_types.registry import list_types, load_type
from stocktake.store.type_tables import _schema_json

JOB = "aws_sagemaker_trainingjob"


@pytest.mark.parametrize(
    ("source", "path", "first"),
    [
        (JOB, "role_arn", "aws_iam_role"),
        ("aws_emr_cluster", "ec2_instance_attributes.ec2_key_name", "aws_ec2_keypair"),
        (JOB, "vpc_config.subnets", "aws_ec2_subnet"),
        (JOB, "resource_config.volume_kms_key_id", "aws_kms_key"),
        (JOB, "tuning_job_arn", "aws_sagemaker_hyperparametertuningjob"),
        (JOB, "experiment_config.experiment_name", "aws_sagemaker_experiment"),
        (JOB, "warm_pool_status.reused_by_job", JOB),
        ("aws_ec2_instance", "security_groups.group_id", "aws_ec2_securitygroup"),
        ("aws_ec2_instance", "iam_instance_profile.arn", "aws_iam_instanceprofile"),
        ("aws_rds_dbinstance", "db_subnet_group.db_subnet_group_name", "aws_rds_dbsubnetgroup"),
        ("aws_ecs_service", "cluster_arn", "aws_ecs_cluster"),
        ("aws_lambda_function", "role", "aws_iam_role"),
    ],
)
def test_a_name_proposes_the_type_that_it_says(source: str, path: str, first: str) -> None:
    types = proposed_types(source, tuple(path.split(".")))
    assert first in types[:2] if first == JOB or "tuning" in first else types[0] == first


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (JOB, "training_job_name"),
        (JOB, "training_job_arn"),
        (JOB, "training_job_status"),
        ("aws_ec2_vpc", "vpc_id"),
        ("aws_ec2_securitygroup", "group_name"),
        ("aws_ec2_instance", "instance_type"),
        ("aws_iam_role", "arn"),
        (JOB, "failure_reason"),
    ],
)
def test_own_names_and_the_provider_s_words_propose_nothing(source: str, path: str) -> None:
    assert proposed_types(source, tuple(path.split("."))) == ()


@pytest.mark.parametrize(
    ("source", "path", "claimed"),
    [
        (JOB, "vpc_config.subnets", "aws_ec2_subnet"),
        (JOB, "output_data_config.kms_key_id", "aws_kms_key"),
        ("aws_ec2_snapshot", "volume_id", "aws_ec2_volume"),
        ("aws_ec2_instance", "security_groups.group_id", "aws_ec2_securitygroup"),
        ("aws_ec2_instance", "client_token", None),
        ("aws_ec2_networkinterface", "association.association_id", None),
        # EFS and FSx have file systems.
        (JOB, "input_data_config.data_source.file_system_data_source.file_system_id", None),
    ],
)
def test_an_id_that_nothing_has_is_claimed_only_where_the_name_is_sure(
    source: str, path: str, claimed: str | None
) -> None:
    steps = tuple(path.split("."))
    assert claimed_type(source, steps, proposed_types(source, steps)) == claimed


def test_every_proposed_type_exists() -> None:
    known = known_types()
    for types in (*known.by_noun.values(), *known.by_key.values()):
        assert set(types) <= known.names
    assert {form.type for form in value_forms()} - {None} <= known.names


def test_names_of_a_type_s_own() -> None:
    schema = dict.fromkeys(("key_name", "key_pair_id", "key_fingerprint", "key_type", "account_id"), "STRING")
    assert own_names("aws_ec2_keypair", schema) == ("key_name", "key_pair_id")


@pytest.mark.parametrize(
    ("value", "form", "key"),
    [
        ("s3://bucket/a/b", "s3_uri", "bucket"),
        ("arn:aws:s3:::bucket/a*", "s3_arn", "bucket"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a", "s3_url", "bucket"),
        ("https://s3-eu-west-1.amazonaws.com/bucket/a", "s3_path_url", "bucket"),
        ("111122223333.dkr.ecr.us-east-1.amazonaws.com/team/x@sha256:12", "ecr_image", "team/x"),
        ("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/x", "ecr_image", "x"),
        ("https://sqs.us-east-1.amazonaws.com/111122223333/jobs", "queue_url", "jobs"),
        ("arn:aws-us-gov:iam::111122223333:role/x", "arn", None),
        ("vol-0123456789abcdef0", "id", None),
        ("vol-01234567", "id", None),
        ("9a65f3db-3b0c-486c-a2f7-e3c6f7032864", "id", None),
        ("vol-0123", "name", None),
        ("see s3://bucket", "name", None),
        ("arn:aws", "name", None),
        ("https://example.com/s3://x", "name", None),
    ],
)
def test_forms(value: str, form: str, key: str | None) -> None:
    [row] = (
        duckdb.connect()
        .execute(
            f"SELECT form, {group_sql('form', 'v', 'key', 'NULL')}, {type_sql('form', 'NULL')} "
            f"FROM (SELECT $1 AS v, {form_sql('$1')} AS form)",
            [value],
        )
        .fetchall()
    )
    assert row[:2] == (form, key)
    assert (row[2] is None) == (key is None)


def test_fields_at_any_depth_are_read_from_typed_rows() -> None:
    schema = {
        "plain": "STRING",
        "number": "INT32",
        "many": "UNORDERED_LIST_STRING",
        "nested": ["STRUCT", {"deep": ["UNORDERED_LIST_STRUCT", {"ids": "UNORDERED_LIST_STRING", "name": "STRING"}]}],
        "map": "MAP_STRING_STRING",
        "tags": "UNORDERED_LIST_STRING",
    }
    columns = list(text_columns(JOB, schema))
    paths = {field.number: field.path for column in columns for field in column.fields}
    assert list(paths) == [1, 2, 3, 4, 5]
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE t AS SELECT 'a' AS plain, 1 AS number, ['b', NULL] AS many, "
        "{'deep': [{'ids': ['c', 'd'], 'name': 'g'}, {'ids': NULL, 'name': NULL}, NULL, {'ids': ['e'], 'name': NULL}]} "
        "AS nested, MAP {'k': 'f'} AS map "
        "UNION ALL SELECT NULL, NULL, NULL, NULL, NULL"
    )
    read: dict[str, list[str]] = {}
    for column in columns:
        for (said,) in connection.execute(f"SELECT unnest({column.said_sql}) AS said FROM t").fetchall():
            if said["v"] is not None:
                read.setdefault(paths[said["n"]], []).append(said["v"])
    assert {path: sorted(values) for path, values in read.items()} == {
        "plain": ["a"],
        "many": ["b"],
        "nested.deep.ids": ["c", "d", "e"],
        "nested.deep.name": ["g"],
        "map": ["f"],
    }


@pytest.mark.parametrize("service", ["wafv2", "lexv2-models", "ecs", "sagemaker", "batch", "quicksight"])
def test_the_fields_of_any_derived_type_can_be_read(service: str) -> None:
    models = open_models()
    connection = duckdb.connect()
    names = [one.name for one in list_types(models) if one.service == service]
    for name in names[:12]:
        kind = load_type(name, models)
        connection.execute(render_ddl(kind))
        connection.execute(f"ALTER TABLE {name} ADD COLUMN _id VARCHAR")
        columns = list(text_columns(name, json.loads(_schema_json(kind))))
        read = ", ".join(column.said_sql for column in columns)
        assert connection.execute(f"SELECT {read} FROM {name}").fetchall() == []
    assert names


def test_the_word_of_an_edge_says_what_it_is() -> None:
    assert edge_word(("role_arn",)) == "role_arn"
    assert edge_word(("iam_instance_profile", "arn")) == "iam_instance_profile_arn"
