from __future__ import annotations

from typing import Any

import duckdb
import pytest

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.derive import derive_types
from stocktake.resource_types.export import render_ddl, schema_as_json
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import sql_type

MODELS = open_models()


def fields_of(name: str) -> list[dict[str, Any]]:
    fields = schema_as_json(load_type(name, MODELS))["fields"]
    assert isinstance(fields, list)
    return fields


def test_json_form() -> None:
    schema = schema_as_json(load_type("aws_sagemaker_trainingjob", MODELS))
    assert list(schema) == ["name", "provider", "fields"]
    assert (schema["name"], schema["provider"]) == ("aws_sagemaker_trainingjob", "aws")
    fields = fields_of("aws_sagemaker_trainingjob")
    assert fields[0] == {"path": "account_id", "type": "STRING", "provider_name": None, "description": None}
    by_path = {field["path"]: field for field in fields}
    assert by_path["resource_config.instance_groups.instance_count"]["type"] == "INT32"
    assert by_path["tags"] == {
        "path": "tags",
        "type": "UNORDERED_LIST_STRING",
        "provider_name": None,
        "description": None,
    }
    assert by_path["failure_reason"]["description"] == "If the training job failed, the reason it failed."
    assert by_path["training_job_status"]["description"].startswith(
        "The status of the training job. SageMaker provides"
    )
    assert (
        "\n\n- `InProgress` - The training is in progress.\n- `Completed`"
        in by_path["training_job_status"]["description"]
    )


def test_json_form_has_one_entry_for_each_path() -> None:
    paths = [field["path"] for field in fields_of("aws_ec2_instance")]
    assert len(set(paths)) == len(paths)
    assert "network_interfaces.private_ip_addresses.association.public_ip" in paths
    assert {"account_id", "tags", "instance_arn"} <= set(paths)


@pytest.mark.parametrize("name", ["aws_sagemaker_trainingjob", "aws_ec2_instance", "aws_kms_key", "aws_emr_cluster"])
def test_ddl_makes_the_table_with_the_columns_of_the_page(name: str) -> None:
    one = load_type(name, MODELS)
    with duckdb.connect() as connection:
        connection.execute(render_ddl(one))
        columns = connection.execute(
            "select column_name, comment from duckdb_columns() where table_name = ? order by column_index", [name]
        ).fetchall()
        assert [column for column, _ in columns] == [field.name for field in one.fields]
        described = {column for column, comment in columns if comment}
        assert described == {field.name for field in one.fields if field.documentation}
        for field in one.fields:
            made = connection.execute(
                f'select typeof("{field.name}") from (select 1) left join {name} on true'
            ).fetchall()
            wanted = connection.execute(f"select typeof(cast(null as {sql_type(field.type)}))").fetchall()
            assert made == wanted


def test_ddl_of_all_types_of_large_services_executes() -> None:
    models = open_models()
    made = 0
    with duckdb.connect() as connection:
        for service in ("ec2", "sagemaker", "glue", "iot", "medialive", "cloudfront", "lexv2-models", "rds"):
            for one in derive_types(models.load(service)).values():
                connection.execute(render_ddl(one))
                made += 1
    assert made > 200
