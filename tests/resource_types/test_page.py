from __future__ import annotations

import hashlib
from pathlib import Path

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.page import render_page
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.schema import walk
from stocktake.resource_types.spec import page_type

REFERENCE_MODELS = Path(__file__).parents[2] / ".cache" / "botocore-reference"
"""botocore 1.38.20, put there by `make setup`."""
REFERENCE_SHA_256 = "7c33e532f7f0a7271c2f8ced78e5fd7a4b1e1a4f785453098689528a5ef7044b"


def test_page_equals_the_reference_byte_for_byte() -> None:
    page = render_page(load_type("aws_sagemaker_trainingjob", open_models(REFERENCE_MODELS)))
    assert hashlib.sha256(page.encode()).hexdigest() == REFERENCE_SHA_256


def test_newer_models_show_their_own_fields() -> None:
    one = load_type("aws_sagemaker_trainingjob", open_models())
    reference = load_type("aws_sagemaker_trainingjob", open_models(REFERENCE_MODELS))
    paths = {path for path, field in walk(one.fields) if field.provider_name is not None}
    assert one.model_version == "botocore 1.44.5"
    assert len(paths) == 192
    assert paths > {path for path, field in walk(reference.fields) if field.provider_name is not None}


def test_page_shows_every_field_with_its_type() -> None:
    one = load_type("aws_ec2_instance", open_models())
    page = render_page(one)
    for path, field in walk(one.fields):
        mark = (
            f"## `{field.name}`{{% #{field.name} %}}\n\n"
            if len(path) == 1
            else f"{'  ' * (len(path) - 2)}- `{field.name}`"
        )
        assert f"{mark}**Type**: `{page_type(field.type)}`" in page


def test_page_of_any_type_names_only_that_type() -> None:
    page = render_page(load_type("aws_kms_key", open_models()))
    assert "# aws_kms_key{% #aws_kms_key %}\n" in page
    assert "trainingjob" not in page
