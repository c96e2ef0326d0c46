from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from stocktake.core.errors import UserError
from stocktake.providers.aws.models import Models, open_models
from stocktake.resource_types import registry
from stocktake.resource_types.registry import list_type_names, load_type

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.resource_types.spec import ResourceType


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stocktake"


@pytest.fixture(scope="module")
def names(everything: list[tuple[ResourceType, Any, Any]]) -> tuple[str, ...]:
    return tuple(sorted(one.name for one, _, _ in everything))


@pytest.mark.parametrize(
    "name",
    ["aws_sagemaker_trainingjob", "aws_sagemaker_training_job", "AWS_SageMaker_TrainingJob", "sagemaker_trainingjob"],
)
def test_case_and_underscores_do_not_matter(name: str) -> None:
    assert load_type(name, open_models()).name == "aws_sagemaker_trainingjob"


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("aws_iot_thing", "iot"),
        ("aws_iotsitewise_asset", "iotsitewise"),
        ("aws_s3tables_tablebucket", "s3tables"),
        ("aws_s3_bucket", "s3"),
        ("aws_ecrpublic_repository", "ecr-public"),
        ("aws_elbv2_loadbalancer", "elbv2"),
    ],
)
def test_service_is_the_longest_that_has_the_noun(name: str, service: str) -> None:
    models = open_models()
    assert load_type(name, models).service == service


def test_only_the_models_that_the_name_begins_with_are_read() -> None:
    models = open_models()
    load_type("aws_sagemaker_trainingjob", models)
    assert set(models._loaded) == {"sagemaker"}


@pytest.mark.parametrize("name", ["aws_sagemaker_trainingjob", "aws_ec2_instance"])
def test_loading_a_type_costs_little_cpu_in_a_fresh_process(name: str) -> None:
    code = (
        "from stocktake.providers.aws.models import open_models\n"
        "from stocktake.resource_types.registry import load_type\n"
        f"load_type({name!r}, open_models())\n"
    )
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"COVERAGE_PROCESS_START": ""})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) <= 0.3


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("aws_sagemaker_trainjob", "aws_sagemaker_trainingjob"),
        ("aws_sagemakr_trainingjob", "aws_sagemaker_trainingjob"),
        ("aws_dynamodb_tabel", "aws_dynamodb_table"),
    ],
)
def test_unknown_name_offers_the_nearest(name: str, nearest: str, names: tuple[str, ...], cache: Path) -> None:
    registry._write_names(registry._cache_path(open_models()), names)
    with pytest.raises(UserError, match=name) as caught:
        load_type(name, open_models())
    assert caught.value.code == "unknown_type"
    assert nearest in caught.value.hint
    assert len(list(cache.iterdir())) == 1


def test_nothing_near_points_to_the_list(names: tuple[str, ...]) -> None:
    registry._write_names(registry._cache_path(open_models()), names)
    with pytest.raises(UserError) as caught:
        load_type("xx", open_models())
    assert "stocktake types" in caught.value.hint


def test_names_of_all_types(names: tuple[str, ...]) -> None:
    assert len(names) > 1400
    assert list(names) == sorted(set(names))
    assert {"aws_sagemaker_trainingjob", "aws_ec2_instance", "aws_s3_bucket", "aws_iam_role"} <= set(names)


def test_every_tenth_name_loads_under_its_own_name(names: tuple[str, ...]) -> None:
    models = open_models()
    for name in names[::10]:
        assert load_type(name, models).name == name


def small_models(folder: Path, models: Models) -> Models:
    """Return models of one service alone."""
    source = models.folders[-1] / "sqs"
    (folder / "sqs").symlink_to(source, target_is_directory=True)
    (folder / "kms").symlink_to(models.folders[-1] / "kms", target_is_directory=True)
    return open_models(folder)


def test_names_are_cached_until_a_model_changes(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    models = small_models(tmp_path / "models", open_models())
    first = list_type_names(models)
    assert "aws_kms_key" in first
    (path,) = cache.iterdir()
    assert orjson.loads(path.read_bytes()) == list(first)
    monkeypatch.setattr(registry, "derive_types", None)
    assert list_type_names(open_models(tmp_path / "models")) == first


def test_cache_is_made_anew_when_the_rules_change(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    models = small_models(tmp_path / "models", open_models())
    list_type_names(models)
    monkeypatch.setattr(registry, "_rules_fingerprint", lambda: "other")
    list_type_names(models)
    assert len(list(cache.iterdir())) == 2
    for rules in "abcdefghij":
        monkeypatch.setattr(registry, "_rules_fingerprint", lambda rules=rules: rules)
        list_type_names(models)
    assert len(list(cache.iterdir())) == 8, "old ones are cleared away"


@pytest.mark.parametrize("name", ["aws_ecs_cluster", "aws_apigateway_stage"])
def test_type_that_cannot_be_read_yet_is_not_called_unknown(name: str, names: tuple[str, ...]) -> None:
    registry._write_names(registry._cache_path(open_models()), names)
    with pytest.raises(UserError, match="cannot be read") as caught:
        load_type(name, open_models())
    assert caught.value.code == "type_not_readable"


@pytest.mark.parametrize("text", [b"", b"{", b'"x"'])
def test_damaged_cache_is_made_anew(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "models").mkdir()
    models = small_models(tmp_path / "models", open_models())
    path = registry._cache_path(models)
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    names = list_type_names(models)
    assert orjson.loads(path.read_bytes()) == list(names)


def test_cache_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "models").mkdir()
    assert "aws_kms_key" in list_type_names(small_models(tmp_path / "models", open_models()))
