"""What `json_transform` would lose in silence is kept, named or set aside."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from stocktake.normalize.normalizer import Normalized, Normalizer
from stocktake.normalize.redact import Redactor, holds_secret, is_secret_name
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

NAME = {"TrainingJobName": "job"}


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    return Normalizer(load_type("aws_sagemaker_trainingjob", open_models()), Redactor(b"k" * 32))


def normalized(normalizer: Normalizer, *bodies: bytes | dict[str, Any]) -> Normalized:
    raw = [body if isinstance(body, bytes) else orjson.dumps(body) for body in bodies]
    return normalizer.normalize(raw, normalizer.sift(raw))


def column(result: Normalized, name: str) -> list[Any]:
    values: list[Any] = result.table[name].to_pylist()
    return values


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("BillableTimeInSeconds", 2**31, "a number (2147483648) does not fit INT32"),
        ("BillableTimeInSeconds", 1.6, "a number (1.6) does not fit INT32"),
        ("BillableTimeInSeconds", True, "a boolean (True) does not fit INT32"),
        ("BillableTimeInSeconds", [1], "a list does not fit INT32"),
        ("CreationTime", 1e30, "a number (1e+30) does not fit TIMESTAMP"),
        ("CreationTime", "yesterday", "a string does not fit TIMESTAMP"),
        ("HyperParameters", "none", "a string does not fit an object"),
        ("InputDataConfig", {"a": 1}, "an object does not fit a list"),
        ("RoleArn", {"a": 1}, "an object does not fit STRING"),
        ("EnableNetworkIsolation", "maybe", "a string does not fit BOOLEAN"),
    ],
)
def test_a_value_that_does_not_fit_is_kept_aside_with_its_path(
    normalizer: Normalizer, member: str, value: object, why: str
) -> None:
    result = normalized(normalizer, NAME | {member: value}, NAME)
    [(position, misfit)] = result.misfits
    assert (position, misfit.path, misfit.reason) == (0, member, why)
    assert json.loads(misfit.value) == value
    assert column(result, "training_job_name") == ["job", "job"]
    assert result.table.num_rows == 2


def test_a_misfit_deep_inside_names_its_place_and_spares_its_neighbors(normalizer: Normalizer) -> None:
    groups = [{"InstanceType": "ml.m5.large", "InstanceCount": n, "InstanceGroupName": "g"} for n in (1, 2**40, 3)]
    result = normalized(normalizer, NAME | {"ResourceConfig": {"InstanceGroups": groups, "VolumeSizeInGB": 5}})
    assert [m.path for _, m in result.misfits] == ["ResourceConfig.InstanceGroups[1].InstanceCount"]
    config = column(result, "resource_config")[0]
    assert [g["instance_count"] for g in config["instance_groups"]] == [1, None, 3]
    assert config["volume_size_in_gb"] == 5


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b'{"TrainingJobName":"trunc', "not JSON"),
        (b"null", "the answer is null, not an object"),
        (b"[1]", "the answer is a list, not an object"),
        (b"<html>503</html>", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_body_that_is_no_resource_never_spoils_its_batch(normalizer: Normalizer, body: bytes, why: str) -> None:
    result = normalized(normalizer, NAME, body, NAME)
    [(position, reason)] = result.unreadable
    assert position == 1
    assert why in reason
    assert column(result, "_row") == [0, 2]


def test_members_that_the_model_does_not_know_are_kept_where_they_were(normalizer: Normalizer) -> None:
    new = {"Shiny": {"A": [1, 2]}, "ResourceConfig": {"InstanceCount": 1, "Warp": 9}}
    metric = {"MetricName": "loss", "Value": 1.0, "Unit": "none"}
    result = normalized(normalizer, NAME | new | {"FinalMetricDataList": [metric]})
    assert json.loads(column(result, "_unknown")[0]) == {
        "Shiny": {"A": [1, 2]},
        "ResourceConfig": {"Warp": 9},
        "FinalMetricDataList": {"0": {"Unit": "none"}},
    }
    assert column(result, "resource_config")[0]["instance_count"] == 1
    assert not result.misfits


def test_a_duplicate_key_keeps_the_last_value_as_botocore_does(normalizer: Normalizer) -> None:
    body = b'{"HyperParameters":{"lr":"1","lr":"2"},"TrainingJobName":"a","TrainingJobName":"b"}'
    result = normalized(normalizer, body)
    assert dict(column(result, "hyper_parameters")[0]) == {"lr": "2"}
    assert column(result, "training_job_name") == ["b"]


def test_forms_of_a_number_or_time_other_than_the_models_are_read(normalizer: Normalizer) -> None:
    body = NAME | {
        "BillableTimeInSeconds": "60",
        "CreationTime": "2024-05-01T12:00:00.5Z",
        "TrainingTimeInSeconds": 2.0,
    }
    result = normalized(normalizer, body, NAME | {"CreationTime": "Wed, 01 May 2024 12:00:00 GMT"})
    row, other = result.table.to_pylist()
    assert (row["billable_time_in_seconds"], row["training_time_in_seconds"]) == (60, 2)
    assert row["creation_time"].isoformat() == "2024-05-01T12:00:00.500000"
    assert other["creation_time"].isoformat() == "2024-05-01T12:00:00"
    assert not result.misfits


def test_a_lone_surrogate_does_not_lose_its_document(normalizer: Normalizer) -> None:
    result = normalized(normalizer, b'{"TrainingJobName":"a","FailureReason":"half \\ud83d here"}')
    assert column(result, "training_job_name") == ["a"]
    assert column(result, "failure_reason")[0].startswith("half ")


def test_secrets_are_redacted_before_anything_else_sees_them(normalizer: Normalizer) -> None:
    environment = {
        "DB_PASSWORD": "hunter2",
        "HF_TOKEN": "x",
        "PLAIN": "AKIAABCDEFGHIJKLMNOP",
        "URL": "postgres://me:pw@db/x",
        "REGION": "eu-west-1",
        "EMPTY_SECRET": "",
        "AWS_ACCESS_KEY_ID": "AKIAABCDEFGHIJKLMNOP",
    }
    result = normalized(
        normalizer, NAME | {"Environment": environment, "HyperParameters": {"max_tokens": "5", "apiKey": "q"}}
    )
    env = dict(column(result, "environment")[0])
    assert env["REGION"] == "eu-west-1"
    assert env["EMPTY_SECRET"] == ""
    for key in ("DB_PASSWORD", "HF_TOKEN", "PLAIN", "URL", "AWS_ACCESS_KEY_ID"):
        assert env[key].startswith(f"<redacted length={len(environment[key])} hash=")
    hyper = dict(column(result, "hyper_parameters")[0])
    assert hyper["max_tokens"] == "5"
    assert hyper["apiKey"].startswith("<redacted length=1 ")


def test_a_changed_secret_shows_as_a_change_and_an_equal_one_does_not(normalizer: Normalizer) -> None:
    one, same, other = (
        dict(column(normalized(normalizer, NAME | {"Environment": {"TOKEN": v}}), "environment")[0])["TOKEN"]
        for v in ("aaaa", "aaaa", "bbbb")
    )
    assert one == same
    assert one != other
    assert Redactor(b"j" * 32).redacted("aaaa") != one


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "apiKey", "AWS_SECRET_ACCESS_KEY", "token", "HF-TOKEN", "pwd"]
)
def test_names_that_announce_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokenizer", "keyboard", "passes", "bypass_ratio", "monkey", "sort_key"]
)
def test_names_that_only_look_like_it(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    [
        "arn:aws:s3:::bucket",
        "s3://bucket/key",
        "https://host:443/path",
        "1e-4",
        "sk",
        "s3://risk-models-3333-us-east-1/a",
    ],
)
def test_ordinary_values_are_no_secrets(value: str) -> None:
    assert not holds_secret(value)


def test_what_the_exact_way_redacts_is_always_sifted_out(normalizer: Normalizer) -> None:
    names = ["password", "pass", "pwd", "secrets", "auth_token", "token", "api-key", "credentials", "clientSecret"]
    names += ["connection_string", "connstr", "dsn", "webhook_url", "privateKey", "licenseKey", "accountKey"]
    assert all(is_secret_name(name) for name in names)
    bodies = [orjson.dumps({"Environment": {name: "v"}}) for name in names]
    values = ["glpat-aaaaaaaaaaaaaaaaaaaaaaaa", "xoxb-1234567890-abc", "hf_" + "a" * 34, "ftp://u:p@h"]
    assert all(holds_secret(value) for value in values)
    bodies += [orjson.dumps({"FailureReason": value}) for value in values]
    assert all(normalizer.sift(bodies))


def test_sums_over_a_batch_do_not_hide_one_rows_loss(normalizer: Normalizer) -> None:
    """Text that is counted wrongly must not make up for a value lost in another row."""
    lossy = NAME | {"BillableTimeInSeconds": 1.5}
    for odd in (
        b'{"TrainingJobName" :"spaced"}',
        b'{"HyperParameters":{"ends in \\\\":"1"},"TrainingJobName":"x"}',
        b'{"TrainingJobName": "x", "HyperParameters": {"json": "{\\"a\\": null, \\"b\\":null}"}, "RoleArn": null}',
        b'{"TrainingJobName":"x","HyperParameters":{"\\u0022:":"1"}}',
    ):
        for batch in ((odd, orjson.dumps(lossy)), (orjson.dumps(lossy), odd, odd)):
            result = normalized(normalizer, *batch)
            assert [misfit.path for _, misfit in result.misfits] == ["BillableTimeInSeconds"]
            assert result.table.num_rows == len(batch)
