from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import botocore
import pytest

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.schema import field_name, inner_fields, structure_fields, value_type, walk
from stocktake.resource_types.shapes import output_shape
from stocktake.resource_types.spec import Field, Kind, ValueType, page_type, sql_type

MODELS = open_models()
SHAPES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("odd_shapes.toml").read_text(encoding="utf-8"))[
    "shape"
]


def word(value: ValueType) -> str:
    """Return the page's word, but JSON where the page says STRING for a JSON text."""
    if value.kind is Kind.LIST and value.element is not None:
        return f"UNORDERED_LIST_{word(value.element)}"
    return "JSON" if value.kind is Kind.JSON else page_type(value)


def find(service: str, operation: str, dotted: str) -> Field | None:
    model = MODELS.load(service)
    shape = output_shape(model, operation)
    assert shape is not None
    fields, field = structure_fields(model, shape)[0], None
    for member in dotted.split("."):
        field = next((one for one in fields if one.provider_name == member), None)
        if field is None:
            return None
        fields = inner_fields(field.type)
    return field


@pytest.mark.parametrize("stated", SHAPES, ids=[one["what"] for one in SHAPES])
def test_odd_shape(stated: dict[str, Any]) -> None:
    service, operation, dotted = stated["at"]
    assert member_exists(service, operation, dotted), "the example is gone from botocore: find another"
    field = find(service, operation, dotted)
    assert (word(field.type) if field else "left out") == stated["type"]


def member_exists(service: str, operation: str, dotted: str) -> bool:
    shapes = MODELS.load(service).shapes
    name = output_shape(MODELS.load(service), operation)
    for member in dotted.split("."):
        while name is not None and shapes[name]["type"] == "list":
            name = shapes[name]["member"]["shape"]
        if name is None or member not in shapes[name].get("members", {}):
            return False
        name = shapes[name]["members"][member]["shape"]
    return True


def test_every_answer_of_every_service_maps_and_ends() -> None:
    """Some 15,000 answers: every member is a field or left out, every field has a name and a type, sorted."""
    models = open_models()
    answers = 0
    for service in models.service_names:
        model = models.load(service)
        shapes = {output_shape(model, operation) for operation in model.operations} - {None}
        for shape in shapes:
            assert shape is not None
            check_structure(*structure_fields(model, shape), members=len(model.shapes[shape]["members"]))
            answers += 1
        models.forget(service)
    assert answers > 10_000


def check_structure(fields: tuple[Field, ...], omitted: tuple[str, ...], members: int) -> None:
    names = [field.name for field in fields]
    assert names == sorted(set(names))
    assert len(fields) + len(omitted) == members
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_]+", name)
        assert len({name.lower() for name in names}) == len(names), "DuckDB does not tell cases apart"
    for field in fields:
        check_value(field.type)


def check_value(value: ValueType) -> None:
    if value.kind is Kind.STRUCT:
        assert value.fields
        check_structure(value.fields, value.omitted, members=len(value.fields) + len(value.omitted))
    elif value.kind in {Kind.LIST, Kind.MAP}:
        assert value.element is not None
        if value.kind is Kind.MAP:
            assert value.element.kind not in {Kind.STRUCT, Kind.JSON}
        check_value(value.element)
    else:
        assert not value.fields
        assert value.element is None
    assert (value.kind is Kind.TIMESTAMP) == bool(value.timestamp_format)


def test_names_are_botocores_but_for_binary_units() -> None:
    for model in (MODELS.load(service) for service in ("sagemaker", "ec2", "rds", "apigateway", "waf")):
        for shape in model.shapes.values():
            for member in shape.get("members", ()):
                if not re.search("[KMGTPE]iB", member):
                    assert field_name(member) == botocore.xform_name(member)
    assert field_name("MemoryGiBPerVCpu") == "memory_gib_per_v_cpu"
    assert field_name("SizeInMiB") == "size_in_mib"
    assert field_name("MaxKiBs") == "max_kibs"


def test_names_of_the_catalog_are_kept_free() -> None:
    model = MODELS.load("sns")
    shape = model.operations["GetDataProtectionPolicy"]["output"]["shape"]
    assert structure_fields(model, shape)[0][0].name == "data_protection_policy"
    account = find_any("guardduty", "Member", "AccountId")
    assert account.name == "aws_account_id"
    display = find_any("sagemaker", "DescribeImageResponse", "DisplayName")
    assert display.name == "aws_display_name"
    nested = find("sagemaker", "DescribeTrainingJob", "ExperimentConfig.TrialComponentDisplayName")
    assert nested is not None
    assert nested.name == "trial_component_display_name"


def find_any(service: str, shape: str, member: str) -> Field:
    fields, _ = structure_fields(MODELS.load(service), shape)
    return next(field for field in fields if field.provider_name == member)


@pytest.mark.parametrize(
    ("service", "shape", "expected"),
    [
        ("sagemaker", "Timestamp", "unixTimestamp"),
        ("ec2", "DateTime", "iso8601"),
        ("iam", "dateType", "iso8601"),
        ("accessanalyzer", "Timestamp", "iso8601"),
        ("eks", "Timestamp", "unixTimestamp"),
    ],
)
def test_timestamps_know_their_wire_form(service: str, shape: str, expected: str) -> None:
    found = value_type(MODELS.load(service), shape)
    assert found is not None
    assert found.timestamp_format == expected


def test_sensitive_shapes_are_marked() -> None:
    field = find("lambda", "GetFunctionConfiguration", "Environment.Variables")
    assert field is not None
    assert field.type.sensitive


def test_wire_names_are_those_of_the_protocol() -> None:
    field = find("ec2", "DescribeInstances", "Reservations.Instances.InstanceId")
    assert field is not None
    assert (field.name, field.provider_name, field.wire_name) == ("instance_id", "InstanceId", "instanceId")


def test_what_is_left_out_is_named() -> None:
    field = find("ec2", "DescribeInstances", "Reservations.Instances")
    assert field is not None
    assert field.type.element is not None
    assert "Tags" in field.type.element.omitted
    assert structure_fields(MODELS.load("apigateway"), "ExportResponse")[1] == (
        "body",
        "contentDisposition",
        "contentType",
    )


def test_sql_types() -> None:
    field = find("sagemaker", "DescribeTrainingJob", "SecondaryStatusTransitions")
    assert field is not None
    assert sql_type(field.type) == (
        'STRUCT("end_time" TIMESTAMP, "start_time" TIMESTAMP, "status" VARCHAR, "status_message" VARCHAR)[]'
    )


def test_walk_is_depth_first() -> None:
    model = MODELS.load("sagemaker")
    paths = [path for path, _ in walk(structure_fields(model, "DescribeTrainingJobResponse")[0])]
    assert paths[0] == ("algorithm_specification",)
    assert paths[1] == ("algorithm_specification", "algorithm_name")
    assert paths == sorted(paths, key=lambda path: path)
