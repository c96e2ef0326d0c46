from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from stocktake.core.errors import UserError
from stocktake.providers.aws.models import Models, open_models
from stocktake.resource_types import service_types, type_cache
from stocktake.resource_types.registry import list_type_names, list_types, load_type

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stocktake"


@pytest.fixture(scope="module")
def names() -> tuple[str, ...]:
    return list_type_names(open_models())


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


def least_cpu_seconds(code: str) -> float:
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"COVERAGE_PROCESS_START": ""})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


@pytest.mark.parametrize("name", ["aws_sagemaker_trainingjob", "aws_ec2_instance"])
def test_loading_a_type_costs_little_cpu_in_a_fresh_process(name: str) -> None:
    code = (
        "from stocktake.providers.aws.models import open_models\n"
        "from stocktake.resource_types.registry import load_type\n"
        f"load_type({name!r}, open_models())\n"
    )
    assert least_cpu_seconds(code) <= 0.3


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("aws_sagemaker_trainjob", "aws_sagemaker_trainingjob"),
        ("aws_sagemakr_trainingjob", "aws_sagemaker_trainingjob"),
        ("aws_dynamodb_tabel", "aws_dynamodb_table"),
    ],
)
def test_unknown_name_offers_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UserError, match=name) as caught:
        load_type(name, open_models())
    assert caught.value.code == "unknown_type"
    assert nearest in caught.value.hint


def test_nothing_near_points_to_the_list() -> None:
    with pytest.raises(UserError) as caught:
        load_type("xx", open_models())
    assert "stocktake types" in caught.value.hint


def test_names_of_all_types(names: tuple[str, ...]) -> None:
    assert len(names) >= 2380
    assert list(names) == sorted(set(names))
    assert {"aws_sagemaker_trainingjob", "aws_ec2_instance", "aws_s3_bucket", "aws_iam_role"} <= set(names)
    assert {"aws_ecs_task", "aws_ecs_cluster", "aws_apigateway_stage", "aws_emr_cluster"} <= set(names)


@pytest.mark.parametrize("name", ["aws_s3_bucketpolicy", "aws_ec2_deletequeuedreservedinstances"])
def test_type_that_cannot_be_read_is_not_called_unknown(name: str) -> None:
    with pytest.raises(UserError) as caught:
        load_type(name, open_models())
    assert caught.value.code == ("type_not_readable" if name == "aws_s3_bucketpolicy" else "unknown_type")


def test_tiers_choose() -> None:
    models = open_models()
    everything = list_types(models, "ABC")
    assert {one.tier for one in list_types(models)} == {"A", "B"}
    assert {one.name for one in everything if one.tier in "AB"} == set(list_type_names(models))
    assert len(everything) > len(list_type_names(models)) + 500


def test_every_tenth_name_loads_under_its_own_name(names: tuple[str, ...]) -> None:
    models = open_models()
    for name in names[::10]:
        assert load_type(name, models).name == name


def test_listing_names_costs_little_cpu_in_a_fresh_process() -> None:
    code = (
        "from stocktake.providers.aws.models import open_models\n"
        "from stocktake.resource_types.registry import list_types\n"
        "assert len(list_types(open_models())) > 2000\n"
    )
    assert least_cpu_seconds(code) <= 0.1


def small_models(folder: Path, models: Models) -> Models:
    """Return models of two services alone, one of them not as released."""
    (folder / "kms").symlink_to(models.folders[-1] / "kms", target_is_directory=True)
    version = folder / "sns" / "2010-03-31"
    version.mkdir(parents=True)
    stated = dict(models.load("sns").description)
    stated["operations"] = {
        **stated["operations"],
        "CreateCrate": {"name": "CreateCrate", "http": {"method": "POST", "requestUri": "/"}},
        "ListCrates": {
            "name": "ListCrates",
            "http": {"method": "POST", "requestUri": "/"},
            "output": {"shape": "ListCratesResult"},
        },
    }
    stated["shapes"] = {
        **stated["shapes"],
        "ListCratesResult": {"type": "structure", "members": {"Crates": {"shape": "Crates"}}},
        "Crates": {"type": "list", "member": {"shape": "Crate"}},
        "Crate": {"type": "structure", "members": {"CrateName": {"shape": "string"}}},
    }
    (version / "service-2.json").write_bytes(orjson.dumps(stated))
    return open_models(folder)


def test_a_newer_model_is_followed_without_a_release(tmp_path: Path, cache: Path) -> None:
    models = small_models(tmp_path, open_models())
    names = list_type_names(models)
    assert "aws_kms_key" in names
    assert "aws_sns_crate" in names
    assert load_type("aws_sns_crate", models).tier == "B"
    assert load_type("aws_sns_topic", models).tier == "A", "what is known of a noun stays known"
    assert load_type("aws_kms_key", models) == replace(
        load_type("aws_kms_key", open_models()), model_version=models.version
    )
    held = sorted(path.name.split("-")[0] for path in (cache / "types").iterdir())
    assert held == ["names", "service", "service"]


def test_what_was_derived_is_kept_until_a_model_or_rule_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = small_models(tmp_path, open_models())
    first = list_type_names(models)
    count = len(list((cache / "types").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(service_types, "derive_types", None)
        assert list_type_names(open_models(tmp_path)) == first
        assert load_type("aws_sns_crate", open_models(tmp_path)).noun == "Crate"
    monkeypatch.setattr(type_cache, "_rules_fingerprint", lambda: "other")
    assert list_type_names(models) == first
    assert len(list((cache / "types").iterdir())) == 2 * count


def test_old_caches_are_cleared_away(cache: Path) -> None:
    for at in range(12):
        type_cache.write_cache("names", str(at), [])
    assert len(list((cache / "types").iterdir())) == 8


@pytest.mark.parametrize("text", [b"", b"{", b'"x"'])
def test_damaged_cache_is_made_anew(tmp_path: Path, cache: Path, text: bytes) -> None:
    models = small_models(tmp_path, open_models())
    names = list_type_names(models)
    for path in (cache / "types").iterdir():
        path.write_bytes(text)
    assert list_type_names(models) == names
    assert load_type("aws_sns_crate", models).noun == "Crate"


def test_cache_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "models").mkdir()
    assert "aws_kms_key" in list_type_names(small_models(tmp_path / "models", open_models()))
