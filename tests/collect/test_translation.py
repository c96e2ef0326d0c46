from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel

from stocktake.collect.bodies import BodyReader, ProviderError
from stocktake.collect.http import HttpResponse
from stocktake.collect.translation import meaning, parse_denial

CASES = json.loads(Path(__file__).with_name("error_meanings.json").read_text())
LOADER = botocore.session.Session().get_component("data_loader")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['code']}-{case['means']}")
def test_what_an_error_means(case: dict[str, object]) -> None:
    error = ProviderError(int(str(case.get("status", 400))), str(case["code"]), str(case.get("message", "")))
    assert meaning(error).value == case["means"]


DENIALS = json.loads(Path(__file__).with_name("denials.json").read_text())


@pytest.mark.parametrize("case", DENIALS, ids=lambda case: case["hint"])
def test_a_denial_names_the_permission(case: dict[str, str]) -> None:
    denial = parse_denial(case["message"], "planned:Action")
    assert (denial.action, denial.principal) == (case["action"], case["principal"])
    assert case["hint"] in denial.hint
    assert case["action"] in denial.hint


ERROR_BODIES = json.loads(Path(__file__).with_name("error_bodies.json").read_text())


@pytest.mark.parametrize("case", ERROR_BODIES, ids=lambda case: f"{case['operation']}-{case['code']}")
def test_an_error_is_read_whatever_it_is_wrapped_in(case: dict[str, Any]) -> None:
    service = case["service"]
    reader = BodyReader(ServiceModel(LOADER.load_service_model(service, "service-2"), service))
    lines = [f"{name}: {value}".encode() for name, value in case["headers"].items()]
    error = reader.error(case["operation"], HttpResponse(case["status"], lines, case["body"].encode()))
    assert (error.code, error.status) == (case["code"], case["status"])
