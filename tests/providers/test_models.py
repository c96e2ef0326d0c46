from __future__ import annotations

import gzip
import json
from pathlib import Path

import botocore
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from stocktake.core.errors import UserError
from stocktake.providers.aws.models import folder_version, open_models

INSTALLED = Path(botocore.BOTOCORE_ROOT, "data")
REFERENCE = Path(__file__).parents[2] / ".cache" / "botocore-reference"


def write_model(folder: Path, service: str, version: str, *, packed: bool = False, **parts: object) -> None:
    description = {"metadata": {"protocol": "json"}, "operations": {}, "shapes": {}} | parts
    path = folder / service / version / "service-2.json"
    path.parent.mkdir(parents=True)
    text = json.dumps(description).encode()
    if packed:
        path.with_suffix(".json.gz").write_bytes(gzip.compress(text))
    else:
        path.write_bytes(text)


@pytest.fixture(autouse=True)
def _no_models_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AWS_DATA_PATH", raising=False)


def test_service_names_are_those_of_botocores_own_loader() -> None:
    assert list(open_models().service_names) == Loader().list_available_services("service-2")


def services_with_extras() -> list[str]:
    return sorted({path.parents[1].name for path in INSTALLED.glob("*/*/*.sdk-extras.json")})


def test_every_service_with_extras_loads_as_botocore_loads_it() -> None:
    models, loader = open_models(), Loader()
    services = services_with_extras()
    assert len(services) > 20
    for service in services:
        model = models.load(service)
        assert model.paginators == loader.load_service_model(service, "paginators-1")["pagination"]
    for path in INSTALLED.glob("*/*/service-2.sdk-extras.json"):
        service = path.parents[1].name
        assert models.load(service).description == loader.load_service_model(service, "service-2")


@pytest.mark.parametrize("service", ["sagemaker", "s3", "cloudfront", "accessanalyzer"])
def test_model_is_the_latest_and_whole(service: str) -> None:
    model, loader = open_models().load(service), Loader()
    assert model.api_version == loader.determine_latest_version(service, "service-2")
    assert model.description == loader.load_service_model(service, "service-2")
    if (INSTALLED / service / model.api_version / "waiters-2.json").is_file():
        assert model.waiters == loader.load_service_model(service, "waiters-2")["waiters"]


def test_protocol_is_the_one_that_botocore_speaks() -> None:
    models = open_models()
    for service in ("sagemaker", "cloudwatch", "ec2", "s3", "sqs", "arc-region-switch", "eks"):
        model = models.load(service)
        assert model.protocol == ServiceModel(model.description, service).resolved_protocol


def test_version_of_the_installed_models() -> None:
    models = open_models()
    assert models.version == f"botocore {botocore.__version__}"
    assert models.load("sagemaker").model_version == models.version


@pytest.mark.parametrize("inner", ["", "botocore/data", "botocore"])
def test_a_folder_may_be_the_data_or_hold_it(inner: str) -> None:
    models = open_models(REFERENCE / "botocore" / "data" if not inner else REFERENCE / inner)
    assert models.version == "botocore 1.38.20"
    assert models.load("sagemaker").model_version == "botocore 1.38.20"


def test_a_given_folder_stands_alone(tmp_path: Path) -> None:
    write_model(tmp_path, "mine", "2020-01-01")
    models = open_models(tmp_path)
    assert models.service_names == ("mine",)
    assert models.version == str(tmp_path)
    assert not models.has_service("sagemaker")
    with pytest.raises(UserError, match="no model of the service 'sagemaker'"):
        models.load("sagemaker")


def test_version_is_read_beside_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "botocore" / "data"
    write_model(data, "mine", "2020-01-01")
    assert folder_version(data) == str(data)
    (tmp_path / "botocore-1.2.3.dist-info").mkdir()
    assert folder_version(data) == "botocore 1.2.3"


def test_packed_and_plain_files_read_alike_and_the_latest_version_wins(tmp_path: Path) -> None:
    write_model(tmp_path, "mine", "2020-01-01", operations={"Old": {}})
    write_model(tmp_path, "mine", "2021-01-01", operations={"New": {}}, packed=True)
    model = open_models(tmp_path).load("mine")
    assert model.api_version == "2021-01-01"
    assert list(model.operations) == ["New"]


def test_data_path_comes_before_the_users_models_and_botocores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_model(tmp_path / "extra", "dynamodb", "2999-01-01", operations={"Extra": {}})
    write_model(tmp_path / "home" / ".aws" / "models", "dynamodb", "2999-01-01", operations={"Home": {}})
    write_model(tmp_path / "home" / ".aws" / "models", "fromhome", "2020-01-01")
    monkeypatch.setenv("AWS_DATA_PATH", f"{tmp_path / 'absent'}:{tmp_path / 'extra'}")
    models = open_models()
    assert list(models.load("dynamodb").operations) == ["Extra"]
    assert models.load("dynamodb").model_version == str(tmp_path / "extra")
    assert models.has_service("fromhome")
    assert models.load("eks").model_version == f"botocore {botocore.__version__}"


@pytest.mark.parametrize(("make", "what"), [(False, "does not exist"), (True, "has no API models")])
def test_folder_without_models_is_the_users_error(tmp_path: Path, make: bool, what: str) -> None:
    folder = tmp_path / "nothing"
    if make:
        (folder / "sub").mkdir(parents=True)
    with pytest.raises(UserError, match=what) as caught:
        open_models(folder)
    assert caught.value.code == "no_models"
    assert "service-2.json" in caught.value.hint


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff"])
def test_broken_model_is_the_users_error_and_names_the_file(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "mine" / "2020-01-01" / "service-2.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with pytest.raises(UserError, match="cannot be read") as caught:
        open_models(tmp_path).load("mine")
    assert caught.value.where == str(path)


def test_broken_packing_is_the_users_error(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "2020-01-01" / "service-2.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"{}")[:-6])
    with pytest.raises(UserError, match="cannot be read"):
        open_models(tmp_path).load("mine")


def test_fingerprint_changes_with_a_file(tmp_path: Path) -> None:
    write_model(tmp_path, "mine", "2020-01-01")
    before = open_models(tmp_path).fingerprint
    assert open_models(tmp_path).fingerprint == before
    (tmp_path / "mine" / "2020-01-01" / "waiters-2.json").write_text("{}")
    assert open_models(tmp_path).fingerprint != before
