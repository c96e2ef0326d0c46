from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from stocktake.providers.aws.models import open_models
from stocktake.resource_types import names
from stocktake.resource_types.generated import read_names
from stocktake.resource_types.names import plain_name, resolve_name
from stocktake.resource_types.registry import load_type

STATED: dict[str, str] = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))["names"]
ALIASES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    files("stocktake.resource_types.overrides").joinpath("aliases.toml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", STATED)
def test_a_name_that_people_use_leads_to_its_type(name: str) -> None:
    assert resolve_name(name) == STATED[name]


def test_every_type_is_found_by_its_own_name_before_any_other() -> None:
    assert [one.name for one in read_names().types if resolve_name(one.name) != one.name] == []


def test_an_unknown_name_stays_as_it_is() -> None:
    assert resolve_name("aws_sagemaker_nothing") == "aws_sagemaker_nothing"


def test_a_type_is_loaded_by_another_name() -> None:
    models = open_models()
    assert load_type("AWS::EC2::SecurityGroup", models).name == "aws_ec2_securitygroup"
    assert set(models._loaded) == {"ec2"}


@pytest.mark.parametrize("entry", ALIASES["alias"], ids=lambda entry: entry["type"])
def test_every_stated_alias_leads_to_a_type_and_is_needed(
    entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert entry["why"].endswith(".")
    assert all(resolve_name(name) == entry["type"] for name in entry["names"])
    assert load_type(entry["type"], open_models()).name == entry["type"]
    stated = dict(read_names().aliases)
    for name in entry["names"]:
        stated.pop(plain_name(name))
    without = replace(read_names(), aliases=stated)
    monkeypatch.setattr(names, "read_names", lambda: without)
    assert [name for name in entry["names"] if resolve_name.__wrapped__(name) == entry["type"]] == []


@pytest.mark.parametrize("entry", ALIASES["service"], ids=lambda entry: entry["name"])
def test_every_other_name_of_a_service_is_one_of_a_service_that_there_is(entry: dict[str, Any]) -> None:
    assert entry["why"].endswith(".")
    assert set(entry["services"]) <= {one.service for one in read_names().types}


@pytest.mark.parametrize("entry", ALIASES["alone"], ids=lambda entry: entry["service"])
def test_a_service_whose_nouns_stand_alone_is_data_and_needed(
    entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert entry["why"].endswith(".")
    assert entry["source"]
    shared = [one.noun for one in read_names().types if one.service != entry["service"]]
    both = [one for one in read_names().types if one.service == entry["service"] and one.noun in shared]
    found = {one.name: resolve_name(plain_name(one.noun)) for one in both}
    assert any(name == led for name, led in found.items())
    without = replace(read_names(), alone=read_names().alone - {entry["service"]})
    monkeypatch.setattr(names, "read_names", lambda: without)
    assert any(resolve_name.__wrapped__(plain_name(one.noun)) != found[one.name] for one in both)
